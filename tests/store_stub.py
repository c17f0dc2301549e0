"""Object stores for tests that count requests or misbehave: S3's protocol over HTTP, with objects in memory."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

from real_servers import store_options


class Asked(NamedTuple):
    """One request to the store. *name* is that of the object, without the bucket."""

    method: str
    name: str
    range: str | None
    etag: str | None


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Stub:
    """A store with the bucket ``bucket``. *tamper* may replace an answer; what it returns is sent as it is."""

    objects: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    tamper: Callable[[Asked, Answer], Answer] = lambda asked, answer: answer
    passes: threading.Event = field(default_factory=threading.Event)
    deletes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.passes.set()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                asked = Asked(
                    self.command,
                    unquote(urlsplit(self.path).path).removeprefix("/bucket").lstrip("/"),
                    self.headers["Range"],
                    self.headers["If-None-Match"],
                )
                stub.asked.append(asked)
                stub.passes.wait(60)
                query = parse_qs(urlsplit(self.path).query)
                answer = stub.tamper(asked, stub.listed(query) if "list-type" in query else stub.answer(asked))
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)
                if int(answer.headers.get("Content-Length", len(answer.body))) != len(answer.body):
                    self.close_connection = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                stub.deletes = re.findall("<Key>(.*?)</Key>", body.decode())
                self.do_GET()

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients go away
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def options(self) -> dict[str, str]:
        """``IMAGES_STORE_OPTIONS`` for this store."""
        return store_options(self._server.server_port)

    def put(self, name: str, data: bytes) -> None:
        self.objects[name] = data, time.time()

    def answer(self, asked: Asked) -> Answer:
        if asked.method == "POST":  # the only kind is a deletion of several objects
            for name in self.deletes:
                self.objects.pop(unescape(name), None)
            deleted = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in self.deletes)
            return Answer(200, {}, f"<DeleteResult>{deleted}</DeleteResult>".encode())
        if asked.name not in self.objects:
            return Answer(404, {}, b"<Error><Code>NoSuchKey</Code></Error>")
        data, modified = self.objects[asked.name]
        etag = f'"{hashlib.md5(data).hexdigest()}"'
        headers = {"ETag": etag, "Last-Modified": formatdate(modified, usegmt=True)}
        if asked.etag == etag:
            return Answer(304, headers)
        if asked.range is None:
            return Answer(200, headers, data)
        first, last = map(int, asked.range.removeprefix("bytes=").split("-"))
        part = data[first : last + 1]
        if not part:
            return Answer(416, {})
        return Answer(206, {**headers, "Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(data)}"}, part)

    def listed(self, query: dict[str, list[str]]) -> Answer:
        prefix = query.get("prefix", [""])[0]
        rows = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"x"</ETag><Size>{len(data)}</Size></Contents>'
            for name, (data, _) in sorted(self.objects.items())
            if name.startswith(prefix)
        )
        listing = f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"
        return Answer(200, {"Content-Type": "application/xml"}, listing.encode())

    def close(self) -> None:
        self.passes.set()
        with contextlib.suppress(OSError):
            self._server.shutdown()
        self._server.server_close()
        self._thread.join()
