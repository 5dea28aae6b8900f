"""The automation condition: an updated snapshot carries through, a new method leaves history alone."""

from __future__ import annotations

import dagster as dg
import pytest

from periscope_assets.definitions import build_definitions
from periscope_assets.defs.automation import carry_through
from periscope_assets.settings import Settings

KEYS = ["2026-03-19", "2026-03-20"]
DAYS = dg.StaticPartitionsDefinition(KEYS)


def graph(version="1"):
    @dg.asset(partitions_def=DAYS)
    def quotes() -> None: ...

    @dg.asset(partitions_def=DAYS, deps=[quotes], automation_condition=carry_through(), code_version=version)
    def vols() -> None: ...

    @dg.asset(partitions_def=DAYS, deps=[vols], automation_condition=carry_through(), code_version=version)
    def surface() -> None: ...

    return dg.Definitions(assets=[quotes, vols, surface])


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def build(definitions, instance, key, *names):
    job = definitions.resolve_implicit_global_asset_job_def()
    job.execute_in_process(
        instance=instance, partition_key=key, asset_selection=[dg.AssetKey(name) for name in names]
    )


def asked(definitions, instance, cursor):
    result = dg.evaluate_automation_conditions(defs=definitions, instance=instance, cursor=cursor)
    found = {
        (name, key)
        for name in ("vols", "surface")
        for key in result.get_requested_partitions(dg.AssetKey(name))
    }
    return found, result.cursor


def test_an_updated_partition_is_carried_through_and_no_other(instance):
    definitions = graph()
    for key in KEYS:
        build(definitions, instance, key, "quotes", "vols", "surface")
    found, cursor = asked(definitions, instance, None)
    assert found == set()
    build(definitions, instance, KEYS[1], "quotes")
    found, cursor = asked(definitions, instance, cursor)
    assert found == {("vols", KEYS[1]), ("surface", KEYS[1])}
    found, cursor = asked(definitions, instance, cursor)
    assert found == set()


def test_a_run_of_the_whole_graph_asks_for_nothing_more(instance):
    definitions = graph()
    _, cursor = asked(definitions, instance, None)
    build(definitions, instance, KEYS[0], "quotes", "vols", "surface")
    assert asked(definitions, instance, cursor)[0] == set()


def test_a_new_method_marks_history_stale_and_rebuilds_nothing_unasked(instance):
    definitions = graph()
    build(definitions, instance, KEYS[0], "quotes", "vols", "surface")
    _, cursor = asked(definitions, instance, None)
    found, _ = asked(graph(version="2"), instance, cursor)
    assert found == set()


def test_every_asset_that_is_made_from_others_has_the_condition(tmp_path):
    specs = build_definitions(Settings(home=tmp_path)).resolve_all_asset_specs()
    labels = {
        spec.key.to_user_string(): spec.automation_condition.get_label()
        for spec in specs
        if spec.automation_condition
    }
    assert set(labels) == {spec.key.to_user_string() for spec in specs if list(spec.deps)}
    assert set(labels.values()) == {"an input was updated: carry it through"}
