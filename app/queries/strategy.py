"""Strategies on the served surface: legs from the chain in, cost, value, greeks, scenarios and odds out.

What belongs here: from a reader's legs to the analytics and back to frames; :func:`build_strategy` is the one
computation behind the page, the API and agents. What does not: formulas (``periscope_analytics.strategy``),
prefabricated strategies (``presets``).

Money is USD for the whole position: contracts times multiplier. Coin-quoted prices are turned into USD at
the row's own underlying price. A leg bought pays the ask and a leg sold receives the bid, unless a price is
given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.queries.answer import Answer
from app.queries.core import Queries
from app.queries.errors import InvalidParameterError, NotPublishedError
from app.queries.locate import QUOTES, Located
from app.queries.strategy_frames import frames_of
from app.queries.times import TimeLike
from periscope_analytics.errors import Status
from periscope_analytics.market import ForwardCurve
from periscope_analytics.served import ServedSurface
from periscope_analytics.strategy import Leg, Market, Strategy
from periscope_assets.store.repository import LedgerEntry
from periscope_assets.transforms.surfaces.served import FITTED, fitted_rows, served_of

CALL, PUT, UNDERLYING = "call", "put", "underlying"
KINDS = (CALL, PUT, UNDERLYING)
MOST_LEGS = 16
MOST_CONTRACTS = 1e9
SURFACE = "vol_surface"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AskedLeg:
    """One leg as a reader writes it.

    Attributes
    ----------
    kind : {'call', 'put', 'underlying'}
    quantity : float
        Signed contracts, or units of the underlying; positive is bought.
    strike : float or None
        USD; None for the underlying.
    expiry : datetime, date or None
        Settlement instant, or a date on which only one settles; None for the underlying.
    price : float or None
        Paid per unit in the chain's quote unit; None takes the ask for a bought leg, the bid for a sold one.
    """

    kind: str
    quantity: float
    strike: float | None = None
    expiry: datetime | date | None = None
    price: float | None = None


class Priced(NamedTuple):
    """A leg with what the chain and the surface say of it.

    Attributes
    ----------
    leg : Leg
        Quantity in units of the underlying, entry in USD per unit.
    row : dict
        What the ``legs`` frame shows of it before greeks.
    """

    leg: Leg
    row: dict[str, object]


class _Chain(NamedTuple):
    """What legs are looked up in."""

    quotes: pd.DataFrame
    slices: pd.DataFrame
    market: Market
    surface: ServedSurface


def build_strategy(
    queries: Queries,
    symbol: str,
    legs: Sequence[AskedLeg],
    *,
    as_of: TimeLike = None,
    known_at: TimeLike = None,
    version: str | None = None,
) -> Answer:
    """Value legs on the served surface.

    Parameters
    ----------
    queries : Queries
    symbol : str
    legs : sequence of AskedLeg
        1 to 16, at least one of them an option.
    as_of, known_at, version
        Which surface; see :meth:`Queries.read`.

    Returns
    -------
    Answer
        Of the surface's version. Frames: ``legs`` (a row each: entry and its basis, vol, value, greeks,
        status), ``totals`` (one row: cost, value, greeks, extremes, probability of profit), ``break_evens``,
        ``profile`` (profit now and at the horizon by spot, with the density there) and ``scenarios`` (value
        and profit by spot, vol shift and days passed).

    Raises
    ------
    InvalidParameterError
        Naming the leg and what is wrong with it.
    UnknownSymbolError, NotPublishedError, PurgedError
        If there is no surface, or no expiry of it has a fit.
    """
    check_legs(legs)
    found = queries.locate(SURFACE, symbol, as_of=as_of, known_at=known_at, version=version)
    quotes = beside(queries, found, QUOTES)
    chain = _chain(queries, found, quotes)
    priced = [_priced(number, leg, chain) for number, leg in enumerate(legs)]
    entry = found.entry
    parts = {each.dataset: each.version for each in (entry, quotes) if each is not None}
    return Answer(
        dataset="strategy",
        symbol=entry.symbol,
        as_of=entry.as_of,
        known_at=found.known_at,
        published_at=entry.known_at,
        version=entry.version,
        status=found.status,
        source=entry.source,
        run_id=entry.run_id,
        quality={"spot": chain.market.spot, "n_legs": len(legs)},
        frames=frames_of(priced, chain.market, chain.surface),
        parts=parts,
        warnings=(*found.warnings, *_cautions(chain, priced)),
    )


def beside(queries: Queries, found: Located, dataset: str) -> LedgerEntry | None:
    """Return the publication of another dataset of the same snapshot as it was known, None without one."""
    entry = found.entry
    try:
        other = queries.locate(dataset, entry.symbol, as_of=entry.as_of, known_at=found.beside_at).entry
    except NotPublishedError:
        return None
    return other if other.as_of == entry.as_of else None


def check_legs(legs: Sequence[AskedLeg]) -> None:
    """Check what can be checked without a chain.

    Raises
    ------
    InvalidParameterError
        Naming the first leg that is wrong.
    """
    if not 1 <= len(legs) <= MOST_LEGS:
        raise InvalidParameterError("legs", f"expected 1 to {MOST_LEGS}, got {len(legs)}")
    for number, leg in enumerate(legs):
        _check_leg(f"legs[{number}]", leg)
    if all(leg.kind == UNDERLYING for leg in legs):
        raise InvalidParameterError("legs", "expected at least one option")


def _check_leg(name: str, leg: AskedLeg) -> None:
    if leg.kind not in KINDS:
        raise InvalidParameterError(f"{name}.kind", f"expected one of {', '.join(KINDS)}")
    if not 0.0 < abs(leg.quantity) <= MOST_CONTRACTS:
        raise InvalidParameterError(f"{name}.quantity", "expected a number other than 0, negative to sell")
    if leg.price is not None and not 0.0 <= leg.price < np.inf:
        raise InvalidParameterError(f"{name}.price", "expected a price per unit, 0 or more")
    if leg.kind == UNDERLYING:
        return
    if leg.strike is None or not 0.0 < leg.strike < np.inf:
        raise InvalidParameterError(f"{name}.strike", "expected a positive number")
    if leg.expiry is None:
        raise InvalidParameterError(f"{name}.expiry", "expected a settlement time or an expiration date")


def _chain(queries: Queries, found: Located, quotes: LedgerEntry | None) -> _Chain:
    slices = queries.rows(found.entry, "surface_slices").sort_values("expiry_at", ignore_index=True)
    fitted = fitted_rows(slices)
    if fitted.empty:
        reason = "no expiry of this snapshot could be fitted"
        raise NotPublishedError(SURFACE, found.entry.symbol, reason, "Choose another snapshot.")
    columns = [fitted[name].to_numpy(dtype=np.float64) for name in ("tau_years", "forward", "discount")]
    rows = None if quotes is None else queries.rows(quotes, "options_snapshots")
    spot = float("nan") if quotes is None else float(quotes.quality.get("spot") or "nan")
    if not 0.0 < spot < np.inf:
        spot = float(columns[1][0])
    surface = served_of(fitted)
    market = Market(spot, ForwardCurve(*columns), surface)
    return _Chain(pd.DataFrame(columns=_QUOTE) if rows is None else rows, slices, market, surface)


def _priced(number: int, asked: AskedLeg, chain: _Chain) -> Priced:
    if asked.kind == UNDERLYING:
        spot = chain.market.spot
        entry = spot if asked.price is None else asked.price
        basis = "spot" if asked.price is None else "given"
        row = {**dict.fromkeys(_LEG), "leg": number, "kind": asked.kind, "quantity": asked.quantity}
        row |= {"multiplier": 1.0, "entry_usd": entry, "entry_basis": basis, "status": Status.OK.label}
        return Priced(Leg(asked.quantity, entry=entry), row)
    expiry = _expiry(number, asked, chain.slices)
    return _option(number, asked, expiry, chain)


def _expiry(number: int, asked: AskedLeg, slices: pd.DataFrame) -> pd.Series:
    """Return the row of ``surface_slices`` that a leg means."""
    name = f"legs[{number}].expiry"
    if isinstance(asked.expiry, datetime):
        if asked.expiry.tzinfo is None:
            raise InvalidParameterError(name, "a time needs its UTC offset")
        rows = slices[slices["expiry_at"] == pd.Timestamp(asked.expiry)]
    else:
        rows = slices[[day == asked.expiry for day in slices["expiry"]]]
    if rows.empty:
        listed = ", ".join(sorted({f"{day}" for day in slices["expiry"]}))
        raise InvalidParameterError(name, f"nothing settles then; expirations are {listed}")
    if len(rows) > 1:
        times = ", ".join(f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in rows["expiry_at"])
        raise InvalidParameterError(name, f"several settle on that date; write one of {times}")
    return rows.iloc[0]


def _option(number: int, asked: AskedLeg, expiry: pd.Series, chain: _Chain) -> Priced:
    quote = _quote(asked, expiry, chain.quotes)
    multiplier = _multiplier(quote, chain.quotes)
    unit = 1.0
    if quote is not None and quote["quote_unit"] == "coin":
        unit = float(quote["underlying_price"])
    units, strike = asked.quantity * multiplier, float(asked.strike or np.nan)
    bare = Leg(units, strike, float(expiry["tau_years"]), asked.kind == CALL)
    model = Strategy((replace(bare, quantity=1.0),)).value(chain.market)
    entry, basis, status = _entry(asked, quote, unit, model)
    if not np.isfinite(entry):
        raise InvalidParameterError(f"legs[{number}].price", "neither chain nor surface has one; give it")
    row: dict[str, object] = {
        **dict.fromkeys(_LEG),
        "leg": number,
        "kind": asked.kind,
        "quantity": asked.quantity,
        "multiplier": multiplier,
        "strike": strike,
        "expiry_at": expiry["expiry_at"],
        "expiry": expiry["expiry"],
        "root": expiry["root"],
        "tau_years": bare.tau,
        "entry_usd": entry,
        "entry_basis": basis,
        "status": _status(status, str(expiry["status"])),
    }
    if quote is not None:
        row |= {"contract": quote["contract"], "bid_usd": quote["bid"] * unit, "ask_usd": quote["ask"] * unit}
    return Priced(replace(bare, entry=entry), row)


def _status(quote: str, expiry: str) -> str:
    """Return why the market has no price, else ``interpolated`` where the expiry has no smile of its own."""
    fitted = expiry in {each.label for each in FITTED}
    return quote if fitted or quote != Status.OK.label else Status.INTERPOLATED.label


def _quote(asked: AskedLeg, expiry: pd.Series, quotes: pd.DataFrame) -> pd.Series | None:
    rows = quotes[
        (quotes["expiry_at"] == expiry["expiry_at"])
        & (quotes["strike"] == asked.strike)
        & (quotes["is_call"] == (asked.kind == CALL))
    ]
    return None if rows.empty else rows.iloc[0]


def _multiplier(quote: pd.Series | None, quotes: pd.DataFrame) -> float:
    if quote is not None:
        return float(quote["multiplier"])
    return float(quotes["multiplier"].median()) if len(quotes) else 1.0


def _entry(asked: AskedLeg, quote: pd.Series | None, unit: float, model: float) -> tuple[float, str, str]:
    """Return USD paid per unit, where it comes from, and the status of the market's side."""
    if asked.price is not None:
        return asked.price * unit, "given", Status.OK.label
    side = "ask" if asked.quantity > 0.0 else "bid"
    if quote is None:
        return model, "model", Status.NO_QUOTE.label
    price = float(quote[side])
    if np.isfinite(price) and price > 0.0:
        return price * unit, side, Status.OK.label
    return model, "model", f"no_{side}"


def _cautions(chain: _Chain, priced: Sequence[Priced]) -> tuple[str, ...]:
    found = []
    if len(chain.quotes) and (chain.quotes["style"] == "american").any():
        found.append("Options of this chain are American; legs are valued as European, exercised at expiry.")
    modelled = [str(each.row["leg"]) for each in priced if each.row["entry_basis"] == "model"]
    if modelled:
        found.append(f"No price to trade at for legs {', '.join(modelled)}: entered at the surface's value.")
    if len({each.leg.tau for each in priced if each.leg.is_call is not None}) > 1:
        found.append("Legs expire at different times: at the first one, later legs keep their strikes' vols.")
    return tuple(found)


_QUOTE = ["contract", "expiry_at", "strike", "is_call", "bid", "ask", "quote_unit", "underlying_price",
          "multiplier", "style"]  # fmt: skip
_LEG = (
    *("leg", "kind", "quantity", "multiplier", "strike", "expiry_at", "expiry", "root", "tau_years"),
    *("contract", "bid_usd", "ask_usd", "entry_usd", "entry_basis", "status"),
)
