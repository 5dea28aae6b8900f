"""Defects planted in a simulated chain, each with a label that its bytes do not carry.

What belongs here: what goes wrong in real chains, and how to make it. What does not: finding it
(``transforms.chains`` and the stages after it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from types import MappingProxyType

from periscope_assets.sources.simulated.draws import uniform
from periscope_assets.sources.simulated.listings import contract_name
from periscope_assets.sources.simulated.markets import Market
from periscope_assets.sources.simulated.quotes import Quote

_FIRST_LINE = 3
_PER_KIND = 2
_OUTSIDE_DELTAS, _INSIDE_DELTAS = (0.15, 0.5), (0.7, 0.85)
_LEAST_TICKS = 20
_PAST = timedelta(weeks=106)


@dataclass(frozen=True, slots=True)
class Defect:
    """One row that is wrong.

    Attributes
    ----------
    kind : str
        What is wrong with it.
    contract : str
    raw_line : int
        Its line in the raw file.
    """

    kind: str
    contract: str
    raw_line: int


def plant(
    quotes: Sequence[Quote], market: Market, session: date, seed: int
) -> tuple[list[Quote], tuple[Defect, ...]]:
    """Return the quotes with two defects of each kind, and a label for each row that is wrong.

    Rows that a defect adds stand at the end. Both rows of a conflict are wrong, of a duplicate only the
    second.
    """
    rows = list(quotes)
    labels: list[tuple[str, int]] = []
    liquid = _victims(quotes, _OUTSIDE_DELTAS, seed, session)
    inside = _victims(quotes, _INSIDE_DELTAS, seed, session)
    for kind, damage in _DAMAGE.items():
        victims = inside if kind == "below_intrinsic" else liquid
        for index in [next(victims) for _ in range(_PER_KIND)]:
            rows[index] = damage(rows[index])
            labels.append((kind, index))
    for kind, copy in _copies(market).items():
        for index in [next(liquid) for _ in range(_PER_KIND)]:
            rows.append(copy(rows[index]))
            labels.append((kind, len(rows) - 1))
            labels += [(kind, index)] if kind == "conflict" else []
    return rows, tuple(Defect(kind, rows[index].contract, index + _FIRST_LINE) for kind, index in labels)


def _victims(quotes: Sequence[Quote], delta: tuple[float, float], *key: object) -> Iterator[int]:
    """Yield quotes worth at least some ticks with a delta in that range, in the order of a draw."""
    chosen = [
        i
        for i, quote in enumerate(quotes)
        if (quote.bid or 0.0) >= _LEAST_TICKS * 10.0**-quote.places
        and delta[0] < abs(quote.vendor_delta) <= delta[1]
    ]
    return iter(sorted(chosen, key=lambda i: uniform(*key, quotes[i].contract, "defect")))


def _scaled(quote: Quote, bid_factor: float, ask_factor: float) -> Quote:
    mid = ((quote.bid or 0.0) + (quote.ask or 0.0)) / 2
    return replace(
        quote, bid=round(mid * bid_factor, quote.places), ask=round(mid * ask_factor, quote.places)
    )


def _below_intrinsic(quote: Quote) -> Quote:
    """Price an option at half of what it would bring if it were exercised."""
    unit = quote.underlying_price if quote.places == 4 else 1.0
    worth = abs(quote.underlying_price - quote.strike) / unit
    return replace(quote, bid=round(0.45 * worth, quote.places), ask=round(0.55 * worth, quote.places))


_DAMAGE: Mapping[str, Callable[[Quote], Quote]] = MappingProxyType(
    {
        "crossed": lambda quote: _scaled(quote, 1.2, 0.8),
        "no_bid": lambda quote: replace(quote, bid=None, bid_size=0),
        "no_ask": lambda quote: replace(quote, ask=None, ask_size=0),
        "no_quote": lambda quote: replace(quote, bid=None, ask=None, bid_size=0, ask_size=0),
        "zero_bid": lambda quote: replace(quote, bid=0.0, bid_size=0),
        "negative_price": lambda quote: replace(quote, bid=-(quote.bid or 0.0)),
        "sentinel_iv": lambda quote: replace(quote, vendor_iv=0.0),
        "absurd_spread": lambda quote: _scaled(quote, 0.05, 12.0),
        "stale": lambda quote: _scaled(quote, 1.58, 1.62),
        "non_monotone": lambda quote: _scaled(quote, 0.28, 0.32),
        "below_intrinsic": _below_intrinsic,
    }
)


def _copies(market: Market) -> Mapping[str, Callable[[Quote], Quote]]:
    def named(quote: Quote, root: str, expiry: date) -> Quote:
        name = contract_name(market, root, expiry, quote.strike, quote.is_call)
        return replace(quote, contract=name, expiry=expiry)

    found: dict[str, Callable[[Quote], Quote]] = {
        "duplicate": lambda quote: quote,
        "conflict": lambda quote: _scaled(quote, 1.07, 1.13),
        "expired_before_snapshot": lambda quote: named(quote, quote.root, quote.expiry - _PAST),
    }
    if not market.crypto:
        found["adjusted_contract"] = lambda quote: named(quote, f"{quote.root}1", quote.expiry)
    return found
