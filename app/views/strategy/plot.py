"""The page's figures, kept by content version and legs.

What belongs here: from frames to the shared charts. What does not: the charts themselves.
"""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from app.cache import kept
from app.queries import Answer
from periscope_assets import charts


def payoff_figure(answer: Answer, legs: str, look: str) -> go.Figure:
    """Return profit by spot."""
    frames = answer.frames
    spot = float(frames["totals"]["spot"].iloc[0])
    evens = frames["break_evens"]["spot"].tolist()
    return kept(
        ("payoff", *_versions(answer), legs, look),
        lambda: charts.payoff(
            frames["profile"], evens, spot, look=look, name=f"payoff-{answer.symbol}-{legs}"
        ),
    )


def scenario_figure(answer: Answer, rows: pd.DataFrame, legs: str, day: float, look: str) -> go.Figure:
    """Return profit by spot and vol on one day."""
    return kept(
        ("scenarios", *_versions(answer), legs, day, look),
        lambda: charts.scenario_map(rows, look=look, name=f"scenarios-{answer.symbol}-{legs}"),
    )


def _versions(answer: Answer) -> tuple[str, ...]:
    return tuple(f"{name}={version}" for name, version in sorted(answer.parts.items()))
