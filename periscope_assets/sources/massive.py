"""Massive (formerly Polygon): pages of the option-chain snapshot, reconciled against the list of contracts.

What belongs here: what is asked for, and when the answers make a whole chain. What does not: their format
(``layouts.massive_snapshot``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from periscope_assets.sources.base import RawPayload, SourceError
from periscope_assets.sources.layouts import massive_snapshot as layout
from periscope_assets.sources.layouts.massive_snapshot import LISTING, SNAPSHOT, TornChainError
from periscope_assets.sources.live import INDICES, LiveSource, checked, next_page
from periscope_assets.sources.pacing import Clock
from periscope_assets.sources.transport import Transport

ORIGIN = "https://api.massive.com"
REMEDIES: Mapping[int, str] = MappingProxyType(
    {
        401: "the key is not accepted; check PERISCOPE_SOURCE__KEY",
        403: f"not entitled: {layout.NO_QUOTES}",
        404: "no such underlying; check the symbol",
    }
)

_CHAINS, _CONTRACTS = "/v3/snapshot/options/", "/v3/reference/options/contracts"
_MOST_PAGES = 1000
_ROUNDS = 2


class Massive(LiveSource):
    """The keyed source.

    Parameters
    ----------
    transport : Transport
    clock : Clock
    completeness : float
        Least share of the listed contracts that a chain must hold.
    """

    name = layout.NAME

    def __init__(self, transport: Transport, clock: Clock, completeness: float) -> None:
        super().__init__(transport, clock)
        self._least = completeness

    def _ask(self, symbol: str, kept: list[RawPayload]) -> Sequence[RawPayload]:
        for _ in range(_ROUNDS - 1):
            try:
                return self._whole(symbol, kept)
            except TornChainError:
                continue
        return self._whole(symbol, kept)

    def _whole(self, symbol: str, kept: list[RawPayload]) -> list[RawPayload]:
        underlying = f"I:{symbol}" if symbol in INDICES else symbol
        pages = self._pages(_CHAINS + underlying, {"limit": "250"}, SNAPSHOT, kept)
        chain = layout.whole_chain(f"{self.name} {symbol}", pages)
        asked = {"underlying_ticker": symbol, "expired": "false", "limit": "1000"}
        listing = self._pages(_CONTRACTS, asked, LISTING, kept)
        listed = layout.whole_listing(f"{self.name} {symbol}", listing)
        came = layout.tickers(chain)
        score = layout.completeness(came, listed, listing[-1].received_at)
        if score < self._least:
            raise TornChainError(
                f"{self.name}: {symbol}: {len(set(came) & set(listed)):,} of {len(listed):,} listed contracts"
                f" came ({score:.4f}, at least {self._least} wanted); retry later"
            )
        return [*pages, *listing]

    def _pages(
        self, path: str, params: dict[str, str], kind: str, kept: list[RawPayload]
    ) -> list[RawPayload]:
        pages: list[RawPayload] = []
        seen: set[frozenset[tuple[str, str]]] = set()
        check = checked(layout.read_page)
        while frozenset(params.items()) not in seen:
            if len(pages) == _MOST_PAGES:
                raise SourceError(
                    f"{self.name}: {path}: more than {_MOST_PAGES} pages; ask for one underlying"
                )
            seen.add(frozenset(params.items()))
            name = f"{kind}-{len(pages) + 1:04d}.json"
            pages.append(self._transport.get(path, params, name, check, kept))
            following = layout.read_page(pages[-1])[1]
            if following is None:
                return pages
            params = next_page(self.name, following, self._transport.origin, path)
        raise TornChainError(
            f"{self.name}: {path}: page {len(pages)} leads back to an earlier one; retry later"
        )
