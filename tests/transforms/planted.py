"""Chains of any size with planted, labelled defects, as a CSV of the generic layout.

Prices are Black's with a skew, rounded outwards to ticks, so that clean rows hold no arbitrage. Defects that
are told by neighbours are planted ten strikes apart: of two wrong neighbours nobody could say which is right.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
from scipy.special import ndtr

from periscope_analytics.conventions import contract_name
from periscope_assets.sources.base import RawPayload
from periscope_assets.sources.calendars import XNYS, is_session
from periscope_assets.sources.layouts.generic import MAP

SPOT, TICK = 5000.0, 0.05
FIRST = datetime(2026, 3, 20, 14, 0, tzinfo=UTC)
SNAPSHOT_ROWS = 20_000
COLUMN_MAP = (
    '[constants]\nsymbol = "SPX"\n[columns]\n'
    + "\n".join(
        f'{name} = "{name}"'
        for name in (
            *("contract", "root", "expiry", "type", "strike", "bid", "ask", "bid_size", "ask_size", "last"),
            *("volume", "open_interest", "vendor_iv", "vendor_delta", "underlying_price", "multiplier"),
            *("quoted_at", "open_interest_on", "as_of"),
        )
    )
).encode()
_FRIDAYS = [date(2026, 4, 17) + timedelta(weeks=2 * week) for week in range(44)]
_EXPIRIES = tuple(day for day in _FRIDAYS if is_session(XNYS, day))[:40]


@dataclass(frozen=True)
class Kind:
    """One kind of defect: the reason or flag that must name it, where it may be planted, and how."""

    name: str
    expected: str
    damage: Callable[[pd.DataFrame], pd.DataFrame]
    fits: str = "any"
    copies: bool = False
    flags: bool = False


@dataclass(frozen=True)
class Planted:
    """A payload and what is wrong in it: kind and expected reason by raw line."""

    payload: RawPayload
    labels: pd.DataFrame
    n_rows: int


def snapshot(as_of: datetime, n: int) -> pd.DataFrame:
    """Return n clean quotes of one snapshot."""
    per_side = int(np.ceil(n / (2 * len(_EXPIRIES))))
    parts = []
    for expiry in _EXPIRIES:
        tau = (expiry - as_of.date()).days / 365
        forward, deviation = SPOT * np.exp(0.03 * tau), 0.18 * np.sqrt(tau)
        raw = forward * np.exp(np.linspace(-2.5, 1.8, per_side) * deviation)
        strike = np.unique(np.round(raw / 0.5) * 0.5)
        for is_call in (True, False):
            parts.append(_side(expiry, strike, is_call, forward, tau))
    rows = pd.concat(parts, ignore_index=True).iloc[:n].copy()
    at = as_of - timedelta(seconds=20)
    return rows.assign(as_of=as_of.isoformat(), quoted_at=at.isoformat(), open_interest_on=_before(as_of))


def _before(as_of: datetime) -> str:
    day = as_of.date() - timedelta(days=1)
    while day.weekday() > 4:
        day -= timedelta(days=1)
    return day.isoformat()


def _side(expiry: date, strike: np.ndarray, is_call: bool, forward: float, tau: float) -> pd.DataFrame:
    k = np.log(strike / forward)
    vol = 0.18 - 0.08 * k + 0.04 * k**2
    d1 = (-k + vol**2 * tau / 2) / (vol * np.sqrt(tau))
    d2, sign, discount = d1 - vol * np.sqrt(tau), 1 if is_call else -1, np.exp(-0.045 * tau)
    price = discount * sign * (forward * ndtr(sign * d1) - strike * ndtr(sign * d2))
    half = 0.02 + 0.004 * price
    return pd.DataFrame(
        {
            "contract": [contract_name("SPXW", expiry, is_call, each) for each in strike.tolist()],
            "root": "SPXW",
            "expiry": expiry,
            "type": "C" if is_call else "P",
            "strike": strike,
            "bid": np.round(np.floor((price - half).clip(0) / TICK) * TICK, 2),
            "ask": np.round(np.ceil((price + half) / TICK) * TICK, 2),
            "bid_size": 10.0,
            "ask_size": 12.0,
            "last": np.round(price, 2),
            "volume": 5.0,
            "open_interest": 100.0,
            "vendor_iv": np.round(vol, 4),
            "vendor_delta": np.round(sign * ndtr(sign * d1), 4),
            "underlying_price": SPOT,
            "multiplier": 100.0,
            "forward": forward,
            "rank": np.arange(len(strike)),
        }
    )


def _renamed(rows: pd.DataFrame, **changed: object) -> pd.DataFrame:
    rows = rows.assign(**changed)
    cells = zip(rows["root"], rows["expiry"], rows["type"], rows["strike"], strict=True)
    return rows.assign(contract=[contract_name(r, e, t == "C", k) for r, e, t, k in cells])


def _scaled(rows: pd.DataFrame, bid: float, ask: float) -> pd.DataFrame:
    mid = (rows["bid"] + rows["ask"]) / 2
    return rows.assign(bid=(mid * bid).round(2), ask=(mid * ask).round(2))


def _moved(rows: pd.DataFrame, **by: float) -> pd.DataFrame:
    at = pd.to_datetime(rows["quoted_at"]) + pd.Timedelta(**by)
    return rows.assign(quoted_at=[each.isoformat() for each in at])


def _intrinsic(rows: pd.DataFrame) -> pd.Series:
    return (rows["forward"] - rows["strike"]).where(rows["type"] == "C", rows["strike"] - rows["forward"])


def _halved(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(bid=0.45 * _intrinsic(rows), ask=0.5 * _intrinsic(rows))


def _of_january(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(open_interest_on="2026-01-05")


KINDS = (
    Kind("bid_above_ask", "crossed", lambda r: r.assign(bid=r["ask"] + 0.5)),
    Kind("bid_below_zero", "negative_price", lambda r: r.assign(bid=-1.0)),
    Kind("ask_below_zero", "negative_price", lambda r: r.assign(ask=-1.0)),
    Kind("last_below_zero", "negative_price", lambda r: r.assign(last=-0.01)),
    Kind("no_sides", "no_quote", lambda r: r.assign(bid=np.nan, ask=np.nan)),
    Kind("zero_sides", "no_quote", lambda r: r.assign(bid=0.0, ask=0.0)),
    Kind("bid_size_below_zero", "negative_size", lambda r: r.assign(bid_size=-3.0)),
    Kind("volume_below_zero", "negative_size", lambda r: r.assign(volume=-1.0)),
    Kind("interest_below_zero", "negative_open_interest", lambda r: r.assign(open_interest=-7.0)),
    Kind("infinite_ask", "not_finite", lambda r: r.assign(ask=np.inf)),
    Kind("infinite_size", "not_finite", lambda r: r.assign(ask_size=np.inf)),
    Kind("zero_strike", "bad_strike", lambda r: r.assign(strike=0.0)),
    Kind("strike_below_zero", "bad_strike", lambda r: r.assign(strike=-r["strike"])),
    Kind("strike_off_grid", "off_grid_strike", lambda r: r.assign(strike=r["strike"] + 0.00037)),
    Kind("adjusted_root", "adjusted_contract", lambda r: _renamed(r, root="SPX1")),
    Kind("other_root", "foreign_root", lambda r: _renamed(r, root="NDX")),
    Kind("mini", "wrong_multiplier", lambda r: r.assign(multiplier=10.0)),
    Kind("past", "expired_before_snapshot", lambda r: _renamed(r, expiry=date(2024, 3, 15))),
    Kind("saturday", "wrong_expiry", lambda r: _renamed(r, expiry=date(2026, 5, 16))),
    Kind("christmas", "wrong_expiry", lambda r: _renamed(r, expiry=date(2026, 12, 25))),
    Kind("far_future", "beyond_horizon", lambda r: _renamed(r, expiry=date(2047, 3, 15))),
    Kind("other_name", "contract_mismatch", lambda r: r.assign(contract=r["contract"].str[:-1] + "7")),
    Kind("no_name", "contract_mismatch", lambda r: r.assign(contract="SPX??")),
    Kind("early_clock", "clock_skew", lambda r: _moved(r, minutes=5)),
    Kind("yesterday", "stale", lambda r: _moved(r, days=-1)),
    Kind("repeated", "duplicate", lambda r: r, copies=True),
    Kind("overtaken", "conflict", lambda r: _scaled(r, 0.99, 1.01).assign(volume=9.0), copies=True),
    Kind("late_row", "out_of_sequence", lambda r: _moved(r, seconds=-30), copies=True),
    Kind("half_intrinsic", "below_intrinsic", _halved, "deep"),
    Kind("ask_of_a_stub", "above_maximum", lambda r: r.assign(ask=19_999.99)),
    Kind("spread_of_a_stub", "absurd_spread", lambda r: _scaled(r, 0.05, 12.0), "rich"),
    Kind("far_too_low", "non_monotone", lambda r: _scaled(r, 0.28, 0.32), "rich"),
    Kind("far_too_high", "non_monotone", lambda r: _scaled(r, 1.78, 1.82), "rich"),
    Kind("no_vol", "sentinel_iv", lambda r: r.assign(vendor_iv=1e-5), flags=True),
    Kind("old_interest", "open_interest_of_another_session", _of_january, flags=True),
    Kind("delta_of_the_other_side", "odd_delta", lambda r: r.assign(vendor_delta=-1.5), flags=True),
    Kind("other_underlying", "odd_underlying", lambda r: r.assign(underlying_price=500.0), flags=True),
    Kind("bid_at_ask", "locked", lambda r: r.assign(bid=r["ask"]), "rich", flags=True),
)  # fmt: skip


def plant(n: int, seed: int = 7, share: float = 0.001) -> Planted:
    """Return about n rows in snapshots of 20,000, `share` of them with each kind of defect."""
    rng = np.random.default_rng(seed)
    made, labels = [], []
    for number, start in enumerate(range(0, n, SNAPSHOT_ROWS)):
        size = min(SNAPSHOT_ROWS, n - start)
        as_of = FIRST + timedelta(minutes=5 * (number % 60), days=7 * (number // 60))
        each, wrong = _snapshot(as_of, size, rng, max(1, round(size * share)))
        labels.append(wrong.assign(raw_line=wrong["row"] + sum(map(len, made)) + 2))
        made.append(each)
    rows = pd.concat(made, ignore_index=True).drop(columns=["forward", "rank"])
    sink = io.BytesIO()
    table = pa.Table.from_pandas(rows, preserve_index=False)
    pa_csv.write_csv(table, sink, pa_csv.WriteOptions(quoting_style="none", quoting_header="none"))
    payload = RawPayload("planted.csv", sink.getvalue(), companions={MAP: COLUMN_MAP})
    return Planted(payload, pd.concat(labels, ignore_index=True), len(rows))


def _snapshot(
    as_of: datetime, n: int, rng: np.random.Generator, per_kind: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    copies = sum(per_kind for kind in KINDS if kind.copies)
    rows = snapshot(as_of, n - copies)
    n = len(rows)
    free = {name: list(rng.permutation(where)) for name, where in _places(rows).items()}
    used: set[int] = set()
    changed, added, labels = [], [], []
    for kind in KINDS:
        where = [i for i in free[kind.fits] if i not in used][:per_kind]
        used.update(where)
        damaged = kind.damage(rows.iloc[where])
        if kind.copies:
            at = range(n + sum(map(len, added)), n + sum(map(len, added)) + len(where))
            added.append(damaged)
        else:
            at = where
            changed.append(damaged)
        marked = where if kind.name == "overtaken" else at
        labels.append(pd.DataFrame({"row": list(marked), "kind": kind.name, "expected": kind.expected}))
    replaced = pd.concat(changed)
    kept = rows.drop(index=replaced.index)
    whole = pd.concat([pd.concat([kept, replaced]).sort_index(), *added], ignore_index=True)
    return whole, pd.concat(labels, ignore_index=True)


def _places(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return where defects of each sort may be planted: anywhere, or apart where a price tells."""
    apart = rows["rank"] % 10 == 5
    inner = rows.groupby(["expiry", "type"])["rank"].transform("max") - rows["rank"] > 10
    delta = rows["vendor_delta"].abs()
    rich = apart & inner & delta.between(0.1, 0.5) & (rows["bid"] > 0.01 * SPOT)
    soon = pd.to_datetime(rows["expiry"]) < pd.Timestamp(2027, 12, 1)
    deep = apart & (_intrinsic(rows) > 0.08 * SPOT) & soon
    other = ~apart & (rows["bid"] > 0.5)
    return {"any": np.flatnonzero(other), "rich": np.flatnonzero(rich), "deep": np.flatnonzero(deep)}
