"""Signals: where the market differs from a model by more than it costs to trade, and how sure that is.

What belongs here: ``mispricing`` and the generators of ``trade_signals``. What does not: the model
(``models``), what people do with a signal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from datetime import UTC
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from periscope_analytics import black
from periscope_analytics.errors import Status
from periscope_analytics.heston import HestonParams
from periscope_assets.transforms.forwards import FORWARDS
from periscope_assets.transforms.frames import Floats, counts, finite, flags, numbers
from periscope_assets.transforms.models import FITTED, HESTON_FIT, MIN_TAU, PARAMETERS
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult
from periscope_assets.transforms.surfaces.vols import IMPLIED_VOLS

GENERATOR = "heston_relative_value"

_MAD_TO_SIGMA = 1.4826
_RELATIVE_STEP = 1e-4
_COLUMNS = ["contract", "expiry_at", "strike", "is_call"]


def compute_mispricing(snapshot: Snapshot) -> StageResult:
    """Set the mid vol of each out-of-the-money contract against Heston's.

    The error of the difference joins that of the mid with that of the model, from the errors of its
    parameters taken as independent. The z-score is the difference over 1.4826 times the median absolute
    difference of the surface. The edge is Black-76 at the model's vol less the ask, positive, or less the
    bid, negative; absent inside the spread.
    """
    vols = snapshot.inputs["implied_vols"]["implied_vols"]
    fit = snapshot.inputs["heston_fit"]["heston_calibrations"].iloc[0]
    market = vols[vols["is_otm"] & (vols["status"] == "ok")].reset_index(drop=True)
    forwards = snapshot.inputs["forward_curve"]["forwards"].set_index("expiry_at")
    model, model_stderr = _model(fit, market)
    discount = market["expiry_at"].map(forwards["discount"]).to_numpy(dtype=np.float64)
    difference = numbers(market, "mid_iv") - model
    frame = market[_COLUMNS].assign(
        market_iv=market["mid_iv"],
        model_iv=model,
        difference=difference,
        stderr=np.hypot(numbers(market, "iv_stderr"), model_stderr),
        half_spread_iv=(market["ask_iv"] - market["bid_iv"]) / 2,
        z_score=_z_score(difference),
        edge_usd=_edge_usd(market, model, discount),
        status=np.where(np.isfinite(model), "ok", _absence(fit)),
    )
    return StageResult({"mispricings": frame}, _mispricing_quality(frame))


def _absence(fit: pd.Series) -> str:
    return Status.OUT_OF_RANGE.label if fit["status"] in FITTED else str(fit["status"])


def _model(fit: pd.Series, market: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return the model's vols and their errors, NaN where there is none so near to settlement."""
    absent = np.full(len(market), np.nan)
    values = {name: float(fit[name]) for name in PARAMETERS}
    if fit["status"] not in FITTED or market.empty:
        return absent, absent
    forward, strike, tau = (numbers(market, name) for name in ("forward", "strike", "tau_years"))
    terms = np.where(tau >= MIN_TAU, forward, np.nan), strike, tau
    vols = HestonParams(**values).implied_vol(*terms)
    variance = np.zeros(len(market))
    for name, value in values.items():
        error = float(fit[f"{name}_stderr"])
        if not np.isfinite(error):
            continue
        # Toward zero, so that no step leaves the range of a parameter.
        step = -np.sign(value or 1.0) * max(abs(value), 1e-6) * _RELATIVE_STEP
        moved = HestonParams(**{**values, name: value + step}).implied_vol(*terms)
        variance += ((moved - vols) / step * error) ** 2
    return vols, np.sqrt(variance)


def _z_score(difference: Floats) -> Floats:
    known = difference[np.isfinite(difference)]
    scale = _MAD_TO_SIGMA * float(np.median(np.abs(known))) if len(known) else 0.0
    return difference / scale if scale > 0 else np.full(len(difference), np.nan)


def _edge_usd(market: pd.DataFrame, model: Floats, discount: Floats) -> Floats:
    def value(vol: Floats) -> Floats:
        whole = np.full(len(market), np.nan)
        rows = np.isfinite(vol)
        forward, strike, tau = (numbers(market, name)[rows] for name in ("forward", "strike", "tau_years"))
        whole[rows] = black.price(
            forward, strike, tau, vol[rows], flags(market, "is_call")[rows], discount[rows]
        )
        return whole

    fair = value(model)
    over_ask, under_bid = fair - value(numbers(market, "ask_iv")), fair - value(numbers(market, "bid_iv"))
    return np.where(over_ask > 0, over_ask, np.where(under_bid < 0, under_bid, np.nan))


def _mispricing_quality(frame: pd.DataFrame) -> dict[str, float | int | str | bool | None]:
    return {
        "n_contracts": len(frame),
        **counts(frame["status"], "n_status"),
        "n_outside_spread": int(frame["edge_usd"].notna().sum()),
        "median_difference_bps": finite(frame["difference"].median() * 1e4),
        "median_absolute_difference_bps": finite(frame["difference"].abs().median() * 1e4),
    }


def compute_trade_signals(snapshot: Snapshot) -> StageResult:
    """Make a signal of each mispricing greater than half the spread and one standard error together.

    Ranked by edge over s, which joins its error with the robust spread of the differences in its expiry. The
    confidence is 2 Phi(edge / s) - 1: what the model gets wrong throughout an expiry is no opportunity in it.
    """
    mispricings = snapshot.inputs["mispricing"]["mispricings"]
    priced = mispricings[mispricings["status"] == "ok"]
    size = priced["difference"].abs()
    spread = _MAD_TO_SIGMA * size.groupby(priced["expiry_at"]).transform("median")
    candidates = priced.assign(
        edge_iv=size - priced["half_spread_iv"], scale=np.hypot(priced["stderr"], spread)
    )
    chosen = candidates[(candidates["edge_iv"] > candidates["stderr"]) & candidates["edge_usd"].notna()]
    frame = _signals(chosen, snapshot)
    quality = {
        "n_signals": len(frame),
        "n_priced": len(priced),
        "signal_share": len(frame) / len(priced) if len(priced) else 0.0,
        **counts(frame["direction"], "n"),
        "greatest_edge_bps": finite(frame["edge_iv"].max() * 1e4),
    }
    return StageResult({"trade_signals": frame}, quality)


def _signals(chosen: pd.DataFrame, snapshot: Snapshot) -> pd.DataFrame:
    stamp = snapshot.as_of.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    score = chosen["edge_iv"] / chosen["scale"]
    ranked = chosen.assign(score=score).sort_values(
        ["score", "contract"], ascending=[False, True], ignore_index=True
    )
    direction = np.where(ranked["difference"] < 0, "buy", "sell")
    sides = zip(ranked["contract"], direction, strict=True)
    return ranked[_COLUMNS].assign(
        signal_id=pd.Series([signal_id(contract, stamp, side) for contract, side in sides], dtype="str"),
        generator=GENERATOR,
        direction=pd.Series(direction, dtype="str"),
        edge_iv=ranked["edge_iv"],
        edge_usd=ranked["edge_usd"].abs(),
        edge_stderr=ranked["stderr"],
        z_score=ranked["z_score"],
        confidence=2.0 * norm.cdf(ranked["score"]) - 1.0,
        rank=np.arange(1, len(ranked) + 1),
        state="pending",
        reason=pd.Series([_reason(row) for row in ranked.to_dict("records")], dtype="str"),
    )


def signal_id(contract: str, as_of: str, direction: str, generator: str = GENERATOR) -> str:
    """Return a signal's name: equal for equal generator, contract, snapshot and direction."""
    return hashlib.sha256("|".join((generator, contract, as_of, direction)).encode()).hexdigest()


def _reason(row: Mapping[Hashable, Any]) -> str:
    side = "below" if row["difference"] < 0 else "above"
    return (
        f"Mid vol {row['market_iv']:.2%} is {abs(row['difference']) * 1e4:.0f} bps {side} "
        f"Heston's {row['model_iv']:.2%}, half-spread {row['half_spread_iv'] * 1e4:.0f} bps, "
        f"error {row['stderr'] * 1e4:.0f} bps, z {row['z_score']:+.1f}."
    )


MISPRICING = Stage("mispricing", (IMPLIED_VOLS, FORWARDS, HESTON_FIT), "1", compute_mispricing)
TRADE_SIGNALS = Stage("trade_signals", (Input("mispricing"),), "1", compute_trade_signals)
