"""Every asset key, group, check, job, schedule and sensor, so that a rename is a visible difference."""

from __future__ import annotations

import pytest
from dagster import AssetKey

from periscope_assets.definitions import build_definitions
from periscope_assets.settings import Settings
from periscope_assets.store.tables import DATASETS


@pytest.fixture(scope="module")
def definitions(tmp_path_factory):
    return build_definitions(Settings(home=tmp_path_factory.mktemp("home")))


def test_definitions_are_what_they_were(definitions, snapshot):
    graph = definitions.resolve_asset_graph()
    found = {
        "assets": {
            key.to_user_string(): {
                "group": graph.get(key).group_name,
                "deps": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
                "kinds": sorted(graph.get(key).kinds),
            }
            for key in sorted(graph.get_all_asset_keys(), key=AssetKey.to_user_string)
        },
        "checks": sorted(f"{key.asset_key.to_user_string()}:{key.name}" for key in graph.asset_check_keys),
        "jobs": sorted(
            job.name for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")
        ),
        "schedules": sorted(schedule.name for schedule in definitions.schedules or ()),
        "sensors": sorted(sensor.name for sensor in definitions.sensors or ()),
    }
    assert found == snapshot


def test_every_asset_is_a_dataset_of_the_schema(definitions):
    keys = {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    assert keys == set(DATASETS)


def test_loading_definitions_touches_nothing(definitions, tmp_path):
    home = tmp_path / "untouched"
    build_definitions(Settings(home=home))
    assert not home.exists()
