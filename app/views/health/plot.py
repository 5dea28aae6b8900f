"""The page's figure, kept by content version.

What belongs here: from frames to the shared charts. What does not: the charts themselves.
"""

from __future__ import annotations

import plotly.graph_objects as go

from app.cache import kept
from app.queries import Answer
from periscope_assets import charts


def vendor_figure(answer: Answer, look: str) -> go.Figure:
    """Return the vendor's vols less ours."""
    return kept(
        ("vendor", *sorted(answer.parts.values()), look),
        lambda: charts.vendor_differences(
            answer.frames["contracts"], look=look, name=f"vendor-{answer.symbol}"
        ),
    )
