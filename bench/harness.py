"""Timing that is fair on a busy machine: contenders take turns, and each one's best turn counts.

What belongs here: the race and the table. What does not: what is raced (``peers``, ``served_surface``).
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Contender:
    """Someone who does the task: the call, how many items it does, and the error of what it returns."""

    name: str
    call: Callable[[], object]
    items: int
    error: str


@dataclass(frozen=True)
class Result:
    """Best time of a contender, in ns per item, and as a multiple of the first one's."""

    name: str
    nanoseconds: float
    ratio: float
    error: str


def race(contenders: list[Contender], rounds: int = 15) -> list[Result]:
    """Run the contenders in turn, `rounds` times after one to warm up; the first is ours.

    A turn is two calls, of which the second is timed: none pays for the caches that the one before it filled.
    """
    best = [float("inf")] * len(contenders)
    for each in contenders:
        each.call()
    for _ in range(rounds):
        for i, each in enumerate(contenders):
            each.call()
            start = time.perf_counter()
            each.call()
            best[i] = min(best[i], (time.perf_counter() - start) / each.items)
    return [Result(c.name, 1e9 * t, t / best[0], c.error) for c, t in zip(contenders, best, strict=True)]


def markdown(title: str, results: list[Result], unit: str = "ns per item", scale: float = 1.0) -> str:
    """Return a table of results, in a unit of `scale` of a nanosecond."""
    lines = [f"### {title}", "", f"| | {unit} | ratio | error |", "|---|--:|--:|---|"]
    lines += [
        f"| {r.name} | {scale * r.nanoseconds:,.1f} | {_rounded(r.ratio)} | {r.error} |" for r in results
    ]
    return "\n".join(lines) + "\n"


def _rounded(ratio: float) -> str:
    """Return a ratio to three digits."""
    return f"{ratio:.2f}" if ratio < 10.0 else f"{ratio:.1f}" if ratio < 100.0 else f"{ratio:.0f}"
