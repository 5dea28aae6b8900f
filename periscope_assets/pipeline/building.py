"""Building: which inputs a dataset reads, fences, and that one bad symbol never fails its neighbours.

What belongs here: the walk from heads of inputs to published drafts. What does not: raw bytes (``landing``),
versions (``outcomes``), any stage's formulas (``transforms``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from periscope_assets.pipeline import inputs
from periscope_assets.pipeline.bars import bars_draft
from periscope_assets.pipeline.boundary import judged
from periscope_assets.pipeline.event_time import DaysAhead
from periscope_assets.pipeline.landing import ChainSource, Landed, session_bounds
from periscope_assets.pipeline.outcomes import (
    FAILED,
    SOURCE,
    UNFORESEEN,
    MissingInputError,
    Outcome,
    RejectedInputError,
    draft_of,
    published,
    unchanged,
    versions,
    with_rows,
    withdrawn,
)
from periscope_assets.pipeline.pool import SymbolPool
from periscope_assets.pipeline.withdrawals import standing
from periscope_assets.settings import Settings
from periscope_assets.sources.base import SourceError, TransientSourceError
from periscope_assets.sources.calendars import is_session
from periscope_assets.sources.rates import RateSource
from periscope_assets.store.lake import Lake, RawManifest
from periscope_assets.store.repository import (
    NO_SESSION,
    PUBLISHED,
    REJECTED,
    WITHDRAWN,
    Draft,
    LedgerEntry,
    Quality,
    Store,
    StoreUnavailableError,
)
from periscope_assets.transforms import bars, chains, rates
from periscope_assets.transforms.flow import STAGES
from periscope_assets.transforms.frames import content_version, digest
from periscope_assets.transforms.stage import Snapshot, Stage

RAW, QUOTES = "raw_chain", chains.NAME

METHOD_VERSIONS: Mapping[str, str] = {
    RAW: "1",
    QUOTES: chains.METHOD_VERSION,
    bars.NAME: bars.METHOD_VERSION,
    **{name: stage.method_version for name, stage in STAGES.items()},
}
"""Method version of every dataset, in an order in which each follows its inputs."""

_ANY_STATUS = (PUBLISHED, REJECTED, NO_SESSION, WITHDRAWN)
_log = logging.getLogger(__name__)


class _Heads(NamedTuple):
    """Snapshots of one session: those that are served, and those that were taken out."""

    published: list[LedgerEntry]
    withdrawn: list[LedgerEntry]


class Pipeline:
    """Builds datasets of one store from one lake and, where nothing has landed, one source.

    Parameters
    ----------
    settings : Settings
    store : Store
    lake : Lake
    source : ChainSource or None
        None: only what has landed can be built.
    rate_source : RateSource or None
        None: rates are those of the settings.
    pool : SymbolPool or None
        Processes that share symbols; None: all are built in this one.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        lake: Lake,
        source: ChainSource | None = None,
        rate_source: RateSource | None = None,
        pool: SymbolPool | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self._rate_origin = "configured" if rate_source is None else rate_source.name
        self._lake = lake
        self._pool = pool
        self._days_ahead = DaysAhead(settings, lake)
        self._landed = Landed(lake, source, settings.calendar_of, rate_source)

    def build(
        self, dataset: str, symbols: Iterable[str], session: date, run_id: str, *, fresh: bool = False
    ) -> list[Outcome]:
        """Build one dataset for several symbols; one that can't be built is an outcome, not an exception.

        With `fresh`, raw chains are asked of the source even where some have landed.

        Raises
        ------
        StoreUnavailableError
            If the store can't be reached: no symbol could be built then.
        KeyError
            If there is no such dataset.
        """
        make = self._maker(dataset, fresh)
        outcomes: list[Outcome] = []
        chosen = [rates.CURRENCY] if dataset == rates.STAGE.name else list(symbols)
        if self._pool is not None and len(chosen) > 1 and dataset != RAW:
            return self._pool.build(dataset, chosen, session, run_id)
        for symbol in chosen:
            try:
                outcomes += make(symbol, session, run_id)
            except StoreUnavailableError:
                raise
            except Exception as error:
                cause = _cause(error)
                _log.warning("%s of %s for %s failed", dataset, symbol, session, exc_info=cause == UNFORESEEN)
                line = " ".join(str(error).split()) or type(error).__name__
                passes = isinstance(error, TransientSourceError)
                outcomes.append(
                    Outcome(dataset, symbol, session, FAILED, error=line, is_transient=passes, cause=cause)
                )
        return outcomes

    def _maker(self, dataset: str, fresh: bool) -> Callable[[str, date, str], list[Outcome]]:
        if dataset == RAW:
            return lambda symbol, session, run_id: self.raw_chain(symbol, session, run_id, fresh=fresh)
        if dataset == QUOTES:
            return self.option_quotes
        if dataset == bars.NAME:
            return self.underlying_bars
        if dataset == rates.STAGE.name:
            return lambda _symbol, session, run_id: self.rate_curve(session, run_id)
        stage = STAGES[dataset]
        return lambda symbol, session, run_id: self.run(stage, symbol, session, run_id)

    def raw_chain(self, symbol: str, session: date, run_id: str, *, fresh: bool = False) -> list[Outcome]:
        """Publish which raw bytes each snapshot comes from; asks the source where nothing has landed.

        With `fresh` it is asked in any case, once by each run.

        Raises
        ------
        MissingInputError
            If it is a session and there is no chain, landed or from the source.
        SourceError
            If the source could not be read.
        """
        fence = self.store.fence()
        asks = fresh and not self._was_made_by(run_id, symbol, session)
        manifests = self._landed.manifests(symbol, session, fresh=asks)
        if not manifests:
            return self._no_session(RAW, symbol, session, run_id, fence)
        latest = {as_of: manifest for manifest in standing(manifests) for as_of in manifest.as_of}
        drafts = [self._raw_draft(manifest, as_of, run_id) for as_of, manifest in sorted(latest.items())]
        gone = {as_of: each for each in manifests for as_of in each.as_of if as_of not in latest}
        drafts += [withdrawn(RAW, each, as_of, run_id) for as_of, each in sorted(gone.items())]
        return self._publish(drafts, session, fence)

    def _was_made_by(self, run_id: str, symbol: str, session: date) -> bool:
        """Tell whether a run has published a raw chain already: when it tries again for others' sake."""
        start, end = session_bounds(session)
        return any(each.run_id == run_id for each in self.store.heads(RAW, symbol, start=start, end=end))

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
        outcomes = self._follow_withdrawals(QUOTES, heads, session, run_id, fence)
        method = digest([chains.METHOD_VERSION, chains.RULES_VERSION])
        for raw in heads.published:
            head = self._head(QUOTES, symbol, raw.as_of)
            same = head and head.inputs == {RAW: raw.version} and head.method_version == method
            if head and same and self.store.confirm(head, fence):
                outcomes.append(unchanged(head, session))
                continue
            chain = self._landed.chain(raw)
            result = judged(chain, self.settings.calendar_of(symbol), _received_at(raw))
            version = content_version(result.frames)
            draft = draft_of(QUOTES, raw, version, method, {RAW: raw.version}, run_id, result)
            outcomes += self._publish([draft], session, fence)
        return outcomes

    def underlying_bars(self, symbol: str, session: date, run_id: str) -> list[Outcome]:
        """Publish the bars of the sessions before one; none where no bars of the symbol are known.

        Raises
        ------
        SourceError
            If the bars can't be read.
        """
        fence = self.store.fence()
        if not is_session(self.settings.calendar_of(symbol), session):
            return self._no_session(bars.NAME, symbol, session, run_id, fence)
        draft = bars_draft(self.settings.source, self._lake, symbol, session, run_id)
        return self._publish([draft], session, fence)

    def rate_curve(self, session: date, run_id: str) -> list[Outcome]:
        """Publish the zero curve of a date, at its midnight in New York.

        Raises
        ------
        SourceError
            If par yields are wanted and could not be read.
        """
        fence = self.store.fence()
        as_of = session_bounds(session)[0]
        stage = rates.STAGE
        settings = self._stage_settings(stage, rates.CURRENCY, self._rate_origin, as_of)
        curve = self._landed.par_yields(session)
        inputs = {} if curve is None else {"sha256": curve.sha256}
        if curve is not None:
            settings["par_yields"] = dict(curve.yields)
        method, version = versions(stage, settings, {})
        head = self._head(stage.name, rates.CURRENCY, as_of)
        if head and head.version == version and self.store.confirm(head, fence):
            return [unchanged(head, session)]
        result = stage.compute(Snapshot(rates.CURRENCY, as_of, {}, settings))
        draft = Draft(
            stage.name, rates.CURRENCY, as_of, version, method, inputs, result.status, self._rate_origin,
            run_id, result.frames, with_rows(result),
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
        outcomes = self._follow_withdrawals(stage.name, heads, session, run_id, fence)
        for primary in heads.published:
            outcomes += self._run_snapshot(stage, primary, session, run_id, fence)
        return outcomes

    def _run_snapshot(
        self, stage: Stage, primary: LedgerEntry, session: date, run_id: str, fence: int
    ) -> list[Outcome]:
        settings = self._stage_settings(stage, primary.symbol, primary.source, primary.as_of)
        found = inputs.find(self.store, stage, primary)
        read = {each.wanted.key: each.version for each in found}
        method, version = versions(stage, settings, read)
        head = self._head(stage.name, primary.symbol, primary.as_of)
        if head and head.version == version and self.store.confirm(head, fence):
            return [unchanged(head, session)]
        frames = {each.wanted.key: inputs.rows(self.store, each) for each in found}
        result = stage.compute(Snapshot(primary.symbol, primary.as_of, frames, settings))
        draft = draft_of(stage.name, primary, version, method, read, run_id, result)
        return self._publish([draft], session, fence)

    def _raw_draft(self, manifest: RawManifest, as_of: datetime, run_id: str) -> Draft:
        inputs = {"sha256": manifest.sha256, "layout": manifest.layout}
        version = digest([inputs, dict(manifest.companions)])
        quality: Quality = {
            "n_raw": manifest.n_raw,
            "size_bytes": manifest.size,
            "name": manifest.name,
            "n_snapshots": len(manifest.as_of),
            "received_at": None if manifest.received_at is None else manifest.received_at.isoformat(),
            **({} if manifest.completeness is None else {"completeness": manifest.completeness}),
        }
        own = manifest.layout if manifest.layout == "simulated" else f"files:{manifest.layout}"
        source = manifest.origin or own
        return Draft(
            RAW, manifest.symbol, as_of, version, "1", inputs, PUBLISHED, source, run_id, {}, quality
        )

    def _heads(self, dataset: str, symbol: str, session: date) -> _Heads | None:
        """Return the served and the withdrawn snapshots of a session, or None where it was no session."""
        start, end = session_bounds(session)
        found = self.store.heads(
            dataset, symbol, start=start, end=end, statuses=(PUBLISHED, NO_SESSION, WITHDRAWN)
        )
        if not found:
            refused = self.store.heads(dataset, symbol, start=start, end=end, statuses=(REJECTED,))
            if refused:
                raise RejectedInputError(refused[-1])
            raise MissingInputError(f"{symbol} {session}: there is no {dataset}; materialize it first")
        published = [entry for entry in found if entry.status == PUBLISHED]
        withdrawn = [entry for entry in found if entry.status == WITHDRAWN]
        return _Heads(published, withdrawn) if published or withdrawn else None

    def _follow_withdrawals(
        self, dataset: str, heads: _Heads, session: date, run_id: str, fence: int
    ) -> list[Outcome]:
        """Withdraw what was made from snapshots that are withdrawn now."""
        drafts = [withdrawn(dataset, entry, entry.as_of, run_id) for entry in heads.withdrawn]
        return self._publish(drafts, session, fence) if drafts else []

    def _head(self, dataset: str, symbol: str, as_of: datetime) -> LedgerEntry | None:
        return self.store.head(dataset, symbol, as_of=as_of, statuses=_ANY_STATUS)

    def _stage_settings(self, stage: Stage, symbol: str, origin: str, as_of: datetime) -> dict[str, object]:
        known: dict[str, Callable[[], object]] = {
            "zero_rates": lambda: dict(self.settings.rates.zero_rates),
            "dividends": lambda: self._landed.dividends(symbol, origin),
            "signals": lambda: self.settings.signals.model_dump(),
            "event_time": lambda: self._days_ahead.of(symbol, as_of),
        }
        return {name: known[name]() for name in stage.settings}

    def _publish(self, drafts: Sequence[Draft], session: date, fence: int) -> list[Outcome]:
        receipts = self.store.publish(drafts, fence)
        return [published(draft, receipt, session) for draft, receipt in zip(drafts, receipts, strict=True)]

    def _no_session(self, dataset: str, symbol: str, session: date, run_id: str, fence: int) -> list[Outcome]:
        as_of = session_bounds(session)[0]
        version = digest([NO_SESSION, self.settings.calendar_of(symbol)])
        draft = Draft(dataset, symbol, as_of, version, "1", {}, NO_SESSION, "calendar", run_id)
        return self._publish([draft], session, fence)


def _cause(error: Exception) -> str:
    """Return why a symbol could not be built."""
    if isinstance(error, MissingInputError):
        return error.cause
    return SOURCE if isinstance(error, SourceError) else UNFORESEEN


def _received_at(raw: LedgerEntry) -> datetime | None:
    stated = raw.quality.get("received_at")
    return datetime.fromisoformat(stated) if isinstance(stated, str) else None
