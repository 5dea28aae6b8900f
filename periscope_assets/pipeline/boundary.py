"""What passes between a source and the store: what the rules may know, and checks of type on both sides.

What belongs here: the calendar's part of the rules' context, judging one parsed chain. What does not: the
rules (``transforms.rules``), any column's definition (``store.tables``).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from periscope_assets.sources.base import QUOTE_COLUMNS, ParsedChain
from periscope_assets.sources.calendars import FIRST, LAST, session_date, sessions
from periscope_assets.sources.expiries import holidays
from periscope_assets.store.schemas import check_parsed, check_published
from periscope_assets.store.tables import content_columns, table
from periscope_assets.transforms import chains
from periscope_assets.transforms.rules import Context
from periscope_assets.transforms.stage import StageResult

_LONGEST_BREAK = timedelta(days=14)
_OTHERS = tuple(QUOTE_COLUMNS.keys() - {column.name for column in content_columns(table(chains.ACCEPTED))})


def judged(chain: ParsedChain, calendar: str, received_at: datetime | None) -> StageResult:
    """Return accepted and quarantined quotes of a chain, both checked against the schema.

    Parameters
    ----------
    chain : ParsedChain
    calendar : str
        Name of the calendar whose sessions the underlying trades.
    received_at : datetime or None
        When the bytes were received, UTC.

    Raises
    ------
    BoundaryError
        If a layout or a rule let through what the schema does not allow.
    AccountingError
        If rows were lost or invented.
    """
    check_parsed(chains.ACCEPTED, chain.rows, _OTHERS)
    context = Context(
        symbol=chain.symbol,
        as_of=chain.as_of,
        spot=chain.spot,
        received_at=received_at,
        holidays=holidays(calendar),
        previous_session=_previous(calendar, session_date(chain.as_of)),
    )
    result = chains.accept(chain.rows, chain.symbol, chain.as_of, chain.n_raw, chain.spot, context)
    for name, frame in result.frames.items():
        check_published(name, frame)
    return result


def _previous(calendar: str, session: date) -> date | None:
    start = max(session - _LONGEST_BREAK, FIRST)
    if not start < session <= LAST:
        return None
    before = sessions(calendar, start, session - timedelta(days=1))
    return before[-1] if before else None
