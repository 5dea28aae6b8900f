"""What all live vendors share: they quote the present, and every answer is kept.

What belongs here: refusing what can't be asked for, and putting answers together. What does not: any vendor's
addresses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from urllib.parse import parse_qsl, urlsplit

from periscope_analytics.conventions import check_symbol
from periscope_assets.sources.base import RawPayload, SourceError
from periscope_assets.sources.calendars import session_date
from periscope_assets.sources.dividends import Dividend
from periscope_assets.sources.layouts.answers import cover
from periscope_assets.sources.pacing import Clock
from periscope_assets.sources.transport import BadBodyError, Transport

INDICES = frozenset({"SPX", "XSP", "NDX", "XND", "RUT", "MRUT", "VIX", "DJX", "OEX", "XEO"})
"""Underlyings that vendors write as an index."""

_KEYS = frozenset({"apikey", "api_key", "key", "token", "access_token"})


class WrongPageError(SourceError):
    """An address of a next page that is not of the same question to the same origin; never asked for."""


class LiveSource(ABC):
    """A vendor that quotes the present.

    Parameters
    ----------
    transport : Transport
    clock : Clock
    """

    name: str

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport, self._clock = transport, clock

    def fetch(self, symbol: str, session: date) -> Sequence[RawPayload]:
        """Return the one payload of a symbol: the vendor's answers under a cover sheet.

        Raises
        ------
        SourceError
            If the symbol or the session can't be asked for, or the vendor's answers make no whole chain;
            what had come by then is its `received`.
        """
        try:
            check_symbol(symbol)
        except ValueError as error:
            raise SourceError(f"{self.name}: {error}") from None
        today = session_date(self._clock.now())
        if session != today:
            raise SourceError(
                f"{self.name}: {symbol} {session}: it quotes the present ({today}) only; "
                "ingest a file of that session"
            )
        kept: list[RawPayload] = []
        try:
            answers = self._ask(symbol, kept)
        except SourceError as error:
            if kept:
                error.received = (cover(self.name, symbol, _discarded(kept)),)
            raise
        discarded = [each for each in kept if not any(each is answer for answer in answers)]
        return (cover(self.name, symbol, [*answers, *_discarded(discarded)]),)

    def dividends(self, symbol: str) -> Sequence[Dividend]:  # noqa: ARG002
        """Return the dividends that the vendor knows: none."""
        return ()

    @abstractmethod
    def _ask(self, symbol: str, kept: list[RawPayload]) -> Sequence[RawPayload]:
        """Return the answers that make up a whole chain, adding to `kept` every answer as it comes."""

    def close(self) -> None:
        """Close the pooled connections."""
        self._transport.close()


def checked(read: Callable[[RawPayload], object]) -> Callable[[RawPayload], None]:
    """Return a check that lets pass what `read` can read."""

    def check(payload: RawPayload) -> None:
        try:
            read(payload)
        except SourceError as error:
            raise BadBodyError(str(error)) from None

    return check


def next_page(name: str, address: str, origin: str, path: str) -> dict[str, str]:
    """Return the parameters of a next page's address, without any key.

    Raises
    ------
    WrongPageError
        If the address is not of the same origin and path.
    """
    try:
        parts = urlsplit(address)
        same = f"{parts.scheme}://{parts.netloc}" == origin and parts.path == path
        params = dict(parse_qsl(parts.query, strict_parsing=True, max_num_fields=20))
    except ValueError:
        same, params = False, {}
    if not same or not params:
        where = ascii(address.split("?")[0][:60])
        raise WrongPageError(
            f"{name}: the next page is said to be at {where}, not at {origin}{path}; not asked for. "
            "If the vendor has moved, set PERISCOPE_SOURCE__URL"
        )
    return {name: value for name, value in params.items() if name.lower() not in _KEYS}


def _discarded(answers: Sequence[RawPayload]) -> list[RawPayload]:
    return [
        replace(answer, name=f"discarded-{number:04d}-{answer.name}")
        for number, answer in enumerate(answers, start=1)
    ]
