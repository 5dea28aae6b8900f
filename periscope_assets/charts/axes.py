"""The axes that figures of vols share: strike, log-moneyness, delta; time to expiry.

What belongs here: titles, formats and ticks, always with the unit. What does not: data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Coordinate:
    """How one coordinate of the smile is named and printed; `brief` is a title for little room."""

    column: str
    title: str
    brief: str
    tickformat: str
    hover: str
    short: str
    reversed: bool = False


COORDINATES: Mapping[str, Coordinate] = MappingProxyType(
    {
        "log_moneyness": Coordinate(
            "log_moneyness", "log-moneyness k = ln(K/F)", "log-moneyness", "+.2f", "+.3f", "k"
        ),
        "strike": Coordinate("strike", "strike K (USD)", "strike (USD)", ",.6~r", ",.6~r", "K"),
        "delta": Coordinate(
            "delta", "call delta (forward, undiscounted)", "call delta", ".2f", ".2f", "delta", reversed=True
        ),
    }
)
"""By the column that holds it; delta runs from 1 to 0, so that strikes rise to the right."""

TENOR_DAYS = (1, 2, 7, 14, 30, 61, 91, 182, 365, 730, 1826)
TENOR_NAMES = ("1d", "2d", "1w", "2w", "1m", "2m", "3m", "6m", "1y", "2y", "5y")


def coordinate(name: str) -> Coordinate:
    """Return a coordinate by name.

    Raises
    ------
    ValueError
        If it is none of the known ones.
    """
    if name not in COORDINATES:
        raise ValueError(f"coordinate: expected one of {', '.join(COORDINATES)}, got {name!r}")
    return COORDINATES[name]


def tenor_ticks(least: float, greatest: float, *, apart: float = 1.0) -> tuple[list[int], list[str]]:
    """Return the ticks of a logarithmic axis of days that lie between two tenors, with their names.

    Each is at least `apart` times the one before it.
    """
    chosen: list[tuple[int, str]] = []
    for days, name in zip(TENOR_DAYS, TENOR_NAMES, strict=True):
        if 0.9 * least <= days <= 1.1 * greatest and (not chosen or days >= apart * chosen[-1][0]):
            chosen.append((days, name))
    return [days for days, _ in chosen], [name for _, name in chosen]
