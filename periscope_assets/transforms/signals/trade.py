"""Trade signals: all generators' candidates of a snapshot, weighed and ranked.

What belongs here: ``trade_signals``. What does not: any single rule (``generators``, ``weighing``).
"""

from __future__ import annotations

import hashlib
from datetime import UTC
from typing import cast

import pandas as pd

from periscope_assets.transforms.frames import counts, finite
from periscope_assets.transforms.models.ou import OU_FIT
from periscope_assets.transforms.models.ou import SKEW as SKEW
from periscope_assets.transforms.models.ou import TABLE as OU_TABLE
from periscope_assets.transforms.signals import generators
from periscope_assets.transforms.signals.mispricing import MISPRICING
from periscope_assets.transforms.signals.mispricing import TABLE as MISPRICINGS
from periscope_assets.transforms.signals.regime import regime
from periscope_assets.transforms.signals.weighing import OVERRULED, PENDING, weigh
from periscope_assets.transforms.stage import Snapshot, Stage, StageResult

TABLE = "trade_signals"


def compute(snapshot: Snapshot) -> StageResult:
    """Gather the candidates of all generators, weigh them by regime and against each other, and rank them.

    Setting `signals`: the limits of :func:`weighing.weigh`.
    """
    mispricings = snapshot.inputs["mispricing"][MISPRICINGS]
    metrics = snapshot.inputs["skew_metrics"]["skew_metrics"]
    as_of = pd.Timestamp(snapshot.as_of)
    market = generators.at_money(mispricings, as_of)
    parts = [
        generators.relative_value(mispricings, as_of),
        generators.mean_reversion(snapshot.inputs["ou_fit"][OU_TABLE], market),
        generators.term_structure(metrics, market),
    ]
    some = [part for part in parts if len(part)]
    candidates = pd.concat(some, ignore_index=True) if some else parts[0]
    candidates["expiry_at"] = pd.to_datetime(candidates["expiry_at"], utc=True)
    limits = cast("dict[str, float]", snapshot.settings["signals"])
    weighed = weigh(candidates, regime(metrics), limits)
    stamp = snapshot.as_of.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    named = zip(weighed["generator"], weighed["instrument"], weighed["direction"], strict=True)
    frame = weighed.assign(
        signal_id=[signal_id(generator, instrument, stamp, side) for generator, instrument, side in named]
    )[_COLUMNS]
    return StageResult({TABLE: frame}, _quality(frame, mispricings, metrics))


def signal_id(generator: str, instrument: str, as_of: str, direction: str) -> str:
    """Return a signal's name: equal for equal generator, instrument, snapshot and direction."""
    return hashlib.sha256("|".join((generator, instrument, as_of, direction)).encode()).hexdigest()


def _quality(
    frame: pd.DataFrame, mispricings: pd.DataFrame, metrics: pd.DataFrame
) -> dict[str, float | int | str | bool | None]:
    pending = frame[frame["state"] == PENDING]
    n_priced = int((mispricings["status"] == "ok").sum())
    by_contract = int((frame["generator"] == generators.RELATIVE_VALUE).sum())
    return {
        "n_signals": len(pending),
        "n_candidates": len(frame),
        "n_overruled": int((frame["state"] == OVERRULED).sum()),
        "n_priced": n_priced,
        "signal_share": by_contract / n_priced if n_priced else 0.0,
        **counts(pending["direction"], "n"),
        **counts(pending["generator"], "n"),
        "greatest_edge_bps": finite(pending["edge_iv"].max() * 1e4) if len(pending) else None,
        "regime": regime(metrics),
    }


_COLUMNS = [
    "signal_id",
    *generators.COLUMNS[:-2],
    *("confidence", "regime", "rank", "state", "reason", "decision"),
]
STAGE = Stage("trade_signals", (MISPRICING, SKEW, OU_FIT), "2", compute, settings=("signals",))
