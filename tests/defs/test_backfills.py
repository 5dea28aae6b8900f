"""Which dates a backfill takes: never built, or by another method; in batches of consecutive dates."""

from __future__ import annotations

from datetime import date, timedelta

import dagster as dg
import pytest

from periscope_assets.definitions import build_definitions
from periscope_assets.defs import backfills
from periscope_assets.defs.partitions import key_of
from periscope_assets.pipeline import METHOD_VERSIONS
from periscope_assets.settings import Settings

MONDAY = date(2026, 3, 16)
DAYS = [MONDAY + timedelta(days=n) for n in range(4)]


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def made(instance, name, day, version=None, universe="desk"):
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            name,
            partition=str(key_of(day, universe)),
            tags={"dagster/code_version": version or METHOD_VERSIONS[name]},
        )
    )


def test_only_what_is_missing_or_of_another_method_is_due(tmp_path, instance):
    definitions = build_definitions(
        Settings(home=tmp_path, universes={"desk": ["SIMX"], "coins": ["SIMBTC"]})
    )
    whole, of_old_method, partial, absent = DAYS
    for name in METHOD_VERSIONS:
        made(instance, name, whole)
        made(instance, name, of_old_method, "0" if name == "heston_fit" else None)
        made(instance, name, absent, universe="coins")
        if name != "trade_signals":
            made(instance, name, partial)
    assert backfills.due(definitions, instance, "desk", DAYS[0], DAYS[-1]) == [of_old_method, partial, absent]
    made(instance, "heston_fit", of_old_method)
    made(instance, "trade_signals", partial)
    assert backfills.due(definitions, instance, "desk", DAYS[0], DAYS[-1]) == [absent]


@pytest.mark.parametrize(
    ("offsets", "most", "expected"),
    [
        ([], 3, []),
        ([0], 3, [(0, 0)]),
        ([0, 1, 2, 3, 4], 3, [(0, 2), (3, 4)]),
        ([0, 1, 5, 6], 3, [(0, 1), (5, 6)]),
        ([0, 1, 2], 1, [(0, 0), (1, 1), (2, 2)]),
    ],
)
def test_batches_are_consecutive_dates_and_bounded(offsets, most, expected):
    days = [MONDAY + timedelta(days=n) for n in offsets]
    found = [((a - MONDAY).days, (b - MONDAY).days) for a, b in backfills.batches(days, most)]
    assert found == expected
