"""A vendor on loopback that answers from memory and, where told to, in a way that no vendor should."""

from __future__ import annotations

import gzip
import json
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.sources import vendor_samples as samples

SECONDS_ASKED = 7
"""What Retry-After says."""

BODY_FAULTS = ("cut_json", "missing_results", "html")
"""Whole answers that are not what was asked for."""
WIRE_FAULTS = ("too_many", "server_error", "slow", "reset", "gzip_lies", "cut_chunks")
"""No answer, or a broken one."""
SHORT_FAULTS = ("early_end", "skipped_page")
"""Pages of the chain that lead past others."""
PAGE_FAULTS = ("repeated_page", "overlap", "loop", *SHORT_FAULTS)
"""Pages that are well formed and do not make one chain."""
ADDRESS_FAULTS = ("other_origin", "downgrade")
"""A next page elsewhere."""
FAULTS = (*BODY_FAULTS, *WIRE_FAULTS, *PAGE_FAULTS, *ADDRESS_FAULTS)

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Hands every request to the server's route."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        self.server.route(self)

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def send(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Send a whole answer, compressed where the client takes that."""
        if status == 200 and "Content_Encoding" not in headers and "gzip" in self.headers["Accept-Encoding"]:
            body, headers["Content_Encoding"] = gzip.compress(body, 1), "gzip"
        self.send_response(status)
        headers.setdefault("Content_Type", "application/json")
        for name, value in {"X_Request_Id": f"r-{len(self.server.requests)}", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Remembers what it was asked; `closing` ends whatever stalls."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, route: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.route = route
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.closing = threading.Event()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the game."""


@contextmanager
def serving(route: Answer) -> Iterator[Server]:
    """Serve a route until the block ends."""
    with Server(route) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()


@dataclass
class Massive:
    """Massive's two endpoints over one chain, with one fault on one page.

    Attributes
    ----------
    seed : int
        Chooses the chain, the sizes of its pages, and where the fault is.
    fault : str or None
    times : int
        How often the fault happens before the page is as it should be.
    elsewhere : str
        Origin that no request may reach.
    """

    seed: int
    fault: str | None = None
    times: int = 0
    elsewhere: str = ""
    hits: int = 0
    tickers: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.tickers = samples.tickers(2 * self.draw.randrange(5, 10))
        size = self.draw.randrange(3, 5)
        chain = [samples.massive_element(ticker, self.draw) for ticker in self.tickers]
        listed = [samples.massive_listed(ticker) for ticker in self.tickers]
        self.pages = {
            path: [records[i : i + size] for i in range(0, len(records), size)]
            for path, records in ((samples.SNAPSHOT_PATH, chain), (samples.CONTRACTS_PATH, listed))
        }
        self.faulty_path = self.draw.choice(list(self.pages))
        last = len(self.pages[self.faulty_path]) - 1
        self.faulty_page = self.draw.randrange(1, last)
        self.flavour = self.draw.randrange(4)
        if self.fault in SHORT_FAULTS:
            self.faulty_path = samples.SNAPSHOT_PATH
            self.faulty_page = self.draw.randrange(len(self.pages[self.faulty_path]) - 2)

    def __call__(self, handler: Handler) -> None:
        asked = urlsplit(handler.path)
        pages = self.pages.get(asked.path)
        if handler.headers["Authorization"] != f"Bearer {samples.KEY}":
            return handler.send(b"{}", 401)
        if pages is None:
            return handler.send(b"{}", 404)
        number = int(parse_qs(asked.query).get("cursor", ["0"])[0])
        is_here = (asked.path, number) == (self.faulty_path, self.faulty_page)
        if self.fault is not None and is_here and self.hits < self.times:
            self.hits += 1
            return getattr(self, self.fault)(handler, asked.path, number)
        return handler.send(self.body(handler, asked.path, number))

    def body(self, handler: Handler, path: str, number: int, **changed: object) -> bytes:
        """A page as it should be, some fields replaced."""
        last = len(self.pages[path]) - 1
        following = f"{handler.server.origin}{path}?cursor={number + 1}" if number < last else None
        return json.dumps(samples.page(self.pages[path][number], following) | changed).encode()

    def cut_json(self, handler: Handler, path: str, number: int) -> None:
        body = self.body(handler, path, number)
        handler.send(body[: self.draw.randrange(1, len(body) - 1)])

    def missing_results(self, handler: Handler, path: str, number: int) -> None:
        page = json.loads(self.body(handler, path, number))
        replaced = (None, {}, "none", [1, 2])[self.flavour]
        handler.send(json.dumps({**page, "results": replaced}).encode())

    def html(self, handler: Handler, path: str, number: int) -> None:
        handler.send(b"<!doctype html><title>Down for maintenance</title>", Content_Type="text/html")

    def too_many(self, handler: Handler, path: str, number: int) -> None:
        handler.send(b'{"status":"ERROR"}', 429, Retry_After=str(SECONDS_ASKED))

    def server_error(self, handler: Handler, path: str, number: int) -> None:
        handler.send(b"oops", (500, 502, 503, 504)[self.flavour])

    def slow(self, handler: Handler, path: str, number: int) -> None:
        if self.flavour % 2:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
        handler.server.closing.wait(5)
        handler.close_connection = True

    def reset(self, handler: Handler, path: str, number: int) -> None:
        if self.flavour % 2:
            handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"results": [')
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.connection.close()
        handler.close_connection = True

    def gzip_lies(self, handler: Handler, path: str, number: int) -> None:
        body = self.body(handler, path, number)
        packed = gzip.compress(body)
        damaged = packed[:20] + bytes([packed[20] ^ 0xFF]) + packed[21:]
        lie = (body, damaged, packed[:-12], packed + b"trailing")[self.flavour]
        handler.send(lie, Content_Encoding="gzip")

    def cut_chunks(self, handler: Handler, path: str, number: int) -> None:
        body = self.body(handler, path, number)
        half = body[: len(body) // 2]
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        handler.wfile.write(
            f"{len(half):x}\r\n".encode() + half + b"\r\n" + (b"40\r\n{" if self.flavour % 2 else b"")
        )
        handler.close_connection = True

    def repeated_page(self, handler: Handler, path: str, number: int) -> None:
        handler.send(self.body(handler, path, number, results=self.pages[path][number - 1]))

    def overlap(self, handler: Handler, path: str, number: int) -> None:
        joined = [self.pages[path][number - 1][-1], *self.pages[path][number]]
        handler.send(self.body(handler, path, number, results=joined))

    def loop(self, handler: Handler, path: str, number: int) -> None:
        back = self.draw.randrange(number + 1)
        handler.send(
            self.body(handler, path, number, next_url=f"{handler.server.origin}{path}?cursor={back}")
        )

    def early_end(self, handler: Handler, path: str, number: int) -> None:
        handler.send(self.body(handler, path, number, next_url=None))

    def skipped_page(self, handler: Handler, path: str, number: int) -> None:
        address = f"{handler.server.origin}{path}?cursor={number + 2}"
        handler.send(self.body(handler, path, number, next_url=address))

    def other_origin(self, handler: Handler, path: str, number: int) -> None:
        own = handler.server.origin
        address = (
            f"{self.elsewhere}{path}?cursor={number + 1}",
            f"{own}@{self.elsewhere.removeprefix('http://')}{path}?cursor={number + 1}",
            f"{own}/v3/snapshot/options/QQQ?cursor={number + 1}",
            f"//{self.elsewhere.removeprefix('http://')}{path}?cursor={number + 1}",
        )[self.flavour]
        handler.send(self.body(handler, path, number, next_url=address))

    def downgrade(self, handler: Handler, path: str, number: int) -> None:
        scheme = ("ftp", "https", "file", "HTTP-")[self.flavour]
        address = handler.server.origin.replace("http", scheme, 1) + f"{path}?cursor={number + 1}"
        handler.send(self.body(handler, path, number, next_url=address))


@dataclass
class Single(Massive):
    """A vendor of whole answers: Cboe, or Deribit with its two lists; `faulty_path` has the fault."""

    answers: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.flavour = self.draw.randrange(4)
        self.faulty_path = self.draw.choice(sorted(self.answers))

    def __call__(self, handler: Handler) -> None:
        path = urlsplit(handler.path).path
        if self.fault is not None and path == self.faulty_path and self.hits < self.times:
            self.hits += 1
            return getattr(self, self.fault)(handler, path, 0)
        return handler.send(self.answers[path])

    def body(self, handler: Handler, path: str, number: int, **changed: object) -> bytes:
        return self.answers[path]

    def missing_results(self, handler: Handler, path: str, number: int) -> None:
        renamed = self.answers[path].replace(b'"result"', b'"none"').replace(b'"options"', b'"none"')
        handler.send(renamed)
