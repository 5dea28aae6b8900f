"""Ticks of the schedules against the exchange calendar: ten years, half days, changes of clocks, restarts."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from periscope_analytics.conventions import NEW_YORK
from periscope_assets.definitions import build_definitions
from periscope_assets.pipeline.timing import closes_due, snapshots_due
from periscope_assets.settings import Settings
from periscope_assets.sources.calendars import XNYS, close_time, is_session, open_time, sessions

UNIVERSES = {"us": ["SPY"], "coins": ["BTC"]}
LIVE = {"source": {"kind": "cboe"}}


def settings(tmp_path, **changed):
    return Settings(home=tmp_path, universes=UNIVERSES, first_date=date(2016, 1, 1), **changed)


def requests(home, name, at, instance):
    definitions = build_definitions(home)
    schedule = next(each for each in definitions.schedules if each.name == name)
    context = dg.build_schedule_context(
        instance, repository_def=definitions.get_repository_def(), scheduled_execution_time=at
    )
    return schedule.evaluate_tick(context).run_requests or []


@pytest.fixture(scope="module")
def instance():
    with dg.instance_for_test() as made:
        yield made


def test_ten_years_of_day_ends_are_each_calendar_day_once_and_never_early(tmp_path):
    known = settings(tmp_path)
    first, last = date(2016, 1, 4), date(2025, 12, 31)
    start = datetime.combine(first, time(0), tzinfo=NEW_YORK).astimezone(UTC)
    found = []
    at = start
    while at < datetime.combine(last + timedelta(days=2), time(0), tzinfo=NEW_YORK).astimezone(UTC):
        found += closes_due(known, at, at + timedelta(days=1))
        at += timedelta(days=1)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    us = {due.session: due.at for due in found if due.universe == "us"}
    assert [due.session for due in found if due.universe == "us" and first <= due.session <= last] == days
    delay = timedelta(minutes=known.schedules.close_delay_minutes)
    traded = sessions(XNYS, first, last)
    assert all(us[day] == close_time(XNYS, day) + delay for day in traded)
    quiet = [day for day in days if day not in set(traded)]
    assert len(quiet) > 1000
    assert {us[day].astimezone(NEW_YORK).time() for day in quiet} == {time(16, 45)}
    assert all(due.at.astimezone(NEW_YORK).date() >= due.session for due in found)


def test_snapshots_are_asked_for_in_market_hours_alone(tmp_path):
    known = settings(tmp_path)
    days = [date(2024, 3, 8), date(2024, 3, 11), date(2024, 11, 1), date(2024, 11, 4), date(2024, 11, 29)]
    for day in days:
        instants = [datetime.combine(day, time(0), tzinfo=UTC) + timedelta(minutes=30 * n) for n in range(48)]
        asked = [at for at in instants if any(due.universe == "us" for due in snapshots_due(known, at))]
        opened, closed = open_time(XNYS, day), close_time(XNYS, day)
        assert asked == [at for at in instants if opened < at <= closed]
        assert all(any(due.universe == "coins" for due in snapshots_due(known, at)) for at in instants)
    assert close_time(XNYS, date(2024, 11, 29)).hour == 18
    assert not is_session(XNYS, date(2024, 11, 28))
    thanksgiving = datetime(2024, 11, 28, 16, 0, tzinfo=UTC)
    assert {due.universe for due in snapshots_due(known, thanksgiving)} == {"coins"}


def test_an_intraday_tick_names_its_snapshot_so_that_a_restart_doubles_nothing(tmp_path, instance):
    at = datetime(2026, 3, 20, 18, 0, tzinfo=UTC)
    home = settings(tmp_path, **LIVE)
    once, again = (requests(home, "intraday", at, instance) for _ in range(2))
    assert [one.run_key for one in once] == [one.run_key for one in again]
    assert {one.run_key for one in once} == {
        "intraday 2026-03-20T18:00Z us",
        "intraday 2026-03-20T18:00Z coins",
    }
    assert {str(one.partition_key) for one in once} == {"2026-03-20|us", "2026-03-20|coins"}
    assert all(one.tags["periscope/fresh"] == "true" for one in once)


def test_a_source_without_quotes_of_the_present_has_no_intraday_snapshots(tmp_path, instance):
    at = datetime(2026, 3, 20, 18, 0, tzinfo=UTC)
    assert requests(settings(tmp_path), "intraday", at, instance) == []


def test_the_day_ends_after_the_close_of_a_half_day_and_after_four_on_a_sunday(tmp_path, instance):
    home = settings(tmp_path)
    half = requests(home, "end_of_day", datetime(2025, 11, 28, 18, 45, tzinfo=UTC), instance)
    assert "end_of_day 2025-11-28 us" in {one.run_key for one in half}
    sunday = requests(home, "end_of_day", datetime(2026, 3, 22, 20, 45, tzinfo=UTC), instance)
    assert "end_of_day 2026-03-22 us" in {one.run_key for one in sunday}


def test_the_night_fits_the_day_before_and_retention_is_off_unless_asked_for(tmp_path, instance):
    night = datetime(2026, 3, 21, 8, 15, tzinfo=UTC)
    assert {str(one.partition_key) for one in requests(settings(tmp_path), "nightly", night, instance)} == {
        "2026-03-20|us",
        "2026-03-20|coins",
    }
    sunday = datetime(2026, 3, 22, 10, 0, tzinfo=UTC)
    assert requests(settings(tmp_path), "weekly_retention", sunday, instance) == []
    kept = settings(tmp_path, retention={"quotes_days": 90})
    assert [one.run_key for one in requests(kept, "weekly_retention", sunday, instance)] == [
        "retention 2026-12"
    ]


def test_no_partition_lies_ahead(tmp_path):
    definitions = build_definitions(settings(tmp_path))
    days = definitions.resolve_asset_graph().get(dg.AssetKey("raw_chain")).partitions_def
    (dates,) = [each.partitions_def for each in days.partitions_defs if each.name == "date"]
    at = datetime(2026, 3, 8, 23, 30, tzinfo=NEW_YORK)
    with partition_loading_context(effective_dt=at):
        assert dates.get_last_partition_key() == "2026-03-08"
