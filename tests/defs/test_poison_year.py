"""A year published day by day, then garbage after a day: what was served up to it stays, to the bit."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import date, timedelta

import pandas as pd
import pytest

from periscope_assets.pipeline import METHOD_VERSIONS, Pipeline, session_bounds
from periscope_assets.pipeline.backtest import as_served, reconstructed
from periscope_assets.settings import SourceSettings
from periscope_assets.sources.calendars import XNYS, sessions
from periscope_assets.sources.opening import open_source
from periscope_assets.store.lake import Lake
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.tables import DATASETS
from tests.defs.test_history import POISON, SYMBOL, SteppedClock, _poison, head

DAYS = int(os.environ.get("PERISCOPE_POISON_DAYS", "250"))
pytestmark = [pytest.mark.nightly, pytest.mark.timeout(7200)]


@pytest.mark.skipif("PERISCOPE_NIGHTLY" not in os.environ, reason="250 days; make test-nightly runs them")
def test_garbage_after_a_day_of_a_year_changes_nothing_up_to_it(new_home, tmp_path):
    days = sessions(XNYS, date(2025, 1, 2), date(2026, 6, 30))[:DAYS]
    cut = 4 * len(days) // 5
    settings = new_home(tmp_path, "poison_year")
    clock, lake = SteppedClock(), Lake((tmp_path / "lake").as_uri())
    with closing(PostgresStore(settings.database.url.get_secret_value(), clock=clock)) as store:
        pipeline = Pipeline(settings, store, lake, open_source(SourceSettings()))
        for session in days:
            clock.now = session_bounds(session)[1] - timedelta(hours=1)
            for name in METHOD_VERSIONS:
                made = pipeline.build(name, [SYMBOL], session, "run")
                assert {one.outcome for one in made} <= {"published", "unchanged"}, made
        known_at = head(store, "signal_scorecard", days[cut - 1]).known_at
        before = _reads(store, settings, days[:cut], known_at)
        clock.now += timedelta(days=1)
        _poison(store, days[cut:])
        after = _reads(store, settings, days[:cut], known_at)
    assert before.keys() == after.keys()
    assert len(before) > len(days[:cut]) * len(POISON)
    for key, frame in before.items():
        pd.testing.assert_frame_equal(frame, after[key], check_exact=True, obj=str(key))


def _reads(store, settings, days, known_at):
    """Return every row served of every dataset, and every figure of the backtests, by name and day."""
    found = {}
    for session in days:
        for dataset in METHOD_VERSIONS:
            symbol = "USD" if dataset == "rate_curve" else SYMBOL
            start, end = session_bounds(session)
            for entry in store.heads(dataset, symbol, start=start, end=end, known_at=known_at):
                for table in DATASETS[dataset]:
                    found[dataset, table, session, entry.version] = store.rows(entry, table)
    first, last = days[0], days[-1]
    found["as_served", "", first, ""] = as_served(store, SYMBOL, first, last, known_at)
    found["reconstructed", "", first, ""] = reconstructed(store, settings, SYMBOL, first, last, known_at)
    return found
