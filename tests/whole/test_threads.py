"""Threads: a lack of them passes, and a fork while another thread works leaves no child waiting."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cache.shared import outcome, posix
from conftest import Start, gradient, url_of
from flask import Flask

from flask_images_vips import Images, resized_img_tag
from flask_images_vips.cache.per_process import PerProcess
from flask_images_vips.engines.choice import Engines
from flask_images_vips.page.picture import Picture
from flask_images_vips.sources import connection
from flask_images_vips.state import images_of

LOOKUPS = 32


@pytest.fixture
def origin(static: Path) -> Any:
    """The URL of a picture on this host, by the name of the host."""
    body = io.BytesIO()
    gradient((40, 30)).save(body, "PNG")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            self.send_header("Content-Length", str(len(body.getvalue())))
            self.end_headers()
            self.wfile.write(body.getvalue())

        def log_message(self, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://localhost:{server.server_address[1]}/a.png"
        server.shutdown()
        thread.join()


def refuse(monkeypatch: pytest.MonkeyPatch, wanted: Callable[[threading.Thread], bool]) -> None:
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if wanted(thread):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)


@pytest.mark.parametrize("place", ["look-up", "timer"])
def test_without_threads_a_remote_source_is_busy_and_nothing_is_lost(
    make_app: Any, origin: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(origin.rpartition(":")[2].partition("/")[0])
    app = make_app(IMAGES_REMOTE_ALLOW_PRIVATE=["127.0.0.0/8", "::1/128"], IMAGES_REMOTE_PORTS=[port])
    client, url = app.test_client(), url_of(app, origin, width=9)
    with monkeypatch.context() as patch:
        refuse(patch, lambda thread: isinstance(thread, threading.Timer) or place == "look-up")
        if place == "look-up":
            patch.setattr(threading.Timer, "start", lambda timer: None)
            patch.setattr(threading.Timer, "join", lambda timer: None)
        for _ in range(LOOKUPS + 1):
            response = client.get(url)
            assert (response.status_code, response.headers["Cache-Control"]) == (503, "no-store")
    assert client.get(url).status_code == 200


def test_without_threads_a_local_picture_is_busy(make_app: Any, draw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    deadline = pytest.importorskip("flask_images_vips.engines.vips.deadline")
    draw("a.png")
    app = make_app(IMAGES_MAX_RENDERS=0, IMAGES_ENGINE="vips")
    client, url = app.test_client(), url_of(app, "a.png", width=9)

    def refused(name: str) -> Any:
        return threading.Lock if name == "allocate_lock" else fail

    def fail(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(deadline, "_watchers", PerProcess(deadline._Watcher))
        patch.setattr(deadline, "_unpatched", refused)
        assert client.get(url).status_code == 503
    assert client.get(url).status_code == 200


@posix
def test_without_threads_a_picture_is_sent_that_would_be_recompressed(
    make_app: Any, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("a.png")
    app = make_app(IMAGES_RECOMPRESS_AFTER=1)
    client, url = app.test_client(), url_of(app, "a.png", width=9)
    refuse(monkeypatch, lambda thread: thread.name == "flask-images-vips-small")
    assert [client.get(url).status_code for _ in range(3)] == [200] * 3


# Forks


def _build(app: Flask, meet: Callable[[], None]) -> None:
    build = images_of(app)._build
    images_of(app)._build = lambda *arguments: meet() or build(*arguments)


def _engine(app: Flask, meet: Callable[[], None]) -> None:
    common = Engines._common.fget
    Engines._common = property(lambda engines: meet() or common(engines))


def _look_up(app: Flask, meet: Callable[[], None]) -> None:
    for _ in range(LOOKUPS):
        connection._LOOKUPS.get().acquire()


def _size(app: Flask, meet: Callable[[], None]) -> None:
    known = Picture.__dict__["known"]._compute
    Picture.__dict__["known"]._compute = lambda picture: meet() or known(picture)


BUSY = {"build": _build, "engine": _engine, "look-up": _look_up, "size": _size}


def ask(app: Flask, width: int) -> int:
    with app.test_request_context():
        resized_img_tag("a.png", width=width)
    return app.test_client().get(url_of(app, "a.png", width=width)).status_code


def fork_while_a_thread_works(folder: str, place: str) -> None:
    app = Flask("site", root_path=folder)
    app.config.update(SECRET_KEY="a secret", IMAGES_CACHE="cache", IMAGES_MAX_RENDERS=0, IMAGES_ENGINE="pillow")
    Images(app)
    inside, parent = threading.Event(), os.getpid()

    def meet() -> None:
        inside.set()
        if os.getpid() == parent:
            time.sleep(3600)

    BUSY[place](app, meet)
    if place != "look-up":
        threading.Thread(target=ask, args=(app, 9), daemon=True).start()
        assert inside.wait(60)
    child = os.fork()
    if not child:
        free = place != "look-up" or connection._LOOKUPS.get().acquire(blocking=False)
        os._exit(0 if free and ask(app, 10) == 200 else 1)  # the parent holds the lock of the other width
    until = time.monotonic() + 60
    status = 0, 0
    while status == (0, 0) and time.monotonic() < until:
        status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)
    if status == (0, 0):
        os.kill(child, 9)
    print(json.dumps(status == (child, 0)), flush=True)
    os._exit(0)


@posix
@pytest.mark.parametrize("place", BUSY)
def test_a_child_that_is_forked_while_a_thread_works_does_not_wait_for_it(
    elsewhere: Start, draw: Any, tmp_path: Path, place: str
) -> None:
    draw("a.png")
    assert outcome(elsewhere(fork_while_a_thread_works, tmp_path, place)) is True
