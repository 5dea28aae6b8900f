"""What has landed, and how it gets there.

What belongs here: manifests of raw bytes, reading them back as chains or par yields, asking a source where
nothing has landed. What does not: publishing (``building``), vendor formats (``sources``). Bytes come to rest
in the lake before anything is read out of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Protocol

from periscope_analytics.conventions import NEW_YORK, listing
from periscope_assets.pipeline.handover import just_landed
from periscope_assets.pipeline.outcomes import MissingInputError
from periscope_assets.sources import files, rates
from periscope_assets.sources.base import ParsedChain, RawPayload, Source, SourceError
from periscope_assets.sources.calendars import is_session, session_date
from periscope_assets.sources.opening import DividendsBeside
from periscope_assets.sources.rates import RateSource
from periscope_assets.sources.tracing import Origin, trace
from periscope_assets.store.lake import Lake, RawManifest
from periscope_assets.store.repository import LedgerEntry

_PARSED_KEPT = 4
_CURRENCY = "USD"


class ChainSource(Source, Protocol):
    """A source that also knows the cash dividends of its underlyings."""

    def dividends(self, symbol: str) -> Sequence[Dividend]:
        """Return the dividends of a symbol by ex-date."""


class Dividend(Protocol):
    """A cash dividend per share."""

    @property
    def ex_date(self) -> date:
        """First date on which the share trades without it."""

    @property
    def amount(self) -> float:
        """USD per share."""


def session_bounds(session: date) -> tuple[datetime, datetime]:
    """Return midnight to midnight in New York: snapshots of the session have ``start <= as_of < end``."""
    days = (session, session + timedelta(days=1))
    start, end = (datetime.combine(day, time(), tzinfo=NEW_YORK) for day in days)
    return start, end


def keep(lake: Lake, payload: RawPayload) -> tuple[str, dict[str, str]]:
    """Put a payload's bytes in the lake once; return their sha256, and those of its companions by name."""
    companions = {other: lake.land(content) for other, content in sorted(payload.companions.items())}
    return lake.land(payload.content), companions


def land(lake: Lake, payload: RawPayload, layout: str | None = None) -> list[RawManifest]:
    """Put a payload's bytes in the lake, then register what it holds, one manifest per symbol and session.

    Raises
    ------
    SourceError
        If the payload can't be read; its bytes are kept, nothing is registered then.
    """
    sha256, companions = keep(lake, payload)
    name, parsed = files.parse(payload, layout)
    if not parsed:
        raise SourceError(f"{payload.name}: holds no quotes; check that the download is complete")
    groups: dict[tuple[str, date], list[ParsedChain]] = {}
    for chain in parsed:
        groups.setdefault((chain.symbol, session_date(chain.as_of)), []).append(chain)
    manifests = []
    for (symbol, session), held in sorted(groups.items()):
        manifest = RawManifest(
            sha256=sha256,
            name=payload.name,
            layout=name,
            symbol=symbol,
            session=session,
            as_of=tuple(sorted(chain.as_of for chain in held)),
            n_raw=sum(chain.n_raw for chain in held),
            size=len(payload.content),
            received_at=payload.received_at,
            companions=companions,
            origin=name if payload.url is not None else None,
            completeness=min((c.completeness for c in held if c.completeness is not None), default=None),
        )
        lake.register(manifest)
        manifests.append(manifest)
    just_landed.give(sha256, name, companions, parsed)
    return manifests


@dataclass(frozen=True, slots=True)
class LandedCurve:
    """Par yields by tenor in years, and the sha256 of the bytes that they were read from."""

    sha256: str
    yields: Mapping[float, float]


def land_par_yields(lake: Lake, payload: RawPayload, session: date, origin: str) -> LandedCurve:
    """Put a table of par yields in the lake, then register the curve of a session.

    Raises
    ------
    SourceError
        If the table can't be read, or holds no curve of the week before; its bytes are kept then.
    """
    sha256, _ = keep(lake, payload)
    curve = rates.curve_for(session, rates.parse_par_yields(payload), payload.name)
    manifest = RawManifest(
        sha256=sha256,
        name=payload.name,
        layout=rates.LAYOUT,
        symbol=_CURRENCY,
        session=session,
        as_of=(session_bounds(curve.day)[0],),
        n_raw=len(curve.yields),
        size=len(payload.content),
        received_at=payload.received_at,
        origin=origin,
    )
    lake.register(manifest)
    return LandedCurve(sha256, curve.yields)


class Landed:
    """Raw chains of a lake and, where nothing has landed, of a source.

    Parameters
    ----------
    lake : Lake
    source : ChainSource or None
        None: only what has landed is there.
    calendar_of : callable, optional
        Name of the calendar whose sessions a symbol trades; that of its listing by default.
    rate_source : RateSource, optional
        None: rates are configured.
    """

    def __init__(
        self,
        lake: Lake,
        source: ChainSource | None,
        calendar_of: Callable[[str], str] = lambda symbol: listing(symbol).calendar,
        rate_source: RateSource | None = None,
    ) -> None:
        self._lake = lake
        self._source = source
        self._calendar_of = calendar_of
        self._rate_source = rate_source
        self._parsed: dict[str, list[ParsedChain]] = {}
        self._dividends_landed = False

    def manifests(self, symbol: str, session: date, *, fresh: bool = False) -> list[RawManifest]:
        """Return what has landed of a session, from the source if need be; empty where it is no session.

        With `fresh`, the source is asked even where something has landed.

        Raises
        ------
        MissingInputError
            If it is a session and there is no chain.
        SourceError
            If the source could not be read.
        """
        landed = list(self._lake.manifests(symbol, session))
        asks = self._source is not None and fresh
        if (landed and not asks) or not is_session(self._calendar_of(symbol), session):
            return landed
        came = [m for payload in self._fetched(symbol, session) for m in land(self._lake, payload)]
        landed = [m for m in [*landed, *came] if (m.symbol, m.session) == (symbol, session)]
        if not landed:
            what = f"the source's quotes are of {came[0].session}" if came else "no chain has landed"
            raise MissingInputError(f"{symbol} {session}: {what}; ingest a file of that session")
        return landed

    def _fetched(self, symbol: str, session: date) -> Sequence[RawPayload]:
        """Ask the source; what a vendor sent before it failed is kept too."""
        if self._source is None:
            return ()
        try:
            return self._source.fetch(symbol, session)
        except SourceError as error:
            for payload in error.received:
                keep(self._lake, payload)
            raise

    def chain(self, raw: LedgerEntry) -> ParsedChain:
        """Return the parsed chain of a published `raw_chain`.

        Raises
        ------
        SourceError
            If its bytes can't be read or do not hold it.
        """
        if raw.version not in self._parsed:
            while len(self._parsed) >= _PARSED_KEPT:
                self._parsed.pop(next(iter(self._parsed)))
            self._parsed[raw.version] = self._parse(raw)
        for chain in self._parsed[raw.version]:
            if chain.symbol == raw.symbol and chain.as_of == raw.as_of:
                return chain
        found = raw.inputs["sha256"][:12]
        raise SourceError(f"{raw.symbol} {raw.as_of}: not in raw object {found}; ingest the file again")

    def trace(self, raw: LedgerEntry, raw_line: int) -> Origin:
        """Return where in a published `raw_chain` the row of a `raw_line` was read.

        Raises
        ------
        SourceError
            If the bytes can't be read or have no such line.
        """
        return trace(self._payload(raw), raw.inputs["layout"], raw_line)

    def _parse(self, raw: LedgerEntry) -> list[ParsedChain]:
        manifest = self._manifest(raw)
        chains = just_landed.take(manifest.sha256, manifest.layout, manifest.companions)
        return files.parse(self._payload(raw), raw.inputs["layout"])[1] if chains is None else chains

    def _manifest(self, raw: LedgerEntry) -> RawManifest:
        sha256, session = raw.inputs["sha256"], session_date(raw.as_of)
        landed = [m for m in self._lake.manifests(raw.symbol, session) if m.sha256 == sha256]
        if not landed:
            raise SourceError(f"{raw.symbol} {session}: no manifest of {sha256[:12]}; ingest the file again")
        return landed[-1]

    def _payload(self, raw: LedgerEntry) -> RawPayload:
        manifest = self._manifest(raw)
        companions = {name: self._lake.read_raw(sha) for name, sha in manifest.companions.items()}
        content = self._lake.read_raw(manifest.sha256)
        return RawPayload(manifest.name, content, manifest.received_at, companions)

    def dividends(self, symbol: str, origin: str) -> list[tuple[str, float]]:
        """Return the dividends of a file, or those that the source knows for a chain of its own."""
        if self._source is None or self._source.name not in {origin, DividendsBeside.name}:
            return []
        if isinstance(self._source, DividendsBeside) and not self._dividends_landed:
            self._lake.land(self._source.content)
            self._dividends_landed = True
        return [(each.ex_date.isoformat(), each.amount) for each in self._source.dividends(symbol)]

    def par_yields(self, session: date) -> LandedCurve | None:
        """Return the par yields of a session: landed or, if need be, from the source.

        None where rates are configured.

        Raises
        ------
        SourceError
            If the source could not be read, or has no curve of the week before.
        """
        if self._rate_source is None:
            return None
        landed = [m for m in self._lake.manifests(_CURRENCY, session) if m.layout == rates.LAYOUT]
        if not landed:
            fetched = self._rate_source.fetch(session)
            return land_par_yields(self._lake, fetched, session, self._rate_source.name)
        payload = RawPayload(landed[-1].name, self._lake.read_raw(landed[-1].sha256))
        curve = rates.curve_for(session, rates.parse_par_yields(payload), payload.name)
        return LandedCurve(landed[-1].sha256, curve.yields)
