"""Positioning as a desk reads it: by expiry as published, by strike and contract from the same quotes.

What belongs here: sums of what ``transforms.surfaces.positioning`` says of contracts. What does not: its
assumptions and formulas.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd

from app.queries.answer import Answer
from app.queries.core import Queries
from app.queries.locate import QUOTES
from app.queries.strategy import beside
from app.queries.times import TimeLike
from periscope_assets.store.repository import PurgedError
from periscope_assets.transforms.surfaces.positioning import by_contract

SKEW, SURFACE, TABLE = "skew_metrics", "vol_surface", "positioning"
SUMS = ("call_open_interest", "put_open_interest", "call_volume", "put_volume", "gex_usd")


def positioning(
    queries: Queries,
    symbol: str,
    *,
    as_of: TimeLike = None,
    known_at: TimeLike = None,
    version: str | None = None,
    expiry_at: datetime | None = None,
) -> Answer:
    """Return open interest, volume and gamma.

    Parameters
    ----------
    queries : Queries
    symbol : str
    as_of, known_at, version
        Which snapshot; see :meth:`Queries.read`.
    expiry_at : datetime, optional
        Sum strikes over this expiry only.

    Returns
    -------
    Answer
        Of the version of ``skew_metrics``. Frames: ``positioning`` (published, by expiry), ``strikes`` (sums
        by strike) and ``unusual`` (contracts, greatest ratio first); the last two are empty where quotes or
        surface of the snapshot are not there any more.
    """
    found = queries.locate(SKEW, symbol, as_of=as_of, known_at=known_at, version=version)
    answer = queries.read(SKEW, symbol, as_of=as_of, known_at=known_at, version=version)
    quotes, surface = (beside(queries, found, name) for name in (QUOTES, SURFACE))
    frames = {TABLE: answer.frames[TABLE].sort_values("expiry_at", ignore_index=True)}
    parts = {SKEW: found.entry.version}
    contracts = pd.DataFrame(columns=_CONTRACT)
    if quotes is not None and surface is not None:
        parts |= {QUOTES: quotes.version, SURFACE: surface.version}
        try:
            contracts = by_contract(
                queries.rows(quotes, "options_snapshots"), queries.rows(surface, "surface_slices")
            )
        except PurgedError as error:
            answer = replace(answer, warnings=(*answer.warnings, f"By strike: {error}."))
    frames["strikes"] = _strikes(contracts, expiry_at)
    unusual = contracts[contracts["is_unusual"].astype(bool)]
    frames["unusual"] = unusual.sort_values("volume_ratio", ascending=False, ignore_index=True)
    return replace(answer, dataset="positioning", frames=frames, parts=parts)


def _strikes(contracts: pd.DataFrame, expiry_at: datetime | None) -> pd.DataFrame:
    rows = contracts if expiry_at is None else contracts[contracts["expiry_at"] == pd.Timestamp(expiry_at)]
    call = rows["is_call"].to_numpy(dtype=np.bool_)
    sides = {
        f"{side}_{name}": rows[name].where(mask)
        for name in ("open_interest", "volume")
        for side, mask in (("call", call), ("put", ~call))
    }
    columns = pd.DataFrame({**sides, "gex_usd": rows["gex_usd"], "strike": rows["strike"]})
    summed = columns.astype("float64").groupby("strike", sort=True).sum(min_count=1).reset_index()
    return summed[["strike", *SUMS]]


_CONTRACT = [
    *("contract", "expiry_at", "expiry", "root", "strike", "is_call", "volume", "open_interest"),
    *("gex_usd", "volume_ratio", "is_unusual"),
]
