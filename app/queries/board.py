"""Every underlying in a row: where its vols stand, how they moved, what is behind them.

What belongs here: the desk's summary of published figures. What does not: formatting, events, formulas beyond
a difference.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd

from app.queries.answer import Answer
from app.queries.locate import QUOTES
from app.queries.overview import SKEW, SURFACE, summary
from app.queries.paths import skew_path
from periscope_assets.store.repository import NO_SESSION, PUBLISHED, REJECTED, LedgerEntry, Reader

SIGNALS = "trade_signals"
TENOR_DAYS, FAR_TENOR_DAYS = 30.0, 91.0
TREND = timedelta(days=45)
_FIGURES = (
    *("atm_iv", "atm_iv_stderr", "rr_25", "rr_25_stderr", "slope", "iv_rank", "iv_percentile", "n_history"),
    *("variance_iv", "realized_vol", "variance_risk_premium"),
)
_QUALITY = ("inside_share", "is_free", "median_rmse_bps", "n_slices")
COLUMNS = (
    *("symbol", "as_of", "published_at", "status", "version", "source", "spot", "n_accepted"),
    *("n_quarantined", *_QUALITY, *_FIGURES, "atm_iv_change", "term_slope", "trend", "n_signals"),
)


def board(reader: Reader, known_at: datetime) -> Answer:
    """Return one row for each symbol with quotes, columns ``COLUMNS``; absent figures are absent.

    Skew figures are at a constant 30 days. `atm_iv_change` is against the session before; `term_slope` is ATM
    vol at 91 less that at 30 days; `trend` is ATM vol at 30 days of each day of the last 45.
    """
    symbols = reader.symbols(QUOTES, known_at=known_at)
    tried = _by_symbol(reader, QUOTES, symbols, known_at, (PUBLISHED, REJECTED, NO_SESSION))
    quotes, surfaces, skews, signals = (
        _by_symbol(reader, dataset, symbols, known_at) for dataset in (QUOTES, SURFACE, SKEW, SIGNALS)
    )
    current = {
        symbol: entry
        for symbol, entry in skews.items()
        if symbol in surfaces and entry.as_of == surfaces[symbol].as_of
    }
    figures = _figures(reader, list(current.values()))
    rows = [
        _row(symbol, quotes.get(symbol), surfaces.get(symbol), tried.get(symbol))
        | _skew(reader, current.get(symbol), figures, known_at)
        | _signals(signals.get(symbol), surfaces.get(symbol))
        for symbol in symbols
    ]
    return summary("board", known_at, pd.DataFrame(rows, columns=list(COLUMNS)))


def _by_symbol(
    reader: Reader,
    dataset: str,
    symbols: list[str],
    known_at: datetime,
    statuses: tuple[str, ...] = (PUBLISHED,),
) -> dict[str, LedgerEntry]:
    entries = reader.recent(dataset, symbols, known_at=known_at, statuses=statuses)
    return {entry.symbol: entry for entry in entries}


def _row(
    symbol: str, quotes: LedgerEntry | None, surface: LedgerEntry | None, tried: LedgerEntry | None
) -> dict[str, object]:
    shown = surface or quotes or tried
    if shown is None:
        return {"symbol": symbol, "status": "withdrawn", "version": ""}
    counts = {} if quotes is None else quotes.quality
    fit = {} if surface is None else surface.quality
    return {
        "symbol": symbol,
        "as_of": shown.as_of,
        "published_at": shown.known_at,
        "status": _status(quotes, surface, tried),
        "version": shown.version,
        "source": shown.source,
        **{name: counts.get(name) for name in ("spot", "n_accepted", "n_quarantined")},
        **{name: fit.get(name) for name in _QUALITY},
    }


def _status(quotes: LedgerEntry | None, surface: LedgerEntry | None, tried: LedgerEntry | None) -> str:
    if surface is None:
        return "no_surface" if quotes is not None else "" if tried is None else tried.status
    return "stale" if quotes is not None and quotes.as_of > surface.as_of else PUBLISHED


def _figures(reader: Reader, skews: list[LedgerEntry]) -> dict[tuple[int, float], dict[str, object]]:
    """Return the figures at constant maturities, by publication and days."""
    if not skews:
        return {}
    frame = reader.history(skews, SKEW, ("basis", "tenor_days", *_FIGURES))
    wanted = (frame["basis"] == "constant_maturity") & frame["tenor_days"].isin([TENOR_DAYS, FAR_TENOR_DAYS])
    return {
        (int(row["publication_id"]), float(row["tenor_days"])): {name: row[name] for name in _FIGURES}
        for row in frame[wanted].to_dict("records")
    }


def _skew(
    reader: Reader,
    skew: LedgerEntry | None,
    figures: dict[tuple[int, float], dict[str, object]],
    known_at: datetime,
) -> dict[str, object]:
    """Return the figures of the surface's own snapshot, nothing if they are not published."""
    near = None if skew is None else figures.get((skew.publication_id, TENOR_DAYS))
    if skew is None or near is None:
        return {}
    path = skew_path(reader, skew.symbol, skew.as_of, known_at, columns=("atm_iv",), length=TREND)
    before = path["atm_iv"].iloc[-2] if len(path) > 1 else None
    far = figures.get((skew.publication_id, FAR_TENOR_DAYS), {}).get("atm_iv")
    return {
        **near,
        "atm_iv_change": _less(near["atm_iv"], before),
        "term_slope": _less(far, near["atm_iv"]),
        "trend": path["atm_iv"].dropna().tolist(),
    }


def _less(value: object, other: object) -> float | None:
    both = isinstance(value, float) and isinstance(other, float)
    return value - other if both else None  # type: ignore[operator]


def _signals(signals: LedgerEntry | None, surface: LedgerEntry | None) -> dict[str, object]:
    if signals is None or surface is None or signals.as_of != surface.as_of:
        return {}
    return {"n_signals": signals.quality.get("n_signals")}
