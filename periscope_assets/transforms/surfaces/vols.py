"""Implied vols: bid, mid and ask of every contract, each with a status, an error and greeks.

What belongs here: ``implied_vols`` and the choice of quotes that fits may use. What does not: solvers
(``periscope_analytics``), smiles (``slices``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periscope_analytics import black, implied_vol
from periscope_analytics.errors import Status, labels
from periscope_assets.transforms.american import Dividends, american_vols, implied_spot, read_dividends
from periscope_assets.transforms.forwards import FORWARDS
from periscope_assets.transforms.frames import Bools, Floats, counts, finite, flags, numbers, years_to
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult

TABLE = "implied_vols"
IMPLIED_VOLS = Input("implied_vols")
QUOTES = Input("option_quotes", tables=("options_snapshots",))

_UNIFORM = 2.0 * np.sqrt(3.0)
"""Width of an interval over the standard deviation of a value that is uniform in it."""

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
    spot: float
    dividends: Dividends


def compute(snapshot: Snapshot) -> StageResult:
    """Invert bid, mid and ask of every accepted quote.

    European options by the forward and discount of their expiry; American ones with early exercise;
    coin-quoted ones at price x forward with discount 1. A mid needs both sides. The one-sigma error of the
    mid takes the true value as uniform between bid and ask, (ask_iv - bid_iv) / (2 sqrt 3), or by vega where
    one of the two vols is absent. Greeks are Black-76 at the mid vol with the forward held; delta, gamma and
    vanna undiscounted.
    """
    quotes = snapshot.inputs["option_quotes"]["options_snapshots"]
    forwards = snapshot.inputs["forward_curve"]["forwards"]
    dividends = read_dividends(snapshot.settings, snapshot.as_of)
    terms = _terms(quotes, forwards, years_to(quotes["expiry_at"], snapshot.as_of), dividends)
    bid, ask = (_priced(numbers(quotes, side)) * terms.to_usd for side in ("bid", "ask"))
    sides = {
        "bid": _solve(bid, _absence(terms, bid=bid), terms),
        "mid": _solve((bid + ask) / 2, _absence(terms, bid=bid, ask=ask), terms),
        "ask": _solve(ask, _absence(terms, ask=ask), terms),
    }
    frame = _frame(quotes, terms, sides, bid, ask)
    return StageResult({TABLE: frame}, _quality(frame, quotes))


def liquid(vols: pd.DataFrame) -> pd.DataFrame:
    """Return the quotes that a fit may use: out of the money, all three vols known, an error above zero."""
    good = (vols["status"] == "ok") & (vols["bid_status"] == "ok") & (vols["ask_status"] == "ok")
    chosen = vols[good & vols["is_otm"] & (vols["iv_stderr"] > 0)]
    return chosen.sort_values(["expiry_at", "strike", "is_call"], ignore_index=True)


def _terms(quotes: pd.DataFrame, forwards: pd.DataFrame, tau: Floats, dividends: Dividends) -> Terms:
    known = forwards[forwards["status"] == "ok"].set_index("expiry_at")
    forward = quotes["expiry_at"].map(known["forward"]).to_numpy(dtype=np.float64, na_value=np.nan)
    discount = quotes["expiry_at"].map(known["discount"]).to_numpy(dtype=np.float64, na_value=np.nan)
    is_coin = (quotes["quote_unit"] == "coin").to_numpy(dtype=np.bool_)
    return Terms(
        forward=forward,
        discount=np.where(is_coin, 1.0, discount),
        tau=tau,
        strike=numbers(quotes, "strike"),
        is_call=flags(quotes, "is_call"),
        is_american=(quotes["style"] == "american").to_numpy(dtype=np.bool_),
        to_usd=np.where(is_coin, forward, 1.0),
        has_forward=np.isfinite(forward),
        spot=implied_spot(forwards, dividends),
        dividends=dividends,
    )


def _priced(price: Floats) -> Floats:
    """Return prices with NaN for a side that nobody quotes: a zero is no price."""
    return np.where(price > 0, price, np.nan)


def _absence(terms: Terms, *, bid: Floats | None = None, ask: Floats | None = None) -> Codes:
    """Return why a vol can't be asked for, OK where it can: settled, then no quote, then no forward."""
    code = np.where(terms.has_forward, Status.OK, Status.NO_FORWARD)
    # Without a forward a coin price has no USD value, so its absence says nothing about the quote.
    if ask is not None:
        code = np.where(terms.has_forward & np.isnan(ask), Status.NO_ASK, code)
    if bid is not None:
        code = np.where(terms.has_forward & np.isnan(bid), Status.NO_BID, code)
    return np.where(terms.tau > 0, code, Status.EXPIRED).astype(np.int8)


def _solve(price: Floats, absence: Codes, terms: Terms) -> Vols:
    sigma, status = np.full(len(price), np.nan), absence.copy()
    for is_american in (False, True):
        rows = np.flatnonzero((absence == Status.OK) & (terms.is_american == is_american))
        if not len(rows):
            continue
        f, k, tau, d = (values[rows] for values in _priced_with(terms))
        call = terms.is_call[rows]
        if is_american:
            found = american_vols(price[rows], f, k, tau, d, call, terms.spot, terms.dividends)
        else:
            found = implied_vol.implied_vol(price[rows], f, k, tau, call, d)
        sigma[rows], status[rows] = found.sigma, found.status
    return Vols(np.where(status == Status.OK, sigma, np.nan), status)


def _priced_with(terms: Terms) -> tuple[Floats, Floats, Floats, Floats]:
    return terms.forward, terms.strike, terms.tau, terms.discount


def _frame(
    quotes: pd.DataFrame, terms: Terms, sides: dict[str, Vols], bid: Floats, ask: Floats
) -> pd.DataFrame:
    mid = sides["mid"]
    columns = quotes[["contract", "expiry_at", "strike", "is_call"]].assign(
        tau_years=terms.tau,
        forward=terms.forward,
        log_moneyness=np.log(terms.strike / terms.forward),
        bid_iv=sides["bid"].sigma,
        mid_iv=mid.sigma,
        ask_iv=sides["ask"].sigma,
        iv_stderr=np.nan,
        bid_status=labels(sides["bid"].status),
        status=labels(mid.status),
        ask_status=labels(sides["ask"].status),
        early_exercise_premium=np.nan,
    )
    rows = np.flatnonzero(mid.status == Status.OK)
    f, k, tau, d = (values[rows] for values in _priced_with(terms))
    call = terms.is_call[rows]
    greeks = black.greeks(f, k, tau, mid.sigma[rows], call, d)
    derived = {
        "early_exercise_premium": np.where(terms.is_american[rows], (bid + ask)[rows] / 2 - greeks.price, 0.0)
        / terms.to_usd[rows],
        "iv_stderr": _stderr(sides, bid, ask, greeks.vega, rows),
        "delta": greeks.delta / d,
        "gamma": greeks.gamma / d,
        "vega": greeks.vega,
        "theta": greeks.theta,
        "rho": greeks.rho,
        "vanna": greeks.vanna / d,
        "volga": greeks.volga,
    }
    for name, values in derived.items():
        columns[name] = _spread_out(values, rows, len(quotes))
    otm = np.where(terms.is_call, terms.strike >= terms.forward, terms.strike < terms.forward)
    return columns.assign(is_otm=otm & terms.has_forward)


def _stderr(sides: dict[str, Vols], bid: Floats, ask: Floats, vega: Floats, rows: NDArray[np.intp]) -> Floats:
    by_vols = (sides["ask"].sigma - sides["bid"].sigma)[rows] / _UNIFORM
    by_vega = (ask - bid)[rows] / _UNIFORM / np.where(vega > 0, vega, np.nan)
    return np.asarray(np.where(np.isfinite(by_vols), by_vols, by_vega), dtype=np.float64)


def _spread_out(values: Floats, rows: NDArray[np.intp], n: int) -> Floats:
    whole = np.full(n, np.nan)
    whole[rows] = np.where(np.isfinite(values), values, np.nan)
    return whole


def _quality(frame: pd.DataFrame, quotes: pd.DataFrame) -> dict[str, float | int | str | bool | None]:
    usable = liquid(frame)
    compared = frame.merge(quotes[["contract", "vendor_iv"]], on="contract")
    compared = compared[compared["is_otm"] & (compared["status"] == "ok") & (compared["vendor_iv"] > 1e-4)]
    difference = (compared["mid_iv"] - compared["vendor_iv"]).abs().median() * 1e4
    return {
        "n_contracts": len(frame),
        "n_vols": int((frame["status"] == "ok").sum()),
        "n_usable": len(usable),
        **counts(frame["status"], "n_status"),
        "median_stderr_bps": finite(usable["iv_stderr"].median() * 1e4),
        "median_difference_from_vendor_bps": finite(difference),
    }


STAGE = Stage("implied_vols", (QUOTES, FORWARDS), "1", compute, settings=("dividends",))
