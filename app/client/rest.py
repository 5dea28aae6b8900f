"""Questions to the REST API.

What belongs here: requests, conditional ones included, and failures as exceptions. What does not: the stream.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import httpx

TIMEOUT_SECONDS = 30.0
_MOST_KEPT = 256
Reply = dict[str, Any]


class ProblemError(Exception):
    """What the API answers instead of an answer.

    Attributes
    ----------
    status : int
    kind : str
        End of the problem's type, e.g. ``not-built``.
    body : mapping
        All that it says: detail, reason, remedy, request_id.
    """

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {body.get('title', '')}: {body.get('detail', '')}")
        self.status = status
        self.kind = str(body.get("type", "")).rpartition(":")[2]
        self.body = body


class _Memory:
    """Replies by question, with the tags by which the server knows that they still hold."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, Reply]] = {}

    def headers(self, url: str) -> dict[str, str]:
        return {"If-None-Match": self._kept[url][0]} if url in self._kept else {}

    def read(self, url: str, response: httpx.Response) -> Reply:
        if response.status_code == 304:
            return dict(self._kept[url][1])
        try:
            body = response.json()
        except ValueError:
            body = {"title": response.reason_phrase, "detail": "the reply is no JSON"}
        if not response.is_success:
            raise ProblemError(response.status_code, body)
        tag = response.headers.get("etag")
        if tag and response.request.method == "GET":
            self._kept.pop(next(iter(self._kept)), None) if len(self._kept) >= _MOST_KEPT else None
            self._kept[url] = (tag, body)
        return dict(body)


def _options(base: str, key: str | None) -> dict[str, Any]:
    headers = {} if key is None else {"X-API-Key": key}
    return {"base_url": base, "headers": headers, "timeout": TIMEOUT_SECONDS}


def _given(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


class Periscope:
    """The API, asked synchronously.

    Parameters
    ----------
    base : str
        E.g. ``http://127.0.0.1:8000``.
    key : str, optional
        API key or token.
    """

    def __init__(self, base: str, key: str | None = None) -> None:
        self._http = httpx.Client(**_options(base, key))
        self._memory = _Memory()

    def get(self, path: str, **parameters: Any) -> Reply:
        """Return a reply; one that is held already is not sent again.

        Raises
        ------
        ProblemError
            If the API answers with one.
        httpx.TransportError
            If it can't be reached.
        """
        request = self._http.build_request("GET", path, params=_given(parameters))
        url = str(request.url)
        request.headers.update(self._memory.headers(url))
        return self._memory.read(url, self._http.send(request))

    def post(self, path: str, body: Mapping[str, Any], **parameters: Any) -> Reply:
        """Return the reply to a body; see :meth:`get`."""
        response = self._http.post(path, json=dict(body), params=_given(parameters))
        return self._memory.read(path, response)

    def pages(self, path: str, **parameters: Any) -> Iterator[Reply]:
        """Yield a reply's pages, all as known at one time."""
        cursor = None
        while True:
            page = self.get(path, cursor=cursor, **parameters)
            yield page
            cursor = page.get("next")
            if cursor is None:
                return

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def __enter__(self) -> Periscope:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncPeriscope:
    """The API, asked asynchronously; see :class:`Periscope`."""

    def __init__(self, base: str, key: str | None = None) -> None:
        self._http = httpx.AsyncClient(**_options(base, key))
        self._memory = _Memory()

    async def get(self, path: str, **parameters: Any) -> Reply:
        """See :meth:`Periscope.get`."""
        request = self._http.build_request("GET", path, params=_given(parameters))
        url = str(request.url)
        request.headers.update(self._memory.headers(url))
        return self._memory.read(url, await self._http.send(request))

    async def post(self, path: str, body: Mapping[str, Any], **parameters: Any) -> Reply:
        """See :meth:`Periscope.post`."""
        response = await self._http.post(path, json=dict(body), params=_given(parameters))
        return self._memory.read(path, response)

    async def pages(self, path: str, **parameters: Any) -> AsyncIterator[Reply]:
        """See :meth:`Periscope.pages`."""
        cursor = None
        while True:
            page = await self.get(path, cursor=cursor, **parameters)
            yield page
            cursor = page.get("next")
            if cursor is None:
                return

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncPeriscope:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
