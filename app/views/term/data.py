"""What the page shows, read and arranged.

What belongs here: queries and frames ready for figures and tables. What does not: widgets.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from app import cache
from app.queries import Answer, NotPublishedError, Queries
from app.queries.cones import cone
from app.queries.events import MONTHLY
from app.queries.paths import bands
from app.views.term.setup import Choice
from periscope_assets.sources.calendars import session_date

MONTH_DAYS = 30.0
NEAR = timedelta(days=190)
"""Further ahead, monthly expirations would crowd out the rest."""

LEAST_SESSIONS = 20
"""Below it, a place in the past means nothing."""


@dataclass(frozen=True, slots=True)
class Page:
    """Term structure of one snapshot, with what came before and what lies ahead.

    Attributes
    ----------
    skew : Answer
    expiries, tenors : DataFrame
        Rows by expiry and at constant maturities, by days; only those that have a vol.
    spread : DataFrame
        Cone of realised vol; empty without enough bars.
    history : DataFrame
        Skew at the chosen maturity, a row for each day.
    events : list of (float, str)
        Days ahead and name.
    problems : tuple of str
        Why some events are not known.
    bars_version : str
    """

    skew: Answer
    expiries: pd.DataFrame
    tenors: pd.DataFrame
    spread: pd.DataFrame
    history: pd.DataFrame
    events: list[tuple[float, str]]
    problems: tuple[str, ...]
    bars_version: str


def load(queries: Queries, skew: Answer, choice: Choice) -> Page:
    """Read what stands beside a term structure.

    Raises
    ------
    StoreUnavailableError
        If the store can't be reached.
    """
    symbol, as_of = str(skew.symbol), skew.as_of
    if as_of is None:
        raise ValueError("skew: an answer without market time")
    rows = skew.frames["skew_metrics"]
    rows = rows[rows["atm_iv"].notna()].sort_values("tenor_days")
    history = queries.skew_path(symbol, as_of=as_of, known_at=skew.known_at, tenor_days=choice.tenor_days)
    bars = _bars(queries, skew)
    version = "" if bars is None else bars.version
    return Page(
        skew=skew,
        expiries=rows[rows["basis"] == "expiry"],
        tenors=rows[rows["basis"] == "constant_maturity"],
        spread=cache.kept(("cone", version), lambda: cone(_rows(bars))),
        history=history,
        events=_events(symbol, as_of, rows),
        problems=cache.event_book().problems,
        bars_version=version,
    )


def _bars(queries: Queries, skew: Answer) -> Answer | None:
    """Return the bars known with the snapshot; their own market time is the day's beginning."""
    try:
        return queries.read("underlying_bars", str(skew.symbol), as_of=skew.as_of, known_at=skew.known_at)
    except NotPublishedError:
        return None


def _rows(bars: Answer | None) -> pd.DataFrame:
    if bars is None:
        return pd.DataFrame(columns=["session", "open", "high", "low", "close"])
    return bars.frames["underlying_bars"]


def _events(symbol: str, as_of: datetime, rows: pd.DataFrame) -> list[tuple[float, str]]:
    day = session_date(as_of)
    longest = float(rows["tenor_days"].max()) if len(rows) else 0.0
    calendar = cache.settings().calendar_of(symbol)
    found = cache.event_book().between(symbol, calendar, day, day + timedelta(days=longest))
    return [
        (float((event.day - day).days), f"{event.day:%d %b %Y}: {event.name}")
        for event in found
        if event.day <= day + NEAR or event.name != MONTHLY
    ]


def figures(page: Page, choice: Choice) -> list[tuple[str, str, str]]:
    """Return name, value and explanation of the figures at the head of the page."""
    months = page.tenors[page.tenors["tenor_days"] == MONTH_DAYS]
    near = None if months.empty else months.iloc[0]
    path = page.history[f"rr_{choice.delta}"]
    standing = bands(path)["standing"] if len(path) >= LEAST_SESSIONS else float("nan")
    reversal, butterfly = f"rr_{choice.delta}", f"bf_{choice.delta}"
    return [
        ("ATM 30 d", _percent(near, "atm_iv", " %"), "At-the-money-forward vol at a constant 30 days."),
        (
            "Variance swap 30 d",
            _percent(near, "variance_iv", " %"),
            "Fair vol of a variance swap, from the whole smile.",
        ),
        ("Realised 30 d", _percent(near, "realized_vol", " %"), "Of the 30 days before, Yang and Zhang."),
        (
            f"{choice.delta}Δ RR 30 d",
            _percent(near, reversal, " pts", "+"),
            "Risk reversal: call vol less put vol, vol points.",
        ),
        (
            f"{choice.delta}Δ BF 30 d",
            _percent(near, butterfly, " pts", "+"),
            "Butterfly: mean of call and put vol less ATM vol, vol points.",
        ),
        (
            "RR in its past",
            "–" if standing != standing else f"{100 * standing:.0f} %",
            f"Share of the {len(path):,} sessions of the history with a lower risk reversal; from "
            f"{LEAST_SESSIONS} on.",
        ),
    ]


def _percent(row: pd.Series | None, column: str, unit: str, sign: str = "") -> str:
    value = float("nan") if row is None else float(row[column])
    return "–" if value != value else f"{100.0 * value:{sign}.2f}{unit}"
