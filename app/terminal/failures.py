"""What went wrong, in one line and an exit code; tracebacks go to the log.

What belongs here: which failures are the person's to put right. What does not: raising them.
"""

from __future__ import annotations

import traceback
from datetime import UTC, datetime

from app.terminal.logs import log_file
from app.terminal.output import UserError, complain

BAD_INPUT, UNEXPECTED = 2, 1
_ANSWERS = frozenset(
    {
        "app.queries.errors.InvalidParameterError",
        "app.queries.errors.NotPublishedError",
        "app.queries.errors.UnknownSymbolError",
        "periscope_assets.sources.base.SourceError",
        "periscope_assets.store.binaries.EmbeddedServerError",
        "periscope_assets.store.dump.BackupError",
        "periscope_assets.store.lake.LakeCorruptError",
        "periscope_assets.store.replay.NotEmptyError",
        "periscope_assets.store.repository.PurgedError",
        "periscope_assets.store.repository.StoreUnavailableError",
    }
)
"""By name: importing them takes longer than most commands, and the failure may be one of an import."""


def explain(error: BaseException) -> int:
    """Print one line about a failure and return the exit code it deserves."""
    if isinstance(error, UserError):
        complain(str(error))
        return BAD_INPUT
    if _is_answer(error):
        complain(str(error))
        return BAD_INPUT
    complain(f"unexpected {type(error).__name__}: {error}; {_where(error)}")
    return UNEXPECTED


def _is_answer(error: BaseException) -> bool:
    """Whether an error of the queries, the sources or the store is written for people already."""
    return any(f"{kind.__module__}.{kind.__qualname__}" in _ANSWERS for kind in type(error).__mro__)


def _where(error: BaseException) -> str:
    """Append the traceback to the log of this home and say where that is."""
    from app.terminal.reading import load_settings

    try:
        path = log_file(load_settings().home)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            log.write(
                f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n{''.join(traceback.format_exception(error))}\n"
            )
    except (OSError, UserError):
        return "its log could not be written"
    return f"details are in {path}"
