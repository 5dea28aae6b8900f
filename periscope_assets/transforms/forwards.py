"""Forwards: forward and discount of each expiry, from put-call parity and the rate curve.

What belongs here: pairing calls with puts, and which fit a chain asks for. What does not: the fits
(``periscope_analytics.forward``). AM- and PM-settled options of one date are expiries of their own.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from periscope_analytics import forward as parity
from periscope_analytics.errors import Status
from periscope_assets.transforms.frames import counts, finite, numbers, years_to
from periscope_assets.transforms.rates import RATES, discount, zero_rate
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult

TABLE = "forwards"
FORWARDS = Input("forward_curve")
QUOTES = Input("option_quotes", tables=("options_snapshots",))

_SIDES = ["call_bid", "call_ask", "put_bid", "put_ask"]


def compute(snapshot: Snapshot) -> StageResult:
    """Fit a forward to each expiry of a chain, with the discount of the rate curve.

    European options by parity; American ones by parity of their European values near the money; coin-quoted
    ones by the parity of inverse options with discount 1. Only strikes with a bid and an ask on both sides
    take part.
    """
    quotes = snapshot.inputs["option_quotes"]["options_snapshots"]
    curve = snapshot.inputs["rate_curve"]["rates"]
    groups = [group for _, group in quotes.groupby("expiry_at", sort=True)]
    rows = [_expiry(group, curve, snapshot.as_of) for group in groups]
    frame = pd.DataFrame(rows, columns=_COLUMNS)
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


def _expiry(group: pd.DataFrame, curve: pd.DataFrame, as_of: datetime) -> dict[str, object]:
    tau = float(years_to(group["expiry_at"], as_of)[0])
    pairs = pair(group)
    row: dict[str, object] = {
        "expiry_at": group["expiry_at"].iloc[0],
        "expiry": group["expiry"].iloc[0],
        "root": "+".join(sorted(group["root"].unique())),
        "tau_years": tau,
        "n_strikes": len(pairs),
        "n_used": 0,
        "status": Status.EXPIRED.label,
        **dict.fromkeys(("forward", "forward_stderr", "discount", "parity_residual"), np.nan),
    }
    if tau <= 0:
        return row
    fit = _fit(group, pairs, tau, curve)
    row |= {"n_used": int(fit.n_used), "status": Status(fit.status).label}
    if fit.status == Status.OK:
        row |= {"forward": fit.forward, "forward_stderr": fit.stderr, "discount": fit.discount}
        row["parity_residual"] = fit.residual * (fit.forward if _is_coin(group) else 1.0)
    return row


def _fit(group: pd.DataFrame, pairs: pd.DataFrame, tau: float, curve: pd.DataFrame) -> parity.ForwardFit:
    strike, call_bid, call_ask, put_bid, put_ask = (numbers(pairs, name) for name in ("strike", *_SIDES))
    if _is_coin(group):
        return parity.fit_inverse_forward(strike, call_bid, call_ask, put_bid, put_ask)
    if (group["style"] == "american").all():
        return parity.fit_american_forward(*quotes, tau=tau, rate=float(zero_rate(curve, tau)))
    known = float(discount(curve, tau))
    return parity.fit_forward(strike, call_bid, call_ask, put_bid, put_ask, discount=known)


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
STAGE = Stage("forward_curve", (QUOTES, RATES), "1", compute)
