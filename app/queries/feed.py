"""What became known, in order, by symbol and channel: what a stream follows.

What belongs here: channels, the sequence numbers of what they carry, and reading it from the ledger. What
does not: sockets, who is told.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from threading import Event
from types import MappingProxyType
from urllib.parse import quote

from app.queries.answer import plain
from app.queries.times import rfc3339
from periscope_analytics.conventions import SYMBOL_PATTERN, check_symbol
from periscope_assets.store.repository import REJECTED, WITHDRAWN, Follower, LedgerEntry
from periscope_assets.store.tables import DATASETS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Channel:
    """What is told together.

    Attributes
    ----------
    datasets : tuple of str
        Whose publications it carries.
    statuses : tuple of str or None
        Only publications of these statuses; None for all, since what failed is news too.
    served : str or None
        Dataset whose served snapshot stands for the channel's present state.
    path : str
        Route that gives the rows.
    """

    datasets: tuple[str, ...]
    statuses: tuple[str, ...] | None = None
    served: str | None = None
    path: str = ""

    def carries(self, entry: LedgerEntry) -> bool:
        """Tell whether a publication belongs here."""
        return entry.dataset in self.datasets and (self.statuses is None or entry.status in self.statuses)


ALERTS = "alerts"
CHANNELS: Mapping[str, Channel] = MappingProxyType(
    {
        "chain": Channel(("option_quotes", "implied_vols"), None, "option_quotes", "/v1/chain/"),
        "surface": Channel(("vol_surface",), None, "vol_surface", "/v1/surface/"),
        "signals": Channel(("trade_signals",), None, "trade_signals", "/v1/signals/"),
        ALERTS: Channel(tuple(DATASETS), (REJECTED, WITHDRAWN)),
    }
)
"""``alerts`` are publications that failed their criteria or were taken back; who listens to it hears of
incidents too, which are of no symbol."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A channel of a symbol."""

    channel: str
    symbol: str

    def __post_init__(self) -> None:
        check_symbol(self.symbol)

    def __str__(self) -> str:
        return f"{self.channel}:{self.symbol}"


def parse_topic(text: str) -> Topic | None:
    """Return the topic that ``channel:SYMBOL`` names, None if it names none."""
    channel, _, symbol = text.partition(":")
    if channel not in CHANNELS or not SYMBOL_PATTERN.fullmatch(symbol):
        return None
    return Topic(channel, symbol)


@dataclass(frozen=True, slots=True)
class News:
    """What became known of a topic at one instant.

    Attributes
    ----------
    seq : int
        The instant in microseconds since 1970: the same in every process, and after a restart.
    entries : tuple of LedgerEntry
    """

    topic: Topic
    seq: int
    entries: tuple[LedgerEntry, ...]


def sequence(known_at: datetime) -> int:
    """Return the sequence number of an instant."""
    return (known_at - _EPOCH) // _MICROSECOND


class Feed:
    """Follows a store.

    Parameters
    ----------
    store : Follower
    """

    def __init__(self, store: Follower) -> None:
        self._store = store

    def watermark(self) -> datetime:
        """Return the latest time for which everything known is final."""
        return self._store.watermark()

    def listen(self, stop: Event) -> Iterator[tuple[str, ...]]:
        """See :class:`Follower`."""
        return self._store.listen(stop)

    def follow(self, after: datetime, limit: int = 1000) -> list[LedgerEntry]:
        """Return what became known after an instant, in order."""
        return self._store.follow(after, limit=limit)

    def tail(self, topic: Topic, limit: int) -> list[News]:
        """Return the last news of a topic, in order."""
        channel = CHANNELS[topic.channel]
        entries = self._store.tail(topic.symbol, channel.datasets, limit=limit, statuses=channel.statuses)
        return list(grouped([topic], entries))

    def served(self, topic: Topic, seq: int) -> LedgerEntry | None:
        """Return the publication that a topic's route serves, as known at a sequence number."""
        dataset = CHANNELS[topic.channel].served
        if dataset is None or not seq:
            return None
        return self._store.head(dataset, topic.symbol, known_at=_EPOCH + seq * _MICROSECOND)


def grouped(topics: Container[Topic], entries: Sequence[LedgerEntry]) -> Iterator[News]:
    """Yield publications in the order of `known_at` as news of those of the topics that carry them."""
    for known_at, together in groupby(entries, lambda entry: entry.known_at):
        found: dict[Topic, list[LedgerEntry]] = {}
        for entry in together:
            for name, channel in CHANNELS.items():
                topic = Topic(name, entry.symbol)
                if topic in topics and channel.carries(entry):
                    found.setdefault(topic, []).append(entry)
        for topic, mine in found.items():
            yield News(topic, sequence(known_at), tuple(mine))


def told(entry: LedgerEntry, topic: Topic) -> dict[str, object]:
    """Return what is said of a publication: its times, version and status, and where its rows are."""
    path = CHANNELS[topic.channel].path
    times = f"as_of={quote(rfc3339(entry.as_of))}&known_at={quote(rfc3339(entry.known_at))}"
    return {
        "dataset": entry.dataset,
        "symbol": entry.symbol,
        "as_of": rfc3339(entry.as_of),
        "known_at": rfc3339(entry.known_at),
        "version": entry.version,
        "status": entry.status,
        "source": entry.source,
        "run_id": entry.run_id,
        "quality": plain(entry.quality),
        "href": f"{path}{entry.symbol}?{times}" if path and entry.status == "published" else None,
    }
