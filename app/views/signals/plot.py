"""The page's figure, kept by content version.

What belongs here: from frames to the shared charts. What does not: the charts themselves.
"""

from __future__ import annotations

import plotly.graph_objects as go

from app.cache import kept
from app.queries import Answer
from periscope_assets import charts


def record_figure(answer: Answer, basis: str, state: str, look: str) -> go.Figure:
    """Return how the signals of one basis and state fared."""
    rows = answer.frames["track_record"]
    mine = rows[(rows["basis"] == basis) & (rows["signal_state"] == state)]
    return kept(
        ("record", answer.symbol, answer.version, answer.known_at, basis, state, look),
        lambda: charts.track_record(mine, look=look, name=f"record-{answer.symbol}-{basis}-{state}"),
    )
