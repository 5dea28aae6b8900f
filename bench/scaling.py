"""What a partition costs per 1,000 underlyings with one process and with pools: ``python -m bench.scaling``.

What belongs here: wall-clock of whole builds on an embedded database of their own. What does not: single
stages (``flow``), celery and ECS, whose cost is the machines'.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import closing
from datetime import date
from pathlib import Path

from periscope_assets.defs.resources import open_pipeline
from periscope_assets.pipeline import METHOD_VERSIONS, Pipeline
from periscope_assets.pipeline.pool import symbol_pool
from periscope_assets.settings import Settings
from periscope_assets.store.connect import open_lake, open_store
from periscope_assets.store.embedded import EmbeddedServer

DAY = date(2026, 3, 20)
SYMBOLS = ("ACME", "BOLT", "CRUX", "SIMX", "SIMN", "SIMBTC")


def build(size: int, n_symbols: int) -> float:
    """Return the seconds in which a date of some symbols was built up to surfaces, processes warm."""
    chosen = SYMBOLS[:n_symbols]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), workers=size)
        server = EmbeddedServer(settings.home)
        server.start()
        try:
            with (
                closing(open_store(settings)) as store,
                symbol_pool(settings, size, open_pipeline) as pool,
            ):
                alone = open_pipeline(settings)
                alone.build("raw_chain", chosen, DAY, "bench")
                shared = Pipeline(settings, store, open_lake(settings), pool=pool)
                shared.build("option_quotes", chosen, DAY, "warm")
                began = time.perf_counter()
                for dataset in METHOD_VERSIONS:
                    if dataset not in ("raw_chain", "underlying_bars"):
                        shared.build(dataset, chosen, DAY, "bench")
                taken = time.perf_counter() - began
                alone.store.close()
                return taken
        finally:
            server.stop()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=3, choices=range(2, len(SYMBOLS) + 1))
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    asked = parser.parse_args()
    print(f"{asked.symbols} simulated symbols, one snapshot, quotes to signals\n")
    print("| processes | seconds | minutes per 1,000 underlyings |\n|--:|--:|--:|")
    for size in asked.workers:
        seconds = build(size, asked.symbols)
        print(f"| {size} | {seconds:.1f} | {1000 * seconds / asked.symbols / 60:.1f} |", flush=True)


if __name__ == "__main__":
    main()
