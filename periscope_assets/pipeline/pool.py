"""Symbols of a partition shared by processes: the same results, in the same order, sooner.

What belongs here: handing symbols to processes of this machine, and what it means when one of them dies. What
does not: building. Processes are started anew, so that they inherit no lock or connection; each opens its own
store. What asks a vendor stays in one process, whose pace is the vendor's.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from datetime import date
from typing import Protocol

from periscope_assets.pipeline.outcomes import FAILED, Outcome
from periscope_assets.settings import Settings

DIED = "its worker process died: killed, or out of memory"


class Builder(Protocol):
    """What a process builds with."""

    def build(self, dataset: str, symbols: Sequence[str], session: date, run_id: str) -> list[Outcome]:
        """Build one dataset for several symbols."""


Open = Callable[[Settings], Builder]
_builders: list[Builder] = []
"""The builder of this process, if it is one of a pool."""


def _begin(opener: Open, settings: Settings) -> None:
    _builders[:] = [opener(settings)]


def _build(dataset: str, symbol: str, session: date, run_id: str) -> list[Outcome]:
    return _builders[0].build(dataset, [symbol], session, run_id)


class SymbolPool:
    """Processes that build symbols.

    Parameters
    ----------
    settings : Settings
    size : int
        How many.
    opener : callable
        Opens what a process builds with; it is looked up by its name there.
    """

    def __init__(self, settings: Settings, size: int, opener: Open) -> None:
        self._settings = settings
        self._size = size
        self._opener = opener
        self._executor: ProcessPoolExecutor | None = None

    def build(self, dataset: str, symbols: Sequence[str], session: date, run_id: str) -> list[Outcome]:
        """Build one dataset for several symbols and return their outcomes in the order of the symbols.

        When a process dies, whatever was under way is built once more, each symbol by itself: the one that
        kills its process fails, for a reason that may pass, and its neighbours do not.
        """
        found = self._together(dataset, symbols, session, run_id)
        for symbol in [each for each in symbols if each not in found]:
            again = self._together(dataset, [symbol], session, run_id)
            lost = Outcome(dataset, symbol, session, FAILED, error=DIED, is_transient=True)
            found[symbol] = again.get(symbol, [lost])
        return [outcome for symbol in symbols for outcome in found[symbol]]

    def _together(
        self, dataset: str, symbols: Sequence[str], session: date, run_id: str
    ) -> dict[str, list[Outcome]]:
        """Return the outcomes of the symbols whose process lived."""
        futures: dict[str, Future[list[Outcome]]] = {}
        found: dict[str, list[Outcome]] = {}
        try:
            for symbol in symbols:
                futures[symbol] = self._started().submit(_build, dataset, symbol, session, run_id)
        except BrokenProcessPool:
            pass
        for symbol, future in futures.items():
            try:
                found[symbol] = future.result()
            except BrokenProcessPool:
                continue
        if len(found) < len(symbols):
            self.close()
        return found

    def _started(self) -> ProcessPoolExecutor:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                self._size,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(self._opener, self._settings),
            )
        return self._executor

    def close(self) -> None:
        """End the processes; new ones are started if it is used again."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None


@contextmanager
def symbol_pool(settings: Settings, size: int, opener: Open) -> Iterator[SymbolPool | None]:
    """Give a pool for the length of the context; None for one process."""
    if size < 2:
        yield None
        return
    pool = SymbolPool(settings, size, opener)
    try:
        yield pool
    finally:
        pool.close()
