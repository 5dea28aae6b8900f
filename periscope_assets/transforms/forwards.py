"""Forwards: forward and discount of each expiry, from put-call parity and the rate curve.

What belongs here: pairing calls with puts, and which fit a chain asks for. What does not: the fits
(``periscope_analytics.forward``). AM- and PM-settled options of one date are expiries of their own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from periscope_analytics import forward as parity
from periscope_analytics.errors import Status
from periscope_assets.transforms.american import NEAR_YEARS, Dividends, implied_spot, read_dividends
from periscope_assets.transforms.frames import counts, finite, numbers, years_to
from periscope_assets.transforms.rates import RATES, zero_rate
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult

TABLE = "forwards"
FORWARDS = Input("forward_curve")
QUOTES = Input("option_quotes", tables=("options_snapshots",))

_FITTED = ("forward", "forward_stderr", "discount", "parity_residual")
_SIDES = ["call_bid", "call_ask", "put_bid", "put_ask"]


class _Expiry(NamedTuple):
    """One settlement instant of a chain: its names, its paired quotes and what its fit needs."""

    named: dict[str, Any]
    pairs: pd.DataFrame
    tau: float
    rate: float
    is_american: bool
    is_coin: bool


def compute(snapshot: Snapshot) -> StageResult:
    """Fit a forward to each expiry of a chain, with the discount of the rate curve.

    European options by parity; American ones by parity without early exercise, from the spot that the nearest
    expiries tell; coin-quoted ones by the parity of inverse options with discount 1. Only strikes with a bid
    and an ask on both sides take part.
    """
    quotes = snapshot.inputs["option_quotes"]["options_snapshots"]
    curve = snapshot.inputs["rate_curve"]["rates"]
    dividends = read_dividends(snapshot.settings, snapshot.as_of)
    expiries = [_read(group, curve, snapshot.as_of) for _, group in quotes.groupby("expiry_at", sort=True)]
    spot = _spot(expiries, dividends)
    frame = _frame([(each, _fit(each, spot, dividends)) for each in expiries])
    return StageResult({TABLE: frame}, _quality(frame))


def pair(quotes: pd.DataFrame) -> pd.DataFrame:
    """Return the strikes of one expiry that are quoted on both sides for call and put.

    Returns
    -------
    DataFrame
        Columns strike, call_bid, call_ask, put_bid, put_ask; ascending strikes. Where several roots list one
        strike, the narrower call and put are taken.
    """
    two_sided = quotes[(quotes["bid"] > 0) & (quotes["ask"] >= quotes["bid"])]
    narrowest = two_sided.assign(width=two_sided["ask"] - two_sided["bid"]).sort_values(
        ["strike", "width", "contract"]
    )
    best = narrowest.drop_duplicates(["strike", "is_call"])
    sides = [
        best.loc[best["is_call"] == is_call, ["strike", "bid", "ask"]].rename(
            columns={"bid": f"{name}_bid", "ask": f"{name}_ask"}
        )
        for name, is_call in (("call", True), ("put", False))
    ]
    return sides[0].merge(sides[1], on="strike").sort_values("strike", ignore_index=True)


def _read(group: pd.DataFrame, curve: pd.DataFrame, as_of: datetime) -> _Expiry:
    tau = float(years_to(group["expiry_at"], as_of)[0])
    named = {"expiry_at": group["expiry_at"].iloc[0], "expiry": group["expiry"].iloc[0]}
    return _Expiry(
        named={**named, "root": "+".join(sorted(group["root"].unique())), "tau_years": tau},
        pairs=pair(group),
        tau=tau,
        rate=float(zero_rate(curve, max(tau, 0.0))),
        is_american=bool((group["style"] == "american").all()),
        is_coin=bool((group["quote_unit"] == "coin").all()),
    )


def _spot(expiries: list[_Expiry], dividends: Dividends) -> float | None:
    """Return the spot that American options near settlement tell; None where there are none."""
    live = [each for each in expiries if each.is_american and each.tau > 0]
    close = [each for each in live if each.tau <= max(NEAR_YEARS, live[0].tau)]
    spot = implied_spot(_frame([(each, _fit(each, None, dividends)) for each in close]), dividends)
    return spot if np.isfinite(spot) else None


def _fit(expiry: _Expiry, spot: float | None, dividends: Dividends) -> parity.ForwardFit | None:
    if expiry.tau <= 0:
        return None
    strike, call_bid, call_ask, put_bid, put_ask = (
        numbers(expiry.pairs, name) for name in ("strike", *_SIDES)
    )
    if expiry.is_coin:
        return parity.fit_inverse_forward(strike, call_bid, call_ask, put_bid, put_ask)
    if not expiry.is_american:
        discount = float(np.exp(-expiry.rate * expiry.tau))
        return parity.fit_forward(strike, call_bid, call_ask, put_bid, put_ask, discount=discount)
    # A yield that is free at each expiry amplifies the forward's error: it is left out where dividends are
    # known, and where the fit would swing.
    for given in (None,) if dividends.are_known or spot is None else (spot, None):
        fit = parity.fit_american_forward(
            strike, call_bid, call_ask, put_bid, put_ask, expiry.tau, expiry.rate, given, dividends.pair
        )
        if fit.status is not Status.NOT_CONVERGED:
            break
    return fit


def _frame(fits: list[tuple[_Expiry, parity.ForwardFit | None]]) -> pd.DataFrame:
    return pd.DataFrame([_row(expiry, fit) for expiry, fit in fits], columns=_COLUMNS)


def _row(expiry: _Expiry, fit: parity.ForwardFit | None) -> dict[str, Any]:
    row = {**expiry.named, "n_strikes": len(expiry.pairs), "n_used": 0, **dict.fromkeys(_FITTED, np.nan)}
    if fit is None:
        return {**row, "status": Status.EXPIRED.label}
    row |= {"n_used": int(fit.n_used), "status": fit.status.label}
    if fit.status is not Status.OK:
        return row
    in_usd = fit.forward if expiry.is_coin else 1.0
    values = (fit.forward, fit.stderr, fit.discount, fit.residual * in_usd)
    return {**row, **dict(zip(_FITTED, values, strict=True))}


def _quality(frame: pd.DataFrame) -> dict[str, float | int | str | bool | None]:
    good = frame[frame["status"] == "ok"]
    relative = 1e4 / good["forward"]
    return {
        "n_expiries": len(frame),
        **counts(frame["status"], "n_status"),
        "parity_residual_bps": finite((good["parity_residual"] * relative).median()),
        "median_stderr_bps": finite((good["forward_stderr"] * relative).median()),
        "nearest_forward": finite(good["forward"].iloc[0]) if len(good) else None,
    }


_COLUMNS = [
    *("expiry_at", "expiry", "root", "tau_years", "forward", "forward_stderr", "discount"),
    *("parity_residual", "n_strikes", "n_used", "status"),
]
STAGE = Stage("forward_curve", (QUOTES, RATES), "1", compute, settings=("dividends",))
