"""Massive's option-chain snapshot (v3, JSON): pages of contracts, and the vendor's list of contracts.

What belongs here: this one layout, and whether its pages make a whole chain. What does not: asking for pages
(``sources.massive``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from periscope_analytics.conventions import listing, settlement_time
from periscope_assets.sources.base import ParsedChain, RawPayload, SourceError
from periscope_assets.sources.layouts import answers, cells, records, times
from periscope_assets.sources.layouts.contracts import (
    Contract,
    call_or_put,
    check_agrees,
    occ,
    one_underlying,
    strikes,
)
from periscope_assets.sources.layouts.records import Record
from periscope_assets.sources.layouts.rows import group_chains, quote_frame

NAME = "massive"
SNAPSHOT, LISTING = "snapshot", "contracts"
"""Kinds of answers: pages of the chain, pages of the vendor's list of contracts."""

NO_QUOTES = "this key's plan has no option quotes; use a plan with quotes, or another PERISCOPE_SOURCE__KIND"

_NUMBERS = {
    "bid": "last_quote.bid", "ask": "last_quote.ask",
    "bid_size": "last_quote.bid_size", "ask_size": "last_quote.ask_size",
    "last": "last_trade.price", "volume": "day.volume", "open_interest": "open_interest",
    "vendor_iv": "implied_volatility", "vendor_delta": "greeks.delta",
    "multiplier": "details.shares_per_contract",
}  # fmt: skip
_OTHERS = {
    "strike": "details.strike_price", "quoted": "last_quote.last_updated",
    "price": "underlying_asset.price", "value": "underlying_asset.value",
}  # fmt: skip
_TEXTS = {
    "ticker": "details.ticker", "expiration_date": "details.expiration_date",
    "contract_type": "details.contract_type", "underlying": "underlying_asset.ticker",
}  # fmt: skip


class TornChainError(SourceError):
    """Pages that do not make one chain; the vendor may have moved on between them, so fetch all again."""


class MassiveSnapshot:
    """One underlying's chain at one moment; `raw_line` counts contracts over all pages."""

    name = NAME

    def recognises(self, head: bytes, name: str) -> bool:  # noqa: ARG002
        """Tell whether it is the cover of such answers, or one of them."""
        fields = (b'"results"', b'"details"', b'"contract_type"', b'"underlying_asset"')
        return answers.is_cover(head, NAME) or (
            head.lstrip().startswith(b"{") and all(field in head for field in fields)
        )

    def parse(self, payload: RawPayload) -> list[ParsedChain]:
        """Read the chain; see :meth:`periscope_assets.sources.base.Layout.parse`.

        Raises
        ------
        SourceError
            Also if the pages do not make a whole chain, or none of it has quotes.
        """
        found = answers.uncover(payload)
        chain = whole_chain(payload.name, found.of(SNAPSHOT))
        table = records.table(payload.name, chain, _TEXTS, _NUMBERS | _OTHERS)
        contracts = table.convert("ticker", _contract, "an option like O:SPY240604C00451000")
        check_agrees(
            table,
            "expiration_date",
            contracts,
            table.convert("expiration_date", times.iso_date, "a date"),
            "expiry",
        )
        check_agrees(
            table,
            "contract_type",
            contracts,
            table.convert("contract_type", call_or_put, "call or put"),
            "is_call",
        )
        named = table.text("underlying")[0].removeprefix("I:")
        symbol = one_underlying(table, "ticker", contracts, found.symbol or named or None)
        quoted = records.instants(table, "quoted", 1e9)
        price = table.numbers("price")
        under = np.where(np.isnan(price), table.numbers("value"), price)
        rows = quote_frame(
            contracts,
            strike=strikes(table, "strike", contracts),
            underlying_price=under,
            quoted_at=np.array(quoted, dtype=object),
            raw_line=table.raw_line,
            **{name: table.numbers(name) for name in _NUMBERS},
        )
        as_of = records.snapshot_time(payload.name, quoted, found.received_at)
        known = under[np.isfinite(under)]
        spot = float(np.median(known)) if known.size else float("nan")
        listed = found.of(LISTING) if found.symbol else []
        score = (
            completeness(tickers(chain), whole_listing(payload.name, listed), found.received_at)
            if listed
            else None
        )
        chains = group_chains(rows, [symbol] * len(rows), [as_of] * len(rows), lambda *_: spot)
        return [ParsedChain(c.symbol, c.as_of, c.spot, c.rows, c.n_raw, score) for c in chains]


def read_page(payload: RawPayload) -> tuple[list[Record], str | None]:
    """Return the records of one page and the address of the next, None on the last.

    Raises
    ------
    SourceError
        If it is no such page.
    """
    page = records.read_object(payload.content, payload.name)
    found = records.list_of_records(page, "results", payload.name)
    following = page.get("next_url")
    if not isinstance(following, str | None):
        raise SourceError(f"{payload.name}: next_url is no text; fetch it again")
    return found, following or None


def whole_chain(name: str, pages: Sequence[RawPayload]) -> list[Record]:
    """Return the contracts of all pages.

    Raises
    ------
    SourceError
        If there is none, a page or a quote is missing, or a contract comes twice.
    """
    chain = _joined(name, pages)
    for number, record in enumerate(chain, start=1):
        if "details" not in record:
            reason = str(record.get("error") or "no details")
            remedy = NO_QUOTES if reason == "NOT_ENTITLED" else "fetch it again"
            raise SourceError(f"{name}: record {number}: {cells.cut(reason)}; {remedy}")
    if not any(record.get("last_quote") for record in chain):
        raise SourceError(f"{name}: none of {len(chain):,} contracts has a last_quote: {NO_QUOTES}")
    _check_end(name, pages)
    _check_distinct(name, tickers(chain))
    return chain


def whole_listing(name: str, pages: Sequence[RawPayload]) -> list[str]:
    """Return the tickers on the vendor's list of contracts, checked like the chain's."""
    found = [str(record.get("ticker")) for record in _joined(f"{name} ({LISTING})", pages)]
    _check_end(name, pages)
    _check_distinct(name, found)
    return found


def tickers(chain: Sequence[Record]) -> list[str]:
    """Return the contract of each record, as the vendor writes it."""
    return [str(records.value(record, "details.ticker")) for record in chain]


def completeness(came: Sequence[str], listed: Sequence[str], at: datetime | None) -> float:
    """Return the share of the listed contracts that came; those that had settled by then need not come.

    Parameters
    ----------
    came, listed : sequence of str
        Contracts as the vendor writes them.
    at : datetime or None
        When the chain was received, if known.
    """
    wanted = {ticker for ticker in listed if at is None or not _has_settled(ticker, at)}
    return len(wanted & set(came)) / len(wanted) if wanted else 1.0


def _has_settled(ticker: str, at: datetime) -> bool:
    try:
        contract = _contract(ticker)
    except ValueError:
        return False
    return settlement_time(contract.expiry, listing(contract.root).settlement) <= at


def _joined(name: str, pages: Sequence[RawPayload]) -> list[Record]:
    joined = [record for page in pages for record in read_page(page)[0]]
    if not joined:
        raise SourceError(f"{name}: no contract in {len(pages)} pages; check the symbol")
    return joined


def _check_end(name: str, pages: Sequence[RawPayload]) -> None:
    if read_page(pages[-1])[1] is not None:
        raise TornChainError(f"{name}: ends before its last page (next_url is set); fetch all pages")


def _check_distinct(name: str, found: Sequence[str]) -> None:
    seen: set[str] = set()
    for number, ticker in enumerate(found, start=1):
        if ticker in seen:
            raise TornChainError(
                f"{name}: record {number}: {cells.cut(ticker)} came before, so pages overlap; fetch it again"
            )
        seen.add(ticker)


def _contract(text: str) -> Contract:
    if not text.startswith("O:"):
        raise ValueError(text)
    return occ(text.removeprefix("O:"))
