"""Bands: what several models make of the same node, so that a reader sees how much hangs on the model.

What belongs here: ``model_bands``: which nodes, which models. What does not: the models themselves
(``periscope_analytics``), the error of one model (``surface_grid``, ``heston_fit``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from periscope_analytics.calibration import fit_essvi
from periscope_analytics.errors import Status
from periscope_analytics.event_time import Passage
from periscope_analytics.smiles import Smiles
from periscope_analytics.surface import Smile, VolSurface
from periscope_analytics.svi import SVIParams
from periscope_assets.transforms.expiries import is_labelled
from periscope_assets.transforms.frames import Floats, numbers
from periscope_assets.transforms.models.heston import HESTON_FIT, MIN_TAU, params_of
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult
from periscope_assets.transforms.surfaces import svi
from periscope_assets.transforms.surfaces.event_time import passage_of
from periscope_assets.transforms.surfaces.grid import SURFACE_GRID
from periscope_assets.transforms.surfaces.served import fitted_rows, served_of
from periscope_assets.transforms.surfaces.slices import SURFACE_SLICES, usable

TABLE = "model_nodes"
MODEL_BANDS = Input("model_bands")
SURFACE = Input("vol_surface", tables=(SURFACE_SLICES, svi.TABLE))
DELTAS = (0.10, 0.25, 0.50, 0.75, 0.90)

_MODELS = ("served_iv", "svi_iv", "essvi_iv", "heston_iv")
_POINTS = np.linspace(-2.0, 2.0, 17)
"""Where eSSVI meets the served surface, in standard deviations at the money."""


def compute(snapshot: Snapshot) -> StageResult:
    """Evaluate the served surface, SVI, eSSVI and Heston at the nodes of ``surface_grid``.

    eSSVI is fitted to the served surface within two standard deviations of each expiry. The band reaches from
    the least to the greatest vol; nodes without a served vol have none. Between expiries the variance of all
    surfaces comes as the served one's does (``surfaces.event_time``), so that no width stems from time.
    Heston's comes as its parameters say; it knows of no events.
    """
    nodes = snapshot.inputs["surface_grid"]["surface_nodes"]
    at_delta = is_labelled(nodes["axis"], "delta") & np.isin(numbers(nodes, "coordinate"), DELTAS)
    nodes = nodes.take(np.flatnonzero(at_delta)).reset_index(drop=True)
    surface = snapshot.inputs["vol_surface"]
    passage = passage_of(fitted_rows(surface[SURFACE_SLICES]))
    k, tau = numbers(nodes, "log_moneyness"), numbers(nodes, "tau_years")
    known = np.isfinite(k)
    vols = {
        "served_iv": numbers(nodes, "iv"),
        "svi_iv": _read(_svi(surface[svi.TABLE]), passage, k, tau, known),
        "essvi_iv": _read(_essvi(surface[SURFACE_SLICES]), passage, k, tau, known),
        "heston_iv": _heston(snapshot, k, tau, known),
    }
    stacked = np.stack([vols[name] for name in _MODELS])
    n = np.isfinite(stacked).sum(axis=0)
    some = n > 1
    low, high = np.full(len(k), np.nan), np.full(len(k), np.nan)
    low[some], high[some] = np.nanmin(stacked[:, some], axis=0), np.nanmax(stacked[:, some], axis=0)
    frame = pd.DataFrame(
        {
            "tenor_days": nodes["tenor_days"],
            "delta": nodes["coordinate"],
            "log_moneyness": k,
            **vols,
            "low_iv": low,
            "high_iv": high,
            "n_models": n,
            "status": np.where(some, Status.OK.label, Status.OUT_OF_RANGE.label),
        }
    )
    width = 1e4 * (high - low)[some & np.isfinite(high - low)]
    quality = {
        "n_nodes": len(frame),
        "n_bands": int(some.sum()),
        "median_width_bps": float(np.median(width)) if width.size else None,
        "greatest_width_bps": float(width.max()) if width.size else None,
    }
    return StageResult({TABLE: frame}, quality)


def _read(surface: VolSurface | None, passage: Passage, k: Floats, tau: Floats, known: np.ndarray) -> Floats:
    """Return a surface's vols, variance coming as the served surface's does; NaN outside its expiries."""
    out = np.full(len(k), np.nan)
    if surface is not None:
        inside = known & (tau >= surface.taus[0]) & (tau <= surface.taus[-1])
        w = replace(surface, passage=passage).total_variance(k[inside], tau[inside])
        out[inside] = np.sqrt(np.where(w > 0.0, w, np.nan) / tau[inside])
    return out


def _svi(slices: pd.DataFrame) -> VolSurface | None:
    rows = usable(slices)
    if rows.empty:
        return None
    parameters = zip(*(numbers(rows, name).tolist() for name in svi.PARAMETERS), strict=True)
    taus = numbers(rows, "tau_years").tolist()
    smiles = [Smile(SVIParams(*each), tau) for each, tau in zip(parameters, taus, strict=True)]
    return VolSurface(smiles, numbers(rows, "forward").tolist())


def _essvi(slices: pd.DataFrame) -> VolSurface | None:
    rows = fitted_rows(slices)
    if rows.empty:
        return None
    served = served_of(rows).slices
    smiles, row = Smiles(served), np.repeat(np.arange(len(served)), len(_POINTS))
    k = np.sqrt(smiles.atm_total_variance)[row] * np.tile(_POINTS, len(served))
    fit = fit_essvi(k, smiles.taus[row], smiles.iv(row, k))
    return fit.params.surface() if fit.params is not None else None


def _heston(snapshot: Snapshot, k: Floats, tau: Floats, known: np.ndarray) -> Floats:
    out = np.full(len(k), np.nan)
    params = params_of(snapshot.inputs["heston_fit"]["heston_calibrations"].iloc[0].to_dict())
    if params is not None:
        where = known & (tau >= MIN_TAU)
        out[where] = params.implied_vol(1.0, np.exp(k[where]), tau[where])
    return out


STAGE = Stage("model_bands", (SURFACE_GRID, SURFACE, HESTON_FIT), "2", compute)
