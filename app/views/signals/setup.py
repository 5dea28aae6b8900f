"""What the reader of signals chooses.

What belongs here: the pickers. What does not: reading rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from app import state

ANY = "any"
SPANS = {"all": "all underlyings", "one": "this underlying"}
STATES = ("pending", "acknowledged", "overruled", "filtered")
SIDES = ("buy", "sell")
SIGNAL = "signal"
SHORT = 16
"""Characters of a signal's id that tell it apart in a link."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which signals to show; ``any`` leaves a choice open.

    Attributes
    ----------
    span : {'all', 'one'}
    state, side, rule : str
    confidence : float
        Least confidence.
    """

    span: str
    state: str
    side: str
    rule: str
    confidence: float


def span() -> str:
    """Draw the picker of underlyings."""
    state.seed("span", "all", allowed=list(SPANS), quiet=True)
    chosen = st.segmented_control(
        "Underlyings", list(SPANS), key="span", persist_state="session", required=True,
        format_func=lambda name: SPANS[name],
    )  # fmt: skip
    return str(chosen)


def choose(span: str, rules: Sequence[str]) -> Choice:
    """Draw the filters."""
    row = st.columns(4, vertical_alignment="bottom")
    with row[0]:
        what = _pick("state", "State", STATES, "pending", _STATE_HELP)
    with row[1]:
        side = _pick("side", "Side", SIDES, ANY, "Buy or sell the vol of the instrument.")
    with row[2]:
        rule = _pick("rule", "Rule", rules, ANY, "The generator that made the signal.")
    with row[3]:
        least = _pick("confidence", "Least confidence", ("0.6", "0.7", "0.8", "0.9", "0.95"), ANY, _SURE)
    return Choice(span, what, side, rule, 0.0 if least == ANY else float(least))


def signal(names: dict[str, str]) -> str:
    """Draw the picker of one signal and return its short id; the table above sets it too."""
    state.seed(SIGNAL, next(iter(names)), allowed=list(names))
    chosen = st.selectbox(
        "Signal", list(names), key=SIGNAL, persist_state="session", format_func=lambda name: names[name],
        help="Or click a row of the table.",
    )  # fmt: skip
    return str(chosen)


def _pick(name: str, label: str, options: Sequence[str], default: str, note: str) -> str:
    whole = [ANY, *options]
    state.seed(name, default, allowed=whole, quiet=True)
    chosen = st.selectbox(
        label, whole, key=name, persist_state="session", help=note,
        format_func=lambda value: value.replace("_", " "),
    )  # fmt: skip
    return str(chosen)


_STATE_HELP = (
    "Pending: put before the desk. Acknowledged: somebody takes care of it. Overruled: a rule with more "
    "weight says the opposite. Filtered: falls short of a limit of the settings."
)
_SURE = "2 Φ(edge / scale) − 1, weighted by regime: 0.95 is an edge of about two deviations."
