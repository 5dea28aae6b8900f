"""Denied accesses and uses of keys, written down in the background so that nobody waits for it.

What belongs here: collecting, merging what repeats, handing over. What does not: what is denied
(``doorkeeper``), how it is stored (``periscope_assets.store.audit``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from threading import Event, Lock, Thread

from app.api.observed import logger
from app.commands import keys
from periscope_assets.store.audit import DENIED, Act
from periscope_assets.store.people import People
from periscope_assets.store.repository import StoreUnavailableError

EVERY_SECONDS = 0.5
MOST_KINDS = 500
_Kind = tuple[str, str, str, str]
_OTHERS: _Kind = ("many", "many", "many", "more kinds of denied access at once than are told apart")


class Trail:
    """Collects what was denied; repetitions within half a second become one entry with a count.

    What can't be written stays and is written once the store is back; nothing is left uncounted.

    Parameters
    ----------
    people : callable or None
        Gives the store of events; without one nothing is written down.
    """

    def __init__(self, people: Callable[[], People] | None) -> None:
        self._people = people
        self._lock = Lock()
        self._denied: Counter[_Kind] = Counter()
        self._used: set[str] = set()
        self._wake, self._is_closing = Event(), False
        self._thread: Thread | None = None

    def denied(self, actor: str, action: str, target: str, reason: str) -> None:
        """Remember that somebody was denied something."""
        if self._people is None:
            return
        kind = (actor, action, target, reason)
        with self._lock:
            known = kind in self._denied or len(self._denied) < MOST_KINDS
            self._denied[kind if known else _OTHERS] += 1
        self._start()

    def used(self, key_id: str) -> None:
        """Remember that a key was used."""
        with self._lock:
            self._used.add(key_id)
        self._start()

    def close(self, patience: float = 5.0) -> None:
        """Write what is left and end, within so many seconds."""
        self._is_closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=patience)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="audit trail", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._is_closing:
            self._wake.wait(EVERY_SECONDS)
            self._hand_over()

    def _hand_over(self) -> None:
        with self._lock:
            denied, self._denied = self._denied, Counter()
            used, self._used = self._used, set()
        if self._people is None or not (denied or used):
            return
        try:
            people = self._people()
            for key_id in sorted(used):
                keys.mark_used(people, key_id)
                used.discard(key_id)
            people.write_down([_act(kind, count) for kind, count in denied.items()])
        except StoreUnavailableError as error:
            logger().warning("denied accesses wait for the store", count=denied.total(), error=str(error))
            with self._lock:
                self._denied.update(denied)
                self._used |= used
        except Exception:
            logger().exception("denied accesses could not be written down", count=denied.total())


def _act(kind: _Kind, count: int) -> Act:
    actor, action, target, reason = kind
    return Act(actor, action, target, DENIED, {"reason": reason, "count": count})
