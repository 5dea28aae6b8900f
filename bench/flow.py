"""Chains to signals in process, without the store: one underlying by stage, and many over processes.

What belongs here: the times of all stages from accepted quotes on, and the memory they take. What does not:
single tasks (``peers``), ingestion (``ingest``). Needs pandas, so it runs in the project's own environment:
``.venv/bin/python -m bench.flow [underlyings]``.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from multiprocessing import get_context
from types import MappingProxyType

import numpy as np

from periscope_assets.settings import SignalSettings
from periscope_assets.sources import files
from periscope_assets.sources.simulated import RATE, SimulatedSource
from periscope_assets.store import tables
from periscope_assets.store.frames import conform
from periscope_assets.transforms import chains
from periscope_assets.transforms.flow import STAGES
from periscope_assets.transforms.stage import Snapshot

SYMBOL, SESSION, SEED = "SIMX", date(2026, 3, 20), 20260102
OFF_THE_PATH = ("model_bands", "signal_scorecard")
WHOLE_MARKET = 5_000


def chain(n_quotes: int, seed: int = SEED):
    """Return the parsed chain of about `n_quotes` contracts: whole expiries, evenly taken."""
    parsed = files.parse(SimulatedSource(seed).fetch(SYMBOL, SESSION)[0])[1][0]
    expiries = parsed.rows["expiry"]
    sizes = expiries.value_counts().sort_index()
    every = np.linspace(0, len(sizes) - 1, max(2, round(len(sizes) * n_quotes / len(expiries))))
    kept = sizes.index[np.unique(every.round().astype(int))]
    return replace(parsed, rows=parsed.rows[expiries.isin(kept)].reset_index(drop=True))


def flow(parsed) -> dict[str, float]:
    """Take a chain from its rows to signals, and return the seconds of each stage."""
    start = time.perf_counter()
    quotes = chains.accept(parsed.rows, parsed.symbol, parsed.as_of, len(parsed.rows), parsed.spot)
    took = {chains.NAME: time.perf_counter() - start}
    settings = {
        "zero_rates": {1.0: RATE},
        "dividends": [],
        "signals": SignalSettings().model_dump(),
        "event_time": {},
    }
    frames = {chains.NAME: _conformed(quotes.frames)}
    for name, stage in STAGES.items():
        if name in OFF_THE_PATH:
            continue
        inputs = {each.key: frames[each.dataset] for each in stage.inputs if not each.optional}
        chosen = {key: settings[key] for key in stage.settings}
        snapshot = Snapshot(parsed.symbol, parsed.as_of, MappingProxyType(inputs), chosen)
        start = time.perf_counter()
        result = stage.compute(snapshot)
        took[name] = time.perf_counter() - start
        frames[name] = _conformed(result.frames)
    return took


def one(n_quotes: int = 800, rounds: int = 15) -> None:
    """Print the best time of each stage for one underlying."""
    parsed = chain(n_quotes)
    runs = [flow(parsed) for _ in range(rounds + 1)][1:]
    best = {name: min(run[name] for run in runs) for name in runs[0]}
    print(f"One underlying, {len(parsed.rows)} quotes, {parsed.rows['expiry'].nunique()} expiries:")
    for name, seconds in best.items():
        print(f"  {name:18s} {1e3 * seconds:7.2f} ms")
    print(f"  {'all':18s} {1e3 * sum(best.values()):7.2f} ms")


def many(n: int = 200, n_quotes: int = 300, processes: int = 2) -> None:
    """Print the time of `n` underlyings over processes, by the underlying and for the whole market."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(_share, [(1, n_quotes)] * processes))
        start = time.perf_counter()
        half = sum(found[0] for found in pool.map(_share, [(n // 2 // processes, n_quotes)] * processes))
        first = time.perf_counter() - start
        start = time.perf_counter()
        found = list(pool.map(_share, [(n // processes, n_quotes)] * processes))
        seconds, done = time.perf_counter() - start, sum(count for count, _ in found)
    print(f"{done} underlyings x {n_quotes} quotes, {processes} processes: {seconds:.1f} s,")
    print(f"  {1e3 * seconds / done:.1f} ms each ({1e3 * first / half:.1f} for half as many);")
    print(f"  {WHOLE_MARKET:,} at that pace: {WHOLE_MARKET * seconds / done:.0f} s;")
    print(f"  peak memory {sum(megabytes for _, megabytes in found):.0f} MB in all")


def _share(task: tuple[int, int]) -> tuple[int, float]:
    n, n_quotes = task
    parsed = [chain(n_quotes, SEED + i) for i in range(min(n, 4))]
    for i in range(n):
        flow(parsed[i % len(parsed)])
    return n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def _conformed(frames):
    return {name: conform(tables.table(name), frame) for name, frame in frames.items()}


if __name__ == "__main__":
    one()
    many(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
