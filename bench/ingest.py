"""Whole ingest of one recorded file in this process, against pandas' `to_sql` of the same rows.

    python -m bench.ingest [--file PATH] [--rounds N] [--url postgresql://...]

The file is Cboe's SPX table among the recorded chains (``PERISCOPE_TEST_DATA``, or ``../shared/data``).
Ingest is all of it: bytes into the lake, manifest, parse, rules, schemas, publication of raw chain and
quotes. `to_sql` gets frames that are parsed and judged already, and appends them to the same tables, by the
driver that SQLAlchemy takes by itself (psycopg2) and by psycopg 3, whose executemany is faster. Best of
interleaved rounds.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from sqlalchemy import create_engine
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Engine, make_url

from bench.store import database, empty
from periscope_assets.pipeline import Pipeline, land
from periscope_assets.pipeline.boundary import judged
from periscope_assets.settings import Settings
from periscope_assets.sources import files
from periscope_assets.sources.base import RawPayload
from periscope_assets.store.lake import Lake
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.tables import SCHEMA
from periscope_assets.transforms import chains
from periscope_assets.transforms.frames import content_version

PROJECT = Path(__file__).resolve().parents[1]
SPX = Path("cboe-spx-spy-xsp-20230914") / "spx_quotedata.csv.gz"


def recorded() -> Path:
    return Path(os.environ.get("PERISCOPE_TEST_DATA", PROJECT.parent / "shared" / "data")) / SPX


def ingest(payload: RawPayload, url: str, folder: Path) -> int:
    """Take in a payload as `periscope ingest` does, without Dagster; return the rows accounted for."""
    lake = Lake(str(folder))
    store = PostgresStore(url, lake=lake)
    try:
        pipeline = Pipeline(Settings(home=folder), store, lake)
        made = [
            one
            for manifest in land(lake, payload)
            for dataset in ("raw_chain", "option_quotes")
            for one in pipeline.build(dataset, [manifest.symbol], manifest.session, "bench")
        ]
    finally:
        store.close()
    assert [one.outcome for one in made] == ["published"] * len(made), made
    return int(str(made[-1].quality["n_raw"]))


def to_sql(frames: dict[str, pd.DataFrame], engine: Engine) -> None:
    """The peer, as most people write it."""
    for name, frame in frames.items():
        dtype = {"record": JSONB} if "record" in frame else None
        frame.to_sql(name, engine, schema=SCHEMA, if_exists="append", index=False, dtype=dtype)


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Return seconds by the clock and seconds of this process's CPU; the server's are not among these."""
    start, busy = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - start, time.process_time() - busy


def parts(payload: RawPayload) -> dict[str, Callable[[], object]]:
    """The steps by themselves, to see where the time goes."""
    (chain,) = files.parse(payload)[1]
    result = judged(chain, "XNYS", None)
    return {
        "parse": lambda: files.parse(payload),
        "rules and schemas": lambda: judged(chain, "XNYS", None),
        "rules alone": lambda: chains.accept(chain.rows, chain.symbol, chain.as_of, chain.n_raw, chain.spot),
        "content version": lambda: content_version(result.frames),
    }


def race(path: Path, rounds: int, url: str | None) -> None:
    payload = files.load(path)
    (chain,) = files.parse(payload)[1]
    judgement = judged(chain, "XNYS", None).frames
    frames = {name: each.assign(publication_id=1, as_of=chain.as_of) for name, each in judgement.items()}
    steps = parts(payload)
    drivers = {"pandas to_sql": "postgresql", "with psycopg 3": "postgresql+psycopg"}
    best = dict.fromkeys(("whole ingest", *drivers, *steps), (float("inf"), float("inf")))
    with database(url) as address, tempfile.TemporaryDirectory() as folder:
        store = PostgresStore(address)
        store.migrate()
        store.close()
        engines = {
            name: create_engine(make_url(address).set(drivername=driver)) for name, driver in drivers.items()
        }
        for number in range(rounds):
            calls = {
                "whole ingest": lambda at=number: ingest(payload, address, Path(folder) / str(at)),
                **{name: lambda at=engine: to_sql(frames, at) for name, engine in engines.items()},
                **steps,
            }
            for name, call in calls.items():
                empty(address)
                best[name] = tuple(map(min, best[name], timed(call)))
        for engine in engines.values():
            engine.dispose()
    peer, peer_busy = best["pandas to_sql"]
    for name, (seconds, busy) in best.items():
        print(
            f"{name:<18} {chain.n_raw:>8,} rows {seconds:7.3f} s {busy:7.3f} s of CPU; "
            f"to_sql takes {peer / seconds:5.1f} and {peer_busy / busy:5.1f} times as long"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--file", type=Path, default=recorded())
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--url", default=None)
    given = parser.parse_args()
    race(given.file, given.rounds, given.url)


if __name__ == "__main__":
    main()
