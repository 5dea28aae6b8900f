"""Health of what is published: freshness of every dataset and symbol, and completeness of chains.

What belongs here: what the ledger's heads say. What does not: rows of any dataset, alerts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import pandas as pd

from app.queries.answer import Answer
from app.queries.core import Queries
from app.queries.lineage import DAILY
from app.queries.locate import QUOTES
from app.queries.times import TimeLike, rfc3339
from periscope_analytics.conventions import NEW_YORK
from periscope_assets.store.repository import NO_SESSION, PUBLISHED, LedgerEntry
from periscope_assets.store.tables import DATASETS

RAW = "raw_chain"
ASSETS = (
    *("dataset", "symbol", "status", "why", "as_of", "published_at", "latest_as_of", "latest_status"),
    *("version", "source", "run_id"),
)
COMPLETENESS = (
    *("symbol", "as_of", "n_raw", "n_accepted", "n_quarantined", "accepted_share", "completeness"),
    *("n_no_bid", "n_no_ask", "reasons", "source", "run_id"),
)
_QUARANTINED = "quarantined_"

Heads = Mapping[tuple[str, str], LedgerEntry]


def health(queries: Queries, *, known_at: TimeLike = None) -> Answer:
    """Return one row for each dataset and symbol, and one for each chain.

    Returns
    -------
    Answer
        Frame ``assets``: status ``published``; ``stale`` where newer inputs are published than the ones it
        was made from, or a later snapshot failed; or ``rejected``, ``withdrawn``, ``no_session`` where
        nothing of it is served; `why` says it in a sentence. Frame ``completeness``: rows of the last chain
        of each symbol, accepted and refused by reason.
    """
    last = queries.latest(known_at=known_at)
    known = queries.known_time(known_at)
    served = {(entry.dataset, entry.symbol): _served(queries, entry, known_at) for entry in last}
    heads = {key: entry for key, entry in served.items() if entry is not None}
    order = {name: place for place, name in enumerate(DATASETS)}
    rows = [
        _asset(entry, heads)
        for entry in sorted(last, key=lambda each: (order.get(each.dataset, 99), each.symbol))
    ]
    chains = [_chain(entry, heads) for (dataset, _), entry in sorted(heads.items()) if dataset == QUOTES]
    digest = hashlib.sha256("\n".join(entry.version for entry in last).encode()).hexdigest()
    return Answer(
        dataset="health",
        symbol=None,
        as_of=max((entry.as_of for entry in last), default=None),
        known_at=known,
        published_at=max((entry.known_at for entry in last), default=None),
        version=digest[:32],
        status=PUBLISHED,
        source="ledger",
        run_id="",
        quality={"n_rows": len(rows)},
        frames={
            "assets": pd.DataFrame(rows, columns=list(ASSETS)),
            "completeness": pd.DataFrame(chains, columns=list(COMPLETENESS)),
        },
    )


def _served(queries: Queries, entry: LedgerEntry, known_at: TimeLike) -> LedgerEntry | None:
    if entry.status == PUBLISHED:
        return entry
    return queries.head(entry.dataset, entry.symbol, known_at=known_at)


def _asset(latest: LedgerEntry, heads: Heads) -> dict[str, object]:
    shown = heads.get((latest.dataset, latest.symbol), latest)
    why = _why(shown, latest, heads)
    status = shown.status if not why or shown.status != PUBLISHED else "stale"
    return {
        "dataset": shown.dataset,
        "symbol": shown.symbol,
        "status": status,
        "why": why,
        "as_of": shown.as_of,
        "published_at": shown.known_at,
        "latest_as_of": latest.as_of,
        "latest_status": latest.status,
        "version": shown.version,
        "source": shown.source,
        "run_id": shown.run_id,
    }


def _why(shown: LedgerEntry, latest: LedgerEntry, heads: Heads) -> str:
    """Return why what is shown is not the last word, in a sentence; empty where it is."""
    if shown is not latest and latest.status != NO_SESSION:
        return f"The snapshot of {rfc3339(latest.as_of)} was {latest.status}."
    if shown.status != PUBLISHED:
        return f"The last snapshot is {shown.status}, and none before it is served."
    quotes = heads.get((QUOTES, shown.symbol))
    if quotes is not None and _is_before(shown, quotes):
        return f"Quotes of {rfc3339(quotes.as_of)} are published, this ends at {rfc3339(shown.as_of)}."
    revised = [
        name
        for name, version in shown.inputs.items()
        if (head := heads.get((name, shown.symbol))) is not None
        and head.as_of == shown.as_of
        and head.version != version
    ]
    return f"Revised since: {', '.join(revised)}." if revised else ""


def _is_before(shown: LedgerEntry, quotes: LedgerEntry) -> bool:
    """Return whether quotes are of a later snapshot; what is made once a day is held against their day."""
    if shown.dataset not in DAILY:
        return quotes.as_of > shown.as_of
    return quotes.as_of.astimezone(NEW_YORK).date() > shown.as_of.astimezone(NEW_YORK).date()


def _chain(quotes: LedgerEntry, heads: Heads) -> dict[str, object]:
    told = quotes.quality
    raw = heads.get((RAW, quotes.symbol))
    accepted, whole = told.get("n_accepted"), told.get("n_raw")
    known = isinstance(accepted, int) and isinstance(whole, int) and whole > 0
    return {
        "symbol": quotes.symbol,
        "as_of": quotes.as_of,
        **{name: told.get(name) for name in ("n_raw", "n_accepted", "n_quarantined", "n_no_bid", "n_no_ask")},
        "accepted_share": accepted / whole if known else None,  # type: ignore[operator]
        "completeness": None if raw is None else raw.quality.get("completeness"),
        "reasons": _reasons(told),
        "source": quotes.source,
        "run_id": quotes.run_id,
    }


def _reasons(told: Mapping[str, object]) -> str:
    counts = {
        name.removeprefix(_QUARANTINED): count
        for name, count in told.items()
        if name.startswith(_QUARANTINED) and isinstance(count, int)
    }
    ordered: Sequence[tuple[str, int]] = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count:,}" for name, count in ordered)
