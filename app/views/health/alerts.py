"""The part of data health that lists incidents: what is open, what it means, who takes care of it.

What belongs here: its layout, and acknowledging. What does not: what an incident is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pandas as pd
import streamlit as st

from app import cache, state
from app.commands import LOCAL, DeniedError
from app.commands import alerts as commands
from app.components import absence, clock, export
from app.components.preferences import TIER, kept
from app.components.scope import Scope
from app.queries import Queries, StoreUnavailableError
from app.queries.alerts import alerts
from app.queries.times import parse_time
from app.views.health import columns
from periscope_assets.operations_settings import TIERS

INCIDENT = "incident"
SPANS: Mapping[str, timedelta] = MappingProxyType(
    {
        "1 hour": timedelta(hours=1),
        "4 hours": timedelta(hours=4),
        "1 day": timedelta(days=1),
        "1 week": timedelta(days=7),
    }
)
_FAILED = "_alert_failed"


def render(queries: Queries, scope: Scope) -> None:
    """Draw open incidents, then resolved ones, as they were at the time chosen."""
    del queries
    now = parse_time(scope.known_at, "known_at") or clock.now()
    answer = alerts(cache.people(), now)
    st.caption(f"As of {clock.stamp(answer.known_at)}; {answer.quality['n_open']:,} open in all.")
    tiers = TIERS[: TIERS.index(_least()) + 1]
    st.subheader("Open", anchor=False)
    standing = answer.frames["open"]
    shown = standing[standing["tier"].isin(tiers)].reset_index(drop=True)
    if shown.empty:
        hidden = f" ({len(standing):,} less urgent ones are hidden by your settings)" if len(standing) else ""
        absence.nothing(f"Nothing is open{hidden}.")
    else:
        _table(shown, columns.OPEN, "open_incidents")
        _one(shown)
    st.subheader("Resolved", anchor=False)
    past = answer.frames["history"]
    past = past[past["tier"].isin(tiers)].reset_index(drop=True)
    if past.empty:
        absence.nothing("No incident was resolved yet.")
        return
    _table(past, columns.RESOLVED, "resolved_incidents")


def _least() -> str:
    chosen = kept(TIER)
    return chosen if chosen in TIERS else TIERS[-1]


def _table(rows: pd.DataFrame, settings: dict[str, Any], name: str) -> None:
    st.dataframe(
        rows, column_config=settings, column_order=list(settings), hide_index=True, placeholder="–", key=name
    )
    export.buttons(rows, name)


def _one(rows: pd.DataFrame) -> None:
    keys = rows["incident"].tolist()
    told = zip(keys, rows["title"], rows["what"], strict=True)
    names = {key: f"{title}: {what}" for key, title, what in told}
    state.seed(INCIDENT, keys[0], allowed=keys)
    chosen = st.selectbox(
        "Incident", keys, key=INCIDENT, persist_state="session", format_func=lambda key: names[key]
    )
    row = rows.iloc[keys.index(str(chosen))]
    with st.container(border=True):
        st.markdown(f"**{row['what']}**")
        st.caption(f"What it means: {row['impact']}")
        last = f" · last good: {row['last_good']}" if isinstance(row["last_good"], str) else ""
        st.caption(f"Since {clock.stamp(row['since'])}{last} · what to do: `{row['runbook']}`")
        if row["state"] == "acknowledged":
            st.success(
                f"Acknowledged by {row['acknowledged_by']} until {clock.stamp(row['acknowledged_until'])}",
                icon=":material/done_all:",
            )
        else:
            _acknowledge(str(row["incident"]))
        failure = st.session_state.pop(_FAILED, None)
        if failure:
            st.error(failure, icon=":material/block:")


def _acknowledge(incident: str) -> None:
    form = st.form("acknowledge_incident", border=False, clear_on_submit=True)
    with form, st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("For", list(SPANS), key="incident_span", width=140)
        st.text_input("Note", key="incident_note", max_chars=commands.LONGEST_NOTE, width=380)
        st.form_submit_button(
            "Acknowledge", icon=":material/done:", on_click=_command, args=(incident,),
            help="If it is still open when the time is over, it is told again.",
        )  # fmt: skip


def _command(incident: str) -> None:
    now = clock.now()
    note = str(st.session_state.get("incident_note") or "").strip() or None
    until = now + SPANS[str(st.session_state["incident_span"])]
    try:
        commands.acknowledge(cache.people(), LOCAL, incident=incident, until=until, now=now, note=note)
    except (DeniedError, LookupError, StoreUnavailableError, ValueError) as error:
        st.session_state[_FAILED] = str(error)
