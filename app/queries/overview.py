"""What there is: answers that span symbols.

What belongs here: summaries of the ledger. What does not: rows of any dataset.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from app.queries.answer import Answer
from app.queries.locate import ALL_STATUSES, QUOTES
from periscope_assets.store.repository import NO_SESSION, PUBLISHED, LedgerEntry, Reader
from periscope_assets.transforms.surfaces.served import fitted_rows

SURFACE, SKEW = "vol_surface", "skew_metrics"
_UNDERLYING = (
    *("symbol", "as_of", "published_at", "status", "version", "source", "n_snapshots"),
    *("spot", "n_accepted", "n_quarantined", "n_expiries", "n_fitted"),
    *("rmse_bps", "inside_share", "is_free", "atm_iv_30d", "rr_25_30d"),
)
_STATUS = (
    "dataset",
    "symbol",
    "as_of",
    "published_at",
    "status",
    "version",
    "latest_as_of",
    "n_snapshots",
    "source",
    "run_id",
    "quality",
)


def underlyings(reader: Reader, known_at: datetime) -> Answer:
    """Return one row for each symbol with quotes: latest surface, its status and figures."""
    symbols = reader.symbols(QUOTES, known_at=known_at)
    tried = _by_symbol(reader.recent(QUOTES, symbols, known_at=known_at, statuses=ALL_STATUSES))
    quotes = _by_symbol(reader.recent(QUOTES, symbols, known_at=known_at))
    surfaces = _by_symbol(reader.recent(SURFACE, symbols, known_at=known_at))
    counts = reader.counts(SURFACE, known_at=known_at)
    rows = [
        {"n_snapshots": counts.get((SURFACE, symbol), 0)}
        | _underlying(reader, known_at, quotes.get(symbol) or tried[symbol], surfaces.get(symbol))
        for symbol in symbols
    ]
    return summary("underlyings", known_at, pd.DataFrame(rows, columns=list(_UNDERLYING)))


def status(reader: Reader, known_at: datetime) -> Answer:
    """Return one row for each dataset and symbol: the snapshot served, its status, the latest tried."""
    counts = reader.counts(known_at=known_at)
    rows = []
    for latest in reader.latest(known_at=known_at):
        served = (
            latest
            if latest.status == PUBLISHED
            else reader.head(latest.dataset, latest.symbol, known_at=known_at)
        )
        rows.append(_status(latest, served, counts.get((latest.dataset, latest.symbol), 0)))
    return summary("status", known_at, pd.DataFrame(rows, columns=list(_STATUS)))


def _by_symbol(entries: Sequence[LedgerEntry]) -> dict[str, LedgerEntry]:
    return {entry.symbol: entry for entry in entries}


def _underlying(
    reader: Reader, known_at: datetime, quotes: LedgerEntry, surface: LedgerEntry | None
) -> dict[str, object]:
    shown = surface or quotes
    row: dict[str, object] = {
        "symbol": shown.symbol,
        "as_of": shown.as_of,
        "published_at": shown.known_at,
        "status": _state(quotes, surface),
        "version": shown.version,
        "source": shown.source,
        **{name: quotes.quality.get(name) for name in ("spot", "n_accepted", "n_quarantined")},
    }
    return row if surface is None else row | _fit(reader, surface) | _tenor(reader, surface, known_at)


def _state(quotes: LedgerEntry, surface: LedgerEntry | None) -> str:
    if surface is None:
        return "no_surface" if quotes.status == PUBLISHED else quotes.status
    return "stale" if quotes.status == PUBLISHED and quotes.as_of > surface.as_of else PUBLISHED


def _fit(reader: Reader, surface: LedgerEntry) -> dict[str, object]:
    slices = reader.rows(surface, "surface_slices")
    fitted = fitted_rows(slices)
    certificates = reader.rows(surface, "surface_certificates")
    return {
        "n_expiries": len(slices),
        "n_fitted": len(fitted),
        "rmse_bps": fitted["rmse_bps"].median(),
        "inside_share": surface.quality.get("inside_share"),
        "is_free": bool(certificates["is_free"].iloc[0]) if len(certificates) else None,
    }


def _tenor(reader: Reader, surface: LedgerEntry, known_at: datetime) -> dict[str, object]:
    """Return skew metrics at a constant 30 days of the same snapshot, nothing if they are not published."""
    skew = reader.head(SKEW, surface.symbol, as_of=surface.as_of, known_at=known_at)
    rows = constant_maturity(pd.DataFrame() if skew is None else reader.rows(skew, SKEW))
    return {f"{name}_30d": rows[name].iloc[0] for name in ("atm_iv", "rr_25")} if len(rows) else {}


def constant_maturity(skew: pd.DataFrame, days: float = 30.0) -> pd.DataFrame:
    """Return the row of ``skew_metrics`` at a constant maturity, no row if there is none."""
    if skew.empty:
        return skew
    return skew[(skew["basis"] == "constant_maturity") & (skew["tenor_days"] == days)]


def _status(latest: LedgerEntry, served: LedgerEntry | None, count: int) -> tuple[object, ...]:
    shown = served or latest
    failed = latest.status not in (PUBLISHED, NO_SESSION) and shown is not latest
    return (
        shown.dataset,
        shown.symbol,
        shown.as_of,
        shown.known_at,
        "stale" if failed else shown.status,
        shown.version,
        latest.as_of,
        count,
        shown.source,
        shown.run_id,
        shown.quality,
    )


def summary(name: str, known_at: datetime, frame: pd.DataFrame) -> Answer:
    """Return an answer that spans symbols; its version is that of its rows' versions."""
    digest = hashlib.sha256("\n".join(sorted(frame["version"].astype(str))).encode()).hexdigest()
    return Answer(
        dataset=name,
        symbol=None,
        as_of=frame["as_of"].max() if len(frame) else None,
        known_at=known_at,
        published_at=frame["published_at"].max() if len(frame) else None,
        version=digest[:32],
        status="published",
        source="ledger",
        run_id="",
        quality={"n_rows": len(frame)},
        frames={name: frame},
    )
