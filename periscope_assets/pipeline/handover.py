"""What was parsed to be landed need not be parsed again to be built, if the same process builds it.

What belongs here: holding parsed chains from landing to building. What does not: landing, building. Chains
are found by the bytes that they were read from, so that they can't be mistaken for others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock

from periscope_assets.sources.base import ParsedChain

_MOST_PAYLOADS, _MOST_ROWS = 4, 1_000_000
_Key = tuple[str, str, tuple[tuple[str, str], ...]]


class Handover:
    """Parsed chains of the payloads landed last: a few, and never many rows besides the newest."""

    def __init__(self) -> None:
        self._held: OrderedDict[_Key, list[ParsedChain]] = OrderedDict()
        self._lock = Lock()

    def give(
        self, sha256: str, layout: str, companions: Mapping[str, str], chains: list[ParsedChain]
    ) -> None:
        """Hold chains until they are taken or newer ones need the room."""
        with self._lock:
            self._held[_key(sha256, layout, companions)] = chains
            while len(self._held) > 1 and (len(self._held) > _MOST_PAYLOADS or self._rows() > _MOST_ROWS):
                self._held.popitem(last=False)

    def take(self, sha256: str, layout: str, companions: Mapping[str, str]) -> list[ParsedChain] | None:
        """Return the chains of a payload and hold them no longer; None if they are not held."""
        with self._lock:
            return self._held.pop(_key(sha256, layout, companions), None)

    def _rows(self) -> int:
        return sum(chain.n_raw for chains in self._held.values() for chain in chains)


def _key(sha256: str, layout: str, companions: Mapping[str, str]) -> _Key:
    return sha256, layout, tuple(sorted(companions.items()))


just_landed = Handover()
"""Of this process."""
