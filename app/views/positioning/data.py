"""What the page of positioning shows, arranged.

What belongs here: figures and frames ready for tables. What does not: widgets, sums over contracts.
"""

from __future__ import annotations

import pandas as pd

from app.queries import Answer
from app.queries.times import rfc3339
from app.views.positioning.setup import EVERY
from periscope_assets.transforms.surfaces.activity import UNUSUAL_Z

DAYS_PER_YEAR = 365.0
ABSENT = "–"

Figure = tuple[str, str, str]


def labels(answer: Answer) -> dict[str, str]:
    """Return settlement instants with how to name them."""
    return {
        rfc3339(row["expiry_at"]): (
            f"{row['expiry']:%d %b %Y} · {row['root']} · {row['tau_years'] * DAYS_PER_YEAR:,.0f} d"
        )
        for row in answer.frames["positioning"].to_dict("records")
    }


def of_expiry(answer: Answer, expiry: str) -> pd.DataFrame:
    """Return the published rows of one expiry, or of all."""
    rows = answer.frames["positioning"]
    return rows if expiry == EVERY else rows[rows["expiry_at"] == pd.Timestamp(expiry)]


def max_pain(rows: pd.DataFrame) -> tuple[float | None, str]:
    """Return the strike of max pain of the first expiry that has one, and that expiry."""
    known = rows[rows["max_pain_strike"].notna()]
    if known.empty:
        return None, ""
    return float(known["max_pain_strike"].iloc[0]), f"{known['expiry'].iloc[0]:%d %b}"


def figures(rows: pd.DataFrame) -> list[Figure]:
    """Return name, value and explanation of the figures at the head of the page."""
    calls, puts = (_sum(rows, f"{side}_open_interest") for side in ("call", "put"))
    called, put = (_sum(rows, f"{side}_volume") for side in ("call", "put"))
    strike, day = max_pain(rows)
    gamma = _sum(rows, "gex_usd")
    return [
        ("Open calls", _count(calls), "Open contracts of calls, prior session."),
        ("Open puts", _count(puts), "Open contracts of puts, prior session."),
        ("Put/call open", _ratio(puts, calls), "Open puts over open calls."),
        ("Put/call volume", _ratio(put, called), "Puts traded over calls traded in the session."),
        ("Gamma exposure", money(gamma),
         "USD that dealers trade for a move of 1 %, under the assumptions below. Positive: they sell rallies "
         "and buy dips, which calms the market."),
        (f"Max pain {day}".strip(), ABSENT if strike is None else f"{strike:,.6g}",
         "Listed strike at which all open contracts are worth least at settlement."),
        ("Unusual", f"{int(rows['n_unusual'].sum()):,}",
         "Contracts that traded more than twice their open interest."),
        ("Busy expiries", _busy(rows),
         f"Expiries whose calls or puts trade {UNUSUAL_Z:g} deviations above their own earlier sessions."),
    ]  # fmt: skip


def _busy(rows: pd.DataFrame) -> str:
    known = rows[rows["volume_basis"].notna()]
    if known.empty:
        return ABSENT
    return f"{int((known[['call_volume_z', 'put_volume_z']].max(axis=1) > UNUSUAL_Z).sum()):,}"


def money(value: float | None) -> str:
    """Return USD in thousands, millions or billions."""
    if value is None:
        return ABSENT
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:+,.2f} {unit}"
    return f"{value:+,.0f}"


def unusual(answer: Answer, expiry: str) -> pd.DataFrame:
    """Return the contracts that traded unusually much, greatest ratio first."""
    rows = answer.frames["unusual"]
    if expiry != EVERY and len(rows):
        rows = rows[rows["expiry_at"] == pd.Timestamp(expiry)]
    side = rows["is_call"].map({True: "call", False: "put"})
    return rows.assign(side=side)[
        ["contract", "expiry", "strike", "side", "volume", "open_interest", "volume_ratio"]
    ]


def _sum(rows: pd.DataFrame, name: str) -> float | None:
    known = rows[name].dropna()
    return float(known.sum()) if len(known) else None


def _count(value: float | None) -> str:
    return ABSENT if value is None else f"{value:,.0f}"


def _ratio(over: float | None, under: float | None) -> str:
    return f"{over / under:.2f}" if over is not None and under else ABSENT
