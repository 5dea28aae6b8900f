"""Rules about what a quote says beside the others of its expiry.

What belongs here: bounds that follow from the forward, and order across strikes. What does not: fits. The
bounds are wide on purpose: what a fit may weigh is not refused, only what can't have been a market.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from periscope_assets.transforms.frames import Bools, Floats
from periscope_assets.transforms.rules.facts import Facts
from periscope_assets.transforms.rules.rule import flag, quarantine

_GREATEST_RATE = 0.10
_OF_INTRINSIC, _OF_FORWARD = 0.9, 0.002
_BID_ABOVE, _ASK_ABOVE = 1.05, 2.0
_WIDE_RATIO, _WIDE, _ABSURD = 20.0, 0.001, 0.005
_NEIGHBOURS, _CONTRADICTIONS = 3, 2
_GROSS_SHARE, _GROSS = 0.2, 0.0005
_ROUNDING = 1e-9


def _intrinsic(facts: Facts) -> Floats:
    """Return the undiscounted value at exercise against the rough forward, in units of premium."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ahead = np.where(facts.is_call, facts.forward - facts.strike, facts.strike - facts.forward)
        return np.asarray(np.maximum(ahead, 0.0) / facts.unit)


def _least(facts: Facts) -> Floats:
    """Return what a live option is worth at least, at any rate that a curve may have."""
    return _intrinsic(facts) * np.exp(-_GREATEST_RATE * np.maximum(facts.tau, 0.0))


def _below_intrinsic(facts: Facts) -> Bools:
    margin = _OF_FORWARD * facts.forward / facts.unit
    limit = _OF_INTRINSIC * facts.once(_least) - margin
    return facts.has_ask & (facts.tau > 0) & (facts.ask < limit)


def _mid_below(facts: Facts) -> Bools:
    return facts.is_two_sided & (facts.tau > 0) & ((facts.bid + facts.ask) / 2 < facts.once(_least))


def _maximum(facts: Facts) -> Floats:
    """Return what an option can be worth at most: the underlying for a call, the strike for a put."""
    spot = facts.context.spot
    underlying = np.fmax(facts.forward, spot if np.isfinite(spot) else facts.forward)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(facts.is_call, underlying, facts.strike) / facts.unit)


def _above_maximum(facts: Facts) -> Bools:
    most = facts.once(_maximum)
    live = facts.tau > 0
    return live & ((facts.bid > _BID_ABOVE * most) | (facts.ask > _ASK_ABOVE * most))


def _wide(facts: Facts, of_forward: float) -> Bools:
    wide = (facts.ask - facts.bid) * facts.unit > of_forward * facts.forward
    return facts.is_two_sided & wide & (facts.ask > _WIDE_RATIO * facts.bid)


def _small(facts: Facts) -> NDArray[np.int8]:
    """Return how many of the three next strikes contradict each quote at all."""
    return _contradictions(facts, 0.0, 0.0)


def _gross(facts: Facts) -> NDArray[np.int8]:
    """Return how many of the three next strikes contradict each quote by more than clocks can explain."""
    return _contradictions(facts, _GROSS_SHARE, _GROSS)


def _contradictions(facts: Facts, share: float, of_forward: float) -> NDArray[np.int8]:
    """Return how many of the three next strikes contradict each quote, the greater of both sides.

    Two quotes of one expiry, root and side contradict each other if buying one at its ask and selling the
    other at its bid gains for sure: a price that rises with the strike for calls (falls for puts), or one
    that falls faster than the strike rises.
    """
    use = np.flatnonzero(facts.is_two_sided & (facts.tau > 0) & np.isfinite(facts.unit))
    order = use[np.lexsort((facts.strike[use], facts.is_call[use], facts.groups[use]))]
    group, is_call, strike = facts.groups[order], facts.is_call[order], facts.strike[order]
    forward = facts.forward[order]
    bid, ask = facts.bid[order] * facts.unit[order], facts.ask[order] * facts.unit[order]
    wrong = []
    for lag in range(1, min(_NEIGHBOURS, len(order) - 1) + 1):
        low, high = slice(None, -lag), slice(lag, None)
        same = (group[low] == group[high]) & (is_call[low] == is_call[high])
        step = strike[high] - strike[low]
        # What one gets for the option that must be worth less, and for the one worth more.
        lesser_bid = np.where(is_call[low], bid[high], bid[low])
        greater_ask = np.where(is_call[low], ask[low], ask[high])
        greater_bid = np.where(is_call[low], bid[low], bid[high])
        lesser_ask = np.where(is_call[low], ask[high], ask[low])
        slack = _ROUNDING * strike[high] + of_forward * forward[low]
        rising = lesser_bid > (1 + share) * greater_ask + slack
        steep = greater_bid > (1 + share) * (lesser_ask + step) + slack
        wrong.append(same & (rising | steep))
    counted = np.zeros(len(facts), dtype=np.int8)
    counted[order] = _blamed(wrong, len(order))
    return counted


def _blamed(wrong: Sequence[Bools], n: int) -> NDArray[np.int8]:
    """Return how many contradict each quote on a side; 0 where one of these is contradicted more often."""
    sides = np.zeros((2, n), dtype=np.int8)
    for lag, pairs in enumerate(wrong, start=1):
        sides[0, : n - lag] += pairs
        sides[1, lag:] += pairs
    total = sides.sum(axis=0)
    worst = np.zeros(n, dtype=np.int8)
    for lag, pairs in enumerate(wrong, start=1):
        np.maximum(worst[: n - lag], np.where(pairs, total[lag:], 0), out=worst[: n - lag])
        np.maximum(worst[lag:], np.where(pairs, total[: n - lag], 0), out=worst[lag:])
    return np.where(total >= worst, sides.max(axis=0), 0).astype(np.int8)


def _non_monotone(facts: Facts) -> Bools:
    return np.asarray(facts.once(_gross) >= _CONTRADICTIONS)


def _quote(facts: Facts, row: int) -> str:
    return f"bid {facts.bid[row]:g}, ask {facts.ask[row]:g}"


RULES = (
    quarantine(
        "above_maximum",
        "bid or ask is far above what the option can be worth",
        _above_maximum,
        lambda f, i: f"{_quote(f, i)}; it can't be worth more than {f.once(_maximum)[i]:g}",
    ),
    quarantine(
        "below_intrinsic",
        "the ask is far below what exercise brings, by the forward from parity",
        _below_intrinsic,
        lambda f, i: f"{_quote(f, i)}; worth at least {f.once(_least)[i]:g} at a forward of {f.forward[i]:g}",
    ),
    quarantine(
        "absurd_spread",
        "the ask is more than twenty times the bid and a good part of the underlying above it",
        lambda f: _wide(f, _ABSURD),
        lambda f, i: f"{_quote(f, i)}: {f.ask[i] / f.bid[i]:.0f} times the bid",
    ),
    quarantine(
        "non_monotone",
        "two of the three next strikes on one side contradict the quote grossly",
        _non_monotone,
        lambda f, i: (
            f"{_quote(f, i)} at strike {f.strike[i]:g}: {f.once(_gross)[i]} of the three next "
            "strikes on one side could be traded against it at a sure gain"
        ),
    ),
)

NOTES = (
    flag("mid_below_intrinsic", "the mid is below what exercise brings, the ask is not far", _mid_below),
    flag("wide_spread", "the ask is more than twenty times the bid", lambda f: _wide(f, _WIDE)),
    flag(
        "vertical_arbitrage",
        "two of the three next strikes on one side contradict the quote, if only by a little",
        lambda f: f.once(_small) >= _CONTRADICTIONS,
    ),
)
