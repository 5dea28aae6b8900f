"""Dislocations: strikes that stand off the true smile for a few days, so that signals have something to find.

What belongs here: which strikes, how far, and how they come back. What does not: defects, which no honest
market would show (``defects``).
"""

from __future__ import annotations

from datetime import date, timedelta

from periscope_assets.sources.simulated.draws import uniform

SHARE = 0.005
"""Strikes that leave the smile on a day, of those near the money."""
FURTHEST_Z, SHORTEST_YEARS = 1.5, 14.0 / 365.0

_REMAINS = (1.0, 0.6, 0.35, 0.2, 0.1)
_LEAST, _MOST = 4.0, 8.0


def shift(seed: int, strike: str, day: date, z: float, tau: float) -> float:
    """Return by how many half-spreads of vol a strike of an expiry is off on a day; call and put alike.

    A strike that leaves the smile does so by four to eight half-spreads, up or down, and comes back over the
    four days that follow.
    """
    if abs(z) > FURTHEST_Z or tau < SHORTEST_YEARS:
        return 0.0
    whole = 0.0
    for age, remains in enumerate(_REMAINS):
        key = (seed, strike, day - timedelta(days=age))
        if uniform(*key, "leaves") < SHARE:
            size = _LEAST + (_MOST - _LEAST) * uniform(*key, "size")
            whole += remains * (size if uniform(*key, "side") < 0.5 else -size)
    return whole
