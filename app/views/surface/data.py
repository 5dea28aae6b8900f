"""What the surface page shows, read and arranged.

What belongs here: queries and frames ready for figures and tables. What does not: widgets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import pandas as pd

from app.components.scope import Scope
from app.queries import Answer, NotPublishedError, Queries
from app.queries.overview import constant_maturity
from app.queries.times import rfc3339
from app.views.surface.grids import points
from app.views.surface.setup import Choice
from periscope_assets.transforms.surfaces.served import fitted_rows

POINTS = 41
DEFAULT_DAYS = 30.0
DAYS_PER_YEAR = 365.0
CLOCKS = {"am": "AM", "pm": "PM", "utc08": "08 UTC"}


@dataclass(frozen=True, slots=True)
class Page:
    """One surface with its chain.

    Attributes
    ----------
    surface : Answer
        Slices, certificate, forwards, grid.
    chain : Answer or None
        Quotes of the same snapshot; None where they are not published.
    tenor : mapping or None
        Skew metrics at a constant 30 days; None where they are not published.
    labels : dict of str to str
        Name of each expiry by its settlement instant.
    beside : Answer or None
        What colours the surface: mispricings of the same snapshot, or another surface.
    points : DataFrame
        What the 3D surface or the heat map shows; empty for other views.
    """

    surface: Answer
    chain: Answer | None
    tenor: Mapping[str, float] | None
    labels: dict[str, str]
    beside: Answer | None
    points: pd.DataFrame

    @property
    def slices(self) -> pd.DataFrame:
        """Rows of ``surface_slices``."""
        return self.surface.frames["surface_slices"]

    def default_expiry(self) -> str:
        """Return the fitted expiry nearest to 30 days."""
        fitted = fitted_rows(self.slices)
        rows = fitted if len(fitted) else self.slices
        order = (rows["tau_years"] * DAYS_PER_YEAR - DEFAULT_DAYS).abs().argsort()
        nearest: datetime = rows["expiry_at"].tolist()[order.tolist()[0]]
        return rfc3339(nearest)


def load(queries: Queries, surface: Answer, other: Answer | None, choice: Choice) -> Page:
    """Read what stands beside a surface.

    Parameters
    ----------
    queries : Queries
    surface : Answer
    other : Answer or None
        The surface to compare with.
    choice : Choice

    Raises
    ------
    UnknownSymbolError, NotPublishedError, InvalidParameterError, StoreUnavailableError
        As the queries do.
    """
    chain = _beside(queries.chain, surface)
    skew = _beside(queries.skew, surface)
    beside = _beside(partial(queries.read, "mispricing"), surface) if choice.colour == "mispricing" else other
    shown = points(surface, beside, choice) if choice.view != "density" else pd.DataFrame()
    return Page(surface, chain, _tenor(skew), _labels(surface, chain), beside, shown)


def read_surface(queries: Queries, scope: Scope, axis: str) -> Answer:
    """Read the surface of a scope; raises as :func:`load` does."""
    return queries.surface(
        scope.symbol,
        as_of=scope.as_of,
        known_at=scope.known_at,
        version=scope.version,
        coordinate=axis,
        points=POINTS,
    )


def _beside(ask: Callable[..., Answer], surface: Answer) -> Answer | None:
    try:
        answer = ask(surface.symbol, as_of=surface.as_of, known_at=surface.known_at)
    except NotPublishedError:
        return None
    return answer if answer.as_of == surface.as_of else None


def _tenor(skew: Answer | None) -> Mapping[str, float] | None:
    if skew is None:
        return None
    rows = constant_maturity(skew.frames["skew_metrics"], DEFAULT_DAYS)
    return {str(name): value for name, value in rows.iloc[0].items()} if len(rows) else None


def _labels(surface: Answer, chain: Answer | None) -> dict[str, str]:
    clocks = settlements(chain)
    slices = surface.frames["surface_slices"].sort_values("expiry_at")
    return {
        rfc3339(row["expiry_at"]): " · ".join(
            [
                f"{row['expiry']:%d %b %Y}",
                f"{row['root']} {clocks.get(row['expiry_at'], '')}".strip(),
                f"{row['tau_years'] * DAYS_PER_YEAR:,.1f} d",
            ]
        )
        for row in slices.to_dict("records")
    }


def settlements(chain: Answer | None) -> dict[object, str]:
    """Return AM, PM or 08 UTC by settlement instant."""
    if chain is None:
        return {}
    clocks = chain.frames["chain"].groupby("expiry_at")["settlement"].first()
    return {moment: CLOCKS.get(clock, clock) for moment, clock in clocks.items()}


def at_expiry(frame: pd.DataFrame, expiry: str) -> pd.DataFrame:
    """Return the rows of one settlement instant."""
    return frame[frame["expiry_at"] == pd.Timestamp(expiry)]


def fit_table(page: Page) -> pd.DataFrame:
    """Return one row for each expiry: forward with error, fit figures, status; vols and shares in percent."""
    slices = page.slices.sort_values("expiry_at")
    frame = pd.DataFrame(
        {
            "expiry": slices["expiry"],
            "root": slices["root"],
            "settles": slices["expiry_at"].map(settlements(page.chain)),
            "days": slices["tau_years"] * DAYS_PER_YEAR,
            "forward": slices["forward"],
            "forward_stderr": _forward_errors(page, slices),
            "atm_vol": 100.0 * slices["atm_iv"],
            "rmse_bps": slices["rmse_bps"],
            "max_error_bps": slices["max_error_bps"],
            "inside": 100.0 * slices["inside_share"],
            "min_g": slices["min_g"],
            "n_used": slices["n_used"],
            "n_quotes": slices["n_quotes"],
            "status": slices["status"],
        }
    )
    return frame.reset_index(drop=True)


def _forward_errors(page: Page, slices: pd.DataFrame) -> pd.Series:
    forwards = page.surface.frames.get("forwards")
    if forwards is None:
        return pd.Series(float("nan"), index=slices.index)
    return slices["expiry_at"].map(forwards.set_index("expiry_at")["forward_stderr"])


def smile_quotes(page: Page, expiry: str, spread: float) -> pd.DataFrame:
    """Return the out-of-the-money quotes of one expiry near the strikes that the fit shows.

    Parameters
    ----------
    spread : float
        How far beyond the grid's ends quotes are kept, as a share of its width.
    """
    if page.chain is None or "mid_iv" not in page.chain.frames["chain"]:
        return pd.DataFrame(columns=SMILE_COLUMNS)
    quotes = at_expiry(page.chain.frames["chain"], expiry)
    quotes = quotes[quotes["is_otm"].fillna(False).astype(bool)]
    grid = at_expiry(page.surface.frames["surface_grid"], expiry)
    if grid.empty:
        return quotes
    least, greatest = grid["log_moneyness"].min(), grid["log_moneyness"].max()
    room = spread * (greatest - least)
    return quotes[quotes["log_moneyness"].between(least - room, greatest + room)]


SMILE_COLUMNS = [
    "strike", "log_moneyness", "delta", "is_call", "bid", "ask", "bid_iv", "mid_iv", "ask_iv", "status",
]  # fmt: skip
