"""Implied vols: bid, mid and ask of every contract, each with a status, an error, a weight and greeks.

What belongs here: ``implied_vols`` and the choice of quotes that models may use. What does not: solvers
(``periscope_analytics``), errors (``quote_errors``), bands of the served surface (``bands``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periscope_analytics import black, implied_vol
from periscope_analytics.errors import Status, labels
from periscope_analytics.implied_vol import ImpliedVol
from periscope_assets.transforms.american import (
    Dividends,
    Forwards,
    american_vols,
    implied_spot,
    read_dividends,
)
from periscope_assets.transforms.expiries import instants, is_labelled
from periscope_assets.transforms.forwards import FORWARDS, median
from periscope_assets.transforms.frames import Bools, Floats, flags, numbers, years_to
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult
from periscope_assets.transforms.surfaces.crossfade import crossfaded
from periscope_assets.transforms.surfaces.quote_errors import Sides, errors_and_weights

TABLE = "implied_vols"
IMPLIED_VOLS = Input("implied_vols")
QUOTES = Input("option_quotes", tables=("options_snapshots",))

_NEAR_DEVIATIONS = 2.0
Codes = NDArray[np.int8]


class Vols(NamedTuple):
    """Vols of one side of the market and why they are absent, each of length n."""

    sigma: Floats
    status: Codes


class Terms(NamedTuple):
    """What a chain is priced with, USD per unit: arrays of length n, and what all contracts share."""

    forward: Floats
    discount: Floats
    tau: Floats
    strike: Floats
    is_call: Bools
    is_american: Bools
    to_usd: Floats
    has_forward: Bools
    expiry: NDArray[np.intp]
    spot: float
    dividends: Dividends

    @property
    def is_otm(self) -> Bools:
        """Whether each contract is on the out-of-the-money side of its forward."""
        return self.has_forward & np.where(
            self.is_call, self.strike >= self.forward, self.strike < self.forward
        )


def compute(snapshot: Snapshot) -> StageResult:
    """Invert bid, mid and ask of every accepted quote.

    European options by the forward and discount of their expiry; American ones with early exercise;
    coin-quoted ones at price x forward with discount 1. A mid needs both sides; one that exercise pays, while
    the ask pays more, is at exercise. Greeks are Black-76 at the mid vol with the forward held; delta, gamma
    and vanna undiscounted.
    """
    quotes = snapshot.inputs["option_quotes"]["options_snapshots"]
    forwards = snapshot.inputs["forward_curve"]["forwards"]
    dividends = read_dividends(snapshot.settings, snapshot.as_of)
    terms = _terms(quotes, forwards, years_to(quotes["expiry_at"], snapshot.as_of), dividends)
    bid, ask = (_priced(numbers(quotes, side)) * terms.to_usd for side in ("bid", "ask"))
    bids, mids, asks = _sides(bid, ask, terms)
    sides = Sides(bids.sigma, mids.sigma, asks.sigma, bid, ask)
    frame = _frame(quotes, terms, (bids, mids, asks), sides, snapshot)
    return StageResult({TABLE: frame}, _quality(frame, quotes, terms, mids.status))


def liquid(vols: pd.DataFrame) -> pd.DataFrame:
    """Return the quotes that a model may be fitted to: out of the money, all three vols known, a weight.

    By expiry, strike and side, with the columns that fits read.
    Vols of American chains go over from puts to calls near the forward (``crossfade``).
    """
    premium = numbers(vols, "early_exercise_premium")
    is_american = bool(np.any(premium[np.isfinite(premium)] != 0.0))
    told = crossfaded(vols) if is_american else vols
    rows = np.flatnonzero(flags(told, "is_otm") & (numbers(told, "weight") > 0))
    keys = flags(told, "is_call"), numbers(told, "strike"), instants(told["expiry_at"])
    order = rows[np.lexsort([key[rows] for key in keys])]
    return pd.DataFrame({name: told[name].array[order] for name in _FITTED}, copy=False)


def _terms(quotes: pd.DataFrame, forwards: pd.DataFrame, tau: Floats, dividends: Dividends) -> Terms:
    at, wanted = (instants(frame["expiry_at"]) for frame in (forwards, quotes))
    order = np.argsort(at)
    expiry = np.searchsorted(at[order], wanted)
    known = Forwards(*(numbers(forwards, name)[order] for name in _FORWARD_COLUMNS))
    is_coin = is_labelled(quotes["quote_unit"], "coin")
    is_american = is_labelled(quotes["style"], "american")
    forward = known.forward[expiry]
    return Terms(
        forward=forward,
        discount=np.where(is_coin, 1.0, known.discount[expiry]),
        tau=tau,
        strike=numbers(quotes, "strike"),
        is_call=flags(quotes, "is_call"),
        is_american=is_american,
        to_usd=np.where(is_coin, forward, 1.0),
        has_forward=np.isfinite(forward),
        expiry=expiry,
        spot=implied_spot(known, dividends) if is_american.any() else np.nan,
        dividends=dividends,
    )


def _priced(price: Floats) -> Floats:
    """Return prices with NaN for a side that nobody quotes: a zero is no price."""
    return np.where(price > 0, price, np.nan)


def _sides(bid: Floats, ask: Floats, terms: Terms) -> list[Vols]:
    """Return the vols of bid, mid and ask."""
    prices = bid, (bid + ask) / 2, ask
    absences = _absence(terms, bid=bid), _absence(terms, bid=bid, ask=ask), _absence(terms, ask=ask)
    vols = [Vols(np.full(len(bid), np.nan), absence) for absence in absences]
    asked = np.any([absence == Status.OK for absence in absences], axis=0)
    for solve, chosen in ((_european, ~terms.is_american), (_american, terms.is_american)):
        rows = np.flatnonzero(asked & chosen)
        if len(rows):
            for side, found in zip(vols, solve([price[rows] for price in prices], rows, terms), strict=True):
                told = side.status[rows] == Status.OK
                side.sigma[rows[told]] = np.where(found.status == Status.OK, found.sigma, np.nan)[told]
                side.status[rows[told]] = found.status[told]
    at_exercise = (vols[1].status == Status.BELOW_INTRINSIC) & (vols[2].status == Status.OK)
    vols[1].status[at_exercise & terms.is_american] = Status.AT_EXERCISE
    return vols


def _absence(terms: Terms, *, bid: Floats | None = None, ask: Floats | None = None) -> Codes:
    """Return why a vol can't be asked for, OK where it can: settled, then no quote, then no forward."""
    code = np.where(terms.has_forward, Status.OK, Status.NO_FORWARD)
    # Without a forward a coin price has no USD value, so its absence says nothing about the quote.
    if ask is not None:
        code = np.where(terms.has_forward & np.isnan(ask), Status.NO_ASK, code)
    if bid is not None:
        code = np.where(terms.has_forward & np.isnan(bid), Status.NO_BID, code)
    return np.where(terms.tau > 0, code, Status.EXPIRED).astype(np.int8)


def _european(prices: list[Floats], of: NDArray[np.intp], terms: Terms) -> list[ImpliedVol]:
    f, k, tau, d = (values[of] for values in (terms.forward, terms.strike, terms.tau, terms.discount))
    shared = (np.tile(values, 3) for values in (f, k, tau, terms.is_call[of], d))
    found = implied_vol.implied_vol(np.concatenate(prices), *shared)
    return [
        ImpliedVol(*each) for each in zip(np.split(found.sigma, 3), np.split(found.status, 3), strict=True)
    ]


def _american(prices: list[Floats], of: NDArray[np.intp], terms: Terms) -> list[ImpliedVol]:
    bid, mid, ask = prices
    known = Forwards(terms.forward[of], terms.forward[of], terms.discount[of], terms.tau[of])
    mids, bids, asks = american_vols(
        (mid, bid, ask), known, terms.strike[of], terms.is_call[of], terms.spot, terms.dividends
    )
    return [bids, mids, asks]


def _frame(
    quotes: pd.DataFrame, terms: Terms, vols: tuple[Vols, ...], sides: Sides, snapshot: Snapshot
) -> pd.DataFrame:
    bids, mids, asks = vols
    rows = np.flatnonzero(mids.status == Status.OK)
    f, k, tau, d = (values[rows] for values in (terms.forward, terms.strike, terms.tau, terms.discount))
    greeks = black.greeks(f, k, tau, mids.sigma[rows], terms.is_call[rows], d)
    premium = np.where(terms.is_american[rows], (sides.bid + sides.ask)[rows] / 2 - greeks.price, 0.0)
    vega = _spread_out(greeks.vega, rows, len(quotes))
    stderr, weight = errors_and_weights(quotes, terms.expiry, sides, vega, snapshot.as_of)
    priced = {
        "early_exercise_premium": premium / terms.to_usd[rows],
        "delta": greeks.delta / d,
        "gamma": greeks.gamma / d,
        "vega": greeks.vega,
        "theta": greeks.theta,
        "rho": greeks.rho,
        "vanna": greeks.vanna / d,
        "volga": greeks.volga,
    }
    return pd.DataFrame(
        {
            **{name: quotes[name].array for name in _NAMED},
            "tau_years": terms.tau,
            "forward": terms.forward,
            "log_moneyness": np.log(terms.strike / terms.forward),
            "bid_iv": bids.sigma,
            "mid_iv": mids.sigma,
            "ask_iv": asks.sigma,
            "iv_stderr": stderr,
            "weight": weight,
            "bid_status": _LABELS.take(bids.status),
            "status": _LABELS.take(mids.status),
            "ask_status": _LABELS.take(asks.status),
            **{name: _spread_out(values, rows, len(quotes)) for name, values in priced.items()},
            "is_otm": terms.is_otm,
        },
        copy=False,
    )


def _spread_out(values: Floats, rows: NDArray[np.intp], n: int) -> Floats:
    whole = np.full(n, np.nan)
    whole[rows] = np.where(np.isfinite(values), values, np.nan)
    return whole


def _quality(
    frame: pd.DataFrame, quotes: pd.DataFrame, terms: Terms, status: Codes
) -> dict[str, float | int | str | bool | None]:
    mid, vendor = numbers(frame, "mid_iv"), numbers(quotes, "vendor_iv")
    usable = flags(frame, "is_otm") & (numbers(frame, "weight") > 0)
    compared = flags(frame, "is_otm") & np.isfinite(mid) & (vendor > VENDOR_SENTINEL)
    with np.errstate(all="ignore"):
        near = np.abs(np.log(terms.strike / terms.forward)) <= _NEAR_DEVIATIONS * mid * np.sqrt(terms.tau)
    difference = 1e4 * np.abs(mid - vendor)
    return {
        "n_contracts": len(frame),
        "n_vols": int(np.isfinite(mid).sum()),
        "n_usable": int(usable.sum()),
        **{f"n_status_{_TEXTS[code]}": n for code, n in _statuses(status)},
        "median_stderr_bps": median(1e4 * numbers(frame, "iv_stderr")[usable]),
        "median_weight": median(numbers(frame, "weight")[usable]),
        "n_compared_with_vendor": int(compared.sum()),
        "median_difference_from_vendor_bps": median(difference[compared]),
        "median_difference_from_vendor_near_bps": median(difference[compared & near]),
    }


def _statuses(status: Codes) -> list[tuple[int, int]]:
    return [(code, n) for code, n in enumerate(np.bincount(status).tolist()) if n]


VENDOR_SENTINEL = 1e-4
"""Vendor vols up to this say that there is none."""
_TEXTS: list[str] = labels(np.arange(len(Status))).tolist()
_LABELS = pd.array(_TEXTS, dtype="str")
_NAMED = ("contract", "expiry_at", "strike", "is_call")
_FITTED = (
    *("contract", "expiry_at", "strike", "is_call", "tau_years", "forward", "log_moneyness"),
    *("mid_iv", "iv_stderr"),
)
_FORWARD_COLUMNS = ("forward", "forward_stderr", "discount", "tau_years")
STAGE = Stage("implied_vols", (QUOTES, FORWARDS), "2", compute, settings=("dividends",))
