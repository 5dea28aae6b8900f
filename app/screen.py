"""The analyst app as a server: ``streamlit run app/screen.py``.

What belongs here: what is done before and around the pages, so that a first visit is quick. What does not:
pages (``main``).
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import mimetypes
import pkgutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app import views
from app.components import library

_FOLDER = Path(st.__file__).with_name("static")
_FOR_EVER = {"Cache-Control": "public, immutable, max-age=31536000"}
_log = logging.getLogger("periscope.app")


class Assets:
    """Answers for the files of Streamlit's own client, and Plotly's, from memory: a visit asks for a hundred.

    Their names hold a hash of what is in them, or a version.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        found = (path for path in (_FOLDER / "static").rglob("*") if path.is_file())
        self._paths = {f"/{path.relative_to(_FOLDER).as_posix()}": path for path in found}
        self._paths[f"/static/js/{library.NAME}"] = library.FILE
        self._held: dict[str, Response] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on what is none of these files."""
        name = scope.get("path", "")
        if scope["type"] == "http" and scope["method"] == "GET" and name in self._paths:
            if name not in self._held:
                self._held[name] = _response(self._paths[name])
            await self._held[name](scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _response(path: Path) -> Response:
    kind = mimetypes.guess_type(path.name)[0]
    return Response(path.read_bytes(), media_type=kind, headers=_FOR_EVER)


@asynccontextmanager
async def ready(_app: Any) -> AsyncIterator[dict[str, Any]]:
    """Import the pages before the first reader comes, and read meanwhile what the first ones begin with."""
    await asyncio.to_thread(_import_pages)
    reading = asyncio.create_task(asyncio.to_thread(_read_ahead))
    yield {}
    await reading


def _import_pages() -> None:
    for page in pkgutil.iter_modules(views.__path__, f"{views.__name__}."):
        importlib.import_module(f"{page.name}.view")


def _read_ahead() -> None:
    """Read what an opened page would; what fails here is told on the page."""
    from app import cache

    try:
        queries = cache.queries().of_one_moment()
        queries.board()
        for symbol in queries.symbols()[:1]:
            queries.surface(symbol, coordinate="delta", points=41)
    except Exception as error:
        _log.warning("nothing could be read ahead: %s", error)
    # Streamlit collects garbage whenever a page was drawn, and meanwhile nothing else of this process runs: a
    # third of a second long, unless it may leave out what is imported by now.
    gc.collect()
    gc.freeze()


app = st.App("main.py", lifespan=ready, middleware=[Middleware(Assets)])
