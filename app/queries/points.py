"""Any point of the served surface, by strike or delta and by expiry or days, with its error.

What belongs here: from a reader's point to a maturity and a strike of the surface. What does not: smile
formulas, grids of points (``surface``).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import date, datetime
from threading import Lock

import numpy as np
import pandas as pd

from app.queries.answer import Answer
from app.queries.core import Queries
from app.queries.errors import InvalidParameterError, NotPublishedError
from app.queries.locate import Located
from app.queries.times import TimeLike
from periscope_analytics import black, skew
from periscope_analytics.conventions import listing, settlement_time
from periscope_analytics.errors import Status
from periscope_assets.transforms.surfaces.grid import DAYS, Surface
from periscope_assets.transforms.surfaces.served import fitted_rows

MOST_STRIKE, MOST_DAYS = 1e12, 36_500.0
SECONDS_PER_YEAR = DAYS * 86_400.0
COLUMNS = (
    *("expiry_at", "tau_years", "forward", "strike", "log_moneyness", "is_call", "delta"),
    *("iv", "iv_stderr", "total_variance", "status"),
)


@dataclass(frozen=True, slots=True)
class Point:
    """A point as a reader writes it: one of strike and delta, one of expiry and days.

    Attributes
    ----------
    strike : float or None
        USD.
    delta : float or None
        Magnitude of the forward, undiscounted delta, between 0 and 1; of the side that `is_call` names.
    expiry : date or None
        A listed expiration date gives one row for each of its settlements; another date the maturity at which
        the symbol's options would settle on it.
    days : float or None
        Calendar days from the snapshot.
    is_call : bool
    """

    strike: float | None = None
    delta: float | None = None
    expiry: date | None = None
    days: float | None = None
    is_call: bool = True


def surface_points(
    queries: Queries,
    symbol: str,
    point: Point,
    *,
    as_of: TimeLike = None,
    known_at: TimeLike = None,
    version: str | None = None,
) -> Answer:
    """Return the vol of a point: frame ``surface_points``.

    A maturity that expiries don't enclose is ``out_of_range`` and has no vol; a strike beyond those quoted
    around it is ``extrapolated``.

    Raises
    ------
    InvalidParameterError
        If the point is not given by exactly one of each pair, or out of bounds.
    UnknownSymbolError, NotPublishedError, PurgedError
        As :meth:`Queries.read`.
    """
    check_point(point)
    found = queries.locate("vol_surface", symbol, as_of=as_of, known_at=known_at, version=version)
    question = {name: getattr(point, name) for name in Point.__slots__}
    return queries.answer(
        found,
        "vol_surface",
        lambda: {"surface_points": _rows(queries, found, point)},
        question={"point": question},
    )


def check_point(point: Point) -> None:
    """Check a point as far as no surface is needed for it.

    Raises
    ------
    InvalidParameterError
        Naming the argument.
    """
    if (point.strike is None) == (point.delta is None):
        raise InvalidParameterError("strike", "expected exactly one of strike and delta")
    if (point.expiry is None) == (point.days is None):
        raise InvalidParameterError("expiry", "expected exactly one of expiry and days")
    if point.strike is not None and not 0.0 < point.strike <= MOST_STRIKE:
        raise InvalidParameterError("strike", f"expected a positive number up to {MOST_STRIKE:g}")
    if point.delta is not None and not 0.0 < point.delta < 1.0:
        raise InvalidParameterError("delta", "expected a magnitude between 0 and 1")
    if point.days is not None and not 0.0 < point.days <= MOST_DAYS:
        raise InvalidParameterError("days", f"expected a positive number up to {MOST_DAYS:g}")


def _rows(queries: Queries, found: Located, point: Point) -> pd.DataFrame:
    slices = queries.rows(found.entry, "surface_slices")
    surface = _evaluated(found, slices)
    settles = _settlements(found, slices, point)
    rows = [_row(surface, at, tau, point) for at, tau in settles]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _settlements(
    found: Located, slices: pd.DataFrame, point: Point
) -> list[tuple[datetime | pd.Timestamp | None, float]]:
    """Return the settlement instants that are meant and the years to them."""
    if point.days is not None:
        return [(None, point.days / DAYS)]
    assert point.expiry is not None
    mine = slices[[day == point.expiry for day in slices["expiry"]]]
    if len(mine):
        return list(zip(mine["expiry_at"], mine["tau_years"].astype("float64"), strict=True))
    try:
        moment = settlement_time(point.expiry, listing(found.entry.symbol).settlement)
    except OverflowError:
        raise InvalidParameterError("expiry", "out of range") from None
    years = (moment - found.entry.as_of).total_seconds() / SECONDS_PER_YEAR
    if not 0.0 < years * DAYS <= MOST_DAYS:
        raise InvalidParameterError("expiry", f"expected a date within {MOST_DAYS:g} days after the snapshot")
    return [(moment, years)]


def _row(surface: Surface, settles: object, tau: float, point: Point) -> dict[str, object]:
    row: dict[str, object] = {"expiry_at": settles, "tau_years": tau, "strike": point.strike}
    row |= {"is_call": point.is_call, "delta": point.delta, "status": Status.OUT_OF_RANGE.label}
    tenor = surface.tenor(tau)
    if tenor is None:
        return row
    if point.strike is None:
        k = float(skew.strike_for_delta(tenor.params, point.delta or 0.5, point.is_call))
        gain = float(skew.delta_gain(tenor.params, k))
    else:
        k, gain = float(np.log(point.strike / tenor.forward)), 1.0
    z = k / float(np.sqrt(tenor.params.atm_total_variance))
    iv, stderr = float(tenor.params.iv(k)), gain * float(surface.errors.stderr([z], tau)[0])
    if not np.isfinite(iv):
        return row | {"status": Status.EXTRAPOLATED.label, "forward": tenor.forward, "log_moneyness": k}
    is_quoted = tenor.quoted[0] <= z <= tenor.quoted[1] and np.isfinite(stderr)
    delta = abs(float(black.greeks(1.0, np.exp(k), tau, iv, point.is_call).delta))
    return row | {
        "forward": tenor.forward,
        "strike": tenor.forward * float(np.exp(k)),
        "log_moneyness": k,
        "delta": delta,
        "iv": iv,
        "iv_stderr": stderr,
        "total_variance": float(tenor.params.total_variance(k)),
        "status": (Status.OK if is_quoted else Status.EXTRAPOLATED).label,
    }


_KEPT = 64
_surfaces: OrderedDict[tuple[str, str], Surface] = OrderedDict()
_lock = Lock()


def _evaluated(found: Located, slices: pd.DataFrame) -> Surface:
    """Return the surface of a publication, ready to be read; the last ones asked for are kept."""
    key = (found.entry.symbol, found.entry.version)
    with _lock:
        if key in _surfaces:
            _surfaces.move_to_end(key)
            return _surfaces[key]
    if fitted_rows(slices).empty:
        reason = "no expiry of this snapshot could be fitted"
        raise NotPublishedError("vol_surface", found.entry.symbol, reason, "Choose another snapshot.")
    surface = Surface(slices)
    with _lock:
        _surfaces[key] = surface
        while len(_surfaces) > _KEPT:
            _surfaces.popitem(last=False)
    return surface
