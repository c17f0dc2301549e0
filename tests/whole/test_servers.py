"""Web workers of every kind of server render, do not hang, and leave nothing behind, however they end."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import IN_THREAD, PHOTOGRAPHS, needs, share, stopped_renderers, url_of, uwsgi
from flask import Flask
from PIL import Image
from pool.shared import parent_of, processes
from servers import (
    NO_THREADS,
    Answer,
    Logged,
    Server,
    asked,
    by_few,
    decoded_size,
    site,
    temporary_files,
    unanswered,
    until,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and renderers need Linux")

REQUESTS = share(1000, 25)
END_SECONDS = 5  # from the end of a server until its renderers are gone
IN_WORKER = {"IMAGES_MAX_RENDERS": 0}
# The application's own pyvips. Its threads do not survive the fork of a worker.
PYVIPS_AT_IMPORT = """
import pyvips

pyvips.Image.thumbnail({folder!r} + "/static/small.jpg", 200).write_to_buffer(".png")
"""
# As process 1 of a container, which adopts all processes whose parents have ended. The master imports this.
ADOPTS = """
import ctypes

assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
"""
SAY_HOW_MANY = """
begun = []
app.before_request(lambda: begun.append(1))
app.get("/begun")(lambda: str(len(begun)))
"""

GUNICORN = {
    "gunicorn sync": ["--worker-class=sync", "--workers=2"],
    "gunicorn gthread": ["--worker-class=gthread", "--workers=2", "--threads=4"],
    "gunicorn gevent": ["--worker-class=gevent", "--workers=2"],
}
GUNICORN |= {f"{kind} --preload": [*options, "--preload"] for kind, options in GUNICORN.items()}
UWSGI = {
    "uwsgi": ["--processes=2"],
    "uwsgi --lazy-apps": ["--processes=2", "--lazy-apps"],
    "uwsgi --threads": ["--processes=2", "--threads=4"],
    "uwsgi --gevent": ["--processes=2", "--gevent=50", "--gevent-monkey-patch"],
}
PYTHON = {
    "waitress": ["waitress", "--listen=127.0.0.1:{port}", "served:app"],
    "flask run": ["flask", "--app=served", "run", "--port={port}", "--debug"],
}
SERVERS = [*GUNICORN, *UWSGI, *PYTHON]
FORKED_AFTER_IMPORT = {"uwsgi", "uwsgi --threads", "uwsgi --gevent", *(each for each in SERVERS if "preload" in each)}


def launch(server: Server, how: str, *options: str) -> None:
    for module in ("gunicorn", "gevent", "waitress"):
        needs(module, module not in how or importlib.util.find_spec(module), f"pip install {module}")
    if how in GUNICORN:
        server.start_gunicorn(*GUNICORN[how], *options)
    elif how in UWSGI:
        server.start_uwsgi(uwsgi(), *UWSGI[how], *options)
    else:
        server.start_python(*PYTHON[how], *options)


@pytest.fixture
def folder() -> Iterator[Path]:
    """The root of a `site` with a small photograph."""
    with tempfile.TemporaryDirectory(prefix="images-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        (folder / "static").mkdir()
        with Image.open(PHOTOGRAPHS / "canyon.jpg") as picture:
            picture.convert("RGB").resize((300, 200)).save(folder / "static" / "small.jpg", quality=90)
        yield folder


@pytest.fixture
def runtime(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The private folder of the pool that only this test uses."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "runtime"))
    return folder / "runtime"


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Server]]:
    """A function that starts one of `SERVERS`, whose application uses pyvips at import."""
    servers: list[Server] = []

    def start(how: str, *options: str, then: str = "", **config: Any) -> Server:
        server = Server(folder, config, PYVIPS_AT_IMPORT + then)
        servers.append(server)
        launch(server, how, *options)
        server.wait()
        return server

    yield start
    for server in servers:
        server.stop()


def small_urls(app: Flask, count: int, first: int = 0) -> dict[str, tuple[int, int]]:
    """So many URLs of small renditions, all different, and the size of each."""
    sizes = [(20 + number % 50, 20 + number // 50) for number in range(first, first + count)]
    return {url_of(app, "small.jpg", width=size[0], height=size[1], mode="crop"): size for size in sizes}


def check_answers(server: Server, urls: dict[str, tuple[int, int]]) -> None:
    """Request each of *urls*, and every tenth twice at the same time. All must be answered by the right picture."""
    asked_for = [url for number, url in enumerate(urls) for url in [url] * (2 if number % 10 == 0 else 1)]
    answers = by_few(server, asked_for, clients=8)
    assert unanswered(answers) == []
    assert Counter(answer.status for answer in answers if isinstance(answer, Answer)) == {200: len(asked_for)}
    for url, answer in zip(asked_for, answers, strict=True):
        assert isinstance(answer, Answer)
        assert decoded_size(answer.body) == urls[url]


def members(server: Server) -> list[int]:
    """The processes of the server's process group that have not ended."""
    assert server.process is not None
    return [pid for pid, state, group in every_process() if group == server.process.pid and state != "Z"]


def zombies(parents: list[int]) -> list[int]:
    return [pid for pid, state, _ in every_process() if state == "Z" and parent_of(pid) in parents]


def every_process() -> Iterator[tuple[int, str, int]]:
    """The process ID, the state and the process group of each process."""
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            state, _, group = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[:3]
            yield int(entry), state, int(group)


def check_end(server: Server, runtime: Path, number: int = signal.SIGTERM) -> None:
    """End the server by a signal, to its whole group if that is SIGKILL. Nothing may be left."""
    assert server.process is not None
    everyone = [*members(server), *processes(runtime)]
    until(lambda: not zombies(everyone), "there are no zombies")
    if number == signal.SIGKILL:
        os.killpg(server.process.pid, number)
    else:
        server.process.send_signal(number)
    server.process.wait(30)
    until(lambda: not members(server), "the server has ended")
    until(lambda: not processes(runtime), "the renderers have ended", END_SECONDS)
    assert [path for path in runtime.rglob("*") if path.is_socket()] == []


@pytest.mark.parametrize("config", [{}, IN_WORKER], ids=["renderers", "thread"])
@pytest.mark.parametrize("how", SERVERS)
def test_a_server_answers_each_request_and_leaves_nothing_behind(
    folder: Path, runtime: Path, start: Callable[..., Server], how: str, config: dict[str, Any]
) -> None:
    server = start(how, **config)
    check_answers(server, small_urls(site(folder, **config), REQUESTS))
    assert len(server.rendered()) == REQUESTS
    in_worker = bool(config or IN_THREAD)
    assert bool(processes(runtime)) is not in_worker
    engine = "pillow" if in_worker and how in FORKED_AFTER_IMPORT else "vips"  # libvips would hang
    assert all(f" by {engine}: " in line for line in server.rendered())
    check_end(server, runtime)
    assert temporary_files(server.folder) == set()


@pytest.mark.skipif(bool(IN_THREAD), reason="stops renderers")
@pytest.mark.parametrize(
    ("how", "threads"),
    [
        ("gunicorn sync", 1),
        ("gunicorn gthread", 4),
        ("gunicorn gevent", None),
        ("uwsgi", 1),
        ("uwsgi --threads", 4),
        ("uwsgi --gevent", None),
        ("waitress", 4),
        ("flask run", None),
    ],
)
def test_a_worker_whose_threads_all_wait_for_renderers_says_so_once(
    folder: Path, start: Callable[..., Server], how: str, threads: int | None
) -> None:
    server = start(how)
    urls = small_urls(site(folder), 20)
    with ThreadPoolExecutor(1) as client:
        with stopped_renderers():
            answers = client.submit(by_few, server, [*urls], 20)
            if threads:
                until(lambda: told(server), "a worker has no threads left")
            else:
                until(lambda: len(temporary_files(folder)) == 20, "all requests wait for a renderer")
        assert [answer.status for answer in answers.result(60) if isinstance(answer, Answer)] == [200] * 20
    assert {*Counter(told(server)).values()} <= {1}
    assert {line.message.partition("(")[2].partition(")")[0] for line in told(server)} == (
        {str(threads)} if threads else set()
    )


def told(server: Server) -> list[Logged]:
    return [line for line in server.logged() if line.message.startswith(NO_THREADS)]


@pytest.mark.skipif(bool(IN_THREAD), reason="there is no pool")
@pytest.mark.parametrize("how", ["gunicorn gthread", "gunicorn gevent --preload", "uwsgi", "waitress"])
def test_a_server_that_is_killed_leaves_no_renderers(
    folder: Path, runtime: Path, start: Callable[..., Server], how: str
) -> None:
    server = start(how)
    app = site(folder)
    check_answers(server, small_urls(app, 5))
    load = threading.Thread(target=by_few, args=(server, [*small_urls(app, 200, first=5)], 4), daemon=True)
    load.start()
    until(lambda: len(server.rendered()) > 10, "it renders")
    check_end(server, runtime, signal.SIGKILL)
    load.join(60)
    assert not load.is_alive()


@pytest.mark.parametrize("config", [{}, IN_WORKER], ids=["renderers", "thread"])
def test_a_server_that_is_process_1_and_replaces_its_workers_keeps_no_zombies(
    folder: Path, runtime: Path, start: Callable[..., Server], config: dict[str, Any]
) -> None:
    server = start("gunicorn gthread --preload", "--max-requests=10", then=ADOPTS, **config)
    assert server.process is not None
    app = site(folder, **config)
    first = {*members(server)}
    count = max(REQUESTS, 100)
    check_answers(server, small_urls(app, count))
    if renderers := processes(runtime):
        os.kill(renderers[0], signal.SIGKILL)  # the nursery: its renderers become children of the server, and end
        check_answers(server, small_urls(app, count, first=count))
        assert not {*renderers} & {*processes(runtime)}
    until(lambda: len({*members(server)} - first) >= 2, "both workers are replaced")
    assert server.process.poll() is None
    check_end(server, runtime)


@pytest.mark.skipif(bool(IN_THREAD), reason="a render in the thread occupies the only thread")
@pytest.mark.parametrize("how", ["gunicorn gevent", "gunicorn gevent --preload"])
def test_kept_pictures_are_served_under_gevent_while_renders_take_long(
    folder: Path, start: Callable[..., Server], how: str
) -> None:
    server = start(how, "--workers=1", then=SAY_HOW_MANY)
    warm, *cold = small_urls(site(folder), 5)
    assert server.get(warm).status == 200
    answers: list[Any] = []
    with stopped_renderers():
        before = int(server.get("/begun").body)
        load = threading.Thread(target=lambda: answers.extend(by_few(server, cold * 2, 8)), daemon=True)
        load.start()
        until(lambda: int(server.get("/begun").body) > before + 8, "all renders are requested")
        hits = by_few(server, [warm] * 100, clients=2)
        assert answers == []
    load.join(60)
    assert unanswered([*hits, *answers]) == []
    assert [answer.status for answer in [*hits, *answers]] == [200] * 108


@pytest.mark.parametrize("config", [{}, IN_WORKER], ids=["renderers", "thread"])
def test_a_development_server_answers_after_it_has_reloaded(
    folder: Path, runtime: Path, start: Callable[..., Server], config: dict[str, Any]
) -> None:
    server = start("flask run", **config)
    app = site(folder, **config)
    for round in range(1, 4):
        check_answers(server, small_urls(app, 10, first=10 * round))
        module = folder / "served.py"
        module.write_text(f"{module.read_text()}app.get('/{round}')(str)\n")
        until(lambda round=round: getattr(asked(server, f"/{round}"), "status", 0) == 200, "the server has reloaded")
    check_answers(server, small_urls(app, 10))
    check_end(server, runtime)
