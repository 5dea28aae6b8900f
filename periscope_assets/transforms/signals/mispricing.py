"""Mispricing: market vol against model vol, contract by contract.

What belongs here: ``mispricing``. What does not: the model (``models``), what follows from a difference
(``generators``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from periscope_analytics import black
from periscope_analytics.errors import Status
from periscope_assets.transforms.expiries import by_time, is_labelled, places
from periscope_assets.transforms.forwards import FORWARDS
from periscope_assets.transforms.frames import (
    MAD_TO_SIGMA,
    Bools,
    Floats,
    counts,
    flags,
    numbers,
)
from periscope_assets.transforms.models.heston import (
    FITTED,
    HESTON_FIT,
    MIN_TAU,
    PARAMETERS,
    params_of,
    slopes,
)
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult
from periscope_assets.transforms.surfaces.vols import IMPLIED_VOLS

TABLE = "mispricings"
MISPRICING = Input("mispricing")
HISTORY = Input(
    "mispricing",
    optional=True,
    tables=(TABLE,),
    columns=("contract", "difference"),
    history_days=31,
)

_LEAST_PAST = 5
_READ = (*("strike", "forward", "tau_years", "mid_iv", "bid_iv", "ask_iv", "iv_stderr", "vega"),)


def compute(snapshot: Snapshot) -> StageResult:
    """Set the mid vol of each out-of-the-money contract against Heston's.

    The error of the difference joins that of the mid with that of the model, from the covariance of its
    parameters; a parameter on its bound is taken as given. The z-score is the difference less its mean over
    its standard deviation in the month before, where the contract has five sessions; else the difference over
    1.4826 times the median absolute difference of the surface. The edge is Black-76 at the model's vol less
    the ask, positive, or less the bid, negative; absent inside the spread.
    """
    vols = snapshot.inputs["implied_vols"]["implied_vols"]
    fit = snapshot.inputs["heston_fit"]["heston_calibrations"].iloc[0].to_dict()
    rows = np.flatnonzero(flags(vols, "is_otm") & is_labelled(vols["status"], Status.OK.label))
    market = {name: numbers(vols, name)[rows] for name in _READ}
    is_call = flags(vols, "is_call")[rows]
    forwards = by_time(snapshot.inputs["forward_curve"]["forwards"])
    discount = numbers(forwards, "discount")[places(vols, forwards)][rows]
    model, model_stderr = _model(fit, market)
    difference = market["mid_iv"] - model
    contract = vols["contract"].array[rows]
    z_score, z_basis = _z_scores(contract, difference, snapshot.inputs.get(HISTORY.key))
    frame = pd.DataFrame(
        {
            "contract": contract,
            "expiry_at": vols["expiry_at"].array[rows],
            "strike": market["strike"],
            "is_call": is_call,
            "market_iv": market["mid_iv"],
            "model_iv": model,
            "difference": difference,
            "stderr": np.hypot(market["iv_stderr"], model_stderr),
            "half_spread_iv": (market["ask_iv"] - market["bid_iv"]) / 2,
            "vega_usd": market["vega"],
            "z_score": z_score,
            "z_basis": z_basis,
            "edge_usd": _edge_usd(market, is_call, model, discount),
            "status": np.where(np.isfinite(model), Status.OK.label, _absence(fit)).astype(object),
        },
        copy=False,
    )
    return StageResult({TABLE: frame}, _quality(frame))


def _absence(fit: Mapping[Any, Any]) -> str:
    return Status.OUT_OF_RANGE.label if fit["status"] in FITTED else str(fit["status"])


def _model(fit: Mapping[Any, Any], market: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """Return the model's vols and their errors, NaN where there is none so near to settlement."""
    forward, strike, tau = (market[name] for name in ("forward", "strike", "tau_years"))
    vols, errors = np.full(len(tau), np.nan), np.full(len(tau), np.nan)
    params = params_of(fit)
    rows = tau >= MIN_TAU
    if params is not None and rows.any():
        vols[rows], by = slopes(params, forward[rows], strike[rows], tau[rows])
        errors[rows] = np.sqrt(np.einsum("ij,jk,ik->i", by, _covariance(fit), by))
    return vols, errors


def _covariance(fit: Mapping[Any, Any]) -> Floats:
    whole = np.zeros((len(PARAMETERS), len(PARAMETERS)))
    for i, row in enumerate(fit["covariance"]["lower"]):
        whole[i, : i + 1] = whole[: i + 1, i] = row
    return whole


def _z_scores(
    contract: ExtensionArray, difference: Floats, history: Mapping[str, pd.DataFrame] | None
) -> tuple[Floats, np.ndarray]:
    known = difference[np.isfinite(difference)]
    scale = MAD_TO_SIGMA * float(np.median(np.abs(known))) if len(known) else 0.0
    z = difference / scale if scale > 0 else np.full(len(difference), np.nan)
    basis = np.where(np.isfinite(z), "surface", "none").astype(object)
    if history and not history[TABLE].empty:
        past = history[TABLE].groupby("contract")["difference"].agg(["count", "mean", "std"])
        mine = past.reindex(contract)
        own = (difference - mine["mean"].to_numpy()) / mine["std"].to_numpy()
        long = (mine["count"].to_numpy() >= _LEAST_PAST) & np.isfinite(own)
        z, basis[long] = np.where(long, own, z), "history"
    return z, basis


def _edge_usd(market: Mapping[str, Floats], is_call: Bools, model: Floats, discount: Floats) -> Floats:
    columns = [market[name] for name in ("forward", "strike", "tau_years")]

    def value(vol: Floats) -> Floats:
        whole, rows = np.full(len(vol), np.nan), np.isfinite(vol)
        forward, strike, tau = (column[rows] for column in columns)
        whole[rows] = black.price(forward, strike, tau, vol[rows], is_call[rows], discount[rows])
        return whole

    fair = value(model)
    over_ask, under_bid = fair - value(market["ask_iv"]), fair - value(market["bid_iv"])
    return np.where(over_ask > 0, over_ask, np.where(under_bid < 0, under_bid, np.nan))


def _quality(frame: pd.DataFrame) -> dict[str, float | int | str | bool | None]:
    difference = numbers(frame, "difference")
    known = difference[np.isfinite(difference)]
    middle, size = (1e4 * float(np.median(each)) if known.size else None for each in (known, np.abs(known)))
    return {
        "n_contracts": len(frame),
        **counts(frame["status"], "n_status"),
        "n_outside_spread": int(np.isfinite(numbers(frame, "edge_usd")).sum()),
        "median_difference_bps": middle,
        "median_absolute_difference_bps": size,
    }


STAGE = Stage("mispricing", (IMPLIED_VOLS, FORWARDS, HESTON_FIT, HISTORY), "2", compute)
