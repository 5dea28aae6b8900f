"""A dead-man's switch: an address outside that calls somebody when it is not asked for any more.

What belongs here: one ping. What does not: how often (``defs.watching``).
"""

from __future__ import annotations

import urllib.request
from urllib.error import URLError

from pydantic import SecretStr

_TIMEOUT_SECONDS = 10.0


def ping(url: SecretStr) -> str | None:
    """Ask for the address; return None when it answered, otherwise why not, without naming it."""
    try:
        request = urllib.request.Request(url.get_secret_value(), method="POST")  # noqa: S310
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310
            return None
    except URLError as error:
        reason = getattr(error, "code", None) or type(error.reason).__name__
        return f"the heartbeat's address did not answer: {reason}"
    except (OSError, ValueError) as error:
        return f"the heartbeat's address did not answer: {type(error).__name__}"
