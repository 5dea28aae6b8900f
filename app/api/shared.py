"""Redis as processes of the API share it: what can't be asked counts as nothing, for a while.

What belongs here: the connection and its loss. What does not: what is kept there (``content``, ``limits``).
"""

from __future__ import annotations

from time import monotonic
from typing import Any

from app.api.observed import logger

AWAY_SECONDS = 5.0
"""How long Redis is left alone after it failed."""
TIMEOUT_SECONDS = 0.25


class SharedRedis:
    """A Redis server that may be away.

    Parameters
    ----------
    url : str
    """

    def __init__(self, url: str) -> None:
        import redis

        self._client: Any = redis.Redis.from_url(
            url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
        )
        self._errors = (redis.RedisError, OSError)
        self._back_at = 0.0

    @property
    def is_away(self) -> bool:
        """Whether it failed a moment ago, so that it is not asked."""
        return monotonic() < self._back_at

    def ask(self, command: str, *arguments: Any, **options: Any) -> object:
        """Return the reply to a command of the client, None where there is none; blocks."""
        if self.is_away:
            return None
        try:
            return getattr(self._client, command)(*arguments, **options)
        except self._errors as error:
            self._back_at = monotonic() + AWAY_SECONDS
            logger().warning("redis is away: each process goes by itself", error=type(error).__name__)
            return None
