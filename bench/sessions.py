"""Many sessions of the analyst app at once, and the memory that its one server process takes for them.

Each session is a websocket of its own that asks for pages as a browser does, reads all that the server draws
and looks for news once on every page; only the browser's own work is left out. All sessions ask at the same
time, for different pages and symbols, without a pause for reading. ``python -m bench.screen --only sessions``
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from urllib.parse import urlencode

from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from app.services import catalogue
from app.services.processes import wait_until
from periscope_assets.settings import Settings

PATHS = ("overview", "surface", "term", "heston", "signals", "strategy", "positioning", "health", "settings")
RESIDENT, PEAK = "VmRSS", "VmHWM"
PATIENCE_SECONDS = 300.0
FRAGMENT_DONE = ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY


@dataclass
class Session:
    """What one reader's browser tab asks and gets."""

    socket: ClientConnection
    hashes: dict[str, str] = field(default_factory=dict)
    drawn: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    async def open(self, path: str, symbol: str) -> None:
        """Go to a page, read until it is drawn, then look once whether there is news."""
        asked = BackMsg()
        asked.rerun_script.query_string = urlencode({"symbol": symbol})
        asked.rerun_script.page_name = "" if path in self.hashes else path
        asked.rerun_script.page_script_hash = self.hashes.get(path, "")
        began = time.perf_counter()
        looking = await self._ask(asked, ForwardMsg.FINISHED_SUCCESSFULLY)
        self.seconds.append(time.perf_counter() - began)
        if looking:
            asked.rerun_script.fragment_id, asked.rerun_script.is_auto_rerun = looking, True
            await self._ask(asked, FRAGMENT_DONE)

    async def _ask(self, message: BackMsg, until: int) -> str:
        """Return the fragment that the page wants to have drawn again by and by, if there is one."""
        looking = ""
        await self.socket.send(message.SerializeToString())
        while True:
            reply = ForwardMsg.FromString(await asyncio.wait_for(self.socket.recv(), PATIENCE_SECONDS))
            kind = reply.WhichOneof("type")
            if kind == "navigation":
                self.hashes = {
                    page.url_pathname: page.page_script_hash for page in reply.navigation.app_pages
                }
            elif kind == "auto_rerun":
                looking = reply.auto_rerun.fragment_id
            elif kind == "delta":
                self._note(reply)
            elif kind == "script_finished" and reply.script_finished == until:
                return looking

    def _note(self, reply: ForwardMsg) -> None:
        element = reply.delta.new_element
        kind = element.WhichOneof("type")
        if kind == "exception" or (kind == "alert" and element.alert.format == Alert.ERROR):
            raise RuntimeError(f"a page failed: {element.alert.body or element.exception.message}")
        self.drawn[kind or "block"] += 1


@contextmanager
def server(settings: Settings) -> Iterator[tuple[int, int]]:
    """Run the app on the store of a home as ``periscope up`` does; give its port and process."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    moved = settings.model_copy(update={"ports": settings.ports.model_copy(update={"app": port})})
    service = next(one for one in catalogue.services(moved) if one.name == "app")
    with TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, *service.command],
            env=catalogue.environment(moved, {}),
            stdout=log,
            stderr=log,
        )
        try:
            if not wait_until(lambda: catalogue.answers(service), PATIENCE_SECONDS):
                raise RuntimeError("the app did not start")
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(30)


async def walk(port: int, symbols: Sequence[str], sessions: int, pages: int) -> list[Session]:
    """Open the sessions, all of them to the end, and let each go through its pages."""
    async with AsyncExitStack() as stack:
        address = f"ws://127.0.0.1:{port}/_stcore/stream"
        opened = [
            Session(
                await stack.enter_async_context(connect(address, subprotocols=["streamlit"], max_size=None))
            )
            for _ in range(sessions)
        ]
        await asyncio.gather(*(_browse(session, n, symbols, pages) for n, session in enumerate(opened)))
        return opened


async def _browse(session: Session, number: int, symbols: Sequence[str], pages: int) -> None:
    for step in range(pages):
        path = PATHS[(number + step) % len(PATHS)]
        await session.open(path, symbols[(number + step // 2) % len(symbols)])


def megabytes(pid: int, what: str) -> float:
    """Return the resident memory of a process, now or at its peak."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024.0 for line in lines if line.startswith(f"{what}:"))


def measure(settings: Settings, symbols: Sequence[str], sessions: int, pages: int) -> None:
    """Print what the server process takes before, at its peak and at the end."""
    with server(settings) as (port, pid):
        before = megabytes(pid, RESIDENT)
        walked = asyncio.run(walk(port, symbols, sessions, pages))
        peak, after = megabytes(pid, PEAK), megabytes(pid, RESIDENT)
    spent = sorted(second for session in walked for second in session.seconds)
    drawn = sum((session.drawn for session in walked), Counter())
    print(
        f"{sessions} sessions, {len(spent)} pages of {len(symbols)} symbols, {os.cpu_count()} cores: "
        f"{drawn['bidi_component']:,} figures, {drawn['dataframe']:,} tables"
    )
    print(f"server process: {before:,.0f} MB before, {peak:,.0f} MB at its peak, {after:,.0f} MB at the end")
    middle = statistics.median(spent)
    print(f"a page, all sessions asking at once: median {middle:.1f} s, worst {spent[-1]:.1f} s")
