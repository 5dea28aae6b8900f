"""From landed bytes to published datasets, one symbol and session at a time, without Dagster.

What belongs here: which inputs a stage reads, versions, fences, what a day without a session means, and that
one bad symbol never fails its neighbours. What does not: formulas (``transforms``), SQL (``store``), formats
(``sources``), partitions (``defs``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Protocol

import pandas as pd

from periscope_analytics.conventions import NEW_YORK, listing
from periscope_assets.settings import Settings
from periscope_assets.sources import files
from periscope_assets.sources.base import ParsedChain, RawPayload, Source, SourceError
from periscope_assets.sources.calendars import is_session, session_date
from periscope_assets.store.lake import Lake, RawManifest
from periscope_assets.store.repository import (
    NO_SESSION,
    PUBLISHED,
    REJECTED,
    WITHDRAWN,
    Draft,
    LedgerEntry,
    Quality,
    Receipt,
    Store,
    StoreUnavailableError,
)
from periscope_assets.store.tables import DATASETS
from periscope_assets.transforms import chains, rates
from periscope_assets.transforms.flow import STAGES
from periscope_assets.transforms.frames import content_version, digest
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult

RAW, QUOTES = "raw_chain", chains.NAME
UNCHANGED, FAILED = "unchanged", "failed"

METHOD_VERSIONS: Mapping[str, str] = {
    RAW: "1",
    QUOTES: chains.METHOD_VERSION,
    **{name: stage.method_version for name, stage in STAGES.items()},
}
"""Method version of every dataset, in an order in which each follows its inputs."""

_ANY_STATUS = (PUBLISHED, REJECTED, NO_SESSION, WITHDRAWN)
_PARSED_KEPT = 4
_log = logging.getLogger(__name__)


class MissingInputError(LookupError):
    """A stage was asked for before what it reads was built; the message says what to build."""


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one dataset for one symbol and snapshot.

    Attributes
    ----------
    dataset, symbol : str
    session : date
    outcome : {'published', 'rejected', 'no_session', 'unchanged', 'stale', 'failed'}
    as_of : datetime or None
        None when it failed before a snapshot was known.
    receipt : Receipt or None
    error : str or None
        One line, for `outcome` failed.
    quality : mapping
        Figures of the content that is served now.
    """

    dataset: str
    symbol: str
    session: date
    outcome: str
    as_of: datetime | None = None
    receipt: Receipt | None = None
    error: str | None = None
    quality: Quality = field(default_factory=dict)


def session_bounds(session: date) -> tuple[datetime, datetime]:
    """Return midnight to midnight in New York: snapshots of the session have ``start <= as_of < end``."""
    days = (session, session + timedelta(days=1))
    start, end = (datetime.combine(day, time(), tzinfo=NEW_YORK) for day in days)
    return start, end


def land(lake: Lake, payload: RawPayload, layout: str | None = None) -> list[RawManifest]:
    """Put a payload's bytes in the lake once and register what it holds, one manifest per symbol and session.

    Raises
    ------
    SourceError
        If the payload can't be read; nothing is registered then.
    """
    name, parsed = files.parse(payload, layout)
    if not parsed:
        raise SourceError(f"{payload.name}: holds no quotes; check that the download is complete")
    sha256 = lake.land(payload.content)
    companions = {other: lake.land(content) for other, content in sorted(payload.companions.items())}
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
        )
        lake.register(manifest)
        manifests.append(manifest)
    return manifests


class Pipeline:
    """Builds datasets of one store from one lake and, where nothing has landed, one source.

    Parameters
    ----------
    settings : Settings
    store : Store
    lake : Lake
    source : ChainSource or None
        None: only what has landed can be built.
    """

    def __init__(
        self, settings: Settings, store: Store, lake: Lake, source: ChainSource | None = None
    ) -> None:
        self.settings = settings
        self.store = store
        self._lake = lake
        self._source = source
        self._parsed: dict[str, list[ParsedChain]] = {}

    def build(self, dataset: str, symbols: Iterable[str], session: date, run_id: str) -> list[Outcome]:
        """Build one dataset for several symbols; one that can't be built is an outcome, not an exception.

        Raises
        ------
        StoreUnavailableError
            If the store can't be reached: no symbol could be built then.
        KeyError
            If there is no such dataset.
        """
        make = self._maker(dataset)
        outcomes: list[Outcome] = []
        for symbol in [rates.CURRENCY] if dataset == rates.STAGE.name else list(symbols):
            try:
                outcomes += make(symbol, session, run_id)
            except StoreUnavailableError:
                raise
            except Exception as error:
                unforeseen = not isinstance(error, SourceError | MissingInputError)
                _log.warning("%s of %s for %s failed", dataset, symbol, session, exc_info=unforeseen)
                line = " ".join(str(error).split()) or type(error).__name__
                outcomes.append(Outcome(dataset, symbol, session, FAILED, error=line))
        return outcomes

    def _maker(self, dataset: str) -> Callable[[str, date, str], list[Outcome]]:
        if dataset == RAW:
            return self.raw_chain
        if dataset == QUOTES:
            return self.option_quotes
        if dataset == rates.STAGE.name:
            return lambda _symbol, session, run_id: self.rate_curve(session, run_id)
        stage = STAGES[dataset]
        return lambda symbol, session, run_id: self.run(stage, symbol, session, run_id)

    def raw_chain(self, symbol: str, session: date, run_id: str) -> list[Outcome]:
        """Publish which raw bytes each snapshot comes from; asks the source only where nothing has landed.

        Raises
        ------
        MissingInputError
            If it is a session and there is no chain, landed or from the source.
        SourceError
            If the source could not be read.
        """
        fence = self.store.fence()
        manifests = self._manifests(symbol, session)
        if not manifests:
            return self._no_session(RAW, symbol, session, run_id, fence)
        latest = {as_of: manifest for manifest in manifests for as_of in manifest.as_of}
        drafts = [self._raw_draft(manifest, as_of, run_id) for as_of, manifest in sorted(latest.items())]
        return self._publish(drafts, session, fence)

    def option_quotes(self, symbol: str, session: date, run_id: str) -> list[Outcome]:
        """Parse the raw bytes of each snapshot and publish accepted and quarantined quotes.

        Raises
        ------
        MissingInputError
            If `raw_chain` has not been built.
        SourceError
            If the bytes can't be read.
        """
        fence = self.store.fence()
        heads = self._heads(RAW, symbol, session)
        if heads is None:
            return self._no_session(QUOTES, symbol, session, run_id, fence)
        method = digest([chains.METHOD_VERSION, chains.RULE_VERSION])
        outcomes: list[Outcome] = []
        for raw in heads:
            head = self._head(QUOTES, symbol, raw.as_of)
            if head and head.inputs == {RAW: raw.version} and head.method_version == method:
                outcomes.append(_unchanged(head, session))
                continue
            chain = self._chain(raw)
            result = chains.accept(chain.rows, symbol, raw.as_of, chain.n_raw, chain.spot)
            version = content_version(result.frames)
            draft = _draft(QUOTES, raw, version, method, {RAW: raw.version}, run_id, result)
            outcomes += self._publish([draft], session, fence)
        return outcomes

    def rate_curve(self, session: date, run_id: str) -> list[Outcome]:
        """Publish the configured zero curve of a date, at its midnight in New York."""
        fence = self.store.fence()
        as_of = session_bounds(session)[0]
        stage = rates.STAGE
        settings = self._stage_settings(stage, rates.CURRENCY, "configured")
        method, version = _versions(stage, settings, {})
        head = self._head(stage.name, rates.CURRENCY, as_of)
        if head and head.version == version:
            return [_unchanged(head, session)]
        result = stage.compute(Snapshot(rates.CURRENCY, as_of, {}, settings))
        draft = Draft(
            stage.name, rates.CURRENCY, as_of, version, method, {}, result.status, "configured", run_id,
            result.frames, _with_rows(result),
        )  # fmt: skip
        return self._publish([draft], session, fence)

    def run(self, stage: Stage, symbol: str, session: date, run_id: str) -> list[Outcome]:
        """Compute and publish one stage for the snapshots whose inputs, method or settings have changed.

        Raises
        ------
        MissingInputError
            If an input has not been built.
        """
        fence = self.store.fence()
        heads = self._heads(stage.inputs[0].dataset, symbol, session)
        if heads is None:
            return self._no_session(stage.name, symbol, session, run_id, fence)
        outcomes: list[Outcome] = []
        for primary in heads:
            outcomes += self._run_snapshot(stage, primary, session, run_id, fence)
        return outcomes

    def _run_snapshot(
        self, stage: Stage, primary: LedgerEntry, session: date, run_id: str, fence: int
    ) -> list[Outcome]:
        settings = self._stage_settings(stage, primary.symbol, primary.source)
        entries = [(wanted, self._input(wanted, primary)) for wanted in stage.inputs]
        found = [(wanted, entry) for wanted, entry in entries if entry is not None]
        inputs = {wanted.dataset: entry.version for wanted, entry in found}
        method, version = _versions(stage, settings, inputs)
        head = self._head(stage.name, primary.symbol, primary.as_of)
        if head and head.version == version:
            return [_unchanged(head, session)]
        frames = {wanted.dataset: self._rows(wanted, entry) for wanted, entry in found}
        result = stage.compute(Snapshot(primary.symbol, primary.as_of, frames, settings))
        draft = _draft(stage.name, primary, version, method, inputs, run_id, result)
        return self._publish([draft], session, fence)

    def _manifests(self, symbol: str, session: date) -> list[RawManifest]:
        landed = list(self._lake.manifests(symbol, session))
        if landed or not is_session(listing(symbol).calendar, session):
            return landed
        if self._source is not None:
            for payload in self._source.fetch(symbol, session):
                landed += [m for m in land(self._lake, payload) if (m.symbol, m.session) == (symbol, session)]
        if not landed:
            raise MissingInputError(f"{symbol} {session}: no chain has landed; ingest a file of that session")
        return landed

    def _raw_draft(self, manifest: RawManifest, as_of: datetime, run_id: str) -> Draft:
        inputs = {"sha256": manifest.sha256, "layout": manifest.layout}
        version = digest([inputs, dict(manifest.companions)])
        quality: Quality = {
            "n_raw": manifest.n_raw,
            "size_bytes": manifest.size,
            "name": manifest.name,
            "n_snapshots": len(manifest.as_of),
        }
        source = manifest.layout if manifest.layout == "simulated" else f"files:{manifest.layout}"
        return Draft(
            RAW, manifest.symbol, as_of, version, "1", inputs, PUBLISHED, source, run_id, {}, quality
        )

    def _chain(self, raw: LedgerEntry) -> ParsedChain:
        sha256 = raw.inputs["sha256"]
        if sha256 not in self._parsed:
            while len(self._parsed) >= _PARSED_KEPT:
                self._parsed.pop(next(iter(self._parsed)))
            self._parsed[sha256] = self._parse(raw)
        for chain in self._parsed[sha256]:
            if chain.symbol == raw.symbol and chain.as_of == raw.as_of:
                return chain
        raise SourceError(f"{raw.symbol} {raw.as_of}: not in raw object {sha256[:12]}; ingest the file again")

    def _parse(self, raw: LedgerEntry) -> list[ParsedChain]:
        sha256, session = raw.inputs["sha256"], session_date(raw.as_of)
        landed = [m for m in self._lake.manifests(raw.symbol, session) if m.sha256 == sha256]
        if not landed:
            raise SourceError(f"{raw.symbol} {session}: no manifest of {sha256[:12]}; ingest the file again")
        companions = {name: self._lake.read_raw(sha) for name, sha in landed[-1].companions.items()}
        content = self._lake.read_raw(sha256)
        payload = RawPayload(landed[-1].name, content, landed[-1].received_at, companions)
        return files.parse(payload, raw.inputs["layout"])[1]

    def _heads(self, dataset: str, symbol: str, session: date) -> list[LedgerEntry] | None:
        """Return the served snapshots of a session, or None where it was no session."""
        start, end = session_bounds(session)
        found = self.store.heads(dataset, symbol, start=start, end=end, statuses=(PUBLISHED, NO_SESSION))
        published = [entry for entry in found if entry.status == PUBLISHED]
        if not found:
            raise MissingInputError(f"{symbol} {session}: there is no {dataset}; materialize it first")
        return published or None

    def _head(self, dataset: str, symbol: str, as_of: datetime) -> LedgerEntry | None:
        return self.store.head(dataset, symbol, as_of=as_of, statuses=_ANY_STATUS)

    def _input(self, wanted: Input, primary: LedgerEntry) -> LedgerEntry | None:
        owner = wanted.symbol or primary.symbol
        if wanted.dataset == primary.dataset and owner == primary.symbol:
            return primary
        exactly, until = (None, primary.as_of) if wanted.latest else (primary.as_of, None)
        entry = self.store.head(wanted.dataset, owner, as_of=exactly, at_or_before=until)
        if entry is None and not wanted.optional:
            raise MissingInputError(
                f"{owner} {primary.as_of:%Y-%m-%d %H:%M}: there is no {wanted.dataset}; materialize it first"
            )
        return entry

    def _rows(self, wanted: Input, entry: LedgerEntry) -> dict[str, pd.DataFrame]:
        return {name: self.store.rows(entry, name) for name in wanted.tables or DATASETS[entry.dataset]}

    def _stage_settings(self, stage: Stage, symbol: str, origin: str) -> dict[str, object]:
        known: dict[str, Callable[[], object]] = {
            "zero_rates": lambda: dict(self.settings.rates.zero_rates),
            "dividends": lambda: self._dividends(symbol, origin),
        }
        return {name: known[name]() for name in stage.settings}

    def _dividends(self, symbol: str, origin: str) -> list[tuple[str, float]]:
        """Return the dividends that the source knows, for a chain of its own; none for a landed one."""
        if self._source is None or self._source.name != origin:
            return []
        return [(each.ex_date.isoformat(), each.amount) for each in self._source.dividends(symbol)]

    def _publish(self, drafts: Sequence[Draft], session: date, fence: int) -> list[Outcome]:
        receipts = self.store.publish(drafts, fence)
        return [_published(draft, receipt, session) for draft, receipt in zip(drafts, receipts, strict=True)]

    def _no_session(self, dataset: str, symbol: str, session: date, run_id: str, fence: int) -> list[Outcome]:
        as_of = session_bounds(session)[0]
        version = digest([NO_SESSION, listing(symbol).calendar])
        draft = Draft(dataset, symbol, as_of, version, "1", {}, NO_SESSION, "calendar", run_id)
        return self._publish([draft], session, fence)


def _versions(stage: Stage, settings: Mapping[str, object], inputs: Mapping[str, str]) -> tuple[str, str]:
    """Return the version of method and settings, and the version of what they make of these inputs."""
    stated = {
        name: sorted(value.items()) if isinstance(value, Mapping) else value
        for name, value in settings.items()
    }
    method = digest([stage.name, stage.method_version, stated])
    return method, digest([method, dict(inputs)])


def _with_rows(result: StageResult) -> dict[str, float | int | str | bool | None]:
    return {"n_rows": sum(map(len, result.frames.values())), **result.quality}


def _draft(
    dataset: str,
    origin: LedgerEntry,
    version: str,
    method: str,
    inputs: Mapping[str, str],
    run_id: str,
    result: StageResult,
) -> Draft:
    return Draft(
        dataset=dataset,
        symbol=origin.symbol,
        as_of=origin.as_of,
        version=version,
        method_version=method,
        inputs=dict(inputs),
        status=result.status,
        source=origin.source,
        run_id=run_id,
        frames=result.frames,
        quality=_with_rows(result),
    )


def _published(draft: Draft, receipt: Receipt, session: date) -> Outcome:
    outcome = draft.status if receipt.outcome == PUBLISHED else receipt.outcome
    return Outcome(draft.dataset, draft.symbol, session, outcome, draft.as_of, receipt, None, draft.quality)


def _unchanged(head: LedgerEntry, session: date) -> Outcome:
    receipt = Receipt(
        head.dataset, head.symbol, head.as_of, UNCHANGED, head.publication_id, head.known_at, head.version, 0
    )
    return Outcome(head.dataset, head.symbol, session, UNCHANGED, head.as_of, receipt, None, head.quality)
