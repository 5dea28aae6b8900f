"""Definitions load anywhere, agree with the stages, and are what the deployment files name."""

from __future__ import annotations

from datetime import datetime
from importlib import import_module
from pathlib import Path

import dagster as dg
import pytest
from dagster_cloud_cli.config.models import load_dagster_cloud_yaml
from dagster_shared.yaml_utils import safe_load_yaml

from periscope_assets.definitions import build_definitions, defs
from periscope_assets.defs.partitions import key_of, read_key
from periscope_assets.pipeline import METHOD_VERSIONS
from periscope_assets.settings import Settings
from periscope_assets.store.tables import DATASETS, table
from periscope_assets.transforms.flow import STAGES

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def definitions(tmp_path_factory):
    return build_definitions(Settings(home=tmp_path_factory.mktemp("home")))


def test_assets_depend_on_what_their_stages_read(definitions):
    graph = definitions.resolve_asset_graph()
    for name, stage in STAGES.items():
        parents = {key.to_user_string() for key in graph.get(dg.AssetKey(name)).parent_keys}
        assert parents == {each.dataset for each in stage.inputs} - {name}, name
    assert set(METHOD_VERSIONS) == set(DATASETS)


def test_every_asset_is_partitioned_batched_and_versioned(definitions):
    for spec in definitions.resolve_all_asset_specs():
        name = spec.key.to_user_string()
        assert set(spec.partitions_def.partition_dimension_names) == {"date", "universe"}
        assert spec.code_version == METHOD_VERSIONS[name]
    graph = definitions.resolve_asset_graph()
    policies = {graph.get(key).backfill_policy for key in graph.get_all_asset_keys()}
    assert policies == {dg.BackfillPolicy.multi_run(max_partitions_per_run=50)}


def test_columns_are_shown_with_their_meaning(definitions):
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    shown = specs["forward_curve"].metadata["dagster/column_schema"]
    forward = next(column for column in shown.columns if column.name == "forward")
    assert forward.description == table("forwards").c.forward.comment


def test_loading_needs_no_database(monkeypatch, tmp_path):
    monkeypatch.setenv("PERISCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PERISCOPE_DATABASE__URL", "postgresql://nobody:secret@127.0.0.1:1/none")
    loaded = defs()
    assert "secret" not in repr(loaded)
    assert loaded.resolve_job_def("build_surfaces").executor_def is dg.in_process_executor
    assert not (tmp_path / "home").exists()


def test_partition_keys_read_back():
    key = key_of(datetime(2026, 3, 20).date(), "us-index")
    assert (read_key(key).session.isoformat(), read_key(key).universe) == ("2026-03-20", "us-index")
    with pytest.raises(ValueError, match="partition key"):
        read_key("2026-03-20")


def test_deployment_files_name_the_definitions():
    cloud = load_dagster_cloud_yaml((PROJECT / "dagster_cloud.yaml").read_text())
    (location,) = cloud.locations
    workspace = safe_load_yaml((PROJECT / "workspace.yaml").read_text())
    module = workspace["load_from"][0]["python_module"]["module_name"]
    assert location.code_source.module_name == module
    assert import_module(module).defs is defs
