"""Every option of every recorded file ends in the accepted or in the quarantined table."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pandas as pd
import psycopg
import pytest

from periscope_assets.pipeline import FAILED, Pipeline, land
from periscope_assets.settings import Settings
from periscope_assets.sources import files
from periscope_assets.store.connect import open_lake, open_store
from periscope_assets.store.embedded import EmbeddedServer
from tests.end_to_end.command_line import ROWS

pytestmark = [pytest.mark.data, pytest.mark.slow]


def _lines(path: Path) -> int:
    text = gzip.decompress(path.read_bytes()).decode()
    return sum(1 for line in text.splitlines() if line.strip(", "))


def _two_sided(path: Path) -> int:
    return 2 * (_lines(path) - 3)


def _one_sided(path: Path) -> int:
    return _lines(path) - 1


def _parquet(path: Path) -> int:
    return len(pd.read_parquet(path))


FILES: dict[str, Callable[[Path], int]] = {
    "cboe-spx-spy-xsp-20230914/*.csv.gz": _two_sided,
    "us-ladder-202604/*.csv.gz": _one_sided,
    "yahoo-spy-iwm-202608/*.csv.gz": _one_sided,
    "deribit-btc-2026q1/*.csv.gz": _one_sided,
    "deribit-btc-2026q1/*.parquet": _parquet,
}


@pytest.mark.parametrize("pattern", list(FILES))
def test_accepted_and_quarantined_rows_add_up_to_the_file(recorded, tmp_path, pattern):
    settings = Settings(home=tmp_path / "home")
    lake = open_lake(settings)
    server = EmbeddedServer(settings.home)
    try:
        with (
            closing(open_store(settings)) as store,
            psycopg.connect(server.url(), autocommit=True) as connection,
        ):
            tables = ("options_snapshots", "quarantined_quotes")
            before = 0
            for path in sorted(recorded.glob(pattern)):
                pipeline = Pipeline(settings, store, lake)
                for manifest in land(lake, files.load(path)):
                    for dataset in ("raw_chain", "option_quotes"):
                        made = pipeline.build(dataset, [manifest.symbol], manifest.session, "test")
                        assert [one.error for one in made if one.outcome == FAILED] == []
                after = sum(connection.execute(ROWS + name).fetchone()[0] for name in tables)
                assert after - before == FILES[pattern](path), path.name
                before = after
            assert before > 0
            unexplained = connection.execute(
                "SELECT count(*) FROM periscope.quarantined_quotes WHERE reason = '' OR detail = ''"
            ).fetchone()
            assert unexplained == (0,)
    finally:
        server.stop()
