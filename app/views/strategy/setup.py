"""What the reader builds: presets, and legs one by one.

What belongs here: the pickers, and the line of text that holds the legs. What does not: valuing them.

The line in the session is the truth: pickers are filled from it, and each change of one writes it anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import streamlit as st

from app import state
from app.queries.presets import PRESETS, Listing
from app.queries.strategy import CALL, MOST_LEGS, PUT, UNDERLYING, AskedLeg
from app.views.strategy import legs as line

DAYS_PER_YEAR, DEFAULT_DAYS = 365.0, 30.0
_KIND_NAMES = {CALL: "call", PUT: "put", UNDERLYING: "underlying"}
_WIDTHS = [2, 2, 4, 3, 3, 1]


def name(listing: Listing) -> str:
    """Return how an expiry is named."""
    return f"{listing.expiry:%d %b %Y} · {listing.root} · {listing.tau_years * DAYS_PER_YEAR:,.1f} d"


def choose(listed: Sequence[Listing]) -> tuple[list[AskedLeg], bool]:
    """Draw presets and legs; return the legs, and whether the link's were not listed and were replaced.

    Parameters
    ----------
    listed : sequence of Listing
        At least one.
    """
    near = min(listed, key=lambda each: abs(each.tau_years * DAYS_PER_YEAR - DEFAULT_DAYS))
    usual = line.write(PRESETS["straddle"](near, _after(listed, near)))
    state.seed(line.LEGS, usual)
    legs, replaced = line.read(st.session_state[line.LEGS]), False
    if not all(_is_listed(leg, listed) for leg in legs):
        legs, replaced = line.read(usual), True
        st.session_state[line.LEGS] = usual
    _presets(listed, near)
    for number, leg in enumerate(legs):
        _leg(number, leg, listed)
    st.button(
        "Add a leg", icon=":material/add:", key="add_leg", disabled=len(legs) >= MOST_LEGS,
        on_click=_add, args=(near,), type="tertiary",
    )  # fmt: skip
    return legs, replaced


def day(days: Sequence[float]) -> float:
    """Draw the picker of days passed and return one of `days`."""
    names = [f"{each:.6g}" for each in days]
    state.seed("day", names[0], allowed=names, quiet=True)
    chosen = st.select_slider(
        "Days passed", names, key="day", persist_state="session",
        format_func=lambda text: f"{float(text):,.1f}",
        help="Calendar days from the snapshot; the last is the horizon.",
    )  # fmt: skip
    return days[names.index(str(chosen))]


def _is_listed(leg: AskedLeg, listed: Sequence[Listing]) -> bool:
    return leg.kind == UNDERLYING or any(each.expiry_at == leg.expiry for each in listed)


def _after(listed: Sequence[Listing], near: Listing) -> Listing:
    later = [each for each in listed if each.tau_years > 1.5 * near.tau_years]
    return min(later, key=lambda each: each.tau_years) if later else listed[-1]


def _presets(listed: Sequence[Listing], near: Listing) -> None:
    row = st.columns([4, 5, 2], vertical_alignment="bottom")
    preset = row[0].selectbox(
        "Preset", list(PRESETS), key="preset", persist_state="session",
        help="Wings at about 25 delta, the condor's outer ones at about 10.",
    )  # fmt: skip
    times = {each.expiry_at.isoformat(): each for each in listed}
    default = list(times).index(near.expiry_at.isoformat())
    chosen = row[1].selectbox(
        "Of expiry", list(times), index=default, key="preset_expiry", format_func=lambda at: name(times[at])
    )
    at = times[str(chosen)]
    row[2].button(
        "Place", icon=":material/playlist_add_check:", key="place", width="stretch",
        on_click=_place, args=(str(preset), at, _after(listed, at)),
    )  # fmt: skip


def _place(preset: str, at: Listing, later: Listing) -> None:
    st.session_state[line.LEGS] = line.write(PRESETS[preset](at, later))


def _add(near: Listing) -> None:
    legs = line.read(st.session_state[line.LEGS])
    st.session_state[line.LEGS] = line.write([*legs, near.leg(CALL, 1.0, 0.0)])


def _leg(number: int, leg: AskedLeg, listed: Sequence[Listing]) -> None:
    kind, quantity, expiry, strike, price = (f"leg{number}_{part}" for part in _PARTS)
    times = {each.expiry_at.isoformat(): each for each in listed}
    at = leg.expiry.isoformat() if isinstance(leg.expiry, datetime) else next(iter(times))
    strikes = sorted({*times[at].strikes, *([leg.strike] if leg.strike else [])})
    values = (leg.kind, float(leg.quantity), at, leg.strike or times[at].strike(0.0), leg.price)
    for key, value in zip((kind, quantity, expiry, strike, price), values, strict=True):
        st.session_state[key] = value
    is_option, seen = leg.kind != UNDERLYING, "visible" if number == 0 else "collapsed"
    row = st.columns(_WIDTHS, vertical_alignment="bottom")
    changed: dict[str, Any] = {"on_change": _edit, "args": (number,), "label_visibility": seen}
    row[0].number_input("Quantity", key=quantity, step=1.0, format="%.6g", help=_QUANTITY, **changed)
    row[1].selectbox("Kind", list(_KIND_NAMES), key=kind, **changed)
    row[2].selectbox(
        "Expiry", list(times), key=expiry, format_func=lambda moment: name(times[moment]),
        disabled=not is_option, **changed,
    )  # fmt: skip
    row[3].selectbox(
        "Strike", strikes, key=strike, format_func=lambda k: f"{k:,.10g}", disabled=not is_option, **changed
    )
    row[4].number_input(
        "Price", key=price, min_value=0.0, format="%.6g", placeholder="market", help=_PRICE, **changed
    )
    row[5].button(
        "", icon=":material/delete:", key=f"leg{number}_remove", help=f"Remove leg {number + 1}",
        on_click=_remove, args=(number,), type="tertiary",
    )  # fmt: skip


def _edit(number: int) -> None:
    kind, quantity, expiry, strike, price = (st.session_state.get(f"leg{number}_{part}") for part in _PARTS)
    legs = line.read(st.session_state[line.LEGS])
    if not quantity:
        return
    legs[number] = replace(
        legs[number], kind=str(kind), quantity=float(quantity), price=price,
        strike=None if kind == UNDERLYING else float(str(strike)),
        expiry=None if kind == UNDERLYING else datetime.fromisoformat(str(expiry)),
    )  # fmt: skip
    st.session_state[line.LEGS] = line.write(legs)


def _remove(number: int) -> None:
    legs = line.read(st.session_state[line.LEGS])
    if len(legs) > 1:
        del legs[number]
    st.session_state[line.LEGS] = line.write(legs)


_PARTS = ("kind", "quantity", "expiry", "strike", "price")
_QUANTITY = "Contracts (units of the underlying for its own leg); negative to sell."
_PRICE = (
    "Paid per unit, in the chain's quote unit. Empty: a bought leg pays the ask, a sold one gets the bid."
)
