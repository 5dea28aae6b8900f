"""The page's figures, kept by content version.

What belongs here: from frames to the shared charts. What does not: the charts themselves.
"""

from __future__ import annotations

import plotly.graph_objects as go

from app.cache import kept
from app.queries import Answer
from periscope_assets import charts


def strikes_figure(
    answer: Answer, expiry: str, count: str, marks: tuple[float | None, float | None], look: str
) -> go.Figure:
    """Return contracts by strike; `marks` are spot and max pain."""
    spot, pain = marks
    name = f"strikes-{answer.symbol}-{expiry}-{count}"
    return kept(
        ("strikes", *_versions(answer), expiry, count, look),
        lambda: charts.by_strike(
            answer.frames["strikes"], of=count, spot=spot, max_pain=pain, look=look, name=name
        ),
    )


def gamma_figure(answer: Answer, expiry: str, spot: float | None, look: str) -> go.Figure:
    """Return gamma by strike."""
    return kept(
        ("gamma", *_versions(answer), expiry, look),
        lambda: charts.gamma_by_strike(
            answer.frames["strikes"], spot=spot, look=look, name=f"gamma-{answer.symbol}-{expiry}"
        ),
    )


def _versions(answer: Answer) -> tuple[str, ...]:
    return tuple(f"{name}={version}" for name, version in sorted(answer.parts.items()))
