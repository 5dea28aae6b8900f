"""Who asks: API keys and signed tokens.

What belongs here: from headers to an actor, or to the reason why there is none. What does not: what the
actor may do (``policy``), how keys are made (``app.commands.keys``).
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt

from app.commands import keys
from app.commands.actors import LOCAL, Actor, role_of
from periscope_assets.settings import ApiSettings
from periscope_assets.store.people import People

ANONYMOUS = "anonymous"
KEEP_SECONDS = 5.0
"""How long a key is believed without asking again: a revoked one works no longer than that."""
USED_EVERY_SECONDS = 300.0
_MOST_KEPT, _LONGEST = 10_000, 8192
_NAMES = {"EdDSA": "Ed25519PublicKey", "RS256": "RSAPublicKey"}

Headers = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Refused:
    """Why somebody is not believed: `who` for the record, `reason` for the answer."""

    who: str
    reason: str


class Identities:
    """Keys and tokens of one application.

    Parameters
    ----------
    settings : ApiSettings
    people : callable
        Gives the store of events; called in a thread.
    mark_used : callable
        Told the id of a key when it was used and has not been told for a while.

    Raises
    ------
    ValueError
        If the public key of tokens is none of the algorithm.
    """

    def __init__(
        self, settings: ApiSettings, people: Callable[[], People], mark_used: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._people = people
        self._mark_used = mark_used
        self._public_key = _public_key(settings)
        self._kept: OrderedDict[bytes, tuple[float, Actor | Refused]] = OrderedDict()
        self._used: dict[str, float] = {}

    async def of(self, headers: Headers) -> Actor | Refused:
        """Return who sends these headers, or why nobody is believed.

        Raises
        ------
        StoreUnavailableError
            If a key must be looked up and can't be.
        """
        presented = _presented(headers)
        if presented is None:
            return LOCAL if self._settings.is_open else Refused(ANONYMOUS, "no key or token was sent")
        if len(presented) > _LONGEST:
            return Refused(ANONYMOUS, "the key or token is too long")
        digest, now = hashlib.sha256(presented.encode()).digest(), time.monotonic()
        kept = self._kept.get(digest)
        if kept is not None and kept[0] > now:
            return kept[1]
        if presented.startswith("psk_"):
            found = await asyncio.to_thread(self._by_key, presented)
        else:
            found = self._by_token(presented)
        self._keep(digest, now + KEEP_SECONDS, found)
        return found

    def _by_key(self, presented: str) -> Actor | Refused:
        key, state = keys.recognise(self._people(), presented, datetime.now(UTC))
        if key is None:
            return Refused(ANONYMOUS, "the key is not known here")
        name = f"key:{key.key_id}"
        if state != "active":
            return Refused(name, f"the key is {state}")
        now = time.monotonic()
        if now - self._used.get(key.key_id, float("-inf")) > USED_EVERY_SECONDS:
            self._used[key.key_id] = now
            self._mark_used(key.key_id)
        return Actor(name, key.role, frozenset(key.scopes))

    def _by_token(self, presented: str) -> Actor | Refused:
        if self._public_key is None:
            return Refused(ANONYMOUS, "tokens are not accepted here")
        try:
            claims = jwt.decode(
                presented,
                self._public_key,
                algorithms=[self._settings.jwt_algorithm],
                audience=self._settings.jwt_audience,
                issuer=self._settings.jwt_issuer,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
            name, role = str(claims["sub"])[:200], role_of(str(claims.get("role", "")))
        except jwt.ExpiredSignatureError:
            return Refused(ANONYMOUS, "the token is expired")
        except (jwt.InvalidTokenError, ValueError) as error:
            return Refused(ANONYMOUS, f"the token is not valid: {_kind(error)}")
        return Actor(f"token:{name}" if name.isprintable() else "token:?", role)

    def _keep(self, digest: bytes, until: float, found: Actor | Refused) -> None:
        self._kept[digest] = (until, found)
        self._kept.move_to_end(digest)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)


def _presented(headers: Headers) -> str | None:
    """Return the key or token of a request, None without one."""
    if (key := headers.get(b"x-api-key")) is not None:
        return key.decode("latin-1").strip()
    said = headers.get(b"authorization")
    if said is None:
        return None
    scheme, _, value = said.decode("latin-1").strip().partition(" ")
    return value.strip() if scheme.lower() == "bearer" else "?"


def _kind(error: Exception) -> str:
    """Name a token's fault without quoting the token."""
    return {
        "InvalidAudienceError": "another audience",
        "InvalidIssuerError": "another issuer",
        "InvalidAlgorithmError": "another algorithm",
        "InvalidSignatureError": "another signature",
        "MissingRequiredClaimError": "a claim is missing",
        "ValueError": "no role that exists",
    }.get(type(error).__name__, "malformed")


def _public_key(settings: ApiSettings) -> Any:
    if settings.jwt_key is None:
        return None
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    pem = settings.jwt_key.replace("\\n", "\n").encode()
    try:
        key = load_pem_public_key(pem)
    except ValueError:
        raise ValueError("jwt_key: expected a public key in PEM form") from None
    if _NAMES[settings.jwt_algorithm] not in {kind.__name__ for kind in type(key).__mro__}:
        raise ValueError(f"jwt_key: not a key of the algorithm {settings.jwt_algorithm}")
    return key
