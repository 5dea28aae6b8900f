"""Weighing: generators that contradict each other, and what is not worth a desk's time.

What belongs here: which candidates stay pending, and one sentence on why the others don't. What does not:
making candidates (``generators``).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from periscope_assets.transforms.signals.generators import confidence
from periscope_assets.transforms.signals.regime import WEIGHTS

PENDING, OVERRULED, FILTERED = "pending", "overruled", "filtered"
_BUCKETS = np.array([7, 14, 30, 60, 91, 182, 365, 730])
_KINDS = {"RR": "skew", "BF": "convexity"}


def weigh(candidates: pd.DataFrame, regime: str, limits: Mapping[str, float]) -> pd.DataFrame:
    """Return candidates ranked, with confidence, state and, where not pending, the decision.

    Two generators contradict each other where their weighted confidences in one exposure (vol, skew or
    convexity, by bucket of maturity) have opposite signs: the weaker one's signals there are overruled. Of
    the others those are filtered that fall short of the least confidence, cost more than the greatest
    half-spread, or come after as many of their expiry, or of the underlying, as the limits allow.

    Parameters
    ----------
    candidates : DataFrame
    regime : str
    limits : mapping
        min_confidence, max_half_spread_iv, max_per_expiry, max_signals.
    """
    weight = candidates["generator"].map(lambda name: WEIGHTS[name].get(regime, 1.0)).astype("float64")
    score = candidates["score"].to_numpy(dtype=np.float64)
    frame = candidates.assign(
        confidence=confidence(score) * weight, regime=regime, exposure=_exposures(candidates)
    )
    frame = frame.sort_values(["confidence", "score", "instrument"], ascending=[False, False, True])
    frame = frame.reset_index(drop=True).assign(decision=None)
    frame["decision"] = frame["decision"].astype(object)
    overruled = _overrule(frame)
    _filter(frame, ~overruled, limits)
    state = np.where(overruled, OVERRULED, np.where(frame["decision"].notna(), FILTERED, PENDING))
    return frame.assign(state=state, rank=np.arange(1, len(frame) + 1))


def _exposures(rows: pd.DataFrame) -> list[str]:
    days = rows["tenor_days"].to_numpy(dtype=np.float64)
    nearest = _BUCKETS[np.abs(np.log(np.maximum(days, 1.0))[:, None] - np.log(_BUCKETS)).argmin(axis=1)]
    kinds = [
        _KINDS.get(str(name)[:2], "vol") if contract is None or contract != contract else "vol"
        for name, contract in zip(rows["instrument"], rows["contract"], strict=True)
    ]
    return [f"{kind} {bucket}d" for kind, bucket in zip(kinds, nearest, strict=True)]


def _overrule(frame: pd.DataFrame) -> np.ndarray:
    """Mark the signals that another generator outweighs, and say by what."""
    lost = np.zeros(len(frame), np.bool_)
    sign = np.where(frame["direction"] == "buy", 1.0, -1.0)
    votes = (frame["confidence"] * sign).groupby([frame["exposure"], frame["generator"]]).mean().unstack()
    for exposure, row in votes.iterrows():
        known = row.dropna()
        winner = str(known.abs().idxmax())
        for generator, vote in known.items():
            if vote * known[winner] >= 0.0:
                continue
            mine = (frame["exposure"] == exposure) & (frame["generator"] == generator) & (sign * vote > 0.0)
            lost |= mine.to_numpy()
            frame.loc[mine, "decision"] = (
                f"Overruled in {exposure}: {winner} weighs {known[winner]:+.2f}, {generator} {vote:+.2f}."
            )
    return lost


def _filter(frame: pd.DataFrame, standing: np.ndarray, limits: Mapping[str, float]) -> None:
    least, widest = limits["min_confidence"], limits["max_half_spread_iv"]
    low = standing & (frame["confidence"] < least).to_numpy()
    wide = standing & ~low & (frame["half_spread_iv"] > widest).to_numpy()
    frame.loc[low, "decision"] = [
        f"Confidence {x:.2f} is below {least:.2f}." for x in frame["confidence"][low]
    ]
    frame.loc[wide, "decision"] = [
        f"Half-spread {x * 1e4:.0f} bps is above {widest * 1e4:.0f} bps."
        for x in frame["half_spread_iv"][wide]
    ]
    left = standing & ~low & ~wide
    place = frame[left].groupby("expiry_at", dropna=False).cumcount()
    crowded = place[place >= limits["max_per_expiry"]].index
    frame.loc[crowded, "decision"] = f"The expiry has {limits['max_per_expiry']:.0f} better ones already."
    left[crowded] = False
    beyond = np.flatnonzero(left)[int(limits["max_signals"]) :]
    frame.loc[beyond, "decision"] = f"The underlying has {limits['max_signals']:.0f} better ones already."
