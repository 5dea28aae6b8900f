"""Signals as a desk reads them: ranked over underlyings, what it takes to trade them and how they fared.

What belongs here: joins of published signals, quotes and scores. What does not: how signals are made or
scored (``periscope_assets.transforms.signals``), what people did about them (``app.commands``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from app.queries.answer import Answer
from app.queries.core import Queries
from app.queries.errors import NotPublishedError
from app.queries.locate import QUOTES, Located
from app.queries.strategy import beside
from app.queries.times import TimeLike
from periscope_assets.store.repository import PurgedError
from periscope_assets.transforms.signals.track_record import track_record

SIGNALS, SCORES, OU_FIT = "trade_signals", "signal_scorecard", "ou_fit"
WINDOW = timedelta(days=90)
"""How far back scores count."""

_SERIES = {"ATM 30d": "atm_iv", "RR25 30d": "rr_25", "BF25 30d": "bf_25"}
_LIQUIDITY = ("bid_size", "ask_size", "volume", "open_interest")
_SCORED = [
    "signal_as_of",
    "generator",
    "signal_state",
    "horizon_sessions",
    "net_iv",
    "is_hit",
    "basis",
    "status",
]


@dataclass(frozen=True, slots=True)
class Board:
    """Signals of several underlyings.

    Attributes
    ----------
    answers : tuple of Answer
        One for each underlying that has signals.
    signals : DataFrame
        Rows of ``trade_signals`` of all of them, best first, with symbol, as_of, version, `edge_over_error`,
        `z_stderr`, bid_size, ask_size, volume and open_interest of the contract.
    absent : tuple of NotPublishedError
        Underlyings without signals, and why.
    """

    answers: tuple[Answer, ...]
    signals: pd.DataFrame
    absent: tuple[NotPublishedError, ...]


def board(
    queries: Queries,
    symbols: Sequence[str],
    *,
    as_of: TimeLike = None,
    known_at: TimeLike = None,
    version: str | None = None,
) -> Board:
    """Return the signals of underlyings, of each its latest snapshot at or before `as_of`.

    Raises
    ------
    NotPublishedError
        If none of them has any.
    InvalidParameterError, UnknownSymbolError, StoreUnavailableError
        As :meth:`Queries.read`.
    """
    answers, frames, absent = [], [], []
    for symbol in symbols:
        try:
            found = queries.locate(SIGNALS, symbol, as_of=as_of, known_at=known_at, version=version)
        except NotPublishedError as error:
            absent.append(error)
            continue
        answer = queries.read(SIGNALS, symbol, as_of=as_of, known_at=known_at, version=version)
        answers.append(answer)
        frames.append(_signals(queries, found, answer))
    if not answers:
        raise absent[0]
    whole = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    order = ["confidence", "edge_over_error"]
    ranked = whole.sort_values(order, ascending=False, kind="stable", ignore_index=True)
    return Board(tuple(answers), ranked, tuple(absent))


def _signals(queries: Queries, found: Located, answer: Answer) -> pd.DataFrame:
    rows = answer.frames[SIGNALS].sort_values("rank", ignore_index=True)
    edge, error = (rows[name].to_numpy(dtype=np.float64) for name in ("edge_iv", "edge_stderr"))
    with np.errstate(all="ignore"):
        ratio = np.where(error > 0.0, edge / error, np.nan)
    rows = rows.assign(edge_over_error=ratio, z_stderr=_z_errors(queries, found, rows))
    rows.insert(0, "symbol", answer.symbol)
    rows = rows.assign(as_of=answer.as_of, version=answer.version)
    return rows.join(_liquidity(queries, found), on="contract")


def _z_errors(queries: Queries, found: Located, rows: pd.DataFrame) -> np.ndarray:
    """Return one-sigma errors of z: the fit's own for a series, else the error of the distance, scaled."""
    z, error, entry, fair = (
        rows[name].to_numpy(dtype=np.float64) for name in ("z_score", "edge_stderr", "entry_iv", "fair_iv")
    )
    with np.errstate(all="ignore"):
        carried = np.where(entry != fair, error * np.abs(z / (entry - fair)), np.nan)
    series = rows["instrument"].map(_SERIES)
    if series.isna().all():
        return carried
    fit = beside(queries, found, OU_FIT)
    if fit is None:
        return np.where(series.notna(), np.nan, carried)
    own = series.map(queries.rows(fit, "ou_calibrations").set_index("series")["z_stderr"])
    return np.where(series.notna(), own.to_numpy(dtype=np.float64), carried)


def _liquidity(queries: Queries, found: Located) -> pd.DataFrame:
    quotes = beside(queries, found, QUOTES)
    absent = pd.DataFrame(columns=list(_LIQUIDITY), index=pd.Index([], name="contract"), dtype="float64")
    if quotes is None:
        return absent
    try:
        rows = queries.rows(quotes, "options_snapshots")
    except PurgedError:
        return absent
    return rows.set_index("contract")[list(_LIQUIDITY)]


def scorecard(queries: Queries, symbol: str, *, as_of: TimeLike = None, known_at: TimeLike = None) -> Answer:
    """Return how a symbol's signals fared over the last 90 days: frame ``track_record``.

    Raises
    ------
    NotPublishedError
        If nothing was scored yet.
    """
    found = queries.locate(SCORES, symbol, as_of=as_of, known_at=known_at)
    entry = found.entry
    start = entry.as_of - WINDOW
    scores = queries.series(
        "signal_scores", symbol, start=start, until=entry.as_of, known_at=found.known_at, columns=_SCORED
    )
    record = track_record(scores)
    return Answer(
        dataset="track_record",
        symbol=symbol,
        as_of=entry.as_of,
        known_at=found.known_at,
        published_at=entry.known_at,
        version=entry.version,
        status=found.status,
        source=entry.source,
        run_id=entry.run_id,
        quality={"n_scores": len(scores), "days": WINDOW.days, "first": _first(scores)},
        frames={"track_record": record},
        parts={SCORES: entry.version},
        warnings=found.warnings,
    )


def _first(scores: pd.DataFrame) -> str | None:
    moments: list[datetime] = scores["signal_as_of"].tolist()
    return min(moments).isoformat() if moments else None
