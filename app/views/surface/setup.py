"""What the reader chooses on this page: axis, view, colours, what to compare with, expiry.

What belongs here: the pickers. What does not: symbol and times (``app.components.scope``), reading rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app import state
from app.components.clock import market_time, stamp
from app.components.preferences import zone
from app.components.scope import Scope
from app.components.segments import segments
from app.queries import Queries
from app.queries.times import rfc3339
from periscope_assets.charts.axes import COORDINATES

VIEW, COLOUR, AGAINST = "view", "colour", "against"
VIEWS = {"3d": "3D", "heat": "heat map", "density": "density", "local_vol": "local vol"}
COLOURS = {"iv": "implied vol", "mispricing": "mispricing", "difference": "difference"}
AXIS_NAMES = {"log_moneyness": "log-moneyness", "strike": "strike", "delta": "delta"}
MOST_EARLIER = 60
_PINNED = "version "
_COLOUR_HELP = (
    "Mispricing: market vol less Heston's, vol points, blue where the market is below the model. Difference: "
    "this surface less an earlier one at equal time to expiry."
)


@dataclass(frozen=True, slots=True)
class Choice:
    """How the surface is shown.

    Attributes
    ----------
    axis : {'log_moneyness', 'strike', 'delta'}
    view : {'3d', 'heat', 'density', 'local_vol'}
    colour : {'iv', 'mispricing', 'difference'}
    """

    axis: str
    view: str
    colour: str


@dataclass(frozen=True, slots=True)
class Other:
    """Which surface to compare with; times and version as in ``Scope``."""

    as_of: str | None
    known_at: str | None
    version: str | None


def choose() -> Choice:
    """Draw the pickers of the page and return what is chosen."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        axis = segments(
            "Axis",
            state.AXIS,
            {name: AXIS_NAMES[name] for name in COORDINATES},
            "delta",
            "Log-moneyness is k = ln(strike / forward); delta is the call's, forward and undiscounted.",
        )
        view = segments(
            "Show", VIEW, VIEWS, "3d", "Density: risk-neutral, of one expiry. Local vol: Dupire's."
        )
        colour = "iv"
        if view in ("3d", "heat"):
            colour = segments("Colour by", COLOUR, COLOURS, "iv", _COLOUR_HELP)
    return Choice(axis, view, colour)


def pick_other(queries: Queries, scope: Scope, as_of: str | None) -> Other | None:
    """Draw the picker of the surface to compare with; None where there is nothing to compare with."""
    names = _others(queries, scope, as_of)
    state.seed(AGAINST, next(iter(names), ""))
    if not names and not st.session_state[AGAINST]:
        return None
    chosen = st.selectbox(
        "Less the surface of",
        list(names),
        key=AGAINST,
        persist_state="session",
        accept_new_options=True,
        format_func=lambda text: names.get(text, text),
        help="Earlier snapshots, and other versions of this one. Or type a date or an RFC 3339 time.",
        width=460,
    )
    if not chosen:
        return None
    if str(chosen).startswith(_PINNED):
        return Other(as_of, None, str(chosen).removeprefix(_PINNED))
    return Other(str(chosen), scope.known_at, None)


def _others(queries: Queries, scope: Scope, as_of: str | None) -> dict[str, str]:
    entries = queries.recent_snapshots(scope.symbol, "vol_surface", limit=MOST_EARLIER)
    earlier = [entry for entry in entries if as_of is None or rfc3339(entry.as_of) < as_of]
    revisions = queries.revisions(scope.symbol, as_of=as_of)[1:]
    return {rfc3339(each.as_of): market_time(each.as_of, zone()) for each in earlier} | {
        f"{_PINNED}{each.version[:12]}": f"version {each.version[:8]} · known at {stamp(each.known_at)}"
        for each in revisions
    }


def pick_expiry(labels: dict[str, str], default: str) -> str:
    """Draw the expiry picker and return the chosen settlement instant, RFC 3339.

    Parameters
    ----------
    labels : dict of str to str
        Settlement instants, and how to name them.
    default : str
        The one to begin with.
    """
    state.seed(state.EXPIRY, default, allowed=list(labels))
    chosen = st.selectbox(
        "Expiry",
        list(labels),
        key=state.EXPIRY,
        persist_state="session",
        format_func=lambda text: labels[text],
    )
    return str(chosen)
