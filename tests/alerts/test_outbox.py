"""Alerts through a real webhook: told once each, held back, told late rather than never."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta

import psycopg
import pytest

from app.commands import LOCAL, Actor, DeniedError, Role, alerts
from app.queries.alerts import alerts as alerts_query
from periscope_assets.alerts.channels import open_channel
from periscope_assets.alerts.incidents import Incident
from periscope_assets.alerts.messages import PER_MESSAGE, Links
from periscope_assets.alerts.outbox import deliver, due_at, report
from periscope_assets.operations_settings import AlertSettings
from tests.conftest import PROJECT

NOW = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)
LINKS = Links("http://127.0.0.1:3000", "docs/operations.md")
NIGHTLY = os.environ.get("PERISCOPE_NIGHTLY") == "1"


def incident(name="a", kind="run_failed", **more):
    return Incident(f"{kind}:{name}", f"{name} failed.", NOW, **more)


def later(**passed):
    return NOW + timedelta(**passed)


class Desk:
    """One channel, and ticks of the outbox."""

    def __init__(self, log, webhook, **changed):
        self.settings = AlertSettings(channels={"desk": {"url": webhook.url}}, **changed)
        self._senders = {n: open_channel(n, each) for n, each in self.settings.channels.items()}
        self._log = log

    def tick(self, now=NOW):
        return deliver(self._log, self.settings, self._senders, LINKS, now)


@pytest.fixture
def desk(log, webhook):
    return Desk(log, webhook)


def test_a_message_says_all_and_what_is_open_is_told_once(log, webhook, desk):
    told = incident(last_good="SPX of 2026-01-02", run_id="r1")
    assert report(log, [told, told], {}, NOW) == (1, 0)
    assert report(log, [told], {}, later(minutes=1)) == (0, 0)
    assert desk.tick().sent == 1
    assert desk.tick().sent == 0
    (message,) = webhook.accepted
    for part in ("a failed.", "Since: 2026-01-05 17:00 UTC", "Impact: ", "Last good: SPX of 2026-01-02"):
        assert part in message["message"]
    assert "http://127.0.0.1:3000/runs/r1" in message["message"]
    assert "docs/operations.md#run_failed" in message["message"]
    assert "periscope alerts acknowledge 'run_failed:a'" in message["message"]


def test_what_resolves_is_told_and_may_be_raised_anew(log, webhook, desk):
    report(log, [incident()], {}, NOW)
    desk.tick()
    assert report(log, [], {"run_failed:a": "it was built", "run_failed:b": "never raised"}, NOW) == (0, 1)
    desk.tick()
    assert "it was built" in webhook.accepted[-1]["message"]
    assert webhook.accepted[-1]["title"].startswith("[resolved]")
    assert report(log, [incident()], {}, later(hours=1)) == (1, 0)
    desk.tick(later(hours=1))
    assert len(webhook.accepted) == 3


def test_one_that_becomes_more_urgent_is_told_again_since_when_it_began(log, webhook, desk):
    report(log, [incident()], {}, NOW)
    desk.tick()
    worse = Incident("run_failed:a", "a failed again.", later(hours=1), tier="page")
    assert report(log, [worse], {}, later(hours=1)) == (1, 0)
    assert report(log, [incident()], {}, later(hours=2)) == (0, 0)
    desk.tick(later(hours=1))
    assert webhook.accepted[-1]["title"].startswith("[page]")
    assert "Since: 2026-01-05 17:00 UTC" in webhook.accepted[-1]["message"]


def test_a_parent_holds_its_child_back_until_it_is_resolved(log, webhook, desk):
    parent = incident("feed", "source_failed")
    child = incident("SPX", "stale_surface", parent=parent.key)
    report(log, [child, parent], {}, NOW)
    assert desk.tick().sent == 1
    assert "feed failed." in webhook.accepted[0]["message"]
    desk.tick(later(minutes=5))
    report(log, [], {parent.key: "it answers"}, later(minutes=6))
    desk.tick(later(minutes=6))
    titles = [each["title"] for each in webhook.accepted]
    assert [title.split("]")[0] for title in titles] == ["[notify", "[still open", "[resolved"]
    desk.tick(later(minutes=7))
    assert len(webhook.accepted) == 3


def test_a_child_that_ends_with_its_parent_is_never_told(log, webhook, desk):
    parent = incident("feed", "source_failed")
    report(log, [parent, incident("SPX", "stale_surface", parent=parent.key)], {}, NOW)
    desk.tick()
    report(log, [], {parent.key: "well", "stale_surface:SPX": "well"}, later(minutes=6))
    desk.tick(later(minutes=6))
    assert len(webhook.accepted) == 2
    assert not any("SPX" in each["message"] for each in webhook.accepted)


def test_an_acknowledgement_lapses_and_the_incident_is_told_again(log, webhook, desk):
    report(log, [incident()], {}, NOW)
    desk.tick()
    with pytest.raises(DeniedError):
        acknowledge(log, Actor("key:1", Role.ANALYST), hours=1)
    with pytest.raises(LookupError):
        alerts.acknowledge(log, LOCAL, incident="run_failed:b", until=later(hours=1), now=NOW)
    with pytest.raises(ValueError, match="30 days"):
        acknowledge(log, LOCAL, hours=24 * 31)
    acknowledge(log, LOCAL, hours=2, note="mine")
    desk.tick(later(hours=1))
    assert len(webhook.accepted) == 1
    desk.tick(later(hours=2))
    desk.tick(later(hours=3))
    assert len(webhook.accepted) == 2
    assert webhook.accepted[-1]["title"].startswith("[still open]")
    assert [each.action for each in log.audit_log()] == ["alerts.acknowledge"] * 2


def acknowledge(log, actor, hours, note=None):
    alerts.acknowledge(log, actor, incident="run_failed:a", until=later(hours=hours), now=NOW, note=note)


def test_readers_see_open_and_past_incidents(log):
    report(log, [incident(), incident("b", "check_warned"), incident("c", "run_stalled")], {}, NOW)
    report(log, [], {"check_warned:b": "well"}, later(hours=1))
    acknowledge(log, LOCAL, hours=2, note="mine")
    # An acknowledgement carries the server's time: the answer is of a time after it.
    now = datetime.now(UTC) + timedelta(minutes=1)
    answer = alerts_query(log, now)
    assert list(answer.frames["open"]["incident"]) == ["run_stalled:c", "run_failed:a"]
    assert list(answer.frames["history"]["incident"]) == ["check_warned:b"]
    row = answer.frames["open"].iloc[1]
    assert (row["note"], row["acknowledged_by"]) == ("mine", "local")
    assert row["runbook"] == "docs/operations.md#run_failed"
    before = alerts_query(log, later(minutes=30))
    assert len(before.frames["open"]) == 3
    assert before.version != answer.version
    assert alerts_query(log, later(hours=-1)).frames["open"].empty


@pytest.mark.parametrize(
    ("tier", "at", "due"),
    [
        ("page", (4, 0), (4, 0)),
        ("notify", (4, 0), (12, 0)),
        ("notify", (2, 59), (2, 59)),
        ("notify", (11, 59), (12, 0)),
        ("notify", (12, 0), (12, 0)),
        ("digest", (12, 0), (13, 0)),
        ("digest", (13, 0), (37, 0)),
    ],
)
def test_quiet_hours_over_midnight_and_the_digest(tier, at, due):
    settings = AlertSettings(quiet_from=time(22, 0), quiet_until=time(7, 0))
    midnight = datetime(2026, 1, 5, tzinfo=UTC)
    instant, expected = (midnight + timedelta(hours=h, minutes=m) for h, m in (at, due))
    assert due_at(tier, settings, instant) == expected


def test_quiet_hours_hold_back_and_the_digest_is_one_list(log, webhook):
    desk = Desk(log, webhook, quiet_from=time(0, 0), quiet_until=time(13, 0), digest_at=time(14, 0))
    warned = [incident(f"w{n}", "check_warned") for n in range(8)]
    report(log, [incident(), incident("p", "run_stalled"), *warned], {}, NOW)
    desk.tick()
    assert [each["title"][:6] for each in webhook.accepted] == ["[page]"]
    desk.tick(later(hours=1))
    assert [each["title"][:8] for each in webhook.accepted] == ["[page] S", "[notify]"]
    desk.tick(later(hours=2))
    assert len(webhook.accepted) == 3
    assert sorted(webhook.told()) == list(range(1, 11))


def test_the_channels_url_is_nowhere(log, webhook, desk, store_url, caplog):
    webhook.is_up = False
    report(log, [incident()], {}, NOW)
    with caplog.at_level(0):
        result = desk.tick()
    assert result.refused == 1
    assert result.reason
    seen = [str(result), repr(desk.settings), caplog.text, desk.settings.model_dump_json()]
    with psycopg.connect(store_url) as connection:
        for name in ("alert_events", "alert_deliveries"):
            query = f"SELECT coalesce(string_agg(t::text, ''), '') FROM periscope.{name} t"
            seen.append(connection.execute(query).fetchone()[0])
    assert not [text for text in seen if "s3cr3t" in text or "/hook" in text]
    with pytest.raises(ValueError, match="channel odd") as refused:
        open_channel("odd", AlertSettings(channels={"odd": {"url": "nosuch://s3cr3t"}}).channels["odd"])
    assert "s3cr3t" not in str(refused.value)


def test_a_message_that_is_never_taken_holds_nothing_back(log, webhook, desk):
    webhook.refuses = "poison"
    report(log, [incident("poison", "run_stalled")], {}, NOW)
    for n in range(4):
        desk.tick(later(minutes=n))
    report(log, [incident(f"n{n}") for n in range(20)] + [incident("poison2")], {}, later(minutes=5))
    for n in range(6, 14):
        desk.tick(later(minutes=n))
    assert sorted(set(webhook.told())) == list(range(2, 22))
    webhook.refuses = ""
    desk.tick(later(minutes=20))
    assert sorted(webhook.told()) == list(range(1, 23))


@pytest.mark.timeout(1800 if NIGHTLY else 300)
def test_a_flood_while_the_channel_is_down_is_told_once_each(log, webhook, desk):
    most, ticks = (10_000, 60) if NIGHTLY else (600, 30)
    webhook.is_up = False
    for tick in range(ticks):
        now = later(seconds=tick * 1800 / ticks)
        share = range(tick * most // ticks, (tick + 1) * most // ticks)
        failures = [incident(f"{n}") for n in share for _ in range(2)]
        report(log, failures, {}, now)
        report(log, failures[:10], {}, now)
        assert desk.tick(now).sent == 0
    assert sent(log) == 0
    assert webhook.asked > 0
    webhook.is_up = True
    for tick in range(20):
        if desk.tick(later(minutes=31 + tick)).sent == 0:
            break
    numbers = webhook.told()
    assert len(numbers) == len(set(numbers)) == most
    assert sent(log) == most
    failed = {f"{n} failed." for n in range(most)}
    text = "\n".join(each["message"] for each in webhook.accepted)
    assert {line.split("] ")[-1].split(" (")[0] for line in text.splitlines() if " failed." in line} == failed
    assert len(webhook.accepted) < most / PER_MESSAGE * 2


def sent(log):
    return log._fetch("SELECT count(*) FROM periscope.alert_deliveries WHERE kind = 'sent'")[0][0]


SENDER = """
import sys
from datetime import datetime
from tests.alerts.test_outbox import Desk, Links, LINKS
from periscope_assets.alerts.outbox import deliver
from periscope_assets.store.alerts import AlertLog

class Hook:
    url = sys.argv[2]

desk = Desk(AlertLog(sys.argv[1]), Hook())
send = desk._senders["desk"]

def stuck(message):
    send(message)
    print("accepted", flush=True)
    sys.stdin.read()

desk._senders["desk"] = stuck
desk.tick()
"""


def test_a_sender_killed_between_send_and_confirm_sends_again(log, webhook, desk, store_url):
    report(log, [incident()], {}, NOW)
    process = subprocess.Popen(
        [sys.executable, "-c", SENDER, store_url, webhook.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )
    try:
        assert process.stdout.readline() == "accepted\n"
        assert webhook.told() == [1]
        assert desk.tick().reason == "another sender is at work"
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    assert sent(log) == 0
    deadline = datetime.now(UTC) + timedelta(seconds=60)
    while desk.tick().sent == 0 and datetime.now(UTC) < deadline:
        pass
    assert webhook.told() == [1, 1]
    assert sent(log) == 1
    desk.tick()
    assert webhook.told() == [1, 1]
