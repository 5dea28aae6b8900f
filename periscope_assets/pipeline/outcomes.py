"""What becomes of a dataset: drafts with their versions, and outcomes.

What belongs here: content versions, drafts from results, outcomes from receipts. What does not: reading
inputs (``building``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from periscope_assets.store.lake import RawManifest
from periscope_assets.store.repository import PUBLISHED, WITHDRAWN, Draft, LedgerEntry, Quality, Receipt
from periscope_assets.transforms.frames import digest
from periscope_assets.transforms.stage import Stage, StageResult

UNCHANGED, FAILED = "unchanged", "failed"


MISSING_INPUT, REJECTED_INPUT, SOURCE, UNFORESEEN = "missing_input", "rejected_input", "source", "unforeseen"
"""Causes of a failure."""


class MissingInputError(LookupError):
    """A stage was asked for before what it reads was built; the message says what to build."""

    cause = MISSING_INPUT


class RejectedInputError(MissingInputError):
    """What a stage reads was built and rejected, and no publication of the snapshot is served; why."""

    cause = REJECTED_INPUT

    def __init__(self, entry: LedgerEntry) -> None:
        why = entry.quality.get("rejected_by") or "its figures of quality say why"
        super().__init__(
            f"{entry.symbol} {entry.as_of:%Y-%m-%d %H:%M}: {entry.dataset} was rejected ({why}); nothing is "
            "made from it, the snapshots before stay served"
        )
        self.dataset, self.criterion = entry.dataset, why


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
    is_transient : bool
        Of `outcome` failed: whether asking again later may mend it.
    cause : {'missing_input', 'rejected_input', 'source', 'unforeseen'} or None
        Of `outcome` failed.
    """

    dataset: str
    symbol: str
    session: date
    outcome: str
    as_of: datetime | None = None
    receipt: Receipt | None = None
    error: str | None = None
    quality: Quality = field(default_factory=dict)
    is_transient: bool = False
    cause: str | None = None


def versions(stage: Stage, settings: Mapping[str, object], inputs: Mapping[str, str]) -> tuple[str, str]:
    """Return the version of method and settings, and the version of what they make of these inputs."""
    stated = {
        name: sorted(value.items()) if isinstance(value, Mapping) else value
        for name, value in settings.items()
    }
    method = digest([stage.name, stage.method_version, stated])
    return method, digest([method, dict(inputs)])


def with_rows(result: StageResult) -> dict[str, float | int | str | bool | None]:
    """Return a result's quality figures with the number of its rows."""
    return {"n_rows": sum(map(len, result.frames.values())), **result.quality}


def draft_of(
    dataset: str,
    origin: LedgerEntry,
    version: str,
    method: str,
    inputs: Mapping[str, str],
    run_id: str,
    result: StageResult,
) -> Draft:
    """Return a result as a draft of the snapshot, status and source of the entry that it was made from."""
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
        quality=with_rows(result),
    )


def withdrawn(dataset: str, origin: LedgerEntry | RawManifest, as_of: datetime, run_id: str) -> Draft:
    """Return the draft that takes a snapshot out, because of a withdrawn entry or a manifest that is gone."""
    if isinstance(origin, LedgerEntry):
        name, cause, source = origin.dataset, origin.version, origin.source
    else:
        name, cause, source = "withdrawn", origin.sha256, f"files:{origin.layout}"
    version = digest([WITHDRAWN, dataset, cause])
    return Draft(dataset, origin.symbol, as_of, version, "1", {name: cause}, WITHDRAWN, source, run_id)


def published(draft: Draft, receipt: Receipt, session: date) -> Outcome:
    """Return what the store made of a draft."""
    outcome = draft.status if receipt.outcome == PUBLISHED else receipt.outcome
    return Outcome(draft.dataset, draft.symbol, session, outcome, draft.as_of, receipt, None, draft.quality)


def unchanged(head: LedgerEntry, session: date) -> Outcome:
    """Return that the served entry is what would have been made, so that nothing was computed."""
    receipt = Receipt(
        head.dataset, head.symbol, head.as_of, UNCHANGED, head.publication_id, head.known_at, head.version, 0
    )
    return Outcome(head.dataset, head.symbol, session, UNCHANGED, head.as_of, receipt, None, head.quality)
