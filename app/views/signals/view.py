"""The page of signals.

What belongs here: layout, and the two commands. What does not: reading, arranging, drawing.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from app import cache
from app.commands import LOCAL, DeniedError, signals
from app.components import absence, chart, clock, export, frame
from app.components.appearance import look
from app.components.scope import Scope
from app.queries import Answer, NotPublishedError, Queries, StoreUnavailableError
from app.views.signals import columns, data, plot, setup

_FAILED = "_command_failed"


def render() -> None:
    """Draw the page, or say why it can't be drawn."""
    frame.show("Signals", _page, dataset="trade_signals")


def _page(queries: Queries, scope: Scope) -> None:
    span = setup.span()
    page = data.load(queries, cache.people(), scope, span)
    frame.stamp(page.main, scope)
    rules = sorted(page.signals["generator"].unique())
    rows = data.chosen(page, setup.choose(span, rules))
    _figures(page, rows)
    if rows.empty:
        absence.nothing(_nothing(page))
    else:
        _signals(page, rows)
    _record(queries, page, scope)


def _figures(page: data.Page, rows: pd.DataFrame) -> None:
    counts = page.signals["state"].value_counts()
    regimes = ", ".join(sorted(page.signals["regime"].unique())) or "–"
    told = (
        ("Shown", f"{len(rows):,}", "Signals that the filters leave."),
        *((name.capitalize(), f"{counts.get(name, 0):,}", None) for name in setup.STATES),
        ("Regime", regimes, "By which rules are weighted: calm, stressed or trending."),
    )
    with st.container(horizontal=True):
        for label, value, note in told:
            st.metric(label, value, help=note, width=130)


def _nothing(page: data.Page) -> str:
    if page.signals.empty:
        return (
            "No vol of this snapshot is far enough from fair to pay half its spread and one error: there is "
            "no signal. That is a finding, not a failure."
        )
    return f"None of the {len(page.signals):,} signals passes these filters; widen state or confidence."


def _signals(page: data.Page, rows: pd.DataFrame) -> None:
    names = data.labels(rows)
    shorts = list(names)
    st.dataframe(
        data.table(rows),
        column_config=columns.SIGNALS,
        column_order=columns.ORDER,
        hide_index=True,
        placeholder="–",
        key="signals",
        on_select=lambda: _pick(shorts),
        selection_mode="single-row",
    )
    export.buttons(rows, "signals")
    short = setup.signal(names)
    _one(page, rows.iloc[shorts.index(short)])


def _pick(shorts: list[str]) -> None:
    chosen = st.session_state["signals"]["selection"]["rows"]
    if chosen:
        st.session_state[setup.SIGNAL] = shorts[chosen[0]]


def _one(page: data.Page, row: pd.Series) -> None:
    with st.container(border=True):
        st.markdown(f"**{row['reason']}**")
        if isinstance(row["decision"], str):
            st.caption(row["decision"])
        st.caption(_sentence(row))
        _liquidity(row)
        event = page.events.get(str(row["signal_id"]))
        if event is None:
            _acknowledge(row)
        else:
            note = f": “{event.note}”" if event.note else ""
            st.success(
                f"Acknowledged by {event.actor} at {clock.stamp(event.at)}{note}",
                icon=":material/done_all:",
            )
            st.button(
                "Reopen", key="reopen", icon=":material/undo:", on_click=_command,
                args=(signals.reopen, str(row["symbol"]), str(row["signal_id"])),
            )  # fmt: skip
        failure = st.session_state.pop(_FAILED, None)
        if failure:
            st.error(failure, icon=":material/block:")


def _sentence(row: pd.Series) -> str:
    z = data.with_error(row["z_score"], row["z_stderr"]) or "–"
    return (
        f"Edge **{100 * row['edge_iv']:.2f} ± {100 * row['edge_stderr']:.2f} vol points** net of a "
        f"half-spread of {100 * row['half_spread_iv']:.2f} · {row['edge_usd']:,.2f} USD per unit · z {z} · "
        f"confidence {row['confidence']:.2f} in a {row['regime']} market · {row['state']}"
    )


def _liquidity(row: pd.Series) -> None:
    if not isinstance(row["contract"], str):
        st.caption("A series of several contracts: it has no liquidity of its own.")
        return
    sizes = " × ".join(
        "–" if pd.isna(row[side]) else f"{row[side]:,.0f}" for side in ("bid_size", "ask_size")
    )
    st.caption(
        f"Liquidity: size {sizes} (bid × ask) · open interest {_count(row['open_interest'])} · "
        f"volume {_count(row['volume'])} contracts · `{row['contract']}`"
    )


def _count(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:,.0f}"


def _acknowledge(row: pd.Series) -> None:
    with (
        st.form("acknowledge", border=False, clear_on_submit=True),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        st.text_input(
            "Note", key="note", max_chars=500, placeholder="What you make of it (optional)", width=420
        )
        st.form_submit_button(
            "Acknowledge", icon=":material/done:", on_click=_command,
            args=(signals.acknowledge, str(row["symbol"]), str(row["signal_id"])),
        )  # fmt: skip


def _command(command: Callable[..., object], symbol: str, signal_id: str) -> None:
    """Do what a button says; a refusal is shown beside it."""
    note = str(st.session_state.get("note") or "").strip() or None
    try:
        command(cache.people(), LOCAL, symbol=symbol, signal_id=signal_id, note=note)
    except (DeniedError, StoreUnavailableError, ValueError) as error:
        st.session_state[_FAILED] = str(error)


def _record(queries: Queries, page: data.Page, scope: Scope) -> None:
    symbol = str(page.main.symbol)
    st.subheader(f"Scorecard of {symbol}", anchor=False)
    answer = data.record(queries, symbol, scope)
    if isinstance(answer, NotPublishedError):
        absence.nothing(f"No score yet: {answer.reason}. Signals are scored 1, 5 and 21 sessions later.")
        return
    rows = answer.frames["track_record"]
    if rows.empty:
        absence.nothing("Nothing is scored yet: no signal is 1, 5 or 21 sessions old.")
        return
    _scores(answer, rows)


def _scores(answer: Answer, rows: pd.DataFrame) -> None:
    pending = rows[rows["signal_state"] == "pending"]
    st.caption(
        f"Every signal of the last {answer.quality['days']} days held against the vols 1, 5 and 21 sessions "
        f"later, net of half the spread at both ends; {answer.quality['n_scores']:,} scores."
    )
    if len(pending):
        basis = "as_served" if (pending["basis"] == "as_served").any() else "reconstructed"
        chart.draw(
            plot.record_figure(answer, basis, "pending", look()),
            key="record",
            alt=f"Mean net move after pending signals of {answer.symbol}; the table below has the numbers.",
            name=f"{answer.symbol}_track_record",
        )
    st.dataframe(
        data.record_table(answer),
        column_config=columns.RECORD,
        hide_index=True,
        placeholder="–",
        key="track_record",
    )
    export.buttons(rows, f"{answer.symbol}_track_record_table")
