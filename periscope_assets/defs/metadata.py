"""What Dagster shows beside a materialisation: row counts, figures, outcomes, the meaning of each column.

What belongs here: turning outcomes and the schema into metadata. What does not: any figure's formula.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from urllib.parse import urlencode

import dagster as dg

from periscope_assets.pipeline import FAILED, Outcome
from periscope_assets.store import tables

_PAGES = {
    "vol_surface": "surface",
    "surface_grid": "surface",
    "skew_metrics": "term",
    "heston_fit": "heston",
    "model_bands": "heston",
    "trade_signals": "signals",
    "signal_scorecard": "signals",
}
"""Page of the app that shows a dataset."""
_DIGITS = 6
_SUMMED = ("n_", "quarantined_")
_FIGURE_SYMBOLS = 8


@dataclass(frozen=True, slots=True)
class Line:
    """One outcome as it is kept in Dagster's event log."""

    dataset: str
    symbol: str
    session: str
    outcome: str
    as_of: str | None
    version: str | None
    n_rows: int
    error: str | None


def describe(outcomes: Sequence[Outcome]) -> dict[str, dg.MetadataValue]:
    """Return the metadata of one partition: outcomes by symbol, counts added up, figures by symbol.

    Figures are numbers of their own, so that Dagster draws their history; beyond eight symbols only the
    counts are kept.
    """
    figures: dict[str, float] = {}
    symbols = {outcome.symbol for outcome in outcomes}
    for outcome in outcomes:
        for name, value in outcome.quality.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if name.startswith(_SUMMED):
                figures[name] = figures.get(name, 0) + value
            elif len(symbols) <= _FIGURE_SYMBOLS:
                figures[name if len(symbols) == 1 else f"{outcome.symbol} {name}"] = value
    rows = int(figures.pop("n_rows", 0))
    ages = [
        (one.receipt.known_at - one.as_of).total_seconds()
        for one in outcomes
        if one.receipt is not None and one.as_of is not None
    ]
    if ages:
        figures["age_minutes"] = max(ages) / 60.0
    tally = Counter(outcome.outcome for outcome in outcomes)
    return {
        "dagster/partition_row_count": dg.MetadataValue.int(rows),
        "symbols": dg.MetadataValue.int(len(symbols)),
        **{f"outcome_{name}": dg.MetadataValue.int(n) for name, n in sorted(tally.items())},
        **{name: _number(value) for name, value in figures.items()},
        "outcomes": dg.MetadataValue.json([_line(outcome) for outcome in outcomes]),
        **_errors(outcomes),
    }


def links(outcomes: Sequence[Outcome], port: int) -> dict[str, dg.MetadataValue]:
    """Return, for each of at most eight symbols, the address at which the app shows what is served."""
    found: dict[str, dg.MetadataValue] = {}
    for one in outcomes:
        page = _PAGES.get(one.dataset)
        if page is None or one.receipt is None or one.as_of is None or len(found) >= _FIGURE_SYMBOLS:
            continue
        asked = {
            "symbol": one.symbol,
            "as_of": rfc3339(one.as_of),
            "known_at": rfc3339(one.receipt.known_at),
        }
        found[f"app {one.symbol}"] = dg.MetadataValue.url(
            f"http://127.0.0.1:{port}/{page}?{urlencode(asked)}"
        )
    return found


def rfc3339(moment: datetime) -> str:
    """Return an instant as the app's addresses have it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def lines(metadata: Mapping[str, dg.MetadataValue]) -> list[Line]:
    """Return the outcomes that :func:`describe` kept."""
    kept = metadata["outcomes"].value
    return [Line(**line) for line in kept] if isinstance(kept, list) else []


def column_schema(dataset: str) -> dict[str, dg.TableSchema]:
    """Return the columns of a dataset's tables with type and meaning, as definition metadata."""
    names = tables.DATASETS[dataset]
    schemas = {name: _schema(name) for name in names}
    first = {"dagster/column_schema": schemas[names[0]]} if names else {}
    return first | {f"table {name}": schema for name, schema in schemas.items()}


def column_lineage(dataset: str, above: Sequence[str]) -> dict[str, dg.TableColumnLineage]:
    """Return from which columns of the assets above each column comes: those that carry its name.

    What carries no name from above is made here, from all of them.
    """
    sources = {asset: _columns(asset) for asset in above}
    origins = {
        column: [
            dg.TableColumnDep(dg.AssetKey(asset), column) for asset, held in sources.items() if column in held
        ]
        for column in _columns(dataset)
    }
    found = {column: deps for column, deps in origins.items() if deps}
    return {"dagster/column_lineage": dg.TableColumnLineage(found)} if found else {}


def _columns(dataset: str) -> list[str]:
    """Return the columns of a dataset's first table, without the ledger's."""
    names = tables.DATASETS[dataset]
    return [column.name for column in tables.content_columns(tables.table(names[0]))] if names else []


def _schema(name: str) -> dg.TableSchema:
    columns = [
        dg.TableColumn(
            name=column.name,
            type=str(column.type).lower(),
            description=column.comment,
            constraints=dg.TableColumnConstraints(nullable=bool(column.nullable)),
        )
        for column in tables.table(name).columns
    ]
    return dg.TableSchema(columns=columns)


def _line(outcome: Outcome) -> dict[str, object]:
    receipt = outcome.receipt
    return {
        "dataset": outcome.dataset,
        "symbol": outcome.symbol,
        "session": _iso(outcome.session),
        "outcome": outcome.outcome,
        "as_of": _iso(outcome.as_of) if outcome.as_of else None,
        "version": receipt.version if receipt else None,
        "n_rows": receipt.n_rows if receipt else 0,
        "error": outcome.error,
    }


def _errors(outcomes: Iterable[Outcome]) -> dict[str, dg.MetadataValue]:
    failed = [f"- **{o.symbol}** {o.session}: {o.error}" for o in outcomes if o.outcome == FAILED]
    return {"errors": dg.MetadataValue.md("\n".join(failed))} if failed else {}


def _iso(moment: date | datetime) -> str:
    return moment.isoformat()


def _number(value: float) -> dg.MetadataValue:
    if isinstance(value, int):
        return dg.MetadataValue.int(value)
    return dg.MetadataValue.float(float(f"{value:.{_DIGITS}g}"))
