"""Forwards: forward and discount of each expiry, from put-call parity and the rate curve.

What belongs here: pairing calls with puts, and which fit a chain asks for. What does not: the fits
(``periscope_analytics.forward``). AM- and PM-settled options of one date are expiries of their own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from periscope_analytics import forward as parity
from periscope_analytics.errors import Status
from periscope_assets.transforms.american import Dividends, implied_spot, read_dividends, without_premium
from periscope_assets.transforms.frames import counts, finite, numbers, years_to
from periscope_assets.transforms.rates import RATES, discount
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult

TABLE = "forwards"
FORWARDS = Input("forward_curve")
QUOTES = Input("option_quotes", tables=("options_snapshots",))

_MOST_PASSES = 10
_SETTLED = 1e-7
_FITTED = ("forward", "forward_stderr", "discount", "parity_residual")
_SIDES = ["call_bid", "call_ask", "put_bid", "put_ask"]


def compute(snapshot: Snapshot) -> StageResult:
    """Fit a forward to each expiry of a chain, with the discount of the rate curve.

    European options by parity; American ones by parity of what is left without early exercise, near the
    money, from the spot that the nearest expiries tell; coin-quoted ones by the parity of inverse options
    with discount 1. Only strikes with a bid and an ask on both sides take part.
    """
    quotes = snapshot.inputs["option_quotes"]["options_snapshots"]
    curve = snapshot.inputs["rate_curve"]["rates"]
    groups = [group for _, group in quotes.groupby("expiry_at", sort=True)]
    frame = pd.DataFrame([_expiry(group, curve, snapshot.as_of) for group in groups], columns=_COLUMNS)
    if (quotes["style"] == "american").any():
        frame = _without_early_exercise(frame, groups, read_dividends(snapshot.settings, snapshot.as_of))
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


def _expiry(group: pd.DataFrame, curve: pd.DataFrame, as_of: datetime) -> dict[str, Any]:
    tau = float(years_to(group["expiry_at"], as_of)[0])
    pairs = pair(group)
    row: dict[str, Any] = {
        "expiry_at": group["expiry_at"].iloc[0],
        "expiry": group["expiry"].iloc[0],
        "root": "+".join(sorted(group["root"].unique())),
        "tau_years": tau,
        "n_strikes": len(pairs),
        "n_used": 0,
        "status": Status.EXPIRED.label,
        **dict.fromkeys(_FITTED, np.nan),
    }
    return row if tau <= 0 else row | _fitted(pairs, float(discount(curve, tau)), is_coin=_is_coin(group))


def _fitted(pairs: pd.DataFrame, known: float, *, is_coin: bool = False) -> dict[str, Any]:
    strike, call_bid, call_ask, put_bid, put_ask = (numbers(pairs, name) for name in ("strike", *_SIDES))
    if is_coin:
        fit = parity.fit_inverse_forward(strike, call_bid, call_ask, put_bid, put_ask)
    else:
        fit = parity.fit_forward(strike, call_bid, call_ask, put_bid, put_ask, discount=known)
    found: dict[str, Any] = {"n_used": int(fit.n_used), "status": fit.status.label}
    if fit.status is not Status.OK:
        return found
    return found | {
        "forward": fit.forward,
        "forward_stderr": fit.stderr,
        "discount": fit.discount,
        "parity_residual": fit.residual * (fit.forward if is_coin else 1.0),
    }


def _without_early_exercise(
    frame: pd.DataFrame, groups: list[pd.DataFrame], dividends: Dividends
) -> pd.DataFrame:
    spot = implied_spot(frame, dividends)
    rows = []
    for record, group in zip(frame.to_dict("records"), groups, strict=True):
        row = {str(name): value for name, value in record.items()}
        is_american = bool((group["style"] == "american").all())
        rows.append(
            _adjusted(row, pair(group), spot, dividends) if is_american and row["status"] == "ok" else row
        )
    return pd.DataFrame(rows, columns=_COLUMNS)


def _adjusted(row: dict[str, Any], pairs: pd.DataFrame, spot: float, dividends: Dividends) -> dict[str, Any]:
    """Return the row with its forward refitted until the premium that is taken off no longer moves it."""
    for _ in range(_MOST_PASSES):
        near = without_premium(pairs, row["forward"], row["discount"], row["tau_years"], spot, dividends)
        found = _fitted(near, row["discount"])
        if found["status"] != Status.OK.label:
            return (
                row
                | dict.fromkeys(("forward", "forward_stderr", "discount", "parity_residual"), np.nan)
                | found
            )
        moved = abs(found["forward"] - row["forward"])
        row = {**row, **found}
        if moved <= _SETTLED * row["forward"]:
            return row
    return row


def _is_coin(group: pd.DataFrame) -> bool:
    return bool((group["quote_unit"] == "coin").all())


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
