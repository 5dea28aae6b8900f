"""What went wrong, in one line and an exit code; tracebacks go to the log.

What belongs here: which failures are the person's to put right. What does not: raising them.
"""

from __future__ import annotations

import traceback
from datetime import UTC, datetime

from app.commands.console import UserError, complain
from app.commands.logs import log_file

BAD_INPUT, UNEXPECTED, INTERRUPTED = 2, 1, 130


def explain(error: BaseException) -> int:
    """Print one line about a failure and return the exit code it deserves."""
    if isinstance(error, UserError):
        complain(str(error))
        return BAD_INPUT
    if _is_interrupt(error):
        complain("interrupted; what was published stays, nothing is half-published")
        return INTERRUPTED
    if _is_answer(error):
        complain(str(error))
        return BAD_INPUT
    complain(f"unexpected {type(error).__name__}: {error}; {_where(error)}")
    return UNEXPECTED


def _is_interrupt(error: BaseException) -> bool:
    return isinstance(error, KeyboardInterrupt) or type(error).__name__ == "DagsterExecutionInterruptedError"


def _is_answer(error: BaseException) -> bool:
    """Whether an error of the queries, the sources or the store is written for people already."""
    from app.queries import (
        InvalidParameterError,
        NotPublishedError,
        PurgedError,
        StoreUnavailableError,
        UnknownSymbolError,
    )
    from periscope_assets.sources.base import SourceError
    from periscope_assets.store.binaries import EmbeddedServerError

    known = (InvalidParameterError, NotPublishedError, PurgedError, StoreUnavailableError, UnknownSymbolError)
    return isinstance(error, (*known, SourceError, EmbeddedServerError))


def _where(error: BaseException) -> str:
    """Append the traceback to the log of this home and say where that is."""
    from app.commands.reading import load_settings

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
