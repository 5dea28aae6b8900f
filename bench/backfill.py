"""What a backfill costs beside Dagster's own floor and the pure compute time.

    python -m bench.backfill [--dates 250] [--universes 4] [--batch 50]

Three ways over the same partitions of a simulated market, each into a database of its own: the graph as it
is; the same graph whose pipeline does nothing (the floor: events, checks and metadata that Dagster writes);
the pipeline alone, without Dagster. The ratio is the first over the sum of the others. They take turns, batch
by batch and each first in its turn, so that what else the machine does falls on all three.
Stderr tells of each. Dates are sessions of XNYS; the days between those of a batch are partitions too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from app.services.dagster_home import open_instance
from app.services.database import database
from periscope_assets.definitions import materialize
from periscope_assets.defs.backfills import days_of
from periscope_assets.pipeline import METHOD_VERSIONS, UNCHANGED, Outcome, Pipeline
from periscope_assets.settings import Settings
from periscope_assets.sources.calendars import XNYS, sessions
from periscope_assets.sources.opening import open_source
from periscope_assets.store.connect import open_lake, open_store

Way = Callable[[str, list[date]], None]
"""Goes over consecutive dates of one universe."""
SYMBOLS = ("SIMX", "SIMN", "ACME", "BOLT", "CRUX", "SIMBTC")


class _Nothing:
    """A pipeline that says that everything is as it was."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = SimpleNamespace(heads=lambda *_, **__: [], head=lambda *_, **__: None)

    def build(self, dataset: str, symbols, session: date, *_: object, **__: object):
        return [Outcome(dataset, symbol, session, UNCHANGED) for symbol in symbols]


@contextmanager
def _home(universes: int) -> Iterator[Settings]:
    with tempfile.TemporaryDirectory(prefix="periscope-bench-") as folder:
        names = {f"u{n}": [SYMBOLS[n % len(SYMBOLS)]] for n in range(universes)}
        settings = Settings(home=Path(folder) / "home", universes=names)
        with database(settings):
            yield settings


@contextmanager
def _through_dagster(universes: int, *, empty: bool = False) -> Iterator[Way]:
    with _home(universes) as settings, open_instance(settings) as instance:
        overrides = {"pipeline": _Nothing(settings)} if empty else {}
        turns = 0

        def go(universe: str, days: list[date]) -> None:
            nonlocal turns
            made = materialize(settings, instance, universe, days[0], days[-1], **overrides)
            assert made.success, made.failures[:1]
            turns += 1

        yield go
        assert instance.get_runs_count() == turns, "runs went into the records of another home"


@contextmanager
def _alone(universes: int) -> Iterator[Way]:
    with _home(universes) as settings, closing(open_store(settings)) as store:
        pipeline = Pipeline(settings, store, open_lake(settings), open_source(settings.source))

        def go(universe: str, days: list[date]) -> None:
            for day in days:
                for dataset in METHOD_VERSIONS:
                    pipeline.build(dataset, settings.members(universe), day, "bench")

        yield go


_floor = partial(_through_dagster, empty=True)


def _warm_up(day: date) -> None:
    """Compile and import what is used, so that no way pays for it."""
    for way in (_through_dagster, _floor, _alone):
        with way(1) as go:
            go("u0", [day])


def race(dates: int, universes: int, batch: int) -> None:
    days = sessions(XNYS, date(2025, 1, 2), date(2026, 6, 30))[:dates]
    some = [days[start : start + batch] for start in range(0, dates, batch)]
    batches = [days_of(each[0], each[-1]) for each in some]
    turns = [(f"u{n}", each) for n in range(universes) for each in batches]
    _warm_up(days[0])
    spent = dict.fromkeys(("wall", "floor", "compute"), 0.0)
    with _through_dagster(universes) as graph, _floor(universes) as floor, _alone(universes) as compute:
        ways = [("wall", graph), ("floor", floor), ("compute", compute)]
        for n, (universe, each) in enumerate(turns):
            for name, go in ways[n % 3 :] + ways[: n % 3]:
                start = time.perf_counter()
                go(universe, each)
                spent[name] += time.perf_counter() - start
            so_far = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in spent.items())
            print(f"{n + 1} of {len(turns)}, {universe} to {each[-1]}: {so_far}", file=sys.stderr, flush=True)
    partitions = universes * sum(map(len, batches))
    print(f"{partitions:,} partitions x {len(METHOD_VERSIONS)} assets, runs of {batch} dates")
    for name, seconds in spent.items():
        each_takes = 1e3 * seconds / (partitions * len(METHOD_VERSIONS))
        print(f"{name:<8} {seconds:8.1f} s  {each_takes:7.1f} ms an asset and partition")
    print(f"wall over floor + compute: {spent['wall'] / (spent['floor'] + spent['compute']):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dates", type=int, default=250)
    parser.add_argument("--universes", type=int, default=4)
    parser.add_argument("--batch", type=int, default=50)
    given = parser.parse_args()
    race(given.dates, given.universes, given.batch)


if __name__ == "__main__":
    main()
