"""Prices, greeks and implied vols of options that a reader describes, many at once.

What belongs here: from plain columns of numbers to the analytics and back, with a status per element. What
does not: formulas, published data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.queries.errors import InvalidParameterError
from periscope_analytics import black
from periscope_analytics.errors import Status, labels
from periscope_analytics.implied_vol import implied_vol

Floats = NDArray[np.float64]
Columns = Mapping[str, object]

MOST_OPTIONS = 100_000
GREEKS = ("delta", "gamma", "vega", "theta", "rho", "vanna", "volga")
COMMON = ("forward", "strike", "tau_years", "is_call", "discount")
PRICE_COLUMNS = frozenset({*COMMON, "vol", "vol_stderr"})
VOL_COLUMNS = frozenset({*COMMON, "price", "price_stderr"})
_DEFAULTS: Mapping[str, float] = MappingProxyType({"discount": 1.0})
_OPTIONAL = frozenset({"vol_stderr", "price_stderr"})


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """Columns of results, one element for each option.

    Attributes
    ----------
    columns : mapping of str to ndarray
        NaN exactly where the status is not ``ok``.
    status : list of str
    version : str
        Of the method; equal versions and inputs give equal numbers.
    """

    columns: Mapping[str, Floats]
    status: list[str]
    version: str


def price(asked: Columns, *, greeks: bool = False) -> Computed:
    """Return Black-76 prices, and greeks if they are wanted.

    Parameters
    ----------
    asked : mapping
        forward, strike, tau_years, vol, is_call and optionally discount and vol_stderr: a number (true or
        false for is_call) or a list of them; lists have one length, single values apply to all.
    greeks : bool

    Raises
    ------
    InvalidParameterError
        Naming the column that is missing, unknown, too long or no list of numbers.
    """
    given = _columns(asked, PRICE_COLUMNS)
    usable = _usable(given)
    arguments = _arguments(given, usable, "vol")
    error = given.get("vol_stderr")
    if greeks or error is not None:
        found = black.greeks(*arguments)
        columns = {name: np.asarray(getattr(found, name)) for name in ("price", *(GREEKS if greeks else ()))}
        if error is not None:
            columns["price_stderr"] = np.abs(found.vega) * error
    else:
        columns = {"price": black.price(*arguments)}
    usable &= np.isfinite(columns["price"])
    kept = {name: np.where(usable & np.isfinite(each), each, np.nan) for name, each in columns.items()}
    status = np.where(usable, Status.OK, Status.INVALID_VALUE)
    return Computed(kept, labels(status).tolist(), _version("black_price"))


def vols(asked: Columns) -> Computed:
    """Return Black-76 implied vols.

    Parameters
    ----------
    asked : mapping
        price, forward, strike, tau_years, is_call and optionally discount and price_stderr; see
        :func:`price`.

    Raises
    ------
    InvalidParameterError
        As :func:`price`.
    """
    given = _columns(asked, VOL_COLUMNS)
    usable = _usable(given)
    arguments = _arguments(given, usable, "price")
    forward, strike, tau, value, call, discount = arguments
    found = implied_vol(value, forward, strike, tau, call, discount)
    codes = np.where(usable, found.status, Status.INVALID_VALUE)
    columns = {"iv": np.where(codes == Status.OK, found.sigma, np.nan)}
    if "price_stderr" in given:
        vega = black.greeks(forward, strike, tau, columns["iv"], call, discount).vega
        with np.errstate(all="ignore"):
            error = given["price_stderr"] / vega
        columns["iv_stderr"] = np.where(np.isfinite(error), error, np.nan)
    return Computed(columns, labels(codes).tolist(), _version("implied_vol"))


def _arguments(given: Mapping[str, Floats], usable: NDArray[np.bool_], known: str) -> tuple[Any, ...]:
    """Return the arguments of the analytics in their order, `known` being the vol or the price."""
    tau = np.where(usable, given["tau_years"], 1.0)
    call = given["is_call"] != 0.0
    return given["forward"], given["strike"], tau, given[known], call, given["discount"]


def _columns(asked: Columns, names: frozenset[str]) -> dict[str, Floats]:
    """Return one array for each column, all of one length."""
    for name in asked:
        if name not in names:
            raise InvalidParameterError(
                str(name)[:40], f"no such column; expected {', '.join(sorted(names))}"
            )
    arrays: dict[str, Floats] = {}
    for name in sorted(names):
        value = asked.get(name, _DEFAULTS.get(name))
        if value is None and name in _OPTIONAL and name not in asked:
            continue
        if value is None:
            raise InvalidParameterError(name, "missing")
        arrays[name] = _array(name, value)
    lengths = {name: array.size for name, array in arrays.items() if array.ndim}
    n = max(lengths.values(), default=1)
    for name, length in lengths.items():
        if length != n:
            raise InvalidParameterError(name, f"has {length} elements where others have {n}")
    return {name: np.broadcast_to(array, (n,)) for name, array in arrays.items()}


def _array(name: str, value: object) -> Floats:
    kinds = (bool,) if name == "is_call" else (int, float)
    expected = "true or false" if name == "is_call" else "a number"
    cells = value if isinstance(value, list) else [value]
    if not 1 <= len(cells) <= MOST_OPTIONS:
        raise InvalidParameterError(name, f"expected 1 to {MOST_OPTIONS} elements, got {len(cells)}")
    if not {*map(type, cells)} <= {*kinds}:
        raise InvalidParameterError(name, f"expected {expected}, or a list of them")
    try:
        array = np.array(cells, dtype=np.float64)
    except OverflowError:
        raise InvalidParameterError(name, "a number is out of range") from None
    return array if isinstance(value, list) else array.reshape(())


def _usable(given: Mapping[str, Floats]) -> NDArray[np.bool_]:
    """Tell which options have numbers that the analytics take: finite, and not expired."""
    finite = np.logical_and.reduce([np.isfinite(each) for each in given.values()])
    return np.asarray(finite & (given["tau_years"] >= 0.0))


def _version(method: str) -> str:
    return hashlib.sha256(f"periscope {method} 1".encode()).hexdigest()[:32]
