"""Partitions built in any order have the same versions; built again, nothing is written."""

from __future__ import annotations

import random
from contextlib import closing
from datetime import date

import pytest

from periscope_assets.pipeline import METHOD_VERSIONS, Pipeline
from periscope_assets.settings import SourceSettings
from periscope_assets.sources.calendars import XNYS, sessions
from periscope_assets.sources.opening import open_source
from periscope_assets.store.connect import open_store
from periscope_assets.store.lake import Lake

UPSTREAM = ("raw_chain", "option_quotes", "underlying_bars", "rate_curve", "forward_curve")
SYMBOLS = ("SIMX", "SIMN", "ACME", "BOLT", "SIMBTC")
DAYS = sessions(XNYS, date(2026, 3, 2), date(2026, 3, 13))


def build(settings, lake, partitions):
    """Build each partition and return the versions, by dataset, symbol and snapshot, and the outcomes."""
    with closing(open_store(settings)) as store:
        pipeline = Pipeline(settings, store, lake, open_source(SourceSettings()))
        outcomes = [
            made.outcome
            for symbol, session in partitions
            for name in METHOD_VERSIONS
            if name in UPSTREAM
            for made in pipeline.build(name, [symbol], session, "run")
        ]
        ledger = store.heads(statuses=None)
        assert len({(each.dataset, each.symbol, each.as_of) for each in ledger}) == len(ledger)
        return {(each.dataset, each.symbol, each.as_of): each.version for each in ledger}, outcomes


@pytest.mark.parametrize(
    ("n_days", "rounds"), [(1, 1), pytest.param(len(DAYS), 5, marks=[pytest.mark.nightly, pytest.mark.slow])]
)
def test_versions_do_not_hang_on_the_order(new_home, tmp_path, n_days, rounds):
    partitions = [(symbol, session) for symbol in SYMBOLS for session in DAYS[:n_days]]
    lake = Lake((tmp_path / "lake").as_uri())
    settings = new_home(tmp_path, "first")
    versions, outcomes = build(settings, lake, partitions)
    assert set(outcomes) <= {"published", "unchanged"}
    draws = random.Random(20260102)
    for number in range(rounds):
        draws.shuffle(partitions)
        shuffled, _ = build(new_home(tmp_path, f"shuffled{number}"), lake, partitions)
        assert shuffled == versions
        assert build(settings, lake, partitions) == (versions, ["unchanged"] * len(outcomes))
