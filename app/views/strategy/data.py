"""What the page of strategies shows, arranged.

What belongs here: figures and frames ready for tables. What does not: widgets, valuing.
"""

from __future__ import annotations

import pandas as pd

from app.queries import Answer

ABSENT = "–"

Figure = tuple[str, str, str]


def outcome(answer: Answer) -> list[Figure]:
    """Return name, value and explanation of what the position costs and can end in."""
    row = answer.frames["totals"].iloc[0]
    evens = answer.frames["break_evens"]["spot"].tolist()
    cost = float(row["cost_usd"])
    days = f"{row['horizon_days']:,.1f} days ahead"
    return [
        ("Cost" if cost >= 0 else "Credit", money(abs(cost)),
         "Asks paid for bought legs less bids received for sold ones, USD for all contracts."),
        ("Value less cost", money(float(row["profit_usd"]), signed=True),
         "Value on the served surface less the cost: what crossing the spreads costs, and any mispricing."),
        ("Most profit", _bound(row, "max_profit"), f"At the horizon, {days}, over all spots."),
        ("Most loss", _bound(row, "max_loss"), f"At the horizon, {days}, over all spots."),
        ("Chance of profit", f"{100 * row['probability_of_profit']:.1f} %",
         "Probability of a profit at the horizon under the surface's own density; no forecast."),
        ("Break-even", " · ".join(f"{spot:,.6g}" for spot in evens) or "none",
         "Spots at the horizon where profit changes its sign, USD."),
    ]  # fmt: skip


def greeks(answer: Answer) -> list[Figure]:
    """Return name, value and explanation of the position's greeks."""
    row = answer.frames["totals"].iloc[0]
    return [
        ("Delta", f"{row['delta']:+,.2f}", "Units of the underlying that move alike, for small moves."),
        ("Gamma", f"{row['gamma']:+,.4f}", "Change of delta per USD of the spot."),
        ("Vega", f"{row['vega'] / 100:+,.0f} USD", "Per vol point (1 % of vol), USD."),
        ("Theta", f"{row['theta']:+,.0f} USD", "Per calendar day, USD."),
        ("Rho", f"{row['rho'] / 10_000:+,.2f} USD", "Per basis point of the interest rate, USD."),
        ("Vanna", f"{row['vanna'] / 100:+,.2f}", "Change of delta per vol point."),
        ("Volga", f"{row['volga'] / 10_000:+,.2f} USD", "Change of vega (per point) per vol point, USD."),
    ]  # fmt: skip


def legs(answer: Answer) -> pd.DataFrame:
    """Return the legs as people read them: vols in per cent, vega per point."""
    rows = answer.frames["legs"]
    return rows.assign(
        number=rows["leg"] + 1, iv=100.0 * rows["iv"], vega=rows["vega"] / 100.0, basis=rows["entry_basis"]
    )


def on_day(answer: Answer, day: float) -> pd.DataFrame:
    """Return the scenarios of one number of days passed."""
    rows = answer.frames["scenarios"]
    return rows[rows["elapsed_days"] == day]


def days(answer: Answer) -> list[float]:
    """Return the numbers of days passed that scenarios have."""
    found: list[float] = sorted(answer.frames["scenarios"]["elapsed_days"].unique().tolist())
    return found


def money(value: float, *, signed: bool = False) -> str:
    """Return USD, whole where that is enough."""
    digits = 0 if abs(value) >= 1000 else 2
    return f"{value:{'+' if signed else ''},.{digits}f} USD"


def _bound(row: pd.Series, name: str) -> str:
    status = str(row[f"{name}_status"])
    return money(float(row[f"{name}_usd"]), signed=True) if status == "ok" else status
