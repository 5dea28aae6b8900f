"""Rules about which contract a row is, and whether there can be such a contract.

What belongs here: strike, name, root, multiplier, expiry. What does not: prices and times (``figures``).
"""

from __future__ import annotations

import re
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from periscope_analytics.conventions import Listing, contract_name, named_expiry, named_strike
from periscope_assets.transforms.frames import Bools
from periscope_assets.transforms.rules.facts import Facts
from periscope_assets.transforms.rules.rule import quarantine

HORIZON = timedelta(days=3653)
"""No listed option lives longer than ten years."""

EQUITY_MULTIPLIER, COIN_MULTIPLIER = 100.0, 1.0

_ADJUSTED_ROOT = re.compile(r"[A-Z.\-]+\d")
_SATURDAY = 5
_SATURDAYS_UNTIL = date(2015, 2, 1)
_GRID = {"usd": 1000.0, "coin": 1e6}
_SLACK = 1e-6


def multiplier(known: Listing) -> float:
    """Return the units of the underlying that a standard contract delivers."""
    return COIN_MULTIPLIER if known.quote_unit == "coin" else EQUITY_MULTIPLIER


def _bad_strike(facts: Facts) -> Bools:
    return ~(np.isfinite(facts.strike) & (facts.strike > 0))


def _off_grid(facts: Facts) -> Bools:
    steps = facts.strike * np.where(facts.is_coin, _GRID["coin"], _GRID["usd"])
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(steps - np.rint(steps)) > _SLACK * np.maximum(1.0, steps * 1e-6))


def _mismatch(facts: Facts) -> Bools:
    names = pa.array(facts.column("contract"), pa.large_string(), from_pandas=True)
    agrees = pc.fill_null(pc.equal(names, _names(facts)), False)
    return ~np.asarray(agrees.to_numpy(zero_copy_only=False), dtype=np.bool_)


def name_of(facts: Facts, row: int) -> str:
    """Return what a row's contract is called by its root, expiry, side and strike."""
    return contract_name(
        _root(facts, row), _day(facts, row), bool(facts.is_call[row]), float(facts.strike[row])
    )


def _names(facts: Facts) -> pa.Array:
    """Return the names that OCC, or Deribit for coins, gives to the rows' contracts."""
    root_codes, listings, roots = facts.roots
    codes, days = facts.expiries
    strikes, at = np.unique(facts.strike, return_inverse=True)
    kinds = {known.quote_unit: root for known, root in zip(listings, roots, strict=True)}
    side, found = _taken(["P", "C"], facts.is_call), pa.nulls(len(facts), pa.large_string())
    for unit, root in kinds.items():
        day = _taken([named_expiry(root, each) for each in days], codes)
        strike = _taken([named_strike(root, each) for each in strikes.tolist()], at)
        first = _taken(roots, root_codes)
        parts, dash = (
            ([first, day, strike, side], "-") if unit == "coin" else ([first, day, side, strike], "")
        )
        names = pc.binary_join_element_wise(*parts, pa.scalar(dash, pa.large_string()))
        of_unit = pa.array(facts.is_coin == (unit == "coin"))
        found = names if len(kinds) == 1 else pc.if_else(of_unit, names, found)
    return found


def _taken(texts: list[str], codes: np.ndarray) -> pa.Array:
    return pa.array(texts, pa.large_string()).take(pa.array(codes.astype(np.int64)))


def _adjusted(facts: Facts) -> Bools:
    return facts.by_root(lambda root, _: _ADJUSTED_ROOT.fullmatch(root) is not None)


def _foreign(facts: Facts) -> Bools:
    # OCC drops the dot of a class: options on BRK.B have the root BRKB.
    symbol = facts.context.symbol.replace(".", "")
    return facts.by_root(lambda _, known: known.symbol.replace(".", "") != symbol)


def _wrong_multiplier(facts: Facts) -> Bools:
    given = facts.number("multiplier")
    usual = np.where(facts.is_coin, COIN_MULTIPLIER, EQUITY_MULTIPLIER)
    return np.asarray(~np.isnan(given) & (given != usual))


def _expired(facts: Facts) -> Bools:
    return facts.by_expiry(lambda day: day < facts.context.session)


def _no_such_day(facts: Facts) -> Bools:
    trades = ~facts.by_root(lambda _, known: known.calendar == "24/7")
    return np.asarray(trades & facts.by_expiry(lambda day: _is_closed(day, facts.context.holidays)))


def _is_closed(day: date, holidays: frozenset[date]) -> bool:
    if day.weekday() == _SATURDAY and day < _SATURDAYS_UNTIL:
        return False
    return day.weekday() >= _SATURDAY or day in holidays


def _beyond_horizon(facts: Facts) -> Bools:
    return facts.by_expiry(lambda day: day > facts.context.session + HORIZON)


def _root(facts: Facts, row: int) -> str:
    root: str = facts.roots[2][facts.roots[0][row]]
    return root


def _day(facts: Facts, row: int) -> date:
    day: date = facts.expiries[1][facts.expiries[0][row]]
    return day


RULES = (
    quarantine(
        "bad_strike",
        "the strike is no positive number",
        _bad_strike,
        lambda f, i: f"strike {f.strike[i]:g} is not a positive number",
    ),
    quarantine(
        "off_grid_strike",
        "the strike is finer than any exchange lists",
        _off_grid,
        lambda f, i: (
            f"strike {f.strike[i]!r} is no multiple of {1 / _GRID['coin' if f.is_coin[i] else 'usd']:g}"
        ),
    ),
    quarantine(
        "adjusted_contract",
        "the root is that of a contract adjusted for a corporate action",
        _adjusted,
        lambda f, i: f"root {_root(f, i)} delivers something other than 100 shares",
    ),
    quarantine(
        "foreign_root",
        "the root belongs to another underlying",
        _foreign,
        lambda f, i: f"root {_root(f, i)} does not belong to {f.context.symbol}",
    ),
    quarantine(
        "wrong_multiplier",
        "the vendor says that the contract delivers another amount than a standard one",
        _wrong_multiplier,
        lambda f, i: (
            f"delivers {f.number('multiplier')[i]:g}, a standard contract "
            f"{COIN_MULTIPLIER if f.is_coin[i] else EQUITY_MULTIPLIER:g}"
        ),
    ),
    quarantine(
        "expired_before_snapshot",
        "the contract expired before the session of the snapshot",
        _expired,
        lambda f, i: f"expired on {_day(f, i)}, the session is {f.context.session}",
    ),
    quarantine(
        "wrong_expiry",
        "options can't expire on that day",
        _no_such_day,
        lambda f, i: f"expires on {_day(f, i):%A} {_day(f, i)}, which is no session",
    ),
    quarantine(
        "beyond_horizon",
        "the expiry is further away than any listed one",
        _beyond_horizon,
        lambda f, i: f"expires on {_day(f, i)}, more than {HORIZON.days:,} days after {f.context.session}",
    ),
    quarantine(
        "contract_mismatch",
        "the contract symbol is not that of the row's root, expiry, side and strike",
        _mismatch,
        lambda f, i: f"named {str(f.column('contract').iloc[i])[:40]!r}, its fields make {name_of(f, i)}",
    ),
)
