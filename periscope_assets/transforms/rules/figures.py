"""Rules about the figures of a row by themselves: prices, sizes, times.

What belongs here: what can be told from one row and the time of the snapshot. What does not: comparison with
other rows (``repeated``, ``market``).
"""

from __future__ import annotations

from datetime import UTC, timedelta

import numpy as np
import pandas as pd

from periscope_analytics.conventions import NEW_YORK
from periscope_assets.transforms.frames import Bools
from periscope_assets.transforms.rules.facts import Facts
from periscope_assets.transforms.rules.rule import flag, quarantine

MOST_SKEW = timedelta(seconds=60)
STALE_COIN = timedelta(hours=24)
OLD = timedelta(minutes=15)
_PRICES = ("bid", "ask", "last", "vendor_mark", "underlying_price")
_SIZES = ("bid_size", "ask_size", "volume", "open_interest")
_SENTINEL_IV, _GREATEST_IV = 1e-4, 10.0
_ODD_UNDERLYING = 0.2


def _infinite(facts: Facts) -> Bools:
    found = np.zeros(len(facts), dtype=np.bool_)
    for name in (*_PRICES, *_SIZES, "vendor_iv", "vendor_delta"):
        found |= np.isinf(facts.number(name))
    return found


def _negative_price(facts: Facts) -> Bools:
    return (facts.bid < 0) | (facts.ask < 0) | (facts.number("last") < 0)


def _negative_size(facts: Facts) -> Bools:
    return np.asarray(
        (facts.number("bid_size") < 0) | (facts.number("ask_size") < 0) | (facts.number("volume") < 0)
    )


def _negative_interest(facts: Facts) -> Bools:
    return np.asarray(facts.number("open_interest") < 0)


def _no_quote(facts: Facts) -> Bools:
    return ~facts.has_bid & ~facts.has_ask


def _crossed(facts: Facts) -> Bools:
    return facts.has_ask & (facts.bid > facts.ask)


def _latest(facts: Facts) -> np.datetime64:
    """Return the last instant at which a quote of the snapshot can have been made."""
    known = [facts.context.as_of] + ([facts.context.received_at] if facts.context.received_at else [])
    return np.datetime64((min(known) + MOST_SKEW).astimezone(UTC).replace(tzinfo=None), "us")


def _skewed(facts: Facts) -> Bools:
    stamped = np.datetime64(facts.context.as_of.astimezone(UTC).replace(tzinfo=None), "us")
    whole = bool(stamped > _latest(facts))
    return np.asarray(facts.quoted_at > _latest(facts)) | whole


def _stale(facts: Facts) -> Bools:
    given = ~np.isnat(facts.quoted_at)
    if not given.any():
        return given
    instants = pd.DatetimeIndex(facts.quoted_at).tz_localize("UTC")
    days = instants.tz_convert(NEW_YORK).tz_localize(None).to_numpy(dtype="datetime64[D]")
    other_session = days < np.datetime64(facts.context.session, "D")
    return np.asarray(
        given & np.where(facts.is_coin, _age(facts) > np.timedelta64(STALE_COIN), other_session)
    )


def _age(facts: Facts) -> np.ndarray:
    as_of = np.datetime64(facts.context.as_of.astimezone(UTC).replace(tzinfo=None), "us")
    return np.asarray(as_of - facts.quoted_at)


def _other_interest(facts: Facts) -> Bools:
    on = facts.moment("open_interest_on").astype("datetime64[D]")
    previous = facts.context.previous_session
    if previous is None or np.isnat(on).all():
        return np.zeros(len(facts), dtype=np.bool_)
    live = facts.is_coin & (on == np.datetime64(facts.context.session, "D"))
    return np.asarray(~np.isnat(on) & (on != np.datetime64(previous, "D")) & ~live)


def _sentinel_iv(facts: Facts) -> Bools:
    vol = facts.number("vendor_iv")
    return np.asarray((vol <= _SENTINEL_IV) | (vol > _GREATEST_IV))


def _odd_delta(facts: Facts) -> Bools:
    delta = facts.number("vendor_delta")
    wrong_side = np.where(facts.is_call, delta < 0, delta > 0)
    return wrong_side | (np.abs(delta) > 1)


def _odd_underlying(facts: Facts) -> Bools:
    price = facts.number("underlying_price")
    usual = np.nanmedian(price) if np.isfinite(price).any() else np.nan
    return np.asarray(np.abs(price / usual - 1) > _ODD_UNDERLYING)


def _text(facts: Facts, row: int) -> str:
    return f"bid {facts.bid[row]:g}, ask {facts.ask[row]:g}"


def _numbers(facts: Facts, row: int, names: tuple[str, ...]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {facts.number(name)[row]:g}" for name in names)


def _times(facts: Facts, row: int) -> str:
    at = facts.quoted_at[row]
    quoted = f"quoted at {at.astype('datetime64[s]')} UTC, " if not np.isnat(at) else ""
    received = facts.context.received_at
    got = f", received at {received.astimezone(UTC):%Y-%m-%dT%H:%M:%S} UTC" if received else ""
    return f"{quoted}the snapshot is of {facts.context.as_of.astimezone(UTC):%Y-%m-%dT%H:%M:%S} UTC{got}"


RULES = (
    quarantine(
        "not_finite",
        "a figure is infinite",
        _infinite,
        lambda f, i: _numbers(f, i, (*_PRICES[:3], *_SIZES)),
    ),
    quarantine(
        "negative_price",
        "bid, ask or last is below zero",
        _negative_price,
        lambda f, i: f"{_text(f, i)}, last {f.number('last')[i]:g}",
    ),
    quarantine(
        "negative_size",
        "a size or the volume is below zero",
        _negative_size,
        lambda f, i: _numbers(f, i, _SIZES[:3]),
    ),
    quarantine(
        "negative_open_interest",
        "the open interest is below zero",
        _negative_interest,
        lambda f, i: _numbers(f, i, _SIZES[3:]),
    ),
    quarantine(
        "clock_skew",
        "quote or snapshot is stamped more than 60 s after it can have been made",
        _skewed,
        _times,
    ),
    quarantine("stale", "the quote is of an earlier session", _stale, _times),
    quarantine(
        "no_quote",
        "neither a bid nor an ask",
        _no_quote,
        lambda f, i: f"neither a bid nor an ask: {_text(f, i)}",
    ),
    quarantine(
        "crossed",
        "the bid is above the ask",
        _crossed,
        lambda f, i: f"bid {f.bid[i]:g} is above ask {f.ask[i]:g}",
    ),
)

NOTES = (
    flag("zero_bid", "the bid is zero: nobody buys", lambda f: f.bid == 0),
    flag("no_bid", "the vendor gives no bid", lambda f: np.isnan(f.bid)),
    flag("no_ask", "there is no ask", lambda f: ~f.has_ask),
    flag("locked", "bid and ask are equal", lambda f: f.has_bid & (f.bid == f.ask)),
    flag(
        "no_size",
        "a price is quoted for zero contracts",
        lambda f: (f.has_bid & (f.number("bid_size") == 0)) | (f.has_ask & (f.number("ask_size") == 0)),
    ),
    flag(
        "old_quote",
        "the quote is more than 15 minutes older than the snapshot",
        lambda f: _age(f) > np.timedelta64(OLD),
    ),
    flag("settled", "the contract has settled already on the day of the snapshot", lambda f: f.tau <= 0),
    flag("open_interest_of_another_session", "the open interest is not the prior session's", _other_interest),
    flag("sentinel_iv", "the vendor's vol is a sentinel (0, 1e-5) or above 1000 %", _sentinel_iv),
    flag("odd_delta", "the vendor's delta has the wrong sign or exceeds 1", _odd_delta),
    flag(
        "odd_underlying", "the vendor's underlying price is 20 % off that of the other rows", _odd_underlying
    ),
)
