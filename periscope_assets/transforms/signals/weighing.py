"""Weighing: generators that contradict each other, and what is not worth a desk's time.

What belongs here: which candidates stay pending, and one sentence on why the others don't. What does not:
making candidates (``generators``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from periscope_assets.transforms.frames import Bools, Floats
from periscope_assets.transforms.signals.generators import Candidates, confidence
from periscope_assets.transforms.signals.regime import WEIGHTS

PENDING, OVERRULED, FILTERED = "pending", "overruled", "filtered"
_BUCKETS = np.array([7, 14, 30, 60, 91, 182, 365, 730])
_KINDS = {"RR": "skew", "BF": "convexity"}


def weigh(candidates: Candidates, regime: str, limits: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Return candidates ranked, with direction, confidence, state and, where not pending, the decision.

    Two generators contradict each other where their weighted confidences in one exposure (vol, skew or
    convexity, by bucket of maturity) have opposite signs: the weaker one's signals there are overruled. Of
    the others those are filtered that fall short of the least confidence, cost more than the greatest
    half-spread, or come after as many of their expiry, or of the underlying, as the limits allow.

    Parameters
    ----------
    candidates : mapping of str to ndarray, shape (n,)
    regime : str
    limits : mapping
        min_confidence, max_half_spread_iv, max_per_expiry, max_signals.
    """
    weight = np.array([WEIGHTS[name].get(regime, 1.0) for name in candidates["generator"]])
    sure = confidence(candidates["score"]) * weight
    order = np.lexsort((candidates["instrument"].astype(str), -candidates["score"], -sure))
    ranked = {name: column[order] for name, column in candidates.items()} | {"confidence": sure[order]}
    sign = np.where(ranked["entry_iv"] < ranked["fair_iv"], 1.0, -1.0)
    decision = np.full(len(order), None, dtype=object)
    overruled = _overrule(ranked, sign, decision)
    _filter(ranked, ~overruled, limits, decision)
    refused = np.array([each is not None for each in decision], dtype=np.bool_)
    return ranked | {
        "direction": np.where(sign > 0.0, "buy", "sell").astype(object),
        "regime": np.full(len(order), regime, dtype=object),
        "decision": decision,
        "state": np.where(overruled, OVERRULED, np.where(refused, FILTERED, PENDING)).astype(object),
        "rank": np.arange(1, len(order) + 1),
    }


def _exposures(ranked: Candidates) -> np.ndarray:
    days = np.maximum(ranked["tenor_days"], 1.0)
    nearest = _BUCKETS[np.abs(np.log(days)[:, None] - np.log(_BUCKETS)).argmin(axis=1)]
    kinds = [
        _KINDS.get(name[:2], "vol") if contract is None else "vol"
        for name, contract in zip(ranked["instrument"], ranked["contract"], strict=True)
    ]
    return np.array([f"{kind} {bucket}d" for kind, bucket in zip(kinds, nearest, strict=True)], dtype=object)


def _overrule(ranked: Candidates, sign: Floats, decision: np.ndarray) -> Bools:
    """Mark the signals that another generator outweighs, and say by what."""
    lost = np.zeros(len(sign), np.bool_)
    exposures, generators = _exposures(ranked), ranked["generator"]
    for exposure in sorted(set(exposures)):
        here = exposures == exposure
        votes = {
            name: float(np.mean((ranked["confidence"] * sign)[here & (generators == name)]))
            for name in sorted(set(generators[here]))
        }
        winner = max(votes, key=lambda name: abs(votes[name]))
        for name, vote in votes.items():
            if vote * votes[winner] >= 0.0:
                continue
            mine = here & (generators == name) & (sign * vote > 0.0)
            lost |= mine
            decision[mine] = (
                f"Overruled in {exposure}: {winner} weighs {votes[winner]:+.2f}, {name} {vote:+.2f}."
            )
    return lost


def _filter(ranked: Candidates, standing: Bools, limits: Mapping[str, float], decision: np.ndarray) -> None:
    least, widest = limits["min_confidence"], limits["max_half_spread_iv"]
    sure, half, at = ranked["confidence"], ranked["half_spread_iv"], ranked["expiry_at"]
    pending, of_expiry = 0, Counter[object]()
    for i in np.flatnonzero(standing).tolist():
        if sure[i] < least:
            decision[i] = f"Confidence {sure[i]:.2f} is below {least:.2f}."
        elif half[i] > widest:
            decision[i] = f"Half-spread {half[i] * 1e4:.0f} bps is above {widest * 1e4:.0f} bps."
        elif of_expiry[at[i].item()] >= limits["max_per_expiry"]:
            decision[i] = f"The expiry has {limits['max_per_expiry']:.0f} better ones already."
        elif pending >= limits["max_signals"]:
            decision[i] = f"The underlying has {limits['max_signals']:.0f} better ones already."
        else:
            pending += 1
            of_expiry[at[i].item()] += 1
