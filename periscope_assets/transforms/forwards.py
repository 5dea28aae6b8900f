"""Forwards: forward and discount of each expiry, from put-call parity, boxes and the rate curve.

What belongs here: which fit an expiry asks for, and with what rate. What does not: the fits
(``periscope_analytics.forward``, ``american_forward``, ``box``), pairing (``expiries``).
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periscope_analytics.american_forward import Carry, fit_american_forwards
from periscope_analytics.box import SPREAD, fit_zero_rates
from periscope_analytics.errors import Status, labels
from periscope_analytics.forward import ForwardFits, fit_forwards, free_discounts, no_forwards
from periscope_assets.transforms import american
from periscope_assets.transforms.american import (
    NEAR_YEARS,
    NOT_NEEDED,
    Dividends,
    implied_spot,
    read_dividends,
)
from periscope_assets.transforms.expiries import Expiries, read_expiries
from periscope_assets.transforms.frames import Bools, Floats, finite, numbers, years_to
from periscope_assets.transforms.rates import RATES, zero_rate
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult

TABLE = "forwards"
FORWARDS = Input("forward_curve")
QUOTES = Input("option_quotes", tables=("options_snapshots",))
BOXES = Input("forward_curve", symbol="SPX", latest=True, optional=True, name="box_rates")
"""The most liquid European chain in USD: its discounts are the rate at which options are funded."""

CURVE, BOX, PARITY = "curve", "box", "parity"
"""Where a discount comes from: the rate curve, SPX's boxes, or the chain's own strikes."""

_MOST_DAYS = 4.0
_BOX_SPREAD = 0.001


class _Rates(NamedTuple):
    """Zero rates by expiry, their errors, and where each comes from."""

    rate: Floats
    stderr: Floats
    basis: list[str]


def compute(snapshot: Snapshot) -> StageResult:
    """Fit a forward to each expiry of a chain.

    European options by parity, with the discount that all strikes together tell as a spread over the curve;
    American ones by parity without early exercise, from the spot that the nearest expiries tell, with SPX's
    box rates of the last days where there are any; coin-quoted ones by the parity of inverse options with
    discount 1. Only strikes with a bid and an ask on both sides take part.
    """
    quotes = snapshot.inputs["option_quotes"]["options_snapshots"]
    dividends = read_dividends(snapshot.settings, snapshot.as_of)
    expiries = read_expiries(quotes, snapshot.as_of)
    rates = _rates(expiries, snapshot)
    fits = _fit(expiries, rates.rate, dividends)
    frame = _frame(quotes, expiries, rates, fits, dividends)
    return StageResult({TABLE: frame}, _quality(frame))


def _rates(expiries: Expiries, snapshot: Snapshot) -> _Rates:
    """Return what each expiry is discounted with: the curve, moved to SPX's boxes and to its own."""
    ahead = np.maximum(expiries.tau, 0.0)
    curve = snapshot.inputs["rate_curve"]["rates"]
    rate = zero_rate(curve, ahead)
    basis, spread = CURVE, SPREAD
    boxes = _boxes(snapshot)
    if boxes is not None:
        above = boxes.rate - zero_rate(curve, boxes.tau)
        rate = rate + np.interp(ahead, boxes.tau, above)
        basis, spread = BOX, _BOX_SPREAD
    stderr, names = np.full(len(rate), spread), np.full(len(rate), basis, dtype=object)
    own = ~expiries.is_american & ~expiries.is_coin
    if np.any(own):
        told = free_discounts(*expiries.of(own))
        fitted = fit_zero_rates(expiries.tau[own], rate[own], *told, spread)
        rate[own], stderr[own] = fitted
        names[own] = np.where(fitted.stderr < 0.5 * spread, PARITY, basis)
    return _Rates(rate, stderr, names.tolist())


class _Boxes(NamedTuple):
    """Zero rates of another chain's boxes, by years from now, ascending."""

    tau: Floats
    rate: Floats


def _boxes(snapshot: Snapshot) -> _Boxes | None:
    """Return SPX's rates if its snapshot is not older than a long weekend."""
    frames = snapshot.inputs.get(BOXES.key)
    if frames is None:
        return None
    frame = frames[TABLE]
    frame = frame[(frame["status"] == "ok") & (frame["tau_years"] > 0)]
    then, now = numbers(frame, "tau_years"), years_to(frame["expiry_at"], snapshot.as_of)
    fresh = (now > 0) & (now <= then) & ((then - now) * 365.0 <= _MOST_DAYS)
    if not np.any(fresh):
        return None
    order = np.argsort(now[fresh], kind="stable")
    rate = -np.log(numbers(frame, "discount")) / then
    return _Boxes(now[fresh][order], rate[fresh][order])


def _fit(expiries: Expiries, rate: Floats, dividends: Dividends) -> ForwardFits:
    n, live = len(rate), expiries.tau > 0
    fits = no_forwards(n, Status.EXPIRED)
    discount = np.exp(-rate * np.maximum(expiries.tau, 0.0))
    for is_coin in (False, True):
        rows = np.flatnonzero(live & ~expiries.is_american & (expiries.is_coin == is_coin))
        if len(rows):
            found = fit_forwards(*expiries.of(_among(rows, n)), discount[rows], is_coin=is_coin)
            fits.put(rows, found, np.arange(len(rows)))
    rows = np.flatnonzero(live & expiries.is_american & ~expiries.is_coin)
    if len(rows):
        _fit_american(fits, rows, expiries, rate, dividends)
    return fits


def _fit_american(
    fits: ForwardFits, rows: NDArray[np.intp], expiries: Expiries, rate: Floats, dividends: Dividends
) -> None:
    """Fill the forwards of American expiries: the nearest first, they tell the spot of the others."""

    def fit(chosen: NDArray[np.intp], spot: float) -> None:
        tau = expiries.tau[chosen]
        given = np.where(dividends.covers(tau), np.nan, spot)
        start, pairs = expiries.of(_among(chosen, len(rate)))
        found = fit_american_forwards(
            start, pairs, Carry(tau, rate[chosen], given), dividends.before(np.max(tau))
        )
        fits.put(chosen, found, np.arange(len(chosen)))

    tau = expiries.tau
    near = rows[tau[rows] <= max(NEAR_YEARS, float(np.min(tau[rows])))]
    fit(near, np.nan)
    discount = np.exp(-rate[near] * tau[near])
    known = american.Forwards(fits.forward[near], fits.stderr[near], discount, tau[near])
    spot = implied_spot(known, dividends)
    again = rows[~(dividends.covers(tau[rows]) & np.isin(rows, near))]
    if len(again):
        fit(again, spot)


def _among(rows: NDArray[np.intp], n: int) -> Bools:
    chosen = np.zeros(n, dtype=np.bool_)
    chosen[rows] = True
    return chosen


def _frame(
    quotes: pd.DataFrame, expiries: Expiries, rates: _Rates, fits: ForwardFits, dividends: Dividends
) -> pd.DataFrame:
    good = fits.status == Status.OK
    unit = np.where(expiries.is_coin, 0.0, 1.0)
    ahead = np.maximum(expiries.tau, 0.0)
    discount = np.exp(-rates.rate * ahead * unit)
    known_by = np.where(expiries.is_american, dividends.known_by(expiries.tau), NOT_NEEDED)
    columns = {
        "expiry_at": quotes["expiry_at"].array[expiries.first],
        "expiry": quotes["expiry"].array[expiries.first],
        "root": expiries.names,
        "tau_years": expiries.tau,
        "forward": fits.forward,
        "forward_stderr": fits.stderr,
        "discount": np.where(good, discount, np.nan),
        "discount_stderr": np.where(good, discount * rates.stderr * ahead * unit, np.nan),
        "rate_basis": np.where(expiries.is_coin, NOT_NEEDED, rates.basis),
        "dividends": known_by,
        "parity_residual": fits.residual * np.where(expiries.is_coin, fits.forward, 1.0),
        "inside_share": fits.inside,
        "n_strikes": np.diff(expiries.start),
        "n_used": fits.n_used,
        "status": labels(fits.status),
    }
    return pd.DataFrame(columns, copy=False)


def _quality(frame: pd.DataFrame) -> dict[str, float | int | str | bool | None]:
    good = frame["status"].to_numpy() == Status.OK.label
    names = ("forward", "parity_residual", "forward_stderr", "inside_share")
    forward, residual, stderr, inside = (numbers(frame, name)[good] for name in names)
    return {
        "n_expiries": len(frame),
        **_counted(frame["status"].tolist(), "n_status"),
        **_counted(frame["rate_basis"].to_numpy()[good].tolist(), "n_rate"),
        **_counted(frame["dividends"].to_numpy()[good].tolist(), "n_dividends"),
        "parity_residual_bps": median(1e4 * residual / forward),
        "median_stderr_bps": median(1e4 * stderr / forward),
        "median_inside_share": median(inside),
        "nearest_forward": finite(forward[0]) if len(forward) else None,
    }


def _counted(texts: list[str], prefix: str) -> dict[str, int]:
    return {f"{prefix}_{text}": n for text, n in sorted(Counter(texts).items())}


def median(values: Floats) -> float | None:
    """Return the median, or None of nothing: quality figures are JSON."""
    return finite(float(np.median(values))) if len(values) else None


STAGE = Stage("forward_curve", (QUOTES, RATES, BOXES), "2", compute, settings=("dividends",))
