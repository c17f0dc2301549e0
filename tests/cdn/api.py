"""A server on loopback in the place of a CDN's API, which notes requests and answers what a test has planned."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Asked(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Planned(NamedTuple):
    """An answer. With status 0, the connection ends without one."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


class Api:
    """The server. *plan* are the next answers; the last one is given again and again."""

    def __init__(self, *plan: Planned) -> None:
        self.plan = list(plan)
        self.asked: list[Asked] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                api.asked.append(Asked(self.command, self.path, dict(self.headers), body))
                planned = api.plan.pop(0) if len(api.plan) > 1 else api.plan[0]
                if planned.status:
                    self.send_response(planned.status)
                    for name, value in planned.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(planned.body)))
                    self.end_headers()
                    self.wfile.write(planned.body)

            def log_message(self, *args: Any) -> None:
                pass

        for method in ("GET", "POST", "PURGE"):
            setattr(Handler, f"do_{method}", Handler.answer)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
