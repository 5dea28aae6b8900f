"""Publishing against a bare COPY of the same rows, and reads of the latest surface as the tables grow.

What belongs here: figures of the store, each against its peer on the same server in one interleaved run. What
does not: the analytics (``peers``). Run: ``python -m bench.store publish|memory|reads``, with
``--url postgresql://...`` for a server of your own (its database `bench` is made and dropped).
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
from sqlalchemy import Boolean, Date, DateTime, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import make_url

from app.queries.core import SURFACE_TABLES
from periscope_assets.store import copying, tables
from periscope_assets.store.embedded import EmbeddedServer, ensure_database
from periscope_assets.store.frames import check
from periscope_assets.store.lake import Lake
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.repository import PUBLISHED, Draft

AS_OF = datetime(2024, 1, 2, 20, 0, tzinfo=UTC)
QUOTES = tables.table("options_snapshots")


def chain(n: int, seed: int = 0) -> pd.DataFrame:
    """A chain as vendors send it: contracts of several lengths, a tenth of the sizes and vols missing."""
    rng = np.random.default_rng(seed)
    rows = np.arange(n)
    days = rows // 400

    def some(values: np.ndarray) -> np.ndarray:
        return np.where(rng.random(n) < 0.1, np.nan, values)

    mid = np.round(rng.uniform(1.0, 500.0, n), 2)
    return pd.DataFrame(
        {
            "contract": pd.array(
                [
                    f"SPX{'W' * (row % 2)}{240105 + day}{'CP'[row % 2]}{row:08d}"
                    for row, day in zip(rows, days, strict=True)
                ],
                dtype="str",
            ),
            "expiry_at": pd.Timestamp("2024-01-05T21:00Z") + pd.to_timedelta(days, unit="D"),
            "strike": 100.0 + 5.0 * rows,
            "is_call": rows % 2 == 0,
            "expiry": [date(2024, 1, 5) + timedelta(days=int(day)) for day in days],
            "root": np.where(rows % 2 == 0, "SPX", "SPXW"),
            "settlement": np.where(rows % 2 == 0, "am", "pm"),
            "style": "european",
            "quote_unit": "usd",
            "bid": some(mid - 0.1),
            "ask": some(mid + 0.1),
            "bid_size": some(rng.integers(1, 500, n).astype(float)),
            "ask_size": some(rng.integers(1, 500, n).astype(float)),
            "last": some(mid),
            "volume": rng.integers(0, 9000, n).astype(float),
            "open_interest": rng.integers(0, 9000, n).astype(float),
            "vendor_iv": some(rng.uniform(0.05, 0.9, n)),
            "vendor_delta": some(rng.uniform(-1.0, 1.0, n)),
            "vendor_mark": np.nan,
            "underlying_price": 4742.83,
            "multiplier": 100.0,
            "quoted_at": pd.Timestamp("2024-01-02T19:59Z")
            + pd.to_timedelta(rng.integers(0, 60_000, n), unit="ms"),
            "flags": pd.array(np.where(rng.random(n) < 0.02, "wide_spread", None), dtype="str"),
            "raw_line": rows + 1,
        }
    )


REFUSED = pd.DataFrame(
    {
        **{name: pd.Series(dtype="str") for name in ("side", "contract", "reason", "detail")},
        **{name: pd.Series(dtype="int64") for name in ("raw_line", "rule_version")},
        "record": pd.Series(dtype=object),
    }
)


def draft(frame: pd.DataFrame, symbol: str, as_of: datetime = AS_OF) -> Draft:
    frames = {"options_snapshots": frame, "quarantined_quotes": REFUSED}
    return Draft(
        "option_quotes", symbol, as_of, f"v{len(frame)}", "1", {}, PUBLISHED, "bench", "bench", frames, {}
    )


@contextmanager
def database(url: str | None) -> Iterator[str]:
    """Yield the URL of an empty database: on the server of a URL, or on an embedded server of its own."""
    with tempfile.TemporaryDirectory(prefix="periscope-bench-") as folder:
        server = None if url else EmbeddedServer(Path(folder))
        if server is not None:
            server.start()
        address = url if server is None else server.url("postgres")
        try:
            ensure_database(address, "bench")
            yield make_url(address).set(database="bench").render_as_string(hide_password=False)
        finally:
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute("DROP DATABASE IF EXISTS bench WITH (FORCE)")
            if server is not None:
                server.stop()


def empty(url: str) -> None:
    names = ", ".join(
        f"{tables.SCHEMA}.{each.name}" for each in (*tables.data_tables(), tables.table("publications"))
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {names}")
        connection.execute("CHECKPOINT")


def bare_copy(url: str, blocks: list[bytes]) -> None:
    """The peer: bytes encoded beforehand, into the same table with the same key."""
    names = ", ".join(column.name for column in QUOTES.columns)
    statement = f"COPY periscope.options_snapshots ({names}) FROM STDIN (FORMAT BINARY)"
    with psycopg.connect(url) as connection, connection.cursor().copy(statement) as copy:
        for block in blocks:
            copy.write(block)


def encoded(drafts: list[Draft]) -> list[bytes]:
    blocks = [copying.HEADER]
    for number, each in enumerate(drafts, 1):
        frame = each.frames["options_snapshots"]
        blocks += copying.encode(QUOTES, check(QUOTES, frame), len(frame), number, each.as_of)
    return [*blocks, copying.TRAILER]


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def publish(url: str | None, n: int, chains: int, rounds: int) -> None:
    """Race publishing, without and with a lake, against the bare COPY; best of interleaved rounds."""
    drafts = [draft(chain(n // chains, seed), f"S{seed}") for seed in range(chains)]
    with database(url) as address, tempfile.TemporaryDirectory() as folder:
        plain = PostgresStore(address)
        plain.migrate()
        blocks = encoded(drafts)
        best = {"bare COPY": np.inf, "publish": np.inf, "publish with lake": np.inf}
        for number in range(rounds):
            laked = PostgresStore(address, lake=Lake(f"{folder}/{number}"))
            calls = {
                "bare COPY": lambda: bare_copy(address, blocks),
                "publish": lambda: plain.publish(drafts, plain.fence()),
                "publish with lake": lambda store=laked: store.publish(drafts, store.fence()),
            }
            for name, call in calls.items():
                empty(address)
                best[name] = min(best[name], timed(call))
            laked.close()
        plain.close()
    for name, seconds in best.items():
        rate, share = n / seconds, 100 * best["bare COPY"] / seconds
        print(f"{name:<18} {n:>10,} rows {seconds:7.3f} s {rate:>10,.0f} rows/s {share:5.1f} % of bare COPY")


def memory(url: str | None, n: int) -> None:
    """Publish one snapshot of n rows with a lake, and say what this process needed at its peak."""
    with database(url) as address, tempfile.TemporaryDirectory() as folder:
        store = PostgresStore(address, lake=Lake(folder))
        store.migrate()
        one = draft(chain(n), "SPX")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seconds = timed(lambda: store.publish([one], store.fence()))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        store.close()
    figures = f"{seconds:.2f} s, peak {peak / 1024:,.0f} MB ({before / 1024:,.0f} MB before)"
    print(f"{n:,} rows in one snapshot: {figures}")


def surface(symbol: str, as_of: datetime, n_slices: int = 20) -> Draft:
    """A surface of invented numbers: one row for each expiry in every table, one where the table has one."""
    frames = {}
    for name in tables.DATASETS["vol_surface"]:
        table = tables.table(name)
        n = n_slices if tables.natural_key(table) else 1
        cells = {column.name: _invented(column.type, n) for column in tables.content_columns(table)}
        frames[name] = pd.DataFrame(cells, index=range(n))
    return Draft("vol_surface", symbol, as_of, "v", "1", {}, PUBLISHED, "bench", "bench", frames, {})


def _invented(kind: object, n: int) -> object:
    rows = np.arange(n)
    if isinstance(kind, DateTime):
        return pd.Timestamp("2024-02-01T21:00Z") + pd.to_timedelta(rows, unit="D")
    if isinstance(kind, Date):
        return [date(2024, 2, 1) + timedelta(days=int(row)) for row in rows]
    if isinstance(kind, Text):
        return [f"x{row}" for row in rows]
    if isinstance(kind, Boolean):
        return rows % 2 == 0
    if isinstance(kind, JSONB):
        return [{"k": [0.1] * 20} for _ in rows]
    return rows if isinstance(kind, Integer) else rows / 3.0


def grow(store: PostgresStore, n: int, symbols: int = 50, rows: int = 20_000) -> None:
    """Publish sessions of chains and surfaces until n quotes are stored."""
    frame = chain(rows)
    for session in range(n // (symbols * rows)):
        as_of = AS_OF + timedelta(days=session)
        for first in range(0, symbols, 10):
            names = [f"S{number}" for number in range(first, first + 10)]
            store.publish([draft(frame, name, as_of) for name in names], store.fence())
        store.publish([surface(f"S{number}", as_of) for number in range(symbols)], store.fence())


def latest_surface(store: PostgresStore, symbol: str) -> None:
    """Read what a reader of a surface is given: slices, certificate and SVI."""
    entry = store.head("vol_surface", symbol)
    assert entry is not None
    for name in SURFACE_TABLES:
        assert len(store.rows(entry, name))


def reads(url: str | None, sizes: tuple[int, ...] = (1_000_000, 10_000_000), rounds: int = 200) -> None:
    """Race the latest surface by symbol, and a chain, over databases of different sizes on one server."""
    with ExitStack() as stack:
        address = stack.enter_context(database(url))
        stores = {}
        for size in sizes:
            name = f"bench_{size}"
            ensure_database(address, name)
            stack.callback(_drop, address, name)
            of_size = make_url(address).set(database=name).render_as_string(hide_password=False)
            stores[size] = PostgresStore(of_size)
            stack.callback(stores[size].close)
            stores[size].migrate()
            seconds = timed(lambda store=stores[size], size=size: grow(store, size))
            print(f"{size:>12,} quotes published in {seconds:.0f} s", flush=True)
            with psycopg.connect(of_size, autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")
        best: dict[tuple[str, int], float] = {}
        for number in range(rounds):
            for size, store in stores.items():
                symbol = f"S{number % 50}"
                calls = {
                    "latest surface": lambda store=store, symbol=symbol: latest_surface(store, symbol),
                    "its ledger entry": lambda store=store, symbol=symbol: store.head("vol_surface", symbol),
                }
                for name, call in calls.items():
                    best[name, size] = min(best.get((name, size), np.inf), timed(call))
    for (name, size), seconds in best.items():
        ratio = seconds / best[name, sizes[0]]
        print(f"{name:<18} at {size:>12,} quotes: {1e3 * seconds:6.2f} ms  {ratio:5.2f} x of the first")


def _drop(url: str, name: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["publish", "memory", "reads"])
    parser.add_argument("--url")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--chains", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    if asked.what == "publish":
        publish(asked.url, asked.rows, asked.chains, asked.rounds)
    elif asked.what == "reads":
        reads(asked.url)
    else:
        memory(asked.url, asked.rows)


if __name__ == "__main__":
    main()
