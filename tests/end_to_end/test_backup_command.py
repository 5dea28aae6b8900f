"""A home that is lost comes back: from the lake by replay, from a backup by restore."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.end_to_end.command_line import Periscope

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TABLES = ("publications", "options_snapshots", "quarantined_quotes", "implied_vols", "trade_signals")
VIEWS = [("surface", "SIMX"), ("chain", "SIMX"), ("skew", "SIMBTC"), ("signals", "SIMX")]


def shown(periscope: Periscope) -> list[str]:
    """What a reader is told, down to versions and times."""
    return [periscope.run("show", view, symbol, "--json").stdout for view, symbol in VIEWS]


@pytest.fixture
def elsewhere(simulated, tmp_path) -> Iterator[Periscope]:
    """Another home with the settings of the first."""
    found = Periscope(tmp_path / "elsewhere", dict(simulated.settings))
    yield found
    found.run("stop")
    assert found.processes() == []


def test_replay_gives_the_same_answers_from_the_lake_alone(simulated, elsewhere):
    shutil.copytree(simulated.home / "lake", elsewhere.home / "lake")
    made = elsewhere.run("replay").stdout
    assert "Replayed" in made
    assert elsewhere.counts(*TABLES) == simulated.counts(*TABLES)
    assert shown(elsewhere) == shown(simulated)
    again = elsewhere.run("replay", code=2)
    assert "the database is not empty" in again.stderr
    assert len(again.stderr.splitlines()) == 1
    chosen = (
        "--date",
        "2026-01-09",
        "--universe",
        "SIMX",
        "--select",
        "raw_chain,option_quotes,forward_curve",
    )
    assert elsewhere.run("materialize", *chosen).stdout.splitlines()[-1].split()[4:] == [
        "0",
        "3",
        "0",
        "0",
        "0",
        "0",
    ]
    assert elsewhere.counts(*TABLES) == simulated.counts(*TABLES)


def test_a_damaged_lake_replays_nothing_and_says_which_object(simulated, elsewhere):
    shutil.copytree(simulated.home / "lake", elsewhere.home / "lake")
    guilty = sorted((elsewhere.home / "lake" / "raw").glob("??/*.gz"))[0]
    guilty.write_bytes(guilty.read_bytes()[:-1] + b"x")
    failed = elsewhere.run("replay", code=2)
    assert guilty.name in failed.stderr
    assert len(failed.stderr.splitlines()) == 1
    assert elsewhere.counts("publications") == {"publications": 0}


def test_backup_and_restore_bring_a_home_back_with_its_runs(simulated, elsewhere, tmp_path):
    kept = tmp_path / "kept"
    assert "rows" in simulated.run("backup", kept).stdout
    assert "name a folder that does not" in simulated.run("backup", kept, code=2).stderr
    assert "not empty" in simulated.run("restore", kept, code=2).stderr
    elsewhere.run("restore", kept)
    assert elsewhere.counts(*TABLES) == simulated.counts(*TABLES)
    assert shown(elsewhere) == shown(simulated)
    assert "not empty" in elsewhere.run("restore", kept, code=2).stderr
    assert "no backup" in elsewhere.run("restore", tmp_path, code=2).stderr


@pytest.fixture
def bucket(monkeypatch) -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test-secret")):
        monkeypatch.setenv(f"AWS_{name}", value)
    boto3.client("s3").create_bucket(Bucket="market")
    yield "s3://market/lake"
    server.stop()


def test_a_lake_in_a_bucket_builds_and_replays_as_one_in_a_folder_does(bucket, tmp_path):
    here = Periscope(tmp_path / "here", {"PERISCOPE_LAKE__URL": bucket})
    there = replace(here, home=tmp_path / "there")
    try:
        here.run("materialize", "--date", "2026-01-09", "--universe", "SIMX")
        assert not (here.home / "lake").exists()
        there.run("replay")
        view = ("show", "surface", "SIMX", "--json")
        assert there.run(*view).stdout == here.run(*view).stdout
    finally:
        here.run("stop")
        there.run("stop")


PRINTING = """
from app.services.dagster_home import open_instance
from app.services.database import database
from periscope_assets.settings import Settings

settings, key = Settings(), ["run", "compute_logs", "step"]
with database(settings), open_instance(settings) as instance, instance.compute_log_manager.capture_logs(key):
    print("what a step prints", flush=True)
"""


def test_what_steps_print_goes_to_the_bucket_where_that_is_set(bucket, tmp_path):
    settings = {"PERISCOPE_LAKE__URL": bucket, "PERISCOPE_LAKE__COMPUTE_LOGS": "true"}
    environment = Periscope(tmp_path / "home", settings).environment
    subprocess.run([sys.executable, "-c", PRINTING], env=environment, check=True, timeout=120)
    s3 = boto3.client("s3")
    kept = {each["Key"]: each["Size"] for each in s3.list_objects_v2(Bucket="market").get("Contents", [])}
    (key,) = [key for key, size in kept.items() if size and key.startswith("lake/compute_logs/")]
    assert s3.get_object(Bucket="market", Key=key)["Body"].read() == b"what a step prints\n"


def test_a_bucket_or_folder_that_can_not_be_used_is_one_line_with_the_remedy(bucket, tmp_path, monkeypatch):
    asked = ("materialize", "--date", "2026-01-09", "--universe", "SIMX")
    lost = Periscope(tmp_path / "home", {"PERISCOPE_LAKE__URL": "s3://no-such-bucket/lake"})
    (tmp_path / "file").write_text("no folder")
    cases = {"make that bucket": lost}
    cases["it must be a folder"] = replace(lost, settings={"PERISCOPE_LAKE__URL": str(tmp_path / "file")})
    for remedy, periscope in cases.items():
        failed = periscope.run(*asked, code=2)
        assert remedy in failed.stderr
        assert len(failed.stderr.splitlines()) == 1
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    failed = replace(lost, settings={"PERISCOPE_LAKE__URL": bucket}).run(*asked, code=2)
    assert "set AWS_ACCESS_KEY_ID" in failed.stderr
    assert len(failed.stderr.splitlines()) == 1
