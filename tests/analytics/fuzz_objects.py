"""Objects that the analytics' functions take: surfaces, smiles, legs, curves, paths, and extreme ones.

What belongs here: how a fuzzed call gets an argument that is no number, or whose name means something else
elsewhere. What does not: numbers by name (``fuzzing``), the calls (``test_fuzz``).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from periscope_analytics import montecarlo
from periscope_analytics.american_forward import Carry
from periscope_analytics.american_quotes import Options
from periscope_analytics.calibration import SliceQuotes, fit_essvi, fit_surface
from periscope_analytics.calibration.served_errors import chained_errors, vol_factor
from periscope_analytics.calibration.slice import SliceSettings
from periscope_analytics.event_time import EVEN, Clock, Passage, Shares, passage, shares
from periscope_analytics.forward import two_sided
from periscope_analytics.heston import HestonParams
from periscope_analytics.market import ForwardCurve, OptionChain
from periscope_analytics.ou import OUParams
from periscope_analytics.sabr import SABRParams
from periscope_analytics.slice import GridRule
from periscope_analytics.smiles import Smiles
from periscope_analytics.ssvi import ESSVI, PowerLaw, SSVIParams
from periscope_analytics.strategy import Leg, Market, Strategy
from periscope_analytics.surface import Smile, VolSurface
from periscope_analytics.svi import SVIParams
from periscope_analytics.variance import from_slice
from periscope_analytics.vol_errors import VolErrors
from tests.analytics.fuzzing import SHARES, market, poisoned

Rng = np.random.Generator
QUOTES = ("strike", "call_bid", "call_ask", "put_bid", "put_ask")

PARAMETERS: dict[str, dict[str, tuple[float, float]]] = {
    "svi.SVIParams": {"a": (0.0, 0.05), "b": (0.01, 0.4), "rho": (-0.9, 0.9), "m": (-0.2, 0.2),
                      "sigma": (0.01, 0.5)},
    "heston.HestonParams": {
        "v0": (0.01, 0.2), "kappa": (0.2, 5.0), "theta": (0.01, 0.2), "sigma": (0.1, 2.0),
        "rho": (-0.95, 0.95),
    },
    "sabr.SABRParams": {
        "alpha": (0.05, 0.6), "beta": (0.0, 1.0), "rho": (-0.9, 0.9), "nu": (0.05, 1.5), "shift": (0.0, 1.0),
    },
    "ou.OUParams": {"kappa": (0.1, 10.0), "theta": (-1.0, 1.0), "sigma": (0.05, 2.0)},
    "ssvi.SSVIParams": {"theta": (0.001, 0.3), "rho": (-0.9, 0.9), "psi": (0.01, 0.5)},
    "ssvi.PowerLaw": {"rho": (-0.9, 0.9), "eta": (0.1, 1.0), "gamma": (0.05, 0.5)},
    "slice.GridRule": {"width": (0.05, 0.4), "k_min": (-9.0, -1.0), "k_max": (1.0, 6.0),
                       "ceiling": (0.1, 0.5)},
    "strategy.Leg": {"quantity": (-5.0, 5.0), "strike": (60.0, 150.0), "tau": (0.02, 2.0),
                     "entry": (0.0, 9.0)},
    "svi.SVIParams.from_natural": {
        "delta": (0.0, 0.02), "mu": (-0.2, 0.2), "rho": (-0.9, 0.9), "omega": (0.01, 0.2), "zeta": (0.5, 5.0),
    },
    "svi.SVIParams.from_jump_wings": {
        "v": (0.01, 0.1), "psi": (-0.3, 0.1), "p": (0.3, 1.0), "c": (0.3, 1.0), "v_tilde": (0.005, 0.05),
        "tau": (0.05, 2.0),
    },
    "ssvi.PowerLaw.slice": {"theta": (0.001, 0.3)},
    "ssvi.greatest_psi": {"theta": (0.001, 0.3), "rho": (-0.9, 0.9)},
    "ssvi.wing_ratio": {"earlier_rho": (-0.9, 0.9), "rho": (-0.9, 0.9)},
    "calibration.slice.SliceSettings": {
        "spacing": (0.2, 1.0), "reach": (0.05, 0.5), "stiffness": (1e-3, 1e-2), "ridge": (0.01, 0.1),
        "target": (0.9, 0.99), "bump": (1e-3, 1e-2), "noise": (0.2, 0.8), "base_share": (0.1, 0.9),
        "band_floor": (1e-7, 1e-5), "ceiling": (0.1, 0.5),
    },
}  # fmt: skip
"""Ordinary ranges of scalar arguments whose names mean something else elsewhere."""


@cache
def quotes() -> tuple[SliceQuotes, ...]:
    """Three expiries that fit together."""
    world = market(np.random.default_rng(0), 24)
    k, bid, ask = (world[name] for name in ("k", "price_bid", "price_ask"))
    lifts = ((0.4, 1.0), (0.5, 1.1), (0.8, 1.2))
    return tuple(SliceQuotes(tau, k, bid * lift, ask * lift) for tau, lift in lifts)


@cache
def served() -> Any:
    """The fit of those quotes."""
    return fit_surface(quotes())


@cache
def factors() -> tuple[Any, ...]:
    """Errors of that fit."""
    return chained_errors(quotes(), served())


@cache
def paths() -> montecarlo.Paths:
    """A few Heston paths."""
    return montecarlo.simulate(HestonParams(0.04, 1.0, 0.05, 0.5, -0.5), [0.5, 1.0], 8, 1)


@cache
def essvi() -> Any:
    """A fitted eSSVI surface's slices."""
    world = market(np.random.default_rng(1), 30)
    fit = fit_essvi(world["k"], world["tau"], world["iv"])
    return ESSVI(tuple(Smile(one.params, tau) for one, tau in zip(fit.slices, fit.taus, strict=True)))


def pick(rng: Rng, *options: Any) -> Any:
    """One of the options."""
    return options[int(rng.integers(len(options)))]


def scalars(rng: Rng, name: str, share: float) -> dict[str, float]:
    """Ordinary numbers of a class or function, some of them poisoned."""
    return {key: poisoned(rng, float(rng.uniform(*ends)), share) for key, ends in PARAMETERS[name].items()}


def params(rng: Rng, name: str, kind: Callable[..., Any]) -> Any:
    """Parameters of a class, extreme ones where it takes them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for share in (float(rng.choice(SHARES)), 0.0):
            try:
                return kind(**scalars(rng, name, share))
            except ValueError:
                continue
    raise AssertionError(f"{name}: ordinary parameters were refused")


def smile(rng: Rng) -> Any:
    """A smile of any family."""
    made = (
        Smile(params(rng, "svi.SVIParams", SVIParams), 0.5),
        Smile(params(rng, "ssvi.SSVIParams", SSVIParams), 0.5),
    )
    return pick(rng, *made, served().params.slices[1], surface(rng).slice_at(0.3))


def surface(rng: Rng) -> VolSurface:
    """Raw SVI smiles over time."""
    made = (
        SVIParams(0.01, 0.1, -0.4, 0.0, 0.2)
        if rng.random() < 0.7
        else params(rng, "svi.SVIParams", SVIParams)
    )
    return VolSurface([Smile(made, t) for t in (0.1, 0.5, 1.0)], [100.0, 101.0, 102.0])


def curve(rng: Rng) -> ForwardCurve:
    """Forwards and discounts, extreme ones where they are taken."""
    tau, forward, discount = np.array([0.1, 1.0]), np.array([100.0, 102.0]), np.array([0.99, 0.96])
    try:
        return ForwardCurve(tau, poisoned(rng, forward, 0.1), poisoned(rng, discount, 0.1))
    except ValueError:
        return ForwardCurve(tau, forward, discount)


def strategy(rng: Rng) -> Strategy:
    """One to three legs."""
    made = [params(rng, "strategy.Leg", Leg) for _ in range(int(rng.integers(1, 4)))]
    sides = [pick(rng, True, False, None) if leg.strike > 0.0 < leg.tau else None for leg in made]
    return Strategy(
        tuple(Leg(x.quantity, x.strike, x.tau, side, x.entry) for x, side in zip(made, sides, strict=True))
    )


def vol_errors() -> VolErrors:
    """Errors of the fitted surface."""
    slices = served().params.slices
    made = [vol_factor(one, factor) for one, factor in zip(slices, factors(), strict=True)]
    return VolErrors([s.tau for s in slices], [float(s.iv(0.0)) for s in slices], made)


def chain(rng: Rng, n: int = 12, share: float = 0.0) -> OptionChain:
    """Quotes of two expiries."""
    world = market(rng, n)
    expiry = np.repeat(
        np.array(["2024-01-19T21:00", "2024-02-16T21:00"], dtype="datetime64[us]"), [n // 2, n - n // 2]
    )
    bid, ask = (poisoned(rng, world[name], share) for name in ("call_bid", "call_ask"))
    now = np.datetime64("2024-01-02T15:00", "us")
    return OptionChain("SIMX", now, expiry, world["tau"], world["strike"], world["is_call"], bid, ask)


def fit_quotes(rng: Rng, world: dict[str, Any], share: float) -> list[SliceQuotes]:
    """Quotes of up to three expiries for the served surface, poisoned."""
    columns = [poisoned(rng, world[name], share) for name in ("k", "price_bid", "price_ask")]
    taus = [poisoned(rng, tau, 0.5 * share) for tau in (0.1, 0.3, 0.9)][: int(rng.integers(0, 4))]
    return [
        SliceQuotes(tau, columns[0], columns[1] * (1.0 + 0.2 * i), columns[2] * (1.0 + 0.2 * i))
        for i, tau in enumerate(taus)
    ]


def _american_quotes(rng: Rng, share: float) -> dict[str, Any]:
    """Six options and their prices."""
    world = market(rng, 6)
    columns = {key: np.full(6, world[key]) for key in ("spot", "strike", "tau", "rate", "dividend_yield")}
    options = Options(
        **{key: poisoned(rng, x, share) for key, x in columns.items()}, is_call=world["is_call"]
    )
    options = options._replace(tau=np.abs(options.tau))
    mid = poisoned(rng, world["price"], share)
    return {"mid": mid, "others": (0.99 * mid, 1.01 * mid), "options": options}


def clock(rng: Rng, share: float = 0.0) -> Clock:
    """A clock of days, its weight poisoned."""
    starts = np.array(["2024-03-22T12:00", "1970-01-01T00:00", "2262-01-01T23:59"], "datetime64[m]")
    closed = np.array(["2024-03-29", "2024-12-25"], "datetime64[D]")
    return Clock(rng.choice(starts), closed, poisoned(rng, float(rng.uniform(0.05, 1.0)), share))


def _expiries(rng: Rng, world: dict[str, Any], share: float) -> dict[str, Any]:
    """A term structure of total variance, and events among its expiries."""
    n = world["k"].size
    tau = np.cumsum(rng.uniform(0.01, 0.3, n))
    columns = {"tau": tau, "clock": 0.9 * tau, "w": 0.04 * tau + 0.001, "w_stderr": np.full(n, 1e-4)}
    made = {name: poisoned(rng, column, 0.1 * share) for name, column in columns.items()}
    if rng.random() < 0.05:
        made["w"] = made["w"][1:]
    return {**made, "at": poisoned(rng, rng.uniform(-0.1, 2.0, int(rng.integers(0, 4))), share)}


def _interval(rng: Rng, share: float) -> dict[str, Any]:
    """Two expiries and events between them."""
    start = float(rng.uniform(0.0, 1.0))
    end = start + float(rng.choice([1e-15, 1e-3, 0.01, 0.3, 2.0]))
    at = pick(rng, None, rng.uniform(start, end, int(rng.integers(1, 4))))
    return {
        **{name: poisoned(rng, each, share) for name, each in (("start", start), ("end", end))},
        "clock": clock(rng, share),
        "jump": poisoned(rng, 0.0 if at is None else float(rng.uniform(0.0, 0.9)), share),
        "at": at if at is None else poisoned(rng, at, 0.3 * share),
    }


def _shares(rng: Rng) -> Shares:
    """How variance comes in an interval with an event."""
    return shares(0.1, 0.3, clock(rng), float(rng.uniform(0.0, 0.9)), rng.uniform(0.11, 0.3, 2))


_ENDS = np.array([0.1, 0.3, 0.9])


def _passage(rng: Rng) -> Passage:
    """An event between the first two of three expiries."""
    return passage(_ENDS, _ENDS, 0.04 * _ENDS, [None, _shares(rng), None])


OWNERS: dict[str, Callable[[Rng], Any]] = {
    "svi.SVIParams": lambda rng: params(rng, "svi.SVIParams", SVIParams),
    "heston.HestonParams": lambda rng: params(rng, "heston.HestonParams", HestonParams),
    "sabr.SABRParams": lambda rng: params(rng, "sabr.SABRParams", SABRParams),
    "ou.OUParams": lambda rng: params(rng, "ou.OUParams", OUParams),
    "ssvi.SSVIParams": lambda rng: params(rng, "ssvi.SSVIParams", SSVIParams),
    "ssvi.PowerLaw": lambda rng: params(rng, "ssvi.PowerLaw", PowerLaw),
    "ssvi.ESSVI": lambda rng: essvi(),
    "served.ServedSurface": lambda rng: served().params,
    "slice.SliceParams": lambda rng: pick(rng, *served().params.slices, served().params.slice_at(0.45)),
    "surface.Smile": lambda rng: Smile(params(rng, "svi.SVIParams", SVIParams), 0.5),
    "surface.VolSurface": surface,
    "surface.SurfaceSlice": lambda rng: surface(rng).slice_at(0.3),
    "strategy.Market": lambda rng: Market(100.0, curve(rng), surface(rng)),
    "strategy.Strategy": strategy,
    "market.OptionChain": lambda rng: chain(rng, share=float(rng.choice(SHARES))),
    "market.ForwardCurve": curve,
    "variance.ModelFree": lambda rng: from_slice(smile(rng)),
    "smiles.Smiles": lambda rng: Smiles(served().params.slices),
    "vol_errors.VolErrors": lambda rng: vol_errors(),
    "event_time.Clock": lambda rng: clock(rng, float(rng.choice(SHARES))),
    "event_time.Passage": lambda rng: pick(rng, EVEN, _passage(rng)),
}
"""Whose methods are called, by class."""

ARGUMENTS: dict[str, Callable[[Rng, dict[str, Any], float], Any]] = {
    "smile": lambda rng, world, share: smile(rng),
    "surface": lambda rng, world, share: pick(rng, served().params, surface(rng)),
    "slices": lambda rng, world, share: tuple(sorted((smile(rng), smile(rng)), key=lambda each: each.tau)),
    "forwards": lambda rng, world, share: poisoned(rng, np.array([100.0, 101.0, 102.0]), share),
    "market": lambda rng, world, share: Market(100.0, curve(rng), pick(rng, served().params, surface(rng))),
    "legs": lambda rng, world, share: strategy(rng).legs,
    "paths": lambda rng, world, share: paths(),
    "previous": lambda rng, world, share: None,
    "passage": lambda rng, world, share: pick(rng, EVEN, _passage(rng)),
    "settings": lambda rng, world, share: SliceSettings(),
    "initial": lambda rng, world, share: params(rng, "heston.HestonParams", HestonParams),
    "earlier": lambda rng, world, share: params(rng, "ssvi.SSVIParams", SSVIParams),
    "dividends": lambda rng, world, share: tuple(
        poisoned(rng, np.array(x), share) for x in ((0.5, 0.6), (0.1, 0.4))
    ),
    "pairs": lambda rng, world, share: two_sided(*(world[name] for name in QUOTES)),
    "quotes": fit_quotes,
}
"""Arguments that are no numbers, by name."""

SPECIFIC: dict[str, Callable[[Rng, dict[str, Any], float], dict[str, Any]]] = {
    "american_forward.fit_american_forwards": lambda rng, world, share: {
        "start": np.array([0, len(two_sided(*(world[name] for name in QUOTES)).strike)]),
        "pairs": two_sided(*(world[name] for name in QUOTES)),
        "carry": Carry(*(poisoned(rng, np.array([x]), share) for x in (0.5, 0.03, 100.0))),
    },
    "american_quotes.quote_vols": lambda rng, world, share: _american_quotes(rng, share),
    "forward.fit_forwards": lambda rng, world, share: {
        "start": np.array([0, len(two_sided(*(world[name] for name in QUOTES)).strike)]),
        "discount": poisoned(rng, np.array([0.98]), share),
    },
    "forward.free_discounts": lambda rng, world, share: {
        "start": np.array([0, len(two_sided(*(world[name] for name in QUOTES)).strike)]),
    },
    "calibration.served_errors.chained_errors": lambda rng, world, share: {
        "quotes": quotes(), "fit": served(), "forward_stderr": np.abs(rng.normal(0.0, 1e-4, 3)).tolist(),
    },
    "calibration.served_errors.vol_stderr": lambda rng, world, share: {
        "params": served().params.slices[1], "factor": factors()[1],
    },
    "calibration.served_errors.vol_factor": lambda rng, world, share: {
        "params": served().params.slices[1], "factor": factors()[1],
    },
    "calibration.served_errors.vols_with_errors": lambda rng, world, share: {
        "smiles": Smiles(served().params.slices), "factors": factors(),
    },
    "calibration.served_errors.vol_factors": lambda rng, world, share: {
        "smiles": Smiles(served().params.slices), "factors": factors(),
    },
    "smiles.Smiles.blended": lambda rng, world, share: {
        "control": poisoned(rng, np.stack([each[:, :2] for each in factors()]), 0.1 * share),
    },
    "certificate.certify_served": lambda rng, world, share: {"surface": served().params},
    "certificate.second_mode": lambda rng, world, share: {"params": served().params.slices[1]},
    "daycount.year_fraction": lambda rng, world, share: {
        "start": rng.choice(np.array(["2024-01-02T15:00", "1970-01-01", "NaT"], dtype="datetime64[us]"), 3),
        "end": rng.choice(np.array(["2024-01-02T15:00", "2262-04-11", "NaT"], dtype="datetime64[us]"), 3),
    },
    "event_time.Clock": lambda rng, world, share: clock(rng, share)._asdict(),
    "event_time.Passage": lambda rng, world, share: {
        name: poisoned(rng, getattr(_passage(rng), name), 0.3 * share)
        for name in ("tau", "clock", "events", "w")
    },
    "event_time.Passage.even": lambda rng, world, share: {"expiries": poisoned(rng, _ENDS, share)},
    "event_time.Passage.pace": lambda rng, world, share: {"expiries": poisoned(rng, _ENDS, share)},
    "event_time.passage": lambda rng, world, share: {
        **{name: poisoned(rng, scale * _ENDS, 0.3 * share) for name, scale in (("tau", 1.0), ("w", 0.04))},
        "clock": poisoned(rng, _ENDS, share), "parts": [None, _shares(rng), pick(rng, None, _shares(rng))],
    },
    "event_time.event_variances": _expiries,
    "event_time.shares": lambda rng, world, share: _interval(rng, share),
    "forward.weighted_median": lambda rng, world, share: {"value": world["x"], "weight": world["weights"]},
    "market.ForwardCurve": lambda rng, world, share: {
        "tau": poisoned(rng, np.array([0.1, 0.5, 1.0]), 0.3 * share),
        "forward": poisoned(rng, np.array([100.0, 101.0, 102.0]), 0.3 * share),
        "discount": poisoned(rng, np.array([0.99, 0.98, 0.97]), 0.3 * share),
    },
    "market.OptionChain": lambda rng, world, share: {
        **{name: getattr(chain(rng), name) for name in ("symbol", "as_of", "expiry_at", "is_call")},
        **{name: poisoned(rng, getattr(chain(rng), name), share) for name in ("tau", "strike", "bid", "ask")},
    },
    "market.OptionChain.take": lambda rng, world, share: {"rows": np.array([0, 1])},
    "served.ServedSurface": lambda rng, world, share: {
        "slices": served().params.slices[: int(rng.integers(0, 4))],
    },
    "served.ServedSurface.from_dict": lambda rng, world, share: {"numbers": served().params.to_dict()},
    "slice.SliceParams.from_dict": lambda rng, world, share: {"numbers": served().params.slices[0].to_dict()},
    "slice.SliceParams": lambda rng, world, share: {
        "tau": poisoned(rng, 0.5, share), "scale": poisoned(rng, 0.15, share),
        "knots": tuple(poisoned(rng, np.arange(-3.0, 4.0), 0.3 * share)),
        "values": tuple(poisoned(rng, np.zeros(7), 0.3 * share)), "grid": GridRule(0.15, -6.0, 4.0, 0.3),
        "base_variance": poisoned(rng, 0.01, share), "previous": None, "fraction": poisoned(rng, 1.0, share),
        "pace": poisoned(rng, 1.0, share),
    },
    "svi.total_variances": lambda rng, world, share: {
        "parameters": poisoned(rng, np.tile([[0.01], [0.1], [-0.4], [0.0], [0.2]], world["k"].size), share),
    },
    "strategy.Market": lambda rng, world, share: {"curve": curve(rng), "spot": poisoned(rng, 100.0, share)},
    "strategy.Leg": lambda rng, world, share: {
        **scalars(rng, "strategy.Leg", share), "is_call": pick(rng, True, False, None),
    },
    "montecarlo.simulate": lambda rng, world, share: {
        "params": params(rng, "heston.HestonParams", HestonParams),
    },
    "surface.Smile": lambda rng, world, share: {"params": params(rng, "svi.SVIParams", SVIParams)},
    "ssvi.ESSVI": lambda rng, world, share: {"slices": essvi().slices[: int(rng.integers(0, 4))]},
    "surface.SurfaceSlice": lambda rng, world, share: {"surface": surface(rng)},
    "surface.VolSurface": lambda rng, world, share: {"slices": surface(rng).slices},
    "smiles.Smiles": lambda rng, world, share: {"slices": served().params.slices[: int(rng.integers(0, 4))]},
    "vol_errors.VolErrors.factors_at": lambda rng, world, share: {
        "z": poisoned(rng, rng.normal(0.0, 1.0, (2, 5)), share),
        "taus": poisoned(rng, np.array([0.2, 0.6]), share),
    },
    "vol_errors.VolErrors": lambda rng, world, share: {
        "taus": [0.1, 0.2], "atm_ivs": [0.2, 0.2],
        "factors": [vol_errors().factors[0]] * int(rng.integers(1, 3)),
    },
}  # fmt: skip
"""Arguments whose names mean something else elsewhere, by function."""
