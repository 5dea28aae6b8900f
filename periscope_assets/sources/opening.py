"""From settings to sources: which vendor, with which address, key, pace and dividends.

What belongs here: putting the parts together. What does not: any of the parts. Nothing is asked for until a
source is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from periscope_assets.settings import RateSettings, SourceSettings
from periscope_assets.sources import cboe, deribit, files, massive, rates
from periscope_assets.sources.base import RawPayload
from periscope_assets.sources.dividends import Schedules, parse_dividends
from periscope_assets.sources.live import LiveSource
from periscope_assets.sources.pacing import CircuitBreaker, Clock, TokenBucket
from periscope_assets.sources.simulated import MARKETS, SimulatedSource
from periscope_assets.sources.transport import Keep, Policy, Transport

Jitter = Callable[[], float]

_FAILURES, _COOLDOWN_SECONDS = 10, 60.0
_BURST = 5.0


class KnownDividend(Protocol):
    """A cash dividend per share."""

    @property
    def ex_date(self) -> date:
        """First date on which the share trades without it."""

    @property
    def amount(self) -> float:
        """USD per share."""


class DividendsBeside:
    """A source, or none, with the dividends of a file, which hold for chains of any origin.

    Parameters
    ----------
    source : SimulatedSource, LiveSource or None
        None: nothing but what has landed.
    path : Path
        Read when dividends are first asked for.
    """

    name = "dividends"

    def __init__(self, source: SimulatedSource | LiveSource | None, path: Path) -> None:
        self._source, self._path = source, path

    @cached_property
    def content(self) -> bytes:
        """The file's bytes, as they were when dividends were first asked for.

        Raises
        ------
        SourceError
            If it can't be read.
        """
        return files.read_bytes(self._path)

    @cached_property
    def _schedules(self) -> Schedules:
        return parse_dividends(self.content, self._path.name)

    def fetch(self, symbol: str, session: date) -> Sequence[RawPayload]:
        """Return what the source has; see :meth:`periscope_assets.sources.base.Source.fetch`."""
        return self._source.fetch(symbol, session) if self._source is not None else ()

    def dividends(self, symbol: str) -> Sequence[KnownDividend]:
        """Return the dividends of a symbol by ex-date: the file's, else a simulated market's own.

        Raises
        ------
        SourceError
            If the file can't be read.
        """
        if symbol in self._schedules:
            return self._schedules[symbol]
        simulated = isinstance(self._source, SimulatedSource) and symbol in MARKETS
        return self._source.dividends(symbol) if simulated and self._source is not None else ()

    def close(self) -> None:
        """Close what the source holds open."""
        if isinstance(self._source, LiveSource):
            self._source.close()


ChainSources = SimulatedSource | LiveSource | DividendsBeside


def open_source(
    settings: SourceSettings,
    clock: Clock | None = None,
    jitter: Jitter | None = None,
    policy: Policy | None = None,
    keep: Keep | None = None,
) -> ChainSources | None:
    """Return the configured source; None where there is nothing but what has landed.

    Parameters
    ----------
    settings : SourceSettings
    clock : Clock, optional
    jitter : callable, optional
        Uniform draws from [0, 1); by default the system's own.
    policy : Policy, optional
        How patient requests are; its remedies are the vendor's.
    keep : callable, optional
        Is given the bytes of every answer before they are read: the lake's ``land``.
    """
    parts = (clock or Clock(), jitter or random.SystemRandom().random, policy or Policy(), keep)
    source = _source(settings, *parts)
    if settings.dividends is None:
        return source
    return DividendsBeside(source, settings.dividends)


@contextmanager
def sources(
    settings: SourceSettings, rate_settings: RateSettings, keep: Keep
) -> Iterator[tuple[ChainSources | None, rates.RateSource | None]]:
    """Give the configured sources of chains and of rates, and close them at the end.

    What vendors answer goes to `keep` before it is read.
    """
    opened = open_source(settings, keep=keep), open_rates(rate_settings, keep=keep)
    try:
        yield opened
    finally:
        for each in opened:
            if isinstance(each, LiveSource | DividendsBeside | rates.Treasury):
                each.close()


def open_rates(
    settings: RateSettings,
    clock: Clock | None = None,
    jitter: Jitter | None = None,
    policy: Policy | None = None,
    keep: Keep | None = None,
) -> rates.RateSource | None:
    """Return where par yields come from; None where rates are configured."""
    if settings.kind == "file" and settings.file is not None:
        return rates.RateFile(settings.file)
    if settings.kind != "treasury":
        return None
    parts = (clock or Clock(), jitter or random.SystemRandom().random, policy or Policy(), keep)
    return rates.Treasury(_transport("treasury", settings.url or rates.ORIGIN, 1.0, {}, None, *parts))


def _source(
    settings: SourceSettings, clock: Clock, jitter: Jitter, policy: Policy, keep: Keep | None
) -> SimulatedSource | LiveSource | None:
    if settings.kind == "simulated":
        return SimulatedSource(settings.seed, settings.defects, settings.dislocations)
    if settings.kind == "files":
        return None

    def transport(origin: str, remedies: Mapping[int, str], key: SecretStr | None = None) -> Transport:
        pace = settings.requests_per_second
        parts = (clock, jitter, policy, keep)
        return _transport(settings.kind, settings.url or origin, pace, remedies, key, *parts)

    if settings.kind == "massive":
        return massive.Massive(
            transport(massive.ORIGIN, massive.REMEDIES, settings.key), clock, settings.completeness
        )
    if settings.kind == "cboe":
        return cboe.Cboe(transport(cboe.ORIGIN, cboe.REMEDIES), clock)
    return deribit.Deribit(transport(deribit.ORIGIN, {}), clock, settings.completeness, settings.tickers)


def _transport(
    name: str,
    origin: str,
    pace: float,
    remedies: Mapping[int, str],
    key: SecretStr | None,
    clock: Clock,
    jitter: Jitter,
    policy: Policy,
    keep: Keep | None,
) -> Transport:
    bucket = TokenBucket(pace, _BURST, clock)
    breaker = CircuitBreaker(name, _FAILURES, _COOLDOWN_SECONDS, clock)
    patience = replace(policy, remedies=remedies)
    return Transport(name, origin, clock, jitter, bucket, breaker, patience, key, keep)
