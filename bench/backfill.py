"""What a backfill costs beside Dagster's own floor and the pure compute time.

    python -m bench.backfill [--dates 250] [--universes 4] [--batch 50]

Three runs over the same partitions of a simulated market, each into a database of its own: the graph as it
is; the same graph whose pipeline does nothing (the floor: events, checks and metadata that Dagster writes);
the pipeline alone, without Dagster. The ratio is the first over the sum of the others.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from types import SimpleNamespace

from app.services.dagster_home import open_instance
from app.services.database import database
from periscope_assets.definitions import materialize
from periscope_assets.pipeline import METHOD_VERSIONS, UNCHANGED, Outcome, Pipeline
from periscope_assets.settings import Settings
from periscope_assets.sources.calendars import XNYS, sessions
from periscope_assets.sources.opening import open_source
from periscope_assets.store.connect import open_lake, open_store

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


def _timed(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _through_dagster(settings: Settings, days: list[date], batch: int, **overrides: object) -> None:
    with open_instance(settings) as instance:
        for universe in settings.universes:
            for start in range(0, len(days), batch):
                some = days[start : start + batch]
                made = materialize(settings, instance, universe, some[0], some[-1], **overrides)
                assert made.success, made.failures[:1]


def _alone(settings: Settings, days: list[date]) -> None:
    with closing(open_store(settings)) as store:
        pipeline = Pipeline(settings, store, open_lake(settings), open_source(settings.source))
        for universe in settings.universes:
            for day in days:
                for dataset in METHOD_VERSIONS:
                    pipeline.build(dataset, settings.members(universe), day, "bench")


def race(dates: int, universes: int, batch: int) -> None:
    days = sessions(XNYS, date(2025, 1, 2), date(2026, 6, 30))[:dates]
    with _home(universes) as settings:
        _alone(settings, days[:1])
        wall = _timed(lambda: _through_dagster(settings, days, batch))
        again = _timed(lambda: _through_dagster(settings, days, batch))
    with _home(universes) as settings:
        nothing = _Nothing(settings)
        floor = _timed(lambda: _through_dagster(settings, days, batch, pipeline=nothing))
    with _home(universes) as settings:
        compute = _timed(lambda: _alone(settings, days))
    partitions = dates * universes
    each = partitions * len(METHOD_VERSIONS)
    print(f"{partitions:,} partitions x {len(METHOD_VERSIONS)} assets, runs of {batch} dates")
    for name, seconds in (("wall", wall), ("again", again), ("floor", floor), ("compute", compute)):
        print(f"{name:<8} {seconds:8.1f} s  {1e3 * seconds / each:7.1f} ms an asset and partition")
    print(f"wall over floor + compute: {wall / (floor + compute):.2f}")


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
