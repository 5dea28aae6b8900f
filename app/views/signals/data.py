"""What the page of signals shows, read and arranged.

What belongs here: filters and frames ready for tables. What does not: widgets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from app.commands.signals import acknowledged
from app.components.scope import Scope
from app.queries import Answer, NotPublishedError, Queries
from app.queries.signals import Board, board, scorecard
from app.queries.times import parse_time
from app.views.signals.setup import ANY, SHORT, Choice
from periscope_assets.store.people import People, SignalEvent

ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, slots=True)
class Page:
    """Signals with what people did about them.

    Attributes
    ----------
    main : Answer
        Of the chosen underlying, or of the one with the best signal.
    board : Board
    events : mapping of str to SignalEvent
        Acknowledgement in force, by signal.
    signals : DataFrame
        Rows of the board; `state` is ``acknowledged`` where somebody did.
    """

    main: Answer
    board: Board
    events: Mapping[str, SignalEvent]
    signals: pd.DataFrame


def load(queries: Queries, people: People, scope: Scope, span: str) -> Page:
    """Read signals of the chosen underlying or of all.

    Raises
    ------
    UnknownSymbolError, NotPublishedError, InvalidParameterError, StoreUnavailableError
        As the queries do.
    """
    own = span == "one"
    symbols = [scope.symbol] if own else queries.symbols(known_at=scope.known_at)
    version = scope.version if own else None
    found = board(queries, symbols, as_of=scope.as_of, known_at=scope.known_at, version=version)
    until = parse_time(scope.known_at, "known_at")
    events: dict[str, SignalEvent] = {}
    for answer in found.answers:
        events |= acknowledged(people.signal_events(str(answer.symbol), until=until))
    rows = found.signals
    seen = rows["signal_id"].isin(events.keys())
    main = next((each for each in found.answers if each.symbol == scope.symbol), found.answers[0])
    return Page(main, found, events, rows.assign(state=rows["state"].where(~seen, ACKNOWLEDGED)))


def chosen(page: Page, choice: Choice) -> pd.DataFrame:
    """Return the signals that the filters leave, best first."""
    rows = page.signals
    kept = rows["confidence"] >= choice.confidence
    for name, value in (("state", choice.state), ("direction", choice.side), ("generator", choice.rule)):
        if value != ANY:
            kept &= rows[name] == value
    return rows[kept].reset_index(drop=True)


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return signals as people read them: vols in points, z with its error."""
    points = {name: 100.0 * rows[name] for name in ("entry_iv", "fair_iv", "half_spread_iv", "edge_iv")}
    return pd.DataFrame(
        {
            "place": np.arange(1, len(rows) + 1),
            "symbol": rows["symbol"],
            "direction": rows["direction"],
            "what": names(rows),
            "days": rows["tenor_days"],
            **points,
            "edge_stderr": 100.0 * rows["edge_stderr"],
            "edge_usd": rows["edge_usd"],
            "z": [with_error(z, error) for z, error in zip(rows["z_score"], rows["z_stderr"], strict=True)],
            "confidence": rows["confidence"],
            "open_interest": rows["open_interest"],
            "volume": rows["volume"],
            "state": rows["state"],
            "rule": rows["generator"].str.replace("_", " "),
            "reason": rows["reason"],
        }
    )


def names(rows: pd.DataFrame) -> list[str]:
    """Return what each signal is about: strike, side and expiry of a contract, or the series."""
    return [
        str(row["instrument"])
        if not isinstance(row["is_call"], bool | np.bool_)
        else f"{row['strike']:,.6g} {'call' if row['is_call'] else 'put'} {row['expiry_at']:%d %b %Y}"
        for row in rows.to_dict("records")
    ]


def labels(rows: pd.DataFrame) -> dict[str, str]:
    """Return short id and name of each signal, best first."""
    told = zip(rows["signal_id"], rows["symbol"], rows["direction"], names(rows), strict=True)
    return {
        name[:SHORT]: f"{place}. {side} {symbol} {what}"
        for place, (name, symbol, side, what) in enumerate(told, 1)
    }


def with_error(value: float, error: float) -> str | None:
    """Return ``+1.44 ± 0.31``, without the error where there is none."""
    if not np.isfinite(value):
        return None
    return f"{value:+.2f} ± {error:.2f}" if np.isfinite(error) else f"{value:+.2f}"


def record(queries: Queries, symbol: str, scope: Scope) -> Answer | NotPublishedError:
    """Return how the signals of an underlying fared, or why that is not known."""
    try:
        return scorecard(queries, symbol, as_of=scope.as_of, known_at=scope.known_at)
    except NotPublishedError as error:
        return error


def record_table(answer: Answer) -> pd.DataFrame:
    """Return the track record with rates in per cent and intervals in words."""
    rows = answer.frames["track_record"]
    hits = _interval(100.0 * rows["hit_low"], 100.0 * rows["hit_high"], ".0f")
    net = _interval(rows["net_low_bps"], rows["net_high_bps"], "+,.1f")
    return pd.DataFrame(
        {
            "rule": rows["generator"].str.replace("_", " "),
            "state": rows["signal_state"],
            "horizon": rows["horizon_sessions"],
            "hit_rate": 100.0 * rows["hit_rate"],
            "hit_interval": hits,
            "net_bps": rows["mean_net_bps"],
            "net_interval": net,
            "n_scores": rows["n_scores"],
            "n_sessions": rows["n_sessions"],
            "p_value": rows["p_value"],
            "stands": rows["is_discovery"].map({True: "yes", False: "no"}),
            "basis": rows["basis"].str.replace("_", " "),
        }
    )


def _interval(low: pd.Series, high: pd.Series, spec: str) -> list[str | None]:
    pairs = zip(low, high, strict=True)
    return [f"{a:{spec}} to {b:{spec}}" if np.isfinite(a) and np.isfinite(b) else None for a, b in pairs]
