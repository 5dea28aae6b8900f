"""Cboe's delayed quotes: one answer for each underlying, without a key.

What belongs here: what is asked for. What does not: its format (``layouts.cboe_delayed``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from periscope_assets.sources.base import RawPayload
from periscope_assets.sources.layouts import cboe_delayed as layout
from periscope_assets.sources.live import INDICES, LiveSource, checked

ORIGIN = "https://cdn.cboe.com"
REMEDIES: Mapping[int, str] = MappingProxyType(
    dict.fromkeys((403, 404), "Cboe has no delayed quotes under this symbol; check it")
)

_PATH = "/api/global/delayed_quotes/options/"


class Cboe(LiveSource):
    """The keyless source of US options; quotes are 15 minutes old."""

    name = layout.NAME

    def _ask(self, symbol: str, kept: list[RawPayload]) -> Sequence[RawPayload]:
        written = f"_{symbol}" if symbol in INDICES else symbol
        check = checked(layout.read_answer)
        return [self._transport.get(f"{_PATH}{written}.json", {}, f"{layout.KIND}-0001.json", check, kept)]
