"""Trade signals: all generators' candidates of a snapshot, weighed and ranked.

What belongs here: ``trade_signals``. What does not: any single rule (``generators``, ``weighing``).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC
from typing import Any, cast

import numpy as np
import pandas as pd

from periscope_assets.transforms.expiries import is_labelled
from periscope_assets.transforms.models.ou import OU_FIT, SKEW
from periscope_assets.transforms.models.ou import TABLE as OU_TABLE
from periscope_assets.transforms.signals import generators
from periscope_assets.transforms.signals.generators import Candidates
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
        generators.term_structure(metrics, market, as_of),
    ]
    names = (*generators.NAMES, *generators.NUMBERS)
    candidates = {name: np.concatenate([part[name] for part in parts]) for name in names}
    limits = cast("dict[str, float]", snapshot.settings["signals"])
    state = regime(metrics)
    weighed = weigh(candidates, state, limits)
    stamp = snapshot.as_of.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    named = zip(weighed["generator"], weighed["instrument"], weighed["direction"], strict=True)
    ids = [signal_id(generator, instrument, stamp, side) for generator, instrument, side in named]
    columns: dict[str, Any] = {**weighed, "signal_id": np.array(ids, dtype=object)}
    columns["expiry_at"] = pd.DatetimeIndex(weighed["expiry_at"]).tz_localize("UTC")
    frame = pd.DataFrame({name: columns[name] for name in _COLUMNS}, copy=False)
    return StageResult({TABLE: frame}, _quality(weighed, mispricings, state))


def signal_id(generator: str, instrument: str, as_of: str, direction: str) -> str:
    """Return a signal's name: equal for equal generator, instrument, snapshot and direction."""
    return hashlib.sha256("|".join((generator, instrument, as_of, direction)).encode()).hexdigest()


def _quality(
    weighed: Candidates, mispricings: pd.DataFrame, state: str
) -> dict[str, float | int | str | bool | None]:
    pending = weighed["state"] == PENDING
    n_priced = int(is_labelled(mispricings["status"], "ok").sum())
    by_contract = int((weighed["generator"] == generators.RELATIVE_VALUE).sum())
    told = Counter(weighed["direction"][pending]) + Counter(weighed["generator"][pending])
    return {
        "n_signals": int(pending.sum()),
        "n_candidates": len(pending),
        "n_overruled": int((weighed["state"] == OVERRULED).sum()),
        "n_priced": n_priced,
        "signal_share": by_contract / n_priced if n_priced else 0.0,
        **{f"n_{name}": n for name, n in sorted(told.items())},
        "greatest_edge_bps": 1e4 * float(weighed["edge_iv"][pending].max()) if pending.any() else None,
        "regime": state,
    }


_COLUMNS = (
    *("signal_id", "generator", "instrument", "contract", "expiry_at", "strike", "is_call", "tenor_days"),
    *("direction", "entry_iv", "fair_iv", "half_spread_iv", "vega_usd", "edge_iv", "edge_usd"),
    *("edge_stderr", "z_score", "confidence", "regime", "rank", "state", "reason", "decision"),
)
STAGE = Stage("trade_signals", (MISPRICING, SKEW, OU_FIT), "2", compute, settings=("signals",))
