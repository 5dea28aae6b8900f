"""Parts of the page of data health: completeness and quarantine, lineage, vendors' vols.

What belongs here: their layout. What does not: reading, arranging, freshness
(``view``), incidents (``alerts``).
"""

from __future__ import annotations

import json

import pandas as pd
import streamlit as st

from app import cache
from app.components import absence, chart, export, frame
from app.components.appearance import look
from app.components.scope import Scope
from app.queries import Queries
from app.queries.health import health
from app.queries.lineage import lineage as lineage_of
from app.queries.locate import QUOTES, Located
from app.queries.raw import raw_line
from app.queries.vendor import reconciliation
from app.views.health import columns, data, plot, setup
from periscope_assets.charts.theme import theme
from periscope_assets.store.tables import DATASETS

_GRAPH = "lineage_graph"
_READABLE = f"""<style>
@media (max-width: 900px) {{
  .st-key-{_GRAPH} {{ overflow-x: auto; }}
  .st-key-{_GRAPH} .stGraphVizChart svg {{ width: auto; max-width: none; }}
}}
</style>"""
"""A graph shrinks to the page; where its letters would be too small to read, it is scrolled instead."""


def quarantine(queries: Queries, scope: Scope) -> None:
    """Draw completeness of all chains, and the refused rows of one with their raw lines."""
    chains = health(queries, known_at=scope.known_at)
    found = queries.locate(
        QUOTES, scope.symbol, as_of=scope.as_of, known_at=scope.known_at, version=scope.version
    )
    answer = queries.read(
        QUOTES, scope.symbol, as_of=scope.as_of, known_at=scope.known_at, version=scope.version
    )
    frame.stamp(answer, scope)
    st.subheader("Completeness of the last chains", anchor=False)
    st.dataframe(
        data.completeness(chains, cache.dagster_url()),
        column_config=columns.COMPLETENESS,
        column_order=list(columns.COMPLETENESS),
        hide_index=True,
        placeholder="–",
        key="completeness",
    )
    export.buttons(chains.frames["completeness"], "completeness")
    st.subheader(f"Quarantine of {scope.symbol}", anchor=False)
    _refused(queries, found, answer.frames["quarantined_quotes"])


def _refused(queries: Queries, found: Located, rows: pd.DataFrame) -> None:
    accepted = found.entry.quality.get("n_accepted")
    if rows.empty:
        count = f" of {accepted:,}" if isinstance(accepted, int) else ""
        absence.nothing(f"No row of this chain was refused: every one{count} became a quote.")
        return
    reason = setup.reason(sorted(rows["reason"].unique()))
    shown = rows if reason == setup.EVERY else rows[rows["reason"] == reason]
    names = data.labels(shown)
    keys = list(names)
    parsed = pd.DataFrame(
        [{name: record.get(name) for name in ("strike", "bid", "ask")} for record in shown["record"]],
        index=shown.index,
    )
    st.dataframe(
        shown.drop(columns=["record"]).join(parsed.apply(pd.to_numeric, errors="coerce")),
        column_config=columns.REJECTED,
        column_order=list(columns.REJECTED),
        hide_index=True,
        placeholder="–",
        key="rejected",
        on_select=lambda: _pick(keys),
        selection_mode="single-row",
    )
    export.buttons(shown.assign(record=[json.dumps(each) for each in shown["record"]]), "quarantine")
    _line(queries, found, shown.iloc[keys.index(setup.line(names))])


def _pick(keys: list[str]) -> None:
    chosen = st.session_state["rejected"]["selection"]["rows"]
    if chosen:
        st.session_state[setup.LINE] = keys[chosen[0]]


def _line(queries: Queries, found: Located, row: pd.Series) -> None:
    line = raw_line(queries, cache.lake(), found, int(row["raw_line"]))
    st.markdown(f"**{row['reason']}** (rule version {row['rule_version']}): {row['detail']}")
    left, right = st.columns(2, gap="medium")
    with left:
        origin = f" of `{line.name}`, sha256 `{line.sha256[:12]}`" if line.sha256 else ""
        st.caption(f"Line {row['raw_line']:,}{origin}, as it came")
        if line.text is None:
            absence.nothing(f"The raw line can't be shown: {line.reason}.")
        else:
            st.code(line.text, language=None, wrap_lines=True)
    with right:
        st.caption("As it was parsed")
        st.code(json.dumps(row["record"], indent=2, sort_keys=True), language=None)


def lineage(queries: Queries, scope: Scope) -> None:
    """Draw what a publication was made from."""
    chosen = setup.dataset(list(DATASETS))
    version = scope.version if chosen == QUOTES else None
    answer = lineage_of(
        queries, chosen, scope.symbol, as_of=scope.as_of, known_at=scope.known_at, version=version
    )
    frame.stamp(answer, scope)
    colours = theme(look())
    st.html(_READABLE)
    with st.container(key=_GRAPH):
        st.graphviz_chart(data.graph(answer, colours.text, colours.muted, colours.put), width="stretch")
    st.caption("Each box is a publication and its version; orange: another version of it is served by now.")
    st.dataframe(
        data.lineage(answer, cache.dagster_url()),
        column_config=columns.LINEAGE,
        column_order=list(columns.LINEAGE),
        hide_index=True,
        placeholder="–",
        key="lineage",
    )
    export.buttons(answer.frames["lineage"], f"{scope.symbol}_{chosen}_lineage")


def vendor(queries: Queries, scope: Scope) -> None:
    """Draw the vendor's vols against ours."""
    answer = reconciliation(queries, scope.symbol, as_of=scope.as_of, known_at=scope.known_at)
    frame.stamp(answer, scope)
    contracts, total = answer.frames["contracts"], answer.quality["n_contracts"]
    if contracts.empty:
        absence.nothing(
            f"The vendor gives no vol for any of the {total:,} out-of-the-money contracts of this chain."
        )
        return
    apart = contracts["difference_bps"]
    told = (
        (
            "Compared",
            f"{len(contracts):,} of {total:,}",
            "Out-of-the-money contracts with both vols.",
        ),
        (
            "Median difference",
            f"{apart.median():+z.1f} bps",
            "Vendor less ours, vol bps: 1 is 0.01 % of vol.",
        ),
        ("Median |difference|", f"{apart.abs().median():.1f} bps", "Of absolute differences."),
        (
            "Inside our bid-ask",
            f"{100 * contracts['is_inside'].mean():.1f} %",
            "Vendor's vols between ours.",
        ),
    )
    with st.container(horizontal=True):
        for label, value, note in told:
            st.metric(label, value, help=note, width=170)
    chart.draw(
        plot.vendor_figure(answer, look()),
        key="vendor",
        alt=f"Vendor's vols of {scope.symbol} less ours by log-moneyness; numbers are in the table below it.",
        name=f"{scope.symbol}_vendor",
        numbers=contracts,
        columns=columns.CONTRACTS,
    )
    expiries = answer.frames["expiries"]
    st.dataframe(
        expiries.assign(inside=100.0 * expiries["inside_share"]),
        column_config=columns.VENDOR,
        column_order=list(columns.VENDOR),
        hide_index=True,
        placeholder="–",
        key="vendor_expiries",
    )
    export.buttons(expiries, f"{scope.symbol}_vendor_by_expiry")
