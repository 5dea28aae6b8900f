"""Scorecard: what became of each signal, net of what it would have cost.

What belongs here: ``signal_scorecard``, and the score of a signal from two snapshots. What does not: figures
over many signals (``track_record``).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from periscope_analytics.errors import Status
from periscope_assets.transforms.frames import Floats, finite, numbers
from periscope_assets.transforms.models.heston import HESTON_FIT, params_of
from periscope_assets.transforms.models.ou import SKEW
from periscope_assets.transforms.signals import trade
from periscope_assets.transforms.signals.generators import INSTRUMENTS
from periscope_assets.transforms.stage import FIGURES, Frames, Input, Snapshot, Stage, StageResult
from periscope_assets.transforms.surfaces.vols import IMPLIED_VOLS

TABLE = "signal_scores"
HORIZONS = (1, 5, 21)
"""Sessions after which a signal is scored."""
HISTORY = Input("trade_signals", optional=True, tables=(trade.TABLE,), history_days=45)
AS_SERVED, RECONSTRUCTED = "as_served", "reconstructed"

_SERIES = {instrument: name for name, instrument in INSTRUMENTS.items()}


def compute(snapshot: Snapshot) -> StageResult:
    """Score the signals of 1, 5 and 21 sessions ago, all states alike.

    Sessions are counted by what was published. The basis is ``as_served`` for a signal that was known before
    this snapshot's market time, else ``reconstructed``.
    """
    past = snapshot.inputs.get(HISTORY.key, {})
    figures = past[FIGURES] if past else pd.DataFrame()
    parts = []
    for horizon in HORIZONS:
        if len(figures) < horizon:
            continue
        entry = figures.iloc[-horizon]
        signals = past[trade.TABLE][past[trade.TABLE]["as_of"] == entry["as_of"]]
        basis = AS_SERVED if entry["known_at"] < pd.Timestamp(snapshot.as_of) else RECONSTRUCTED
        parts.append(score(signals, horizon, basis, snapshot.inputs))
    some = [part for part in parts if len(part)]
    frame = pd.concat(some, ignore_index=True) if some else pd.DataFrame(columns=_COLUMNS)
    known = frame[frame["status"] == "ok"]
    quality = {
        "n_scores": len(frame),
        "n_scored": len(known),
        "hit_rate": finite(float(known["is_hit"].astype("float64").mean())) if len(known) else None,
        "mean_net_bps": finite(1e4 * float(known["net_iv"].mean())) if len(known) else None,
    }
    return StageResult({TABLE: frame}, quality)


def score(signals: pd.DataFrame, horizon: int, basis: str, now: Mapping[str, Frames]) -> pd.DataFrame:
    """Return the scores of rows of ``trade_signals`` by the vols of a later snapshot.

    A contract is held against what the model makes of the day: of its move, that of Heston's own vol for it
    is hedged away, for relative value says nothing of the level. A series stands for itself. The net move
    pays the half-spread at entry and the one at exit; money is the net move times the vega at entry. A
    contract without a mid vol now has its status, one that has settled is ``expired``.
    """
    vols = now["implied_vols"]["implied_vols"].set_index("contract")
    metrics = now["skew_metrics"]["skew_metrics"]
    mine = vols.reindex(signals["contract"])
    is_contract = signals["contract"].notna().to_numpy()
    half = numbers(signals, "half_spread_iv")
    exit_half = np.where(is_contract, (numbers(mine, "ask_iv") - numbers(mine, "bid_iv")) / 2, half)
    exit_iv = np.where(is_contract, numbers(mine, "mid_iv"), _series(signals["instrument"], metrics))
    sign = np.where(signals["direction"] == "buy", 1.0, -1.0)
    hedge = np.where(is_contract, _model(mine, now) - numbers(signals, "fair_iv"), 0.0)
    gross = sign * (exit_iv - numbers(signals, "entry_iv") - hedge)
    net = gross - half - exit_half
    absent = mine["status"].fillna(Status.EXPIRED.label).to_numpy()
    reason = np.where(is_contract, np.where(absent == "ok", Status.NO_QUOTE.label, absent), "out_of_range")
    known = np.isfinite(net)
    return pd.DataFrame(
        {
            "signal_id": signals["signal_id"].to_numpy(),
            "horizon_sessions": horizon,
            "signal_as_of": signals["as_of"].array,
            **{name: signals[name].to_numpy() for name in ("generator", "instrument", "direction")},
            "signal_state": signals["state"].to_numpy(),
            **{name: signals[name].to_numpy() for name in ("confidence", "entry_iv")},
            "exit_iv": exit_iv,
            "hedge_iv": hedge,
            "gross_iv": gross,
            "net_iv": net,
            "net_usd": net * numbers(signals, "vega_usd"),
            "is_hit": pd.Series(net > 0.0, dtype="boolean").where(known),
            "basis": basis,
            "status": np.where(known, Status.OK.label, reason),
        }
    )


def _model(rows: pd.DataFrame, now: Mapping[str, Frames]) -> Floats:
    """Return Heston's vols now of contracts' rows, NaN where there is no fit or no contract."""
    params = params_of(now["heston_fit"]["heston_calibrations"].iloc[0].to_dict())
    if params is None:
        return np.full(len(rows), np.nan)
    forward, strike, tau = (numbers(rows, name) for name in ("forward", "strike", "tau_years"))
    return params.implied_vol(forward, strike, tau)


def _series(instruments: pd.Series, metrics: pd.DataFrame) -> Floats:
    """Return today's value of each series, NaN for contracts and what is not published today."""
    fixed = metrics[metrics["basis"] == "constant_maturity"].set_index("tenor_days")
    return np.array([_value(str(name), fixed) for name in instruments], dtype=np.float64)


def _value(instrument: str, fixed: pd.DataFrame) -> float:
    kind, _, span = instrument.partition(" ")
    if instrument in _SERIES:
        return float(fixed[_SERIES[instrument]].get(30.0, np.nan))
    if kind != "FWD":
        return np.nan
    start, end = (float(day.removesuffix("d")) for day in span.split("-"))
    near = 0.0 if start == 0.0 else float(fixed["atm_iv"].get(start, np.nan)) ** 2 * start
    variance = (float(fixed["atm_iv"].get(end, np.nan)) ** 2 * end - near) / (end - start)
    return float(np.sqrt(variance)) if variance >= 0.0 else np.nan


_COLUMNS = [
    *("signal_id", "horizon_sessions", "signal_as_of", "generator", "instrument", "direction"),
    *("signal_state", "confidence", "entry_iv", "exit_iv", "hedge_iv", "gross_iv", "net_iv"),
    *("net_usd", "is_hit", "basis", "status"),
]
STAGE = Stage("signal_scorecard", (IMPLIED_VOLS, SKEW, HESTON_FIT, HISTORY), "1", compute)
