"""A webhook on loopback that can be down, refuse a text, and remembers what it accepted."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Webhook:
    def __init__(self) -> None:
        self.is_up = True
        self.refuses = ""
        self.accepted: list[dict] = []
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.asked += 1
                fine = outer.is_up and not (outer.refuses and outer.refuses.encode() in body)
                if fine:
                    outer.accepted.append(json.loads(body) if body else {})
                self.send_response(200 if fine else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"json://user:s3cr3t-in-the-url@127.0.0.1:{self.port}/hook"

    def told(self) -> list[int]:
        """Numbers of the events that were told, in order."""
        texts = (f"{each['title']}\n{each['message']}" for each in self.accepted)
        return [int(number) for text in texts for number in re.findall(r"#(\d+)\b", text)]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
