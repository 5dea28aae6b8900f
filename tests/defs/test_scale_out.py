"""The same definitions on celery workers over a real Redis: heavy steps in a queue of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from datetime import date
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
import yaml
from dagster_celery.cli import get_validated_config

from periscope_assets.definitions import build_definitions
from periscope_assets.defs.executors import CELERY_JSON, HEAVY_QUEUE, QUEUE_TAG
from periscope_assets.pipeline import Pipeline
from periscope_assets.settings import Settings
from periscope_assets.sources.opening import open_source
from periscope_assets.store.connect import open_lake, open_store
from periscope_assets.store.tables import DATASETS
from tests.conftest import PROJECT, required

PATIENCE = 120.0
SESSION, SYMBOL = date(2026, 3, 20), "SIMX"
HEAVY = {"vol_surface", "heston_fit", "sabr_fit"}
COMPARED = [
    "option_quotes",
    "forward_curve",
    "implied_vols",
    "vol_surface",
    "surface_grid",
    "heston_fit",
    "sabr_fit",
]
ASSETS = ["raw_chain", "rate_curve", *COMPARED]


@pytest.mark.parametrize("kind", ["in_process", "multiprocess", "celery"])
def test_the_executor_is_a_setting(tmp_path, kind):
    settings = Settings(home=tmp_path, executor={"kind": kind, "broker_url": "redis://:s3cr3t@127.0.0.1/0"})
    definitions = build_definitions(settings)
    job = definitions.resolve_job_def("build_surfaces")
    assert job.executor_def.name == {"multiprocess": "multiprocess"}.get(kind, job.executor_def.name)
    assert ("celery" in job.executor_def.name) == (kind == "celery")
    queues = {node.name: node.definition.tags.get(QUEUE_TAG) for node in job.nodes}
    assert {name for name, queue in queues.items() if queue == HEAVY_QUEUE} == HEAVY


def test_celery_without_a_broker_is_refused():
    with pytest.raises(ValueError, match="PERISCOPE_EXECUTOR__BROKER_URL"):
        Settings(executor={"kind": "celery"})


def test_workers_and_executor_agree_and_send_json_only(monkeypatch):
    monkeypatch.setenv("PERISCOPE_EXECUTOR__BROKER_URL", "redis://127.0.0.1:6379/0")
    config = get_validated_config(str(PROJECT / "infra" / "celery.yaml"))
    assert config["broker"] == config["backend"] == "redis://127.0.0.1:6379/0"
    assert config["config_source"] == dict(CELERY_JSON)
    assert config["config_source"]["accept_content"] == ["json"]


def test_the_ecs_template_makes_a_launcher_of_sized_tasks():
    launcher = yaml.safe_load((PROJECT / "infra" / "ecs.yaml").read_text())["run_launcher"]
    assert launcher["class"] == "EcsRunLauncher"
    assert launcher["config"]["use_current_ecs_task_config"] is False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def redis_url(tmp_path):
    program = shutil.which("redis-server")
    if program is None:
        required("redis", "no redis-server on the path")
    port = free_port()
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + PATIENCE
    while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    process.wait(60)


def wait_for(path: Path, text: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + PATIENCE
    while text not in path.read_text():
        assert process.poll() is None, path.read_text()[-2000:]
        assert time.monotonic() < deadline, path.read_text()[-2000:]
        time.sleep(0.1)


@pytest.mark.redis
@pytest.mark.timeout(600)
def test_two_workers_build_a_partition_each_its_queue(redis_url, new_home, pg_server, tmp_path):
    settings = new_home(tmp_path / "home", "celery")
    pg_server.ensure_database("celery_dagster")
    url = pg_server.url("celery_dagster")
    partition = f"{SESSION}|desk"
    folder = tmp_path / "dagster"
    folder.mkdir()
    (folder / "dagster.yaml").write_text(
        "storage: {postgres: {postgres_url: {env: CELERY_TEST_DAGSTER_URL}}}\ntelemetry: {enabled: false}\n"
    )
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(folder),
        "CELERY_TEST_DAGSTER_URL": url.replace("postgresql:", "postgresql+psycopg2:"),
        "PERISCOPE_HOME": str(settings.home),
        "PERISCOPE_DATABASE__URL": settings.database.url.get_secret_value(),
        "PERISCOPE_UNIVERSES": json.dumps({"desk": [SYMBOL]}),
        "PERISCOPE_EXECUTOR__KIND": "celery",
        "PERISCOPE_EXECUTOR__BROKER_URL": redis_url,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    workers = []
    try:
        for queue in ("dagster", HEAVY_QUEUE):
            log = tmp_path / f"{queue}.log"
            command = [
                *("dagster-celery", "worker", "start", "-A", "dagster_celery.app", "-n", queue),
                *("-y", str(PROJECT / "infra" / "celery.yaml"), "-q", queue, "--", "--pool", "solo"),
            ]
            with log.open("w") as sink:
                started = subprocess.Popen(
                    command, env=environment, cwd=PROJECT, stdout=sink, stderr=sink, start_new_session=True
                )
            workers.append((started, log))
        for started, log in workers:
            wait_for(log, "ready.", started)
        with _instance(folder, environment) as instance:
            instance.add_dynamic_partitions("universe", ["desk"])
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "dagster", "asset", "materialize", "-m"),
                    *("periscope_assets.definitions", "--select", ",".join(ASSETS), "--partition", partition),
                ],
                env=environment, cwd=PROJECT, capture_output=True, text=True, timeout=400,
            )  # fmt: skip
            assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
            (run,) = instance.get_runs()
            assert run.is_success
            found = workers_of(instance, run.run_id)
            assert {name: found.get(name) for name in ASSETS} == {
                name: HEAVY_QUEUE if name in HEAVY else "dagster" for name in ASSETS
            }
        alone = new_home(tmp_path / "alone", "celery_alone")
        with closing(open_store(alone)) as store:
            pipeline = Pipeline(alone, store, open_lake(alone), open_source(alone.source))
            for dataset in ASSETS:
                pipeline.build(dataset, [SYMBOL], SESSION, "alone")
        _same_rows(rows(settings), rows(alone))
    finally:
        for started, _ in workers:
            os.killpg(started.pid, signal.SIGTERM)
            try:
                started.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(started.pid, signal.SIGKILL)
                started.wait(30)


def rows(settings):
    """What was published, by dataset and table, but for what names the publication."""
    with closing(open_store(settings)) as store:
        return {
            (dataset, table): store.rows(store.head(dataset, SYMBOL), table).drop(columns="publication_id")
            for dataset in COMPARED
            for table in DATASETS[dataset]
        }


def _same_rows(found, wanted):
    assert found.keys() == wanted.keys()
    for key, frame in wanted.items():
        pd.testing.assert_frame_equal(found[key], frame, check_exact=True, obj=str(key))
    assert len(found["vol_surface", "surface_quotes"]) > 500


def _instance(folder, environment):
    os.environ["CELERY_TEST_DAGSTER_URL"] = environment["CELERY_TEST_DAGSTER_URL"]
    return dg.DagsterInstance.from_config(str(folder))


def workers_of(instance, run_id):
    """Name of the worker that ran each step, as Dagster's log tells."""
    found = {}
    for record in instance.get_records_for_run(run_id).records:
        event = record.event_log_entry.dagster_event
        told = getattr(event.event_specific_data, "metadata", None) if event is not None else None
        if told and "Celery worker" in told:
            found[str(told["step_keys"].value)] = str(told["Celery worker"].value).split("@")[0]
    return found
