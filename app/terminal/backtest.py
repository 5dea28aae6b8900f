"""``periscope backtest``: how signals have fared, as served and as today's generators would have made them.

What belongs here: which symbols and sessions, and the printed record. What does not: scores
(``periscope_assets.pipeline.backtest``) and statistics (``transforms.signals.track_record``).
"""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

from app.terminal.output import UserError, columns, day, number, say, working
from app.terminal.reading import load_settings

if TYPE_CHECKING:
    import pandas as pd

_HEADS = (
    *("basis", "generator", "state", "sessions ahead", "scores", "sessions", "hits", "hits 95%"),
    *("net bps", "net 95%", "p", "stands"),
)


def backtest(start: str, end: str, universe: str, as_json: bool) -> None:
    """Print the track record of a universe's signals between two sessions.

    Raises
    ------
    UserError
        If nothing was published for it in these sessions.
    """
    from app.services.database import database
    from periscope_assets.pipeline.backtest import as_served, reconstructed
    from periscope_assets.store.connect import open_store

    first, last = day(start, "--from"), day(end, "--to")
    settings = load_settings()
    try:
        symbols = settings.members(universe)
    except ValueError as error:
        raise UserError(f"--universe {universe[:40]!r}: {error}") from None
    with database(settings), closing(open_store(settings)) as store, working("Running over history ..."):
        parts = [
            each
            for symbol in symbols
            for each in (
                as_served(store, symbol, first, last),
                reconstructed(store, settings, symbol, first, last),
            )
            if len(each)
        ]
    if not parts:
        raise UserError(
            f"{universe}: no signal between {first} and {last} has a later session; "
            f"materialize it first (periscope materialize --date {last} --universe {universe})"
        )
    _show(parts, as_json)


def _show(parts: list[pd.DataFrame], as_json: bool) -> None:
    import pandas as pd

    from periscope_assets.transforms.signals.track_record import track_record

    record = track_record(pd.concat(parts, ignore_index=True))
    if as_json:
        say(json.dumps(json.loads(record.to_json(orient="records", double_precision=15))))
        return
    for line in columns(_HEADS, [_line(row) for row in record.to_dict("records")], left=_HEADS[:3]):
        say(line)
    say(
        "A hit is a move in the signal's direction beyond both half-spreads; net of them, in vol bps; 95 % "
        "intervals are over sessions.\nStands: the mean is above zero after the correction of Benjamini and "
        "Yekutieli at 5 %."
    )


def _line(row: dict[object, object]) -> list[str]:
    def span(low: str, high: str, digits: int, scale: float = 1.0) -> str:
        return f"{number(row[low], digits, scale)} to {number(row[high], digits, scale)}"

    return [
        *(str(row[name]) for name in ("basis", "generator", "signal_state", "horizon_sessions")),
        *(f"{row[name]:,}" for name in ("n_scores", "n_sessions")),
        number(row["hit_rate"], 1, 100.0) + " %",
        span("hit_low", "hit_high", 1, 100.0),
        number(row["mean_net_bps"], 1),
        span("net_low_bps", "net_high_bps", 1),
        number(row["p_value"], 3),
        "yes" if row["is_discovery"] else "no",
    ]
