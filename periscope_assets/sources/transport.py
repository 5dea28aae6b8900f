"""HTTP to a vendor: one origin, capped and checked bodies, retries on what may pass.

What belongs here: how bytes are asked for. What does not: which ones (the vendors' modules), what they mean
(``layouts``). Redirects are not followed, and a key travels in a header only: an answer that repeats it is
refused before anything is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self
from urllib.parse import urlencode

import httpx
import tenacity
from pydantic import SecretStr

from periscope_assets.sources.base import RawPayload, SourceError, TransientSourceError
from periscope_assets.sources.files import MAX_DECOMPRESSED, decompress
from periscope_assets.sources.pacing import CircuitBreaker, Clock, TokenBucket

Keep = Callable[[bytes], object]
"""Puts bytes where they stay."""

_PATH = re.compile(r"(/[A-Za-z0-9_.:,\-]+)+")
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 520, 521, 522, 523, 524, 529})
_GZIP_MAGIC = b"\x1f\x8b"


class BadBodyError(SourceError):
    """An answer that came whole but is not what was asked for; asked for again, as vendors do slip."""


class UnansweredError(TransientSourceError):
    """No answer, or one that says to come back.

    Attributes
    ----------
    retry_after : float
        Seconds that the vendor asks for.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient a transport is.

    Attributes
    ----------
    attempts : int
        Requests for one answer, the first included.
    timeout_seconds : float
        For the connection, and for each pause between bytes.
    total_seconds : float
        For one answer as a whole.
    backoff_seconds, longest_wait_seconds : float
        Wait before the second attempt, doubled from then on, and the longest wait; a vendor that asks for
        more by Retry-After is given up for now.
    max_bytes : int
        Largest body, compressed and decompressed, and the most that all answers to one question may hold.
    remedies : mapping of int to str
        What to do about a status that is permanent.
    """

    attempts: int = 4
    timeout_seconds: float = 20.0
    total_seconds: float = 120.0
    backoff_seconds: float = 0.5
    longest_wait_seconds: float = 60.0
    max_bytes: int = MAX_DECOMPRESSED
    remedies: Mapping[int, str] = field(default_factory=dict)


class Transport:
    """Requests to one origin.

    Parameters
    ----------
    name : str
        Of the vendor, for messages.
    origin : str
        ``https://host[:port]``, without a path.
    clock : Clock
    jitter : callable
        Uniform draws from [0, 1).
    bucket : TokenBucket
    breaker : CircuitBreaker
    policy : Policy
    key : SecretStr, optional
        Sent as a bearer token.
    keep : callable, optional
        Is given the bytes of every whole answer, the bad ones too, before anything is read out of them.
    """

    def __init__(
        self,
        name: str,
        origin: str,
        clock: Clock,
        jitter: Callable[[], float],
        bucket: TokenBucket,
        breaker: CircuitBreaker,
        policy: Policy,
        key: SecretStr | None = None,
        keep: Keep | None = None,
    ) -> None:
        self.name, self.origin, self.policy = name, origin.rstrip("/"), policy
        self._clock, self._jitter, self._bucket, self._breaker = clock, jitter, bucket, breaker
        self._key, self._keep = key, keep
        headers = {
            "Accept": "application/json, text/csv",
            "Accept-Encoding": "gzip",
            "User-Agent": "periscope",
        }
        if key is not None:
            headers["Authorization"] = f"Bearer {key.get_secret_value()}"
        # A proxy of the environment could not reach a loopback address, which names another machine to it.
        proxied = httpx.URL(origin).host not in {"127.0.0.1", "localhost"}
        self._client = httpx.Client(headers=headers, timeout=policy.timeout_seconds, trust_env=proxied)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the pooled connections."""
        self._client.close()

    def get(
        self,
        path: str,
        params: Mapping[str, str],
        name: str,
        check: Callable[[RawPayload], object],
        kept: list[RawPayload],
    ) -> RawPayload:
        """Return one answer that passes its check.

        Parameters
        ----------
        path : str
        params : mapping of str to str
        name : str
            Of the payload.
        check : callable
            Raises :class:`BadBodyError` where the body is not what it should be.
        kept : list of RawPayload
            Every whole answer is added here before it is looked into, those too that fail the check.

        Raises
        ------
        TransientSourceError
            If there was no answer in all attempts.
        SourceError
            If the vendor refuses, the body is too large, or fails the check in all attempts.
        """
        if not _PATH.fullmatch(path) or "/." in path:
            raise SourceError(f"{self.name}: {path[:60]!a} is no path to ask for; check the symbol")
        retrying = tenacity.Retrying(
            sleep=self._clock.wait,
            stop=self._gives_up,
            wait=self._pause,
            retry=tenacity.retry_if_exception_type((UnansweredError, BadBodyError)),
            reraise=True,
        )
        return retrying(self._attempt, path, params, name, check, kept)

    def _attempt(
        self,
        path: str,
        params: Mapping[str, str],
        name: str,
        check: Callable[[RawPayload], object],
        kept: list[RawPayload],
    ) -> RawPayload:
        self._breaker.check()
        self._bucket.acquire()
        try:
            payload = self._request(path, params, name)
        except UnansweredError:
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        if self._keep is not None:
            self._keep(payload.content)
        kept.append(payload)
        if sum(len(each.content) for each in kept) > self.policy.max_bytes:
            limit = f"more than {self.policy.max_bytes:,} bytes in {len(kept)} answers"
            raise SourceError(f"{self.name}: {path}: {limit}; ask for less")
        check(payload)
        return payload

    def _gives_up(self, state: tenacity.RetryCallState) -> bool:
        asked = self._asked_wait(state)
        return state.attempt_number >= self.policy.attempts or asked > self.policy.longest_wait_seconds

    def _pause(self, state: tenacity.RetryCallState) -> float:
        grown = self.policy.backoff_seconds * 2.0 ** (state.attempt_number - 1)
        drawn = min(grown, self.policy.longest_wait_seconds) * (0.5 + self._jitter())
        return max(self._asked_wait(state), drawn)

    @staticmethod
    def _asked_wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        return error.retry_after if isinstance(error, UnansweredError) else 0.0

    def _request(self, path: str, params: Mapping[str, str], name: str) -> RawPayload:
        url = self.origin + path + (f"?{urlencode(params)}" if params else "")
        sent_at, started = self._clock.now(), self._clock.monotonic()
        try:
            with self._client.stream("GET", url) as response:
                self._check_status(response, path)
                body = self._body(response, name, started)
        except httpx.UnsupportedProtocol:
            raise SourceError(f"{self.name}: {self.origin[:60]} is no http address; correct it") from None
        except httpx.TransportError as error:
            reason = type(error).__name__
            raise UnansweredError(f"{self.name}: {path}: no whole answer ({reason}); retry later") from None
        content = self._decoded(body, response.headers.get("Content-Encoding", ""), name)
        if self._key is not None and self._key.get_secret_value().encode() in content:
            raise SourceError(
                f"{self.name}: {path}: the answer repeats the key, nothing of it is kept; tell them"
            )
        request_id = response.headers.get("X-Request-Id")
        return RawPayload(
            name,
            content,
            self._clock.now(),
            sent_at=sent_at,
            url=url,
            request_id=request_id and request_id[:80],
        )

    def _check_status(self, response: httpx.Response, path: str) -> None:
        status = response.status_code
        if status == httpx.codes.OK:
            return
        if status in _TRANSIENT_STATUS:
            wanted = _seconds(response.headers.get("Retry-After"), self._clock.now())
            asked = f", asks for {wanted:.0f} s" if wanted else ""
            raise UnansweredError(f"{self.name}: {path}: answered {status}{asked}; retry later", wanted)
        remedy = self.policy.remedies.get(status, "check the address and the symbol")
        raise SourceError(f"{self.name}: {path}: answered {status}; {remedy}")

    def _body(self, response: httpx.Response, name: str, started: float) -> bytes:
        body = bytearray()
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > self.policy.max_bytes:
                limit = f"more than {self.policy.max_bytes:,} bytes"
                raise SourceError(f"{self.name}: {name}: {limit}; ask for less")
            if self._clock.monotonic() - started > self.policy.total_seconds:
                limit = f"not whole after {self.policy.total_seconds:.0f} s"
                raise UnansweredError(f"{self.name}: {name}: {limit}; retry later")
        return bytes(body)

    def _decoded(self, body: bytes, encoding: str, name: str) -> bytes:
        if encoding.lower() in {"", "identity"}:
            return body
        if encoding.lower() != "gzip":
            raise SourceError(f"{self.name}: {name}: encoded as {encoding[:20]!a}, not asked for; tell them")
        if not body.startswith(_GZIP_MAGIC):
            raise UnansweredError(f"{self.name}: {name}: said to be gzip and is not; retry later")
        try:
            return decompress(body, name, self.policy.max_bytes)
        except SourceError as error:
            if "when decompressed" in str(error):
                raise
            raise UnansweredError(f"{self.name}: {error}") from None


def _seconds(text: str | None, now: datetime) -> float:
    """Return the seconds of a Retry-After header, given as a number or a date; 0 without one."""
    if text is None:
        return 0.0
    if re.fullmatch(r"[0-9]{1,9}", text.strip()):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max((moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds(), 0.0)
