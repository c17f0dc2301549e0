"""Start real servers for tests: a site behind gunicorn or uWSGI, and many clients at once."""

from __future__ import annotations

import contextlib
import http.client
import io
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask import Flask, session
from PIL import Image

from flask_images_vips import Images, resized_img_size
from flask_images_vips.installed import outdated

IN_THREAD = {"IMAGES_MAX_RENDERS": 0} if os.environ.get("IMAGES_TESTS_IN_THREAD") else {}
"""Configuration that makes all applications render in their own process, if that variable is set."""

OVERWRITTEN = "pyvips-binary is installed, but libvips "
"""The beginning of a warning that every process logs on a machine with the headers of another libvips."""

OUTDATED = frozenset(outdated())
"""The warnings that every process logs where a library is older than this package requires, as in the matrix."""


def without_outdated(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if line not in OUTDATED]


def without_overwritten(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if not line.startswith(OVERWRITTEN)]


def _is_expected(record: logging.LogRecord) -> bool:
    """Return whether *record* does not depend on which libvips the machine has."""
    message = record.getMessage()
    # Renderers, which all tests share, tell each application what their libvips lacks.
    told = record.module == "client" and message.startswith("libvips ") and " lacks something (" in message
    return not told and bool(without_outdated(without_overwritten([message])))


logging.getLogger("flask_images_vips").addFilter(_is_expected)

NO_THREADS = "Renders take all threads of this web worker "
"""The beginning of a warning of each process whose threads all rendered, or waited for a renderer, at the same time."""

CLIENT_TIMEOUT_SECONDS = 30  # a request that takes longer counts as hanging
PATIENCE_SECONDS = 60  # how long a test waits for something that must happen

SITE = """
import logging

from servers import site

# It appends each line with one write, so that lines of different processes do not mix.
log = logging.FileHandler({log!r})
log.setFormatter(logging.Formatter("%(process)d %(levelname)s %(message)s"))
logging.getLogger("flask_images_vips").addHandler(log)
logging.getLogger("flask_images_vips").setLevel(logging.INFO)

app = site({folder!r}, **{config!r})
{then}
"""
SETTINGS = (
    "control_socket_disable = True\n"  # newer gunicorns create one below $HOME by default; older ones ignore the key
)


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Logged(NamedTuple):
    process: int
    level: str
    message: str


def site(folder: str | Path, **config: Any) -> Flask:
    """An application with its pictures and its cache in *folder*. It has the same URLs in every process."""
    app = Flask("site", root_path=str(folder))
    app.secret_key = "a secret"
    app.config.update({"IMAGES_CACHE": "cache", **config, **IN_THREAD})
    Images(app)

    @app.get("/page")
    def page() -> str:
        session.permanent = True
        session["visitor"] = 1
        return "an ordinary page"

    return app


def planned_size(app: Flask, name: str, **keywords: Any) -> tuple[int, int]:
    with app.test_request_context():
        size = resized_img_size(name, **keywords)
        return size.width, size.height


def decoded_size(data: bytes | Path) -> tuple[int, int]:
    """The size of a picture, which is decoded completely. Raises an error if the file is truncated."""
    with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as picture:
        picture.load()
        return picture.size


def cache_folder(folder: str | Path) -> Path:
    return Path(folder, "cache", "flask-images-vips")


def temporary_files(folder: str | Path) -> set[str]:
    with contextlib.suppress(FileNotFoundError):
        return {name for name in os.listdir(cache_folder(folder) / "tmp") if name.startswith(".tmp-")}
    return set()


def environment(**more: str) -> dict[str, str]:
    """The environment for a process that imports this module and the package."""
    here = Path(__file__).parent
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), *filter(None, sys.path)]), **more}


class Server:
    """A server in a process group of its own. The package's log goes to the file *log*."""

    def __init__(self, folder: Path, config: dict[str, Any], then: str) -> None:
        self.folder, self.log, self.own_log = folder, folder / "images.log", folder / "server.log"
        values = {
            "folder": str(folder),
            "log": str(self.log),
            "config": config,
            "then": then.format(folder=str(folder)),
        }
        (folder / "served.py").write_text(SITE.format(**values))
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start_gunicorn(self, *options: str, **variables: str) -> None:
        (self.folder / "gunicorn.conf.py").write_text(SETTINGS)
        # The socket is bound here and inherited, so that no other process can take the port before gunicorn does.
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.port))  # any port the first time
            self.port = listener.getsockname()[1]
            number = listener.fileno()
            always = f"--bind=fd://{number} --worker-class=gthread --error-logfile={self.own_log} --backlog=4096"
            command = [sys.executable, "-m", "gunicorn", *always.split(), *options, "served:app"]
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environment(**variables), pass_fds=[number], start_new_session=True
            )

    def start_uwsgi(self, uwsgi: str, *options: str) -> None:
        always = ["--http-socket=127.0.0.1:{port}", "--master", "--module=served:app", "--die-on-term"]
        self._start([uwsgi, *always, *options])

    def start_python(self, module: str, *options: str) -> None:
        """Run a *module* of Python. ``{port}`` in the options is the port."""
        self._start([sys.executable, "-m", module, *options])

    def _start(self, command: list[str]) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        with self.own_log.open("wb") as log:
            self.process = subprocess.Popen(
                [part.replace("{port}", str(self.port)) for part in command],
                cwd=self.folder,
                env=environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def get(self, url: str, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CLIENT_TIMEOUT_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", url, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def wait(self) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end and self.process is not None and self.process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.get("/page")
                return
            time.sleep(0.05)
        pytest.fail(f"the server does not answer: {self.own_log.read_text() if self.own_log.exists() else 'no log'}")

    def logged(self) -> list[Logged]:
        found = []
        for line in self.log.read_text().splitlines():
            process, level, message = line.split(" ", 2)
            found.append(Logged(int(process), level, message))
        return found

    def rendered(self) -> list[str]:
        return [line.message for line in self.logged() if line.message.startswith("rendered")]

    def warnings(self) -> Counter[tuple[int, str]]:
        """How often each process logged each warning. Refused requests and a lack of threads are left out."""
        kinds = [
            (line.process, line.message)
            for line in self.logged()
            if line.level != "INFO" and not line.message.startswith(("image ", NO_THREADS))
        ]
        return Counter(kinds)

    def stop(self) -> None:
        """Terminate the server, then kill the processes that are left."""
        if self.process is not None:
            with self.process:
                self.process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(PATIENCE_SECONDS)
                with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS raises it for a dead group
                    os.killpg(self.process.pid, signal.SIGKILL)
        if self.own_log.exists():
            log = self.own_log.read_text(errors="replace")
            sys.stderr.write(log[-10_000:])


def all_at_once(server: Server, urls: list[str]) -> list[Answer | BaseException]:
    """Request each of *urls* in its own thread, all at the same moment. Returns the answers in the order of *urls*."""
    barrier = threading.Barrier(len(urls))
    answers: list[Answer | BaseException] = [TimeoutError("this request did not end")] * len(urls)

    def ask(index: int) -> None:
        barrier.wait(PATIENCE_SECONDS)
        answers[index] = asked(server, urls[index])

    threads = [threading.Thread(target=ask, args=(index,), daemon=True) for index in range(len(urls))]
    end = time.monotonic() + PATIENCE_SECONDS
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return answers


def by_few(server: Server, urls: list[str], clients: int) -> list[Answer | BaseException]:
    """Request *urls* with a number of *clients*, each of which sends one request at a time."""
    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(lambda url: asked(server, url), urls))


def asked(server: Server, url: str) -> Answer | BaseException:
    try:
        return server.get(url)
    except (OSError, http.client.HTTPException) as error:
        return error


def until(happened: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            pytest.fail(f"gave up waiting until {what}")
        time.sleep(0.002)


def unanswered(answers: list[Answer | BaseException]) -> list[BaseException]:
    return [answer for answer in answers if not isinstance(answer, Answer)]
