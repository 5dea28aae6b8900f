"""What the page of data health shows, arranged.

What belongs here: frames ready for tables. What does not: widgets, reading.
"""

from __future__ import annotations

import re
from datetime import datetime

import pandas as pd

from app.components.clock import age
from app.queries import Answer
from periscope_assets.store.tables import DATASETS
from periscope_assets.transforms.rates import CURRENCY, STAGE

FINE = ("published", "no_session")
_RUN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SIGNS = {"published": "✓", "no_session": "○", "stale": "⚠", "rejected": "✗", "withdrawn": "∅"}


def counts(answer: Answer) -> dict[str, int]:
    """Return how many datasets of symbols are in each status."""
    found = answer.frames["assets"]["status"].value_counts()
    return {str(name): int(count) for name, count in found.items()}


def matrix(answer: Answer, now: datetime) -> pd.DataFrame:
    """Return a row for each dataset and a column for each symbol: a sign of the status, and the age."""
    rows = answer.frames["assets"]
    cells = [
        f"{_SIGNS.get(status, '?')} {age(moment, now)}"
        for status, moment in zip(rows["status"], rows["as_of"], strict=True)
    ]
    wide = rows.assign(cell=cells).pivot(index="dataset", columns="symbol", values="cell")
    order = [name for name in DATASETS if name in wide.index]
    wide = wide.reindex(order)
    for symbol in wide.columns:
        apart = (wide.index == STAGE.name) != (symbol == CURRENCY)
        wide.loc[apart, symbol] = "·"
    return wide.reset_index()


def assets(answer: Answer, now: datetime, dagster: str, *, everything: bool) -> pd.DataFrame:
    """Return a row for each dataset and symbol, those that need a look first."""
    rows = answer.frames["assets"]
    if not everything:
        rows = rows[~rows["status"].isin(FINE)]
    rows = rows.assign(
        age=[age(moment, now) for moment in rows["as_of"]],
        run=_links(rows, dagster),
        version=rows["version"].str[:12],
        fine=rows["status"].isin(FINE),
    )
    return rows.sort_values("fine", kind="stable", ignore_index=True)


def run_link(run_id: object, dagster: str) -> str | None:
    """Return the address of a Dagster run; None where the id is none of Dagster's."""
    return f"{dagster}/runs/{run_id}" if isinstance(run_id, str) and _RUN.fullmatch(run_id) else None


def _links(rows: pd.DataFrame, dagster: str) -> pd.Series:
    return pd.Series([run_link(run, dagster) for run in rows["run_id"]], index=rows.index, dtype=object)


def completeness(answer: Answer, dagster: str) -> pd.DataFrame:
    """Return accepted and refused rows of each chain; shares in per cent."""
    rows = answer.frames["completeness"]
    shares = {name: 100.0 * rows[name].astype("float64") for name in ("accepted_share", "completeness")}
    return rows.assign(run=_links(rows, dagster), **shares)


def labels(rows: pd.DataFrame) -> dict[str, str]:
    """Return key and name of refused rows."""
    told = zip(rows["raw_line"], rows["side"], rows["contract"], rows["reason"], strict=True)
    return {
        f"{line}-{side}": f"line {line:,} · {contract if isinstance(contract, str) else side} · {reason}"
        for line, side, contract, reason in told
    }


def lineage(answer: Answer, dagster: str) -> pd.DataFrame:
    """Return inputs as a tree of names, nearest first."""
    rows = answer.frames["lineage"]
    names = ["\u2003" * depth + name for depth, name in zip(rows["depth"], rows["dataset"], strict=True)]
    return rows.assign(
        input=names,
        version=[str(version)[:12] for version in rows["version"]],
        method_version=rows["method_version"].str[:12],
        run=_links(rows, dagster),
    )


def graph(answer: Answer, ink: str, faint: str, warn: str) -> str:
    """Return the lineage as a graph in DOT: what was made from what."""
    rows = answer.frames["lineage"]
    rows = rows[rows["state"] != "digest"]
    lines = [
        "digraph { rankdir=LR; bgcolor=transparent; ranksep=0.35; nodesep=0.18;",
        f'node [shape=box, style=rounded, fontname="sans-serif", fontsize=11, color="{faint}", '
        f'fontcolor="{ink}"]; edge [color="{faint}", arrowsize=0.6];',
    ]
    for row in rows.to_dict("records"):
        colour = f', color="{warn}", penwidth=2' if row["state"] != "as used" else ""
        lines.append(f'"{row["dataset"]}" [label="{row["dataset"]}\\n{str(row["version"])[:8]}"{colour}];')
        users = [name for name in str(row["made_for"]).split(", ") if name]
        lines += [f'"{row["dataset"]}" -> "{user}";' for user in users]
    return "\n".join([*lines, "}"])
