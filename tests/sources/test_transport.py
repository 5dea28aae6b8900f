"""Requests to a vendor: what is tried again, what is refused, and that a key goes nowhere else."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from pydantic import SecretStr

from periscope_assets.sources.base import RawPayload, SourceError, TransientSourceError
from periscope_assets.sources.pacing import CircuitBreaker, CircuitOpenError, Clock, TokenBucket
from periscope_assets.sources.transport import BadBodyError, Policy, Transport
from tests.sources import replay_server as replay
from tests.sources import vendor_samples as samples
from tests.sources.stepped_clock import NOW, Stepped

FAST = Policy(attempts=3, timeout_seconds=0.15, remedies={401: "check the key"})


@contextmanager
def transport(
    route: replay.Answer, stepped: Stepped, policy: Policy = FAST, failures: int = 100
) -> Iterator[tuple[Transport, replay.Server]]:
    """A transport to a server of one route."""
    clock = stepped.clock
    bucket, breaker = TokenBucket(1000, 1000, clock), CircuitBreaker("vendor", failures, 60, clock)
    with (
        replay.serving(route) as server,
        Transport(
            "vendor", server.origin, clock, lambda: 0.5, bucket, breaker, policy, SecretStr(samples.KEY)
        ) as made,
    ):
        yield made, server


def accept(_payload: RawPayload) -> None:
    """Any body will do."""


def get(made: Transport, path: str = "/a", check=accept, kept: list[RawPayload] | None = None) -> RawPayload:
    return made.get(path, {}, "answer.json", check, [] if kept is None else kept)


def answering(*statuses: int, **headers: str) -> replay.Answer:
    """Answer with these statuses in turn, with the last of them for ever."""
    left = list(statuses)

    def route(handler: replay.Handler) -> None:
        status = left.pop(0) if len(left) > 1 else left[0]
        handler.send(b'{"fine": true}', status, **(headers if status != 200 else {}))

    return route


def test_an_answer_says_when_and_where_it_came_from():
    with transport(answering(200), Stepped()) as (made, server):
        payload = made.get("/a/b", {"limit": "5"}, "answer.json", accept, [])
    assert payload.content == b'{"fine": true}'
    assert (payload.url, payload.request_id) == (f"{server.origin}/a/b?limit=5", "r-1")
    assert payload.sent_at == payload.received_at == NOW


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_errors_that_may_pass_are_tried_again(status):
    stepped = Stepped()
    with transport(answering(status, status, 200), stepped) as (made, server):
        assert get(made).content == b'{"fine": true}'
        assert len(server.requests) == 3
    assert stepped.waits == [0.5, 1.0]


@pytest.mark.parametrize(
    ("status", "says"), [(401, "check the key"), (404, "check the address"), (301, "301")]
)
def test_errors_that_stay_are_not(status, says):
    with transport(answering(status, Location="http://127.0.0.1:1/"), Stepped()) as (made, server):
        with pytest.raises(SourceError, match=says) as caught:
            get(made)
        assert len(server.requests) == 1
    assert not isinstance(caught.value, TransientSourceError)


def test_the_vendor_says_how_long_to_wait_in_seconds_or_by_a_date():
    stepped = Stepped()
    with transport(answering(429, 200, Retry_After="17"), stepped) as (made, _):
        get(made)
    assert stepped.waits == [17.0]
    dated = Stepped()
    until = format_datetime(NOW + timedelta(seconds=21), usegmt=True)
    with transport(answering(503, 200, Retry_After=until), dated) as (made, _):
        get(made)
    assert dated.waits == [21.0]
    odd = Stepped()
    with transport(answering(503, 200, Retry_After="soon"), odd) as (made, _):
        get(made)
    assert odd.waits == [0.5]


def test_a_vendor_that_asks_for_an_hour_is_given_up_for_now():
    stepped = Stepped()
    with transport(answering(429, Retry_After="3600"), stepped) as (made, server):
        with pytest.raises(TransientSourceError, match="asks for 3600 s; retry later"):
            get(made)
        assert len(server.requests) == 1
    assert stepped.waits == []


def test_nobody_listening_is_transient():
    with transport(answering(200), Stepped()) as (made, _):
        pass
    clock = Stepped().clock
    bucket, breaker = TokenBucket(10, 10, clock), CircuitBreaker("vendor", 10, 60, clock)
    with (
        Transport("vendor", made.origin, clock, lambda: 0.5, bucket, breaker, FAST) as lost,
        pytest.raises(TransientSourceError, match=r"vendor: /a: no whole answer \(ConnectError\)"),
    ):
        get(lost)


def test_a_body_that_fails_its_check_is_asked_for_again_and_kept():
    seen: list[RawPayload] = []

    def check(payload: RawPayload) -> None:
        seen.append(payload)
        if len(seen) < 3:
            raise BadBodyError("vendor: not yet")

    kept: list[RawPayload] = []
    with transport(answering(200), Stepped()) as (made, _):
        assert get(made, check=check, kept=kept) is kept[2]
    assert kept == seen


def test_every_whole_answer_is_kept_before_anything_is_read_out_of_it():
    clock, order = Stepped().clock, []
    bucket, breaker = TokenBucket(1000, 1000, clock), CircuitBreaker("vendor", 100, 60, clock)

    def check(payload: RawPayload) -> None:
        order.append(("read", payload.content))
        raise BadBodyError("vendor: not this")

    def keep(content: bytes) -> None:
        order.append(("kept", content))

    with (
        replay.serving(answering(500, 200)) as server,
        Transport("vendor", server.origin, clock, lambda: 0.5, bucket, breaker, FAST, keep=keep) as made,
        pytest.raises(BadBodyError),
    ):
        get(made, check=check)
    body = b'{"fine": true}'
    assert order == [("kept", body), ("read", body)] * 2


def test_bodies_are_capped_before_and_after_decompression():
    policy = Policy(attempts=2, timeout_seconds=1, max_bytes=100_000)
    bomb = gzip.compress(b"\0" * 10_000_000)
    assert len(bomb) < policy.max_bytes
    with transport(lambda h: h.send(bomb, Content_Encoding="gzip"), Stepped(), policy) as (made, server):
        with pytest.raises(SourceError, match="more than 100,000 bytes when decompressed"):
            get(made)
        assert len(server.requests) == 1
    plain = b"x" * 200_000
    with (
        transport(lambda h: h.send(plain, Content_Encoding="identity"), Stepped(), policy) as (made, _),
        pytest.raises(SourceError, match="more than 100,000 bytes"),
    ):
        get(made)


def test_all_answers_to_one_question_are_capped_together():
    policy = Policy(attempts=1, timeout_seconds=1, max_bytes=100_000)
    kept: list[RawPayload] = []
    with transport(lambda h: h.send(b"x" * 40_000), Stepped(), policy) as (made, _):
        get(made, kept=kept)
        get(made, kept=kept)
        with pytest.raises(SourceError, match="more than 100,000 bytes in 3 answers"):
            get(made, kept=kept)


def test_an_encoding_that_was_not_asked_for_is_refused():
    with (
        transport(lambda h: h.send(b"??", Content_Encoding="br"), Stepped()) as (made, _),
        pytest.raises(SourceError, match="encoded as 'br'"),
    ):
        get(made)


def test_a_body_that_drips_is_given_up():
    drips = Stepped()

    def route(handler: replay.Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(40):
            handler.wfile.write(b"x")
            drips.waits.append(1.0)
            handler.server.closing.wait(0.01)
        handler.close_connection = True

    policy = Policy(attempts=1, timeout_seconds=1, total_seconds=20)
    with (
        transport(route, drips, policy) as (made, _),
        pytest.raises(TransientSourceError, match="not whole after 20 s"),
    ):
        get(made)


def test_an_answer_that_repeats_the_key_is_refused_and_not_kept(caplog):
    caplog.set_level(logging.DEBUG)
    kept: list[RawPayload] = []
    echo = f'{{"next_url": "https://x/?apiKey={samples.KEY}"}}'.encode()
    with (
        transport(lambda handler: handler.send(echo), Stepped()) as (made, _),
        pytest.raises(SourceError, match="repeats the key") as caught,
    ):
        get(made, kept=kept)
    assert kept == []
    assert samples.KEY not in str(caught.value) + caplog.text + repr(made)


@pytest.mark.parametrize(
    "path",
    ["", "a", "/a/../b", "/..", "/a b", "/a?x=1", "/a#b", "//host/a", "/a\0", "/%2e%2e/a", "/a\nb", "/é"],
)
def test_hostile_paths_are_refused_before_a_request(path):
    with transport(answering(200), Stepped()) as (made, server):
        with pytest.raises(SourceError, match="no path to ask for"):
            get(made, path)
        assert server.requests == []


def test_the_breaker_opens_and_tries_again_after_a_pause():
    stepped = Stepped()
    with transport(answering(500, 500, 500, 500, 500, 200), stepped, failures=5) as (made, server):
        with pytest.raises(TransientSourceError, match="answered 500"):
            get(made)
        with pytest.raises(CircuitOpenError, match="failed 5 times in a row, not asked again for 59 s"):
            get(made)
        assert len(server.requests) == 5
        with pytest.raises(CircuitOpenError):
            get(made)
        assert len(server.requests) == 5
        stepped.waits.append(60.0)
        assert get(made).content
        assert get(made).content


def test_a_trial_that_fails_keeps_the_breaker_open():
    stepped = Stepped()
    breaker = CircuitBreaker("vendor", 2, 60, stepped.clock)
    for _ in range(2):
        breaker.check()
        breaker.failed()
    stepped.waits.append(61.0)
    breaker.check()
    with pytest.raises(CircuitOpenError):
        breaker.check()
    breaker.failed()
    stepped.waits.append(59.0)
    with pytest.raises(CircuitOpenError):
        breaker.check()


@pytest.mark.parametrize(("rate", "burst"), [(2.0, 1.0), (5.0, 4.0), (0.5, 1.0)])
def test_the_bucket_holds_its_rate_in_every_window(rate, burst):
    stepped = Stepped()
    bucket = TokenBucket(rate, burst, stepped.clock)
    taken = []
    for number in range(40):
        bucket.acquire()
        taken.append(stepped.elapsed)
        stepped.waits.append(0.01 * (number % 3))
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            allowed = burst + rate * (taken[last] - taken[first])
            assert last - first + 1 <= allowed + 1e-6
    gaps = [later - earlier for earlier, later in pairwise(taken)]
    assert max(gaps) <= 1 / rate + 1e-9


def test_a_bucket_without_rate_is_refused():
    with pytest.raises(ValueError, match="rate > 0"):
        TokenBucket(0.0, 1.0, Clock())


def test_the_system_clock_is_utc_and_waits():
    clock = Clock()
    before = clock.monotonic()
    clock.wait(0.01)
    assert clock.monotonic() - before >= 0.009
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
