"""Many processes and one cache: a real gunicorn under load, and processes that are killed in the middle of the work."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import io
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import PHOTOGRAPHS, cached_files, needs, url_of
from flask import Flask
from PIL import Image

from flask_images_vips import Images, resized_img_size
from flask_images_vips.cache.disk import DiskCache

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: fork, kill, gunicorn")

LOCK_TIMEOUT_SECONDS = 120  # a lock that stays behind makes a request wait for longer than any client does
CLIENT_TIMEOUT_SECONDS = 20
PATIENCE_SECONDS = 60  # how long a test waits for what must happen

SITE = """
import logging
import os

from test_processes import site

handler = logging.FileHandler({renders!r})  # appends, a line with one write: whole, whichever process it comes from
handler.addFilter(lambda record: record.getMessage().startswith("rendered"))
logging.getLogger("flask_images_vips").addHandler(handler)
logging.getLogger("flask_images_vips").setLevel(logging.INFO)

app = site({folder!r})


@app.after_request
def say_who(response):
    response.headers["X-Process"] = str(os.getpid())
    return response
"""
SETTINGS = "control_socket_disable = True\n"  # by default later gunicorns make one below $HOME; older know no such key


class Answer(NamedTuple):
    status: int
    body: bytes
    process: int


def site(folder: str | Path) -> Flask:
    """An application whose pictures and cache lie in *folder*; the same in every process, with the same URLs."""
    app = Flask("site", root_path=str(folder))
    app.secret_key = "a secret"
    app.config.update(IMAGES_CACHE="cache", IMAGES_LOCK_TIMEOUT=LOCK_TIMEOUT_SECONDS)
    Images(app)
    return app


def planned_size(app: Flask, **keywords: int) -> tuple[int, int]:
    with app.test_request_context():
        size = resized_img_size("large.jpg", **keywords)
        return size.width, size.height


def decoded_size(data: bytes | Path) -> tuple[int, int]:
    """The size of a whole picture: one that is cut short raises."""
    with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as picture:
        picture.load()
        return picture.size


def temporary_files(folder: str | Path) -> set[str]:
    with contextlib.suppress(FileNotFoundError):
        return {name for name in os.listdir(cache_folder(folder) / "tmp") if name.startswith(".tmp-")}
    return set()


def cache_folder(folder: str | Path) -> Path:
    return Path(folder, "cache", "flask-images-vips")


def environment() -> dict[str, str]:
    """That of a process which can import this file and the package."""
    here = Path(__file__).parent
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), *filter(None, sys.path)])}


@pytest.fixture(scope="module")
def large_photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph of 6 million pixels: long enough in the making to be met in the middle."""
    path = tmp_path_factory.mktemp("large") / "large.jpg"
    with Image.open(PHOTOGRAPHS / "canyon.jpg") as picture:
        picture.convert("RGB").resize((3000, 2000)).save(path, quality=90)
    return path


@pytest.fixture
def folder(tmp_path: Path, large_photograph: Path) -> Path:
    """The root of a `site`."""
    (tmp_path / "static").mkdir()
    shutil.copy2(large_photograph, tmp_path / "static")
    return tmp_path


# A real server.


class Server:
    """A gunicorn in a process group of its own."""

    def __init__(self, folder: Path, workers: int, threads: int) -> None:
        self.log, self.renders = folder / "gunicorn.log", folder / "renders.log"
        (folder / "served.py").write_text(SITE.format(folder=str(folder), renders=str(self.renders)))
        (folder / "gunicorn.conf.py").write_text(SETTINGS)
        # Bound here and inherited: between choosing a free port and binding it, no other process can take it.
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port: int = listener.getsockname()[1]
            options = f"--bind=fd://{listener.fileno()} --workers={workers} --threads={threads} --worker-class=gthread"
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", *options.split(), f"--error-logfile={self.log}", "served:app"],
                cwd=folder,
                env=environment(),
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )

    def get(self, url: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CLIENT_TIMEOUT_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", url)
            response = connection.getresponse()
            return Answer(response.status, response.read(), int(response.headers.get("X-Process", 0)))

    def wait(self) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.get("/")
                return
            time.sleep(0.05)
        pytest.fail(f"gunicorn does not answer: {self.log.read_text() if self.log.exists() else 'no log'}")

    def stop(self) -> None:
        """Let gunicorn end its workers; what is left after that is killed."""
        with self.process:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE_SECONDS)
            with contextlib.suppress(ProcessLookupError, PermissionError):  # as macOS says of a dead group
                os.killpg(self.process.pid, signal.SIGKILL)
        sys.stderr.write(self.log.read_text() if self.log.exists() else "")


@pytest.fixture
def serve(folder: Path) -> Iterator[Callable[..., Server]]:
    """Starts gunicorn with a `site`, and stops it after the test."""
    needs("gunicorn", importlib.util.find_spec("gunicorn"), "pip install gunicorn")
    servers: list[Server] = []

    def start(*, workers: int, threads: int) -> Server:
        server = Server(folder, workers, threads)
        servers.append(server)
        server.wait()
        return server

    yield start
    for server in servers:
        server.stop()


def all_at_once(server: Server, urls: list[str]) -> list[Answer | BaseException]:
    """The answers to *urls*, each asked for by a thread of its own; the threads start at the same moment."""
    barrier = threading.Barrier(len(urls))
    answers: list[Answer | BaseException] = [TimeoutError("this request did not end")] * len(urls)

    def ask(index: int) -> None:
        barrier.wait(PATIENCE_SECONDS)
        try:
            answers[index] = server.get(urls[index])
        except (OSError, http.client.HTTPException) as error:
            answers[index] = error

    threads = [threading.Thread(target=ask, args=(index,), daemon=True) for index in range(len(urls))]
    end = time.monotonic() + PATIENCE_SECONDS
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return answers


def test_fifty_cold_requests_for_each_of_ten_pictures_render_ten_times(
    folder: Path, serve: Callable[..., Server]
) -> None:
    app = site(folder)
    server = serve(workers=4, threads=16)
    widths = range(1100, 1200, 10)
    urls = {url_of(app, "large.jpg", width=width): planned_size(app, width=width) for width in widths}
    asked = [url for _ in range(50) for url in urls]
    awake: set[int] = set()
    for _ in range(1000):  # on a busy machine the first worker would do it all before the others have started
        awake |= {server.get("/").process}
        if len(awake) > 1:
            break
        time.sleep(0.01)

    answers = all_at_once(server, asked)

    assert [answer for answer in answers if not isinstance(answer, Answer)] == []
    assert [answer.status for answer in answers] == [200] * 500
    bodies = {url: {answer.body for answer, of in zip(answers, asked, strict=True) if of == url} for url in urls}
    for url, different in bodies.items():
        assert len(different) == 1
        assert decoded_size(different.pop()) == urls[url]
    assert len({answer.process for answer in answers}) > 1  # or one worker did it all, and this test saw nothing
    assert len(server.renders.read_text().splitlines()) == 10
    assert len(cached_files(cache_folder(folder))) == 10
    assert temporary_files(folder) == set()
    assert "Traceback" not in server.log.read_text()


def test_a_worker_that_is_killed_under_load_holds_up_no_later_request(
    folder: Path, serve: Callable[..., Server]
) -> None:
    app = site(folder)
    server = serve(workers=2, threads=4)
    killed_in_the_middle = 0
    for number in range(10):
        widths = range(1000 + 8 * number, 1008 + 8 * number)
        urls = {url_of(app, "large.jpg", width=width): planned_size(app, width=width) for width in widths}
        before = temporary_files(folder)
        victim = server.get("/").process
        load = threading.Thread(target=all_at_once, args=(server, list(urls)), daemon=True)
        load.start()
        while load.is_alive() and temporary_files(folder) <= before:
            time.sleep(0.001)
        os.kill(victim, signal.SIGKILL)
        wait_until_gone(victim)

        for url, size in urls.items():
            answer = server.get(url)
            assert answer.status == 200
            assert decoded_size(answer.body) == size
        load.join(PATIENCE_SECONDS)
        assert not load.is_alive()
        killed_in_the_middle += not temporary_files(folder) <= before
    print(f"{killed_in_the_middle} of 10 workers were killed in the middle of a render")
    assert server.process.poll() is None
    for path in cached_files(cache_folder(folder)):
        decoded_size(path)


def wait_until_gone(pid: int) -> None:
    """Until gunicorn has noticed: up to then a killed process may still hold a connection."""
    end = time.monotonic() + PATIENCE_SECONDS
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < end:
            os.kill(pid, 0)
            time.sleep(0.002)
        pytest.fail("a killed worker is still there")


# Processes killed in the middle. The parent forks and renders nothing itself: a render before a fork hangs the child.

ROUNDS = 200
UNDISTURBED = (590, 591, 592)  # the widths of what is rendered before, to see how long it takes
FIRST_WIDTH = 600
ANSWERED = 0


def fork_to_get(app: Flask, url: str) -> int:
    """The process id of a child that gets *url*, and ends with status 0 where the answer was 200 and whole."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        response = app.test_client().get(url)
        decoded_size(response.data)
        status = ANSWERED if response.status_code == 200 else 2
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def end_of(pid: int) -> int | str:
    """How a child ended, which is killed where it does not end for as long as a client would wait."""
    end = time.monotonic() + CLIENT_TIMEOUT_SECONDS
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "hung"


def kill_many(folder: str, rounds: str, seed: str) -> None:
    """Kill as many children in the middle of a render, and get the same picture after each."""
    importlib.import_module("flask_images_vips.engines.vips")  # before the forks: a round costs no imports
    chance = random.Random(seed)
    app = site(folder)
    ends, seconds = [], []
    for width in UNDISTURBED:
        begin = time.monotonic()
        ends.append(end_of(fork_to_get(app, url_of(app, "large.jpg", width=width))))
        seconds.append(time.monotonic() - begin)

    killed, killed_in_the_middle, after = 0, 0, []
    for number in range(int(rounds)):
        url = url_of(app, "large.jpg", width=FIRST_WIDTH + number)
        before = temporary_files(folder)
        pid = fork_to_get(app, url)
        ended = status = 0
        if number % 4:  # three of four are killed soon after they have begun to render, the rest at any moment
            while not ended and temporary_files(folder) <= before:
                time.sleep(0.0005)
                ended, status = os.waitpid(pid, os.WNOHANG)
            time.sleep(chance.uniform(0, min(seconds) / 3))
        else:
            time.sleep(chance.uniform(0, min(seconds) * 1.5))
        if not ended:
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
        killed += os.WIFSIGNALED(status)
        killed_in_the_middle += not temporary_files(folder) <= before
        after.append(end_of(fork_to_get(app, url)))
    print(json.dumps([ends, killed, killed_in_the_middle, after]))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process fork once it has loaded such libraries")
def test_a_killed_process_leaves_no_half_entry_and_no_lock_behind(folder: Path) -> None:
    call = "import sys; from test_processes import kill_many; kill_many(*sys.argv[1:])"
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", call, folder, str(ROUNDS), "always the same"]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            printed, _ = process.communicate(timeout=3 * PATIENCE_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0
    undisturbed, killed, killed_in_the_middle, after = json.loads(printed)
    print(f"{killed} of {ROUNDS} were killed, {killed_in_the_middle} in the middle of a render")

    assert undisturbed == [ANSWERED] * len(UNDISTURBED)
    assert killed_in_the_middle >= ROUNDS / 2
    assert after == [ANSWERED] * ROUNDS

    app = site(folder)
    planned = [planned_size(app, width=width) for width in (*UNDISTURBED, *range(FIRST_WIDTH, FIRST_WIDTH + ROUNDS))]
    assert sorted(decoded_size(path) for path in cached_files(cache_folder(folder))) == sorted(planned)

    assert len(temporary_files(folder)) == killed_in_the_middle
    sweeping = DiskCache(str(cache_folder(folder)), lock_timeout=LOCK_TIMEOUT_SECONDS, temp_max_age=0)
    sweeping.get_or_create(("00" * 20, "00" * 20), 0, lambda: b"one write").close()
    assert temporary_files(folder) == set()
