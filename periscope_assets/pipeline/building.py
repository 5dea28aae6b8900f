"""Building: which inputs a dataset reads, fences, and that one bad symbol never fails its neighbours.

What belongs here: the walk from heads of inputs to published drafts. What does not: raw bytes (``landing``),
versions (``outcomes``), any stage's formulas (``transforms``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime

import pandas as pd

from periscope_analytics.conventions import listing
from periscope_assets.pipeline.landing import ChainSource, Landed, session_bounds
from periscope_assets.pipeline.outcomes import (
    FAILED,
    MissingInputError,
    Outcome,
    draft_of,
    published,
    unchanged,
    versions,
    with_rows,
)
from periscope_assets.settings import Settings
from periscope_assets.sources.base import SourceError
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
from periscope_assets.store.tables import DATASETS
from periscope_assets.transforms import chains, rates
from periscope_assets.transforms.flow import STAGES
from periscope_assets.transforms.frames import content_version, digest
from periscope_assets.transforms.stage import Input, Snapshot, Stage

RAW, QUOTES = "raw_chain", chains.NAME

METHOD_VERSIONS: Mapping[str, str] = {
    RAW: "1",
    QUOTES: chains.METHOD_VERSION,
    **{name: stage.method_version for name, stage in STAGES.items()},
}
"""Method version of every dataset, in an order in which each follows its inputs."""

_ANY_STATUS = (PUBLISHED, REJECTED, NO_SESSION, WITHDRAWN)
_log = logging.getLogger(__name__)


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
        self._landed = Landed(lake, source)

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
        manifests = self._landed.manifests(symbol, session)
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
                outcomes.append(unchanged(head, session))
                continue
            chain = self._landed.chain(raw)
            result = chains.accept(chain.rows, symbol, raw.as_of, chain.n_raw, chain.spot)
            version = content_version(result.frames)
            draft = draft_of(QUOTES, raw, version, method, {RAW: raw.version}, run_id, result)
            outcomes += self._publish([draft], session, fence)
        return outcomes

    def rate_curve(self, session: date, run_id: str) -> list[Outcome]:
        """Publish the configured zero curve of a date, at its midnight in New York."""
        fence = self.store.fence()
        as_of = session_bounds(session)[0]
        stage = rates.STAGE
        settings = self._stage_settings(stage, rates.CURRENCY, "configured")
        method, version = versions(stage, settings, {})
        head = self._head(stage.name, rates.CURRENCY, as_of)
        if head and head.version == version:
            return [unchanged(head, session)]
        result = stage.compute(Snapshot(rates.CURRENCY, as_of, {}, settings))
        draft = Draft(
            stage.name, rates.CURRENCY, as_of, version, method, {}, result.status, "configured", run_id,
            result.frames, with_rows(result),
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
        method, version = versions(stage, settings, inputs)
        head = self._head(stage.name, primary.symbol, primary.as_of)
        if head and head.version == version:
            return [unchanged(head, session)]
        frames = {wanted.dataset: self._rows(wanted, entry) for wanted, entry in found}
        result = stage.compute(Snapshot(primary.symbol, primary.as_of, frames, settings))
        draft = draft_of(stage.name, primary, version, method, inputs, run_id, result)
        return self._publish([draft], session, fence)

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
            "dividends": lambda: self._landed.dividends(symbol, origin),
        }
        return {name: known[name]() for name in stage.settings}

    def _publish(self, drafts: Sequence[Draft], session: date, fence: int) -> list[Outcome]:
        receipts = self.store.publish(drafts, fence)
        return [published(draft, receipt, session) for draft, receipt in zip(drafts, receipts, strict=True)]

    def _no_session(self, dataset: str, symbol: str, session: date, run_id: str, fence: int) -> list[Outcome]:
        as_of = session_bounds(session)[0]
        version = digest([NO_SESSION, listing(symbol).calendar])
        draft = Draft(dataset, symbol, as_of, version, "1", {}, NO_SESSION, "calendar", run_id)
        return self._publish([draft], session, fence)
