"""What watching sensors find in a real instance and a real store: each once, resolved when it is over."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pandas as pd
import pytest
from dagster._core.definitions.sensor_definition import SensorType
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._utils.error import SerializableErrorInfo

from periscope_assets.alerts.incidents import KINDS
from periscope_assets.definitions import build_definitions, materialize
from periscope_assets.defs.findings import Memory, Record
from periscope_assets.defs.watched_data import failed_checks, new_signals, stale_surfaces
from periscope_assets.defs.watched_runs import failed_backfills, failed_runs, failed_ticks, stalled_runs
from periscope_assets.defs.watching import last_good
from periscope_assets.store.connect import open_alerts, open_store
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.repository import Draft
from periscope_assets.store.tables import DATASETS
from tests.store.store_samples import whole

DAY = date(2026, 3, 20)
KEY = "2026-03-20|desk"
ASSETS = ["raw_chain", "option_quotes"]


@pytest.fixture(scope="module")
def instance():
    with dg.instance_for_test() as made:
        yield made


@dg.op(config_schema={"fail": bool})
def work(context):
    if context.op_config["fail"]:
        raise RuntimeError("the disk is full")


@dg.job
def nightly_work():
    work()


def run(instance, fail, **tags):
    config = {"ops": {"work": {"config": {"fail": fail}}}}
    tags = {"dagster/partition": KEY, **tags}
    return nightly_work.execute_in_process(config, instance=instance, tags=tags, raise_on_error=False).run_id


def look(instance, memory, seconds=0):
    now = datetime.now(UTC) + timedelta(seconds=seconds)
    return failed_runs(instance, memory, now, lambda dataset, partition: f"{dataset} of {partition}")


def test_a_failed_run_is_found_once_and_ended_by_the_same_that_succeeds(instance):
    start = look(instance, None).memory
    failed = run(instance, True)
    first = look(instance, start)
    (incident,) = first.raised
    assert incident.key == f"run_failed:nightly_work:{KEY}"
    assert (incident.run_id, incident.last_good) == (failed, f"vol_surface of {KEY}")
    assert "in work: RuntimeError: the disk is full" in incident.what
    assert not look(instance, first.memory).raised
    later = look(instance, first.memory, seconds=120)
    assert not later.raised
    run(instance, False)
    second = look(instance, later.memory)
    assert not second.raised
    assert list(second.resolved) == [incident.key]
    assert not look(instance, second.memory, seconds=120).resolved


def test_a_run_that_is_tried_again_is_no_incident(instance):
    start = look(instance, None).memory
    run(instance, True, **{"dagster/will_retry": "true"})
    assert not look(instance, start).raised


def test_a_bound_on_a_tick_loses_nothing():
    now = datetime(2026, 1, 5, tzinfo=UTC)
    records = [Record(float(n), str(n), now - timedelta(seconds=200 - n), n) for n in range(200)]
    hidden = {57, 120}
    memory, found = None, []
    for step in range(60):
        state = Memory(memory)

        def read(limit, state=state, step=step):
            # Two records become visible only after later ones have been read.
            seen = [one for one in records if one.value not in hidden or step > 30]
            return [one for one in seen if state.after is None or one.position >= state.after][:limit]

        fresh, memory = state.unread(read, 7, now - timedelta(seconds=150))
        found += [one.value for one in fresh]
    assert sorted(found) == list(range(200))


def test_a_run_that_says_nothing_is_found_until_it_ends(instance):
    made = instance.create_run_for_job(
        nightly_work, run_config={"ops": {"work": {"config": {"fail": False}}}}
    )
    event = dg.DagsterEvent("PIPELINE_START", "nightly_work", message="")
    instance.report_dagster_event(event, made.run_id)
    now = datetime.now(UTC)
    assert not stalled_runs(instance, [], now, timedelta(minutes=30)).raised
    late = stalled_runs(instance, [], now + timedelta(minutes=31), timedelta(minutes=30))
    assert [each.key for each in late.raised] == [f"run_stalled:{made.run_id}"]
    instance.report_run_canceled(made)
    keys = [each.key for each in late.raised]
    over = stalled_runs(instance, keys, now + timedelta(minutes=32), timedelta(minutes=30))
    assert not over.raised
    assert list(over.resolved) == keys


def test_a_failed_tick_is_found_and_a_good_one_ends_it(instance):
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "repository")
    origin = repository.get_instigator_origin("dropped_files")
    kind, data = InstigatorType.SENSOR, SensorInstigatorData(min_interval=5, sensor_type=SensorType.STANDARD)
    state = InstigatorState(origin, kind, InstigatorStatus.RUNNING, data)
    instance.add_instigator_state(state)

    def tick(status, at):
        made = TickData(
            instigator_origin_id=state.instigator_origin_id,
            instigator_name="dropped_files",
            instigator_type=kind,
            status=status,
            timestamp=at,
            error=SerializableErrorInfo("it broke", [], None) if status == TickStatus.FAILURE else None,
            selector_id=state.selector_id,
        )
        instance.create_tick(made)

    tick(TickStatus.FAILURE, 1000.0)
    tick(TickStatus.STARTED, 1030.0)
    found = failed_ticks(instance, None)
    assert [each.key for each in found.raised] == ["tick_failed:dropped_files"]
    tick(TickStatus.SKIPPED, 1060.0)
    over = failed_ticks(instance, found.memory)
    assert not over.raised
    assert list(over.resolved) == ["tick_failed:dropped_files"]


def test_a_failed_backfill_is_found_once_and_ended_by_a_later_one(instance):
    now = datetime.now(UTC)

    def add(name, status, seconds):
        at = (now + timedelta(seconds=seconds)).timestamp()
        instance.add_backfill(
            PartitionBackfill(
                name,
                status=status,
                from_failure=False,
                tags={"periscope/universe": "desk"},
                backfill_timestamp=at,
                asset_selection=[dg.AssetKey("a")],
                serialized_asset_backfill_data="{}",
            )
        )

    add("one", BulkActionStatus.COMPLETED_FAILED, 0)
    first = failed_backfills(instance, None, now)
    assert [each.key for each in first.raised] == ["backfill_failed:desk"]
    second = failed_backfills(instance, first.memory, now)
    assert not second.raised
    add("two", BulkActionStatus.COMPLETED_SUCCESS, 5)
    third = failed_backfills(instance, second.memory, now)
    assert not third.raised
    assert list(third.resolved) == ["backfill_failed:desk"]


@pytest.fixture(scope="module")
def built(new_home, tmp_path_factory):
    """A home with one good and one unknown symbol, built up to signals."""
    folder = tmp_path_factory.mktemp("watched")
    home = new_home(folder / "home", "watched")
    settings = home.model_copy(update={"universes": {"desk": ["SIMX", "NOPE"]}})
    with dg.instance_for_test() as made:
        assert materialize(settings, made, "desk", DAY, DAY, selection=ASSETS).success
        store = open_store(settings)
        as_of = datetime(2026, 3, 20, 20, 0, tzinfo=UTC)
        rows = {name: whole(name, pd.DataFrame(index=[])) for name in DATASETS["vol_surface"]}
        surface = Draft("vol_surface", "SIMX", as_of, "v1", "1", {}, "published", "simulated", "r1", rows, {})
        store.publish([surface], store.fence())
        store.close()
        yield settings, made


@pytest.fixture
def built_store(built):
    store = open_store(built[0])
    yield store
    store.close()


def test_a_source_that_failed_explains_the_checks_that_failed_for_it(built, built_store):
    settings, made = built
    found = failed_checks(
        made, None, datetime.now(UTC), lambda name, key: last_good(settings, built_store, name, key)
    )
    keys = {each.key: each for each in found.raised}
    source = keys[f"source_failed:{KEY}"]
    assert source.run_id
    assert "NOPE" in source.what
    assert source.last_good.startswith("raw_chain of SIMX as of 2026-03-20")
    child = keys[f"check_failed:option_quotes.complete:{KEY}"]
    assert child.parent == source.key
    assert f"check_failed:option_quotes.accounted:{KEY}" in found.resolved
    again = failed_checks(made, found.memory, datetime.now(UTC), lambda name, key: "")
    assert not again.raised
    assert not again.resolved


@pytest.mark.parametrize(
    ("now", "is_stale"),
    [
        (datetime(2026, 3, 20, 22, 0, tzinfo=UTC), False),
        (datetime(2026, 3, 23, 13, 0, tzinfo=UTC), False),
        (datetime(2026, 3, 23, 20, 30, tzinfo=UTC), False),
        (datetime(2026, 3, 23, 23, 0, tzinfo=UTC), True),
    ],
)
def test_a_surface_is_stale_by_its_calendar(built, built_store, now, is_stale):
    settings = built[0].model_copy(update={"universes": {"desk": ["SIMX"]}})
    found = stale_surfaces(settings, built_store, None, now)
    assert [each.key for each in found.raised] == (["stale_surface:SIMX"] if is_stale else [])
    assert list(found.resolved) == ([] if is_stale else ["stale_surface:SIMX"])
    if is_stale:
        assert found.raised[0].parent == "source_failed:2026-03-23|desk"
        assert found.raised[0].last_good.startswith("vol_surface of SIMX as of 2026-03-20")


def test_holidays_and_half_days_are_not_stale(built, built_store):
    settings = built[0].model_copy(update={"universes": {"desk": ["SIMX"]}})
    store: PostgresStore = built_store
    good_friday = datetime(2026, 4, 4, 3, 0, tzinfo=UTC)
    expected = stale_surfaces(settings, store, None, good_friday).raised[0]
    assert "2026-04-02" in expected.what
    assert expected.parent == "source_failed:2026-04-02|desk"


def signals(*confidences):
    frame = pd.DataFrame(
        {
            "signal_id": [f"s{n}" for n in range(len(confidences))],
            "generator": "mispricing",
            "instrument": [f"C{n}" for n in range(len(confidences))],
            "tenor_days": 30.0,
            "direction": "buy",
            "confidence": confidences,
            "regime": "calm",
            "rank": range(1, len(confidences) + 1),
            "state": "pending",
            "reason": "2.1 sigma below the model.",
        }
    )
    return whole("trade_signals", frame)


def publish_signals(store, version, as_of, *confidences):
    made = Draft(
        "trade_signals", "ACME", as_of, version, "1", {}, "published", "simulated", "r1",
        {"trade_signals": signals(*confidences)}, {},
    )  # fmt: skip
    store.publish([made], store.fence())


def test_signals_above_the_threshold_are_told_and_end_with_the_next_snapshot(built_store):
    as_of = datetime(2026, 3, 20, 20, 0, tzinfo=UTC)
    start = new_signals(built_store, [], None, as_of, 0.8)
    assert not start.raised
    publish_signals(built_store, "v1", as_of, 0.9, 0.7, 0.8)
    found = new_signals(built_store, [], start.memory, as_of, 0.8)
    keys = ["signal:ACME:mispricing:C0:buy", "signal:ACME:mispricing:C2:buy"]
    assert [each.key for each in found.raised] == keys
    assert "buy C0 (mispricing), confidence 0.90: 2.1 sigma" in found.raised[0].what
    assert not new_signals(built_store, keys, found.memory, as_of, 0.8).raised
    assert not new_signals(built_store, [], start.memory, as_of + timedelta(days=30), 0.8).raised
    publish_signals(built_store, "v2", as_of + timedelta(minutes=30), 0.95)
    known = [*keys, "signal:OTHER:mispricing:C0:buy"]
    after = new_signals(built_store, known, found.memory, as_of + timedelta(hours=1), 0.8)
    assert [each.key for each in after.raised] == keys[:1]
    assert list(after.resolved) == keys[1:]


def test_the_sensors_report_and_keep_their_cursors(built):
    settings, made = built
    definitions = build_definitions(settings)
    names = {each.name for each in definitions.sensors}
    watching = ["failed_runs", "stalled_runs", "failed_ticks", "failed_backfills", "failed_checks",
                "stale_surfaces", "new_signals", "send_alerts"]  # fmt: skip
    assert set(watching) <= names
    for name in watching:
        sensor = next(each for each in definitions.sensors if each.name == name)
        context = dg.build_sensor_context(made, repository_def=definitions.get_repository_def())
        tick = sensor.evaluate_tick(context)
        assert tick.cursor
        assert not tick.run_requests
    log = open_alerts(settings)
    kinds = {event.incident.partition(":")[0] for event in log.open_alerts()}
    log.close()
    assert {"source_failed", "check_failed", "stale_surface"} <= kinds <= set(KINDS)
