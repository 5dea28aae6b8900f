"""The whole graph in Dagster, in process, on the simulated market."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import asdict, replace
from datetime import date

import dagster as dg
import pytest

from periscope_assets.definitions import materialize
from periscope_assets.defs.partitions import key_of
from periscope_assets.pipeline import METHOD_VERSIONS, session_bounds
from periscope_assets.sources.simulated import SimulatedSource
from periscope_assets.store.connect import open_store
from periscope_assets.store.tables import DATASETS

FRIDAY, SATURDAY = date(2026, 3, 20), date(2026, 3, 21)
GOOD = ("SIMX", "CRUX", "SIMBTC")
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def home(new_home, tmp_path_factory):
    return new_home(tmp_path_factory.mktemp("graph"), "graph")


@pytest.fixture(scope="module")
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture(scope="module")
def summary(home, instance):
    return materialize(home, instance, "desk", FRIDAY, SATURDAY)


@pytest.fixture
def store(home):
    with closing(open_store(home)) as opened:
        yield opened


def test_every_dataset_of_every_good_symbol_is_published(summary, store):
    found = {(line.dataset, line.symbol) for line in summary.lines if line.outcome == "published"}
    wanted = {(name, symbol) for name in METHOD_VERSIONS for symbol in GOOD if name != "rate_curve"}
    unknown = {("underlying_bars", "NOPE")}
    assert wanted | unknown | {("rate_curve", "USD")} == found
    start, end = session_bounds(FRIDAY)
    assert {(head.dataset, head.symbol) for head in store.heads(start=start, end=end)} == found


def test_a_bad_symbol_fails_neither_its_neighbours_nor_the_run(summary):
    assert summary.success
    assert {line.symbol for line in summary.failures} == {"NOPE"}
    first = summary.failures[0]
    assert (first.dataset, first.session) == ("raw_chain", FRIDAY.isoformat())
    assert "no simulated market is called so" in first.error


def test_parameters_are_recovered_within_two_percent(summary, home, store):
    source = SimulatedSource(home.source.seed)
    for symbol in GOOD:
        head = store.head("heston_fit", symbol, as_of=source.truth(symbol, FRIDAY).as_of)
        row = store.rows(head, "heston_calibrations").iloc[0]
        for name, true in asdict(source.truth(symbol, FRIDAY).params).items():
            assert row[name] == pytest.approx(true, rel=0.02), (symbol, name)


def test_a_weekend_materialises_as_no_session(summary, instance):
    saturday = [line for line in summary.lines if line.session == SATURDAY.isoformat()]
    assert {line.outcome for line in saturday if line.symbol in ("SIMX", "CRUX", "NOPE")} == {"no_session"}
    assert {line.outcome for line in saturday if line.symbol == "SIMBTC"} == {"published"}
    made = instance.get_materialized_partitions(dg.AssetKey("trade_signals"))
    assert made == {key_of(FRIDAY, "desk"), key_of(SATURDAY, "desk")}


def test_each_partition_shows_its_own_row_count(summary, instance, store):
    start, end = session_bounds(FRIDAY)
    for name in ("option_quotes", "forward_curve", "mispricing"):
        metadata = _materialization(instance, name, FRIDAY).metadata
        heads = store.heads(name, start=start, end=end)
        rows = sum(len(store.rows(head, table)) for head in heads for table in DATASETS[name])
        assert metadata["dagster/partition_row_count"].value == rows > 0
    assert metadata["outcome_published"].value == len(GOOD)
    assert "NOPE" in metadata["errors"].value
    assert _materialization(instance, "mispricing", SATURDAY).metadata["outcome_no_session"].value == 3


def test_each_surface_shows_its_smile_certificate_and_counts(summary, instance):
    metadata = _materialization(instance, "vol_surface", FRIDAY).metadata
    for symbol in GOOD:
        shown = metadata[f"smile {symbol}"].value
        assert shown.startswith(f"![{symbol} ")
        assert len(shown) < 30_000
        assert "free of static arbitrage on 200" in metadata[f"certificate {symbol}"].value
        counts = metadata[f"quotes {symbol}"].value
        assert all(f"| {name} |" in counts for name in ("n_raw", "n_accepted", "n_quotes", "n_used"))


def test_checks_report_each_partition_with_value_and_threshold(summary, instance):
    evaluations = {
        (each.asset_key.to_user_string(), each.check_name, each.partition): each
        for each in _check_evaluations(instance, summary.run_id)
    }
    friday, saturday = str(key_of(FRIDAY, "desk")), str(key_of(SATURDAY, "desk"))
    assert evaluations["option_quotes", "accounted", friday].passed
    failed = evaluations["raw_chain", "complete", friday]
    assert not failed.passed
    assert "NOPE" in failed.metadata["errors"].value
    assert evaluations["raw_chain", "complete", saturday].passed
    rmse = evaluations["heston_fit", "rmse", friday]
    assert rmse.passed
    assert rmse.metadata["observed"].value < rmse.metadata["threshold"].value
    assert evaluations["vol_surface", "certificate", friday].passed


def test_a_second_run_writes_no_row(summary, home, instance, store):
    before = [replace(entry, fence=0) for entry in store.heads(statuses=None)]
    again = materialize(home, instance, "desk", FRIDAY, SATURDAY)
    assert Counter(line.outcome for line in again.lines if line.symbol != "NOPE").keys() == {"unchanged"}
    assert all(line.n_rows == 0 for line in again.lines)
    assert [replace(entry, fence=0) for entry in store.heads(statuses=None)] == before
    metadata = _materialization(instance, "implied_vols", FRIDAY).metadata
    assert metadata["dagster/partition_row_count"].value > 1000


def test_a_run_that_can_build_nothing_fails_and_names_the_symbol(summary, home, instance):
    broken = materialize(home, instance, "broken", FRIDAY, FRIDAY)
    assert not broken.success
    assert {(line.symbol, line.dataset) for line in broken.failures} == {("NOPE", "raw_chain")}


def test_selected_assets_and_symbols_only(summary, home, instance):
    made = materialize(
        home, instance, "desk", FRIDAY, FRIDAY, selection=["raw_chain", "option_quotes"], symbols=["CRUX"]
    )
    assert [(line.dataset, line.symbol) for line in made.lines] == [
        ("raw_chain", "CRUX"),
        ("option_quotes", "CRUX"),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("desk", SATURDAY, FRIDAY, {}), "dates"),
        (("desk", date(1999, 1, 4), FRIDAY, {}), "dates"),
        (("desk", FRIDAY, date(2199, 1, 4), {}), "dates"),
        (("no such", FRIDAY, FRIDAY, {}), "symbol"),
        (("desk", FRIDAY, FRIDAY, {"selection": ["surface"]}), "selection"),
        (("desk", FRIDAY, FRIDAY, {"symbols": ["../x"]}), "symbol"),
    ],
)
def test_bad_arguments_are_named_before_anything_runs(home, instance, arguments, message):
    universe, start, end, options = arguments
    runs = instance.get_runs_count()
    with pytest.raises(ValueError, match=message):
        materialize(home, instance, universe, start, end, **options)
    assert instance.get_runs_count() == runs


def _materialization(instance, asset, session):
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[key_of(session, "desk")])
    return instance.fetch_materializations(wanted, limit=1).records[0].asset_materialization


def _check_evaluations(instance, run_id):
    logs = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    return [entry.dagster_event.event_specific_data for entry in logs]
