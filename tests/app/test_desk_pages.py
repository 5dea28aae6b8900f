"""What a desk does on the pages: acknowledges, builds strategies, looks behind the numbers, prefers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from fastapi.testclient import TestClient
from streamlit.testing.v1 import AppTest

from app import cache
from app.api.main import create_app
from app.commands import LOCAL
from app.commands import preferences as people_preferences
from app.queries import Queries, to_jsonable
from app.queries.lineage import lineage
from app.queries.positioning import positioning
from app.queries.signals import board, scorecard
from app.queries.strategy import build_strategy
from app.queries.vendor import reconciliation
from app.views.strategy import legs as line
from periscope_assets.alerts.incidents import Incident
from periscope_assets.settings import Settings
from periscope_assets.store.alerts import AlertLog
from periscope_assets.store.lake import Lake
from periscope_assets.store.people import People
from periscope_assets.store.postgres import PostgresStore
from tests.app import desk, market
from tests.app.test_states import run, told
from tests.conftest import PROJECT, emptied


@pytest.fixture(scope="module")
def url(pg_server):
    pg_server.ensure_database("desk")
    return emptied(pg_server.url("desk"))


@pytest.fixture(scope="module")
def store(url):
    made = PostgresStore(url)
    desk.publish(made)
    desk.publish(made, "NDX")
    yield made
    made.close()


@pytest.fixture(scope="module")
def queries(store):
    return Queries(store)


@pytest.fixture
def people(store, url):
    made = People(url)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def opened(store, people, tmp_path, monkeypatch):
    lake = Lake(tmp_path.as_uri())
    lake.land(desk.raw_bytes())
    monkeypatch.setattr(cache, "open_store", lambda _: store)
    monkeypatch.setattr(cache, "open_people", lambda _: people)
    monkeypatch.setattr(cache, "open_lake", lambda _: lake)


def frame_of(test: AppTest, column: str):
    """The table of a page that has a column."""
    return next(each.value for each in test.dataframe if column in each.value)


def figure(test: AppTest, label: str) -> str:
    return next(metric.value for metric in test.metric if metric.label == label)


def test_signals_of_all_underlyings_are_ranked_and_filtered(queries):
    test = run("signals", symbol="SPX")
    shown = frame_of(test, "edge_iv")
    found = board(queries, ["NDX", "SPX"]).signals
    pending = found[found["state"] == "pending"]
    assert shown["edge_iv"].tolist() == (100 * pending["edge_iv"]).tolist()
    assert shown["confidence"].is_monotonic_decreasing
    assert set(shown["symbol"]) == {"NDX", "SPX"}
    test.selectbox(key="state").select("overruled").run()
    assert frame_of(test, "edge_iv")["rule"].tolist() == ["mean reversion"] * 2
    assert test.query_params["state"] == "overruled"
    test.selectbox(key="confidence").select("0.95").run()
    assert "None of the 8 signals passes these filters" in told(test)


def test_liquidity_and_errors_of_a_signal_are_those_of_its_contract(queries):
    found = board(queries, ["SPX"]).signals.set_index("contract")
    quotes = queries.read("option_quotes", "SPX").frames["options_snapshots"].set_index("contract")
    row = found.loc["SPX260220C06900000"]
    assert row["open_interest"] == quotes.loc["SPX260220C06900000", "open_interest"]
    assert row["z_stderr"] == pytest.approx(0.0008 * 1.7 / 0.006)
    assert np.isnan(found.loc[found["instrument"] == "ATM 30d", "z_stderr"].iloc[0])


def test_a_signal_is_acknowledged_with_a_note_and_reopened(people):
    test = run("signals", symbol="SPX", span="one")
    before = frame_of(test, "edge_iv")
    test.text_input(key="note").input("seen, working on it")
    test.button[_button(test, "Acknowledge")].click().run()
    assert not test.exception
    (event,) = people.signal_events("SPX")
    assert (event.kind, event.note, event.actor) == ("acknowledged", "seen, working on it", "local")
    assert len(frame_of(test, "edge_iv")) == len(before) - 1
    assert figure(test, "Acknowledged") == "1"
    test.selectbox(key="state").select("acknowledged").run()
    assert "seen, working on it" in "\n".join(each.value for each in test.success)
    assert [entry.action for entry in people.audit_log()] == ["signals.acknowledge"]
    test.button(key="reopen").click().run()
    assert [event.kind for event in people.signal_events("SPX")] == ["acknowledged", "reopened"]
    assert figure(test, "Acknowledged") == "0"


def _button(test: AppTest, label: str) -> int:
    return next(place for place, each in enumerate(test.button) if each.label == label)


def test_a_link_opens_the_signal_it_names(queries):
    second = board(queries, ["SPX"]).signals.iloc[1]
    test = run("signals", symbol="SPX", span="one", signal=second["signal_id"][:16])
    assert second["reason"] in told(test)


def test_the_scorecard_is_the_track_record_with_intervals(queries):
    test = run("signals", symbol="SPX")
    shown = frame_of(test, "hit_interval")
    record = scorecard(queries, "SPX").frames["track_record"]
    assert shown["net_bps"].tolist() == record["mean_net_bps"].tolist()
    assert shown["horizon"].tolist() == [1, 5]
    assert all(" to " in each for each in shown["net_interval"])


def test_presets_and_legs_make_the_strategy_and_the_link_holds_it(queries):
    test = run("strategy", symbol="SPX")
    assert not test.exception
    test.selectbox(key="preset").select("iron condor").run()
    test.button(key="place").click().run()
    assert not test.exception
    built = line.read(test.query_params["legs"])
    assert [leg.quantity for leg in built] == [1, -1, -1, 1]
    test.number_input(key="leg0_quantity").set_value(2.0).run()
    strikes = test.selectbox(key="leg0_strike").options
    test.selectbox(key="leg0_strike").select_index(strikes.index("6,000")).run()
    assert not test.exception
    asked = line.read(test.query_params["legs"])
    assert (asked[0].quantity, asked[0].strike) == (2, 6000.0)
    totals = build_strategy(queries, "SPX", asked).frames["totals"].iloc[0]
    assert figure(test, "Chance of profit") == f"{100 * totals['probability_of_profit']:.1f} %"
    again = run("strategy", **test.query_params)
    costs = [frame_of(page, "entry_usd")["cost_usd"].tolist() for page in (test, again)]
    assert costs[0] == costs[1]
    test.button(key="leg3_remove").click().run()
    assert len(line.read(test.query_params["legs"])) == 3
    test.button(key="add_leg").click().run()
    assert len(frame_of(test, "entry_usd")) == 4


def test_a_leg_in_the_underlying_and_a_price_of_ones_own(queries):
    asked = "1C6900_20260220T143000Z_101.5~-100U"
    test = run("strategy", symbol="SPX", legs=asked)
    assert not test.exception
    shown = frame_of(test, "entry_usd")
    assert shown["basis"].tolist() == ["given", "spot"]
    assert shown["entry_usd"].tolist() == [101.5, 6850.0]
    assert test.query_params["legs"] == asked
    assert line.write(line.read(asked)) == asked


@pytest.mark.parametrize("text", ["", "1X6900_20260220T143000Z", "1C6900", "1C6900_20261320T143000Z", "~"])
def test_a_link_with_nonsense_for_legs_is_explained(text):
    test = run("strategy", symbol="SPX", legs=text or "x")
    assert not test.exception
    assert "legs" in told(test)


def test_legs_of_another_underlying_give_way_with_a_word():
    test = run("strategy", symbol="SPX", legs="1C50_20270101T143000Z")
    assert not test.exception
    assert "not listed in this snapshot" in told(test)


def test_positioning_sums_are_the_published_ones(queries):
    answer = positioning(queries, "SPX")
    published = answer.frames["positioning"]
    strikes = answer.frames["strikes"]
    for name in ("call_open_interest", "put_open_interest", "call_volume", "put_volume", "gex_usd"):
        assert strikes[name].sum() == pytest.approx(published[name].sum(), rel=1e-9)
    assert len(answer.frames["unusual"]) == published["n_unusual"].sum() > 0
    moment = published["expiry_at"].iloc[2]
    one = positioning(queries, "SPX", expiry_at=moment).frames["strikes"]
    assert one["gex_usd"].sum() == pytest.approx(published["gex_usd"].iloc[2], rel=1e-9)
    test = run("positioning", symbol="SPX")
    assert frame_of(test, "max_pain_strike")["gex_usd"].tolist() == published["gex_usd"].tolist()
    assert figure(test, "Unusual") == f"{len(answer.frames['unusual'])}"
    assert figure(test, "Busy expiries") == "–"
    assert "dealers to be long every call" in told(test)


def test_a_refused_row_is_shown_with_its_raw_line(queries):
    test = run("health", symbol="SPX", part="quarantine")
    refused = queries.read("option_quotes", "SPX").frames["quarantined_quotes"]
    assert len(frame_of(test, "detail")) == len(refused)
    second = refused.iloc[1]
    test.selectbox(key="line").select(f"{second['raw_line']}-{second['side']}").run()
    assert f"raw line {second['raw_line']},of the vendor" in told(test)
    assert second["detail"] in told(test)


def test_freshness_links_to_the_run_and_completeness_adds_up():
    test = run("health", symbol="SPX")
    assets = frame_of(test, "run")
    runs = set(assets["run"].dropna())
    assert runs == {"http://127.0.0.1:3000/runs/0f8fad5b-d9cb-469f-a165-70867728950e"}
    test = run("health", symbol="SPX", part="quarantine")
    chains = frame_of(test, "n_raw")
    assert (chains["n_raw"] == chains["n_accepted"] + chains["n_quarantined"]).all()


def test_lineage_reaches_the_raw_bytes_and_tells_what_was_revised(store, queries):
    rows = lineage(queries, "trade_signals", "SPX").frames["lineage"].set_index("dataset")
    down = {"skew_metrics", "vol_surface", "implied_vols", "option_quotes", "raw_chain", "sha256"}
    assert down <= set(rows.index)
    assert rows.loc["vol_surface", "state"] == "as used"
    changed = [each for each in desk.drafts("SPX", revision="2", level=0.2) if each.dataset == "implied_vols"]
    store.publish(changed, store.fence())
    rows = lineage(queries, "trade_signals", "SPX").frames["lineage"].set_index("dataset")
    assert rows.loc["implied_vols", "state"] == "revised since"
    assert rows.loc["implied_vols", "version"] == market.version_of("implied_vols", "SPX", market.AS_OF, "1")


def test_vendors_vols_are_held_against_ours(queries):
    answer = reconciliation(queries, "NDX")
    contracts, expiries = answer.frames["contracts"], answer.frames["expiries"]
    assert contracts["difference_bps"].abs().max() == pytest.approx(3.0, abs=1e-6)
    assert (contracts["vendor_iv"] > 1e-4).all()
    assert expiries["n_without_vendor"].sum() == answer.quality["n_contracts"] - len(contracts) > 0
    test = run("health", symbol="NDX", part="vendor")
    assert figure(test, "Compared") == f"{len(contracts):,} of {answer.quality['n_contracts']:,}"


def test_incidents_are_listed_by_tier_announced_and_acknowledged(people, url):
    log = AlertLog(url)
    since = datetime.now(UTC) - timedelta(minutes=5)
    urgent = Incident("stale_surface:SPX", "vol_surface of SPX is 3 sessions old.", since)
    small = Incident("check_warned:SPX", "12 % of quotes are crossed.", since)
    raised = [(each.key, "raised", each.to_details()) for each in (urgent, small)]
    log.add_alerts(raised, since)
    elsewhere = run("positioning", symbol="SPX")
    assert "vol_surface of SPX is 3 sessions old." in elsewhere.error[0].value
    test = run("health", symbol="SPX", part="alerts")
    assert not test.exception
    assert frame_of(test, "tier")["what"].tolist() == [urgent.what]
    people_preferences.set(people, LOCAL, "alert_tier", "digest")
    test = run("health", symbol="SPX", part="alerts")
    assert set(frame_of(test, "tier")["what"]) == {urgent.what, small.what}
    test.text_input(key="incident_note").input("restarting the source")
    test.button[_button(test, "Acknowledge")].click().run()
    assert not test.exception
    assert "Acknowledged by local until" in test.success[0].value
    assert not run("positioning", symbol="SPX").error
    log.add_alerts([(each.key, "resolved", None) for each in (urgent, small)], datetime.now(UTC))
    log.close()
    assert "Nothing is open" in told(run("health", symbol="SPX", part="alerts"))
    people_preferences.set(people, LOCAL, "alert_tier", None)


def test_preferences_outlast_the_session(people, monkeypatch, tmp_path):
    chosen = Settings(home=tmp_path, universes={"tech": ["NDX"], "broad": ["SPX"]})
    monkeypatch.setattr(cache, "settings", lambda: chosen)
    test = run("settings")
    test.selectbox(key="prefer_tz").select("Europe/Berlin").run()
    test.selectbox(key="prefer_universe").select("broad").run()
    test.selectbox(key="prefer_theme").select("dark").run()
    assert not test.exception
    assert people.preferences("local") == {"tz": "Europe/Berlin", "universe": "broad", "theme": "dark"}
    other = run("positioning")
    assert other.selectbox(key="symbol").value == "SPX"
    assert "22:00 Berlin (21:00 UTC)" in told(other)


def test_the_screen_the_command_line_and_the_api_give_the_same_numbers(queries, store, url, tmp_path):
    environment = {**os.environ, "PERISCOPE_HOME": str(tmp_path / "cli"), "PERISCOPE_DATABASE__URL": url}
    command = [sys.executable, "-m", "app.cli", "show", "signals", "NDX", "--json"]
    spoken = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    said = json.loads(spoken.stdout)
    test = run("signals", symbol="NDX", span="one", state="any")
    shown = frame_of(test, "edge_iv").sort_values("edge_iv")
    rows = sorted(said["data"]["trade_signals"], key=lambda row: row["edge_iv"])
    assert said["version"] == queries.signals("NDX").version
    assert shown["edge_iv"].tolist() == [100.0 * row["edge_iv"] for row in rows]
    assert shown["edge_usd"].tolist() == [row["edge_usd"] for row in rows]
    client = TestClient(create_app(Settings(home=tmp_path / "api"), store), base_url="http://127.0.0.1:8000")
    surface = client.get("/v1/surface/NDX").json()
    assert surface["version"] == queries.surface("NDX").version
    answer = build_strategy(queries, "NDX", line.read("1C6900_20260220T143000Z"))
    test = run("strategy", symbol="NDX", legs="1C6900_20260220T143000Z")
    assert surface["version"] == answer.version
    body = to_jsonable(answer)["data"]["legs"]
    assert frame_of(test, "entry_usd")["value_usd"].tolist() == [row["value_usd"] for row in body]
