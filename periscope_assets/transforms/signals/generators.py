"""Generators: each turns published figures into candidates, with a fair vol, a cost and an error.

What belongs here: one function a rule, from frames to candidates. What does not: how candidates are weighed
and refused (``weighing``).

A candidate's edge is its distance to fair less the half-spread; it is put forward where that exceeds its
error. Its confidence is 2 Phi(edge / scale) - 1, where the scale joins the error with how far such distances
spread by themselves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from periscope_analytics.ou import OUParams
from periscope_assets.transforms.frames import Floats, numbers
from periscope_assets.transforms.models.ou import TENOR_DAYS
from periscope_assets.transforms.signals.mispricing import MAD_TO_SIGMA

RELATIVE_VALUE, MEAN_REVERSION, TERM_STRUCTURE = "heston_relative_value", "mean_reversion", "term_structure"
HORIZON_SESSIONS = 21
"""Sessions within which a mean-reversion signal expects its move."""
INSTRUMENTS = {"atm_iv": "ATM 30d", "rr_25": "RR25 30d", "bf_25": "BF25 30d"}
COLUMNS = [
    *("generator", "instrument", "contract", "expiry_at", "strike", "is_call", "tenor_days", "direction"),
    *("entry_iv", "fair_iv", "half_spread_iv", "vega_usd", "edge_iv", "edge_usd", "edge_stderr", "z_score"),
    *("score", "reason"),
]

_LEGS = {"atm_iv": 1, "rr_25": 2, "bf_25": 3}
_LEAST_Z = 1.5
_NEAR_DAYS = (15.0, 45.0)
_AT_MONEY = 0.8
_LEAST_TENORS = 4


class Market(NamedTuple):
    """What it takes to trade a vol at the money: half-spread, and vega per unit in USD."""

    half_spread_iv: float
    vega_usd: float


def relative_value(mispricings: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return contracts whose mid vol is off Heston's by more than half the spread and one error together.

    The scale takes in the robust spread of the differences in the contract's expiry: what the model gets
    wrong throughout an expiry is no opportunity in it.
    """
    priced = mispricings[mispricings["status"] == "ok"]
    size = priced["difference"].abs()
    spread = MAD_TO_SIGMA * size.groupby(priced["expiry_at"]).transform("median")
    edge = size - priced["half_spread_iv"]
    chosen = (edge > priced["stderr"]) & priced["edge_usd"].notna()
    rows, edge = priced[chosen], edge[chosen]
    frame = rows[
        ["contract", "expiry_at", "strike", "is_call", "half_spread_iv", "vega_usd", "z_score"]
    ].assign(
        generator=RELATIVE_VALUE,
        instrument=rows["contract"],
        tenor_days=(rows["expiry_at"] - as_of) / pd.Timedelta(days=1),
        direction=np.where(rows["difference"] < 0, "buy", "sell"),
        entry_iv=rows["market_iv"],
        fair_iv=rows["model_iv"],
        edge_iv=edge,
        edge_usd=rows["edge_usd"].abs(),
        edge_stderr=rows["stderr"],
        score=edge / np.hypot(rows["stderr"], spread[chosen]),
    )
    return frame.assign(reason=_reasons(frame, "Mid vol", "Heston's"))[COLUMNS].reset_index(drop=True)


def at_money(mispricings: pd.DataFrame, as_of: pd.Timestamp) -> Market:
    """Return what vols of about a month cost at the money: medians of contracts with most of the vega."""
    days = (mispricings["expiry_at"] - as_of) / pd.Timedelta(days=1)
    near = mispricings[days.between(*_NEAR_DAYS) & mispricings["half_spread_iv"].notna()]
    most = near.groupby("expiry_at")["vega_usd"].transform("max")
    chosen = near[near["vega_usd"] >= _AT_MONEY * most]
    return Market(float(chosen["half_spread_iv"].median()), float(chosen["vega_usd"].median()))


def mean_reversion(fits: pd.DataFrame, market: Market) -> pd.DataFrame:
    """Return series whose distance to where their past expects them in 21 sessions pays for the trade.

    Fair is the Ornstein-Uhlenbeck mean after 21 sessions. A risk reversal pays the half-spread twice, a
    butterfly three times. Series within 1.5 stationary deviations of their mean are left alone. The scale
    takes in the process's own deviation over the sessions.
    """
    rows = fits[(fits["status"] == "ok") & (fits["z_score"].abs() >= _LEAST_Z)]
    found = []
    for row in rows.to_dict("records"):
        process = OUParams(row["kappa"], row["theta"], row["sigma"])
        fair = float(process.mean(row["value"], HORIZON_SESSIONS))
        back = 1.0 - np.exp(-row["kappa"] * HORIZON_SESSIONS)
        error = float(np.hypot(row["value_stderr"] * back, row["theta_stderr"] * back))
        legs = _LEGS[row["series"]]
        scale = float(np.hypot(error, process.deviation(HORIZON_SESSIONS)))
        found.append(
            _series(
                MEAN_REVERSION, INSTRUMENTS[row["series"]], TENOR_DAYS, (row["value"], fair, error, scale),
                Market(legs * market.half_spread_iv, market.vega_usd), row["z_score"],
            )
        )  # fmt: skip
    return _frame(found, "Value", "its expected")


def term_structure(metrics: pd.DataFrame, market: Market) -> pd.DataFrame:
    """Return forward vols that stand out from their neighbours along the curve of constant maturities.

    Fair is the line through the forward vols before and after, each at the middle of its span. The cost of a
    forward vol is that of the two vols that make it. The scale takes in the robust spread of all distances.
    """
    fixed = metrics[(metrics["basis"] == "constant_maturity") & metrics["forward_iv"].notna()]
    rows = fixed.sort_values("tenor_days")
    if len(rows) < _LEAST_TENORS:
        return _frame([], "", "")
    days, vol, error, forward = (
        numbers(rows, name) for name in ("tenor_days", "atm_iv", "atm_iv_stderr", "forward_iv")
    )
    start = np.append(0.0, days[:-1])
    middle, span = (start + days) / 2.0, days - start
    # One vol of the far end moves the forward vol by this much, one of the near end by the other.
    far = vol * days / (forward * span)
    near = np.append(0.0, vol[:-1] * days[:-1]) / (forward * span)
    stderr = np.hypot(far * error, near * np.append(0.0, error[:-1]))
    cost = (far + near) * market.half_spread_iv
    inner = np.arange(1, len(rows) - 1)
    share = (middle[inner] - middle[inner - 1]) / (middle[inner + 1] - middle[inner - 1])
    fair = forward[inner - 1] + share * (forward[inner + 1] - forward[inner - 1])
    off = forward[inner] - fair
    spread = MAD_TO_SIGMA * float(np.median(np.abs(off)))
    found = []
    for i, level, distance in zip(inner.tolist(), fair.tolist(), off.tolist(), strict=True):
        z = distance / float(np.hypot(stderr[i], spread))
        numbers_of = float(forward[i]), level, float(stderr[i]), float(np.hypot(stderr[i], spread))
        name = f"FWD {start[i]:.0f}d-{days[i]:.0f}d"
        paid = Market(float(cost[i]), market.vega_usd / float(far[i]))
        found.append(_series(TERM_STRUCTURE, name, float(days[i]), numbers_of, paid, z))
    return _frame(found, "Forward vol", "its neighbours'")


def _series(
    generator: str,
    instrument: str,
    tenor_days: float,
    read: tuple[float, float, float, float],
    market: Market,
    z_score: float,
) -> dict[str, object]:
    now, fair, stderr, scale = read
    edge = abs(now - fair) - market.half_spread_iv
    return {
        "generator": generator,
        "instrument": instrument,
        "tenor_days": float(tenor_days),
        "direction": "buy" if now < fair else "sell",
        "entry_iv": now,
        "fair_iv": fair,
        "half_spread_iv": market.half_spread_iv,
        "vega_usd": market.vega_usd,
        "edge_iv": edge,
        "edge_usd": edge * market.vega_usd,
        "edge_stderr": stderr,
        "z_score": z_score,
        "score": edge / scale,
    }


def _frame(found: list[dict[str, object]], what: str, whose: str) -> pd.DataFrame:
    """Return the candidates whose edge exceeds their error."""
    frame = pd.DataFrame(found, columns=COLUMNS)
    chosen = frame[frame["edge_iv"].astype("float64") > frame["edge_stderr"].astype("float64")]
    return chosen.assign(reason=_reasons(chosen, what, whose)).reset_index(drop=True)


def _reasons(rows: pd.DataFrame, what: str, whose: str) -> list[str]:
    columns = (
        rows[name].tolist() for name in ("entry_iv", "fair_iv", "half_spread_iv", "edge_stderr", "z_score")
    )
    return [
        f"{what} {now:.2%} is {abs(now - fair) * 1e4:.0f} bps {'below' if now < fair else 'above'} "
        f"{whose} {fair:.2%}, half-spread {half * 1e4:.0f} bps, error {error * 1e4:.0f} bps, z {z:+.1f}."
        for now, fair, half, error, z in zip(*columns, strict=True)
    ]


def confidence(score: Floats) -> Floats:
    """Return 2 Phi(score) - 1."""
    return np.asarray(2.0 * norm.cdf(score) - 1.0)
