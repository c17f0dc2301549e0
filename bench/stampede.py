"""``python -m bench.stampede``: what many clients cost that want the same cold renditions at the same moment.

The peak memory of two gunicorn processes with 100 clients for one rendition of a large photograph, and how long those
who waited for another's render waited beyond its end. Times are taken in the server, on the clock that all its
processes share: neither the clients nor gunicorn's own queue are in them. Beside them stands how late a thread wakes
that only sleeps: no waiter can be told sooner than that. Linux.
"""

from __future__ import annotations

import http.client
import logging
import math
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask

from bench.photographs import enlarged
from flask_images_vips import Images, resized_img_src
from flask_images_vips.state import images_of

THREADS = 16
ROUNDS = 5
TIMEOUT_SECONDS = 60
NAP_SECONDS = 0.01

ANSWER_BYTES = 1_000_000  # more than any

LARGE, MIDDLING = (6000, 4000), (3000, 2000)


class Told:
    """A file that all processes of a server write lines into, each with the time."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def tell(self, what: str, name: str, *times: float) -> None:
        os.write(self._descriptor, f"{what} {name} {' '.join(map(str, times))}\n".encode())

    def lines(self, what: str) -> Iterator[tuple[str, list[float]]]:
        for line in self.path.read_text().splitlines():
            kind, name, *times = line.split()
            if kind == what:
                yield name, [float(time) for time in times]


def site(folder: str) -> Flask:
    app = Flask("stampede", root_path=folder)
    app.secret_key = "a secret"
    app.config["IMAGES_CACHE"] = "cache"
    Images(app)
    return app


def served(folder: str) -> Callable[..., Iterable[bytes]]:
    """The site, which tells when each render and each request ended."""
    told = Told(f"{folder}/told")
    app = site(folder)
    _ = images_of(
        app
    ).pipeline.producer.engines.here  # libvips is imported before the first request, and not while others wait

    class Renders(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if isinstance(record.args, tuple) and record.getMessage().startswith("rendered"):
                told.tell(
                    "rendered", f"/imgsizer/{record.args[0]}", time.monotonic(), float(str(record.args[-1])) / 1000
                )

    logger = logging.getLogger("flask_images_vips")
    logger.addHandler(Renders())
    logger.setLevel(logging.INFO)

    def sleep() -> None:
        while True:
            due = time.monotonic() + NAP_SECONDS
            time.sleep(NAP_SECONDS)
            told.tell("woke", "late", due, time.monotonic() - due)

    threading.Thread(target=sleep, daemon=True).start()

    def timed(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        begin = time.monotonic()
        body = app(environ, start_response)
        told.tell("answered", environ["PATH_INFO"], begin, time.monotonic())
        return body

    return timed


@contextmanager
def gunicorn(folder: Path, workers: int) -> Iterator[tuple[int, int]]:
    """The port and the process of a gunicorn that serves the site in *folder*."""
    shutil.rmtree(folder / "cache", ignore_errors=True)
    (folder / "told").unlink(missing_ok=True)
    (folder / "served.py").write_text(f"from bench.stampede import served\n\napp = served({str(folder)!r})\n")
    (folder / "gunicorn.conf.py").write_text("control_socket_disable = True\n")
    paths = [str(Path(__file__).parent.parent), *filter(None, sys.path)]
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        number = listener.fileno()
        options = (
            f"--bind=fd://{number} --workers={workers} --threads={THREADS} --worker-class=gthread --log-level=error"
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options.split(), "--backlog=4096", "served:app"],
            cwd=folder,
            env={**os.environ, "MALLOC_ARENA_MAX": "2", "PYTHONPATH": os.pathsep.join(paths)},
            pass_fds=[number],  # and no session of its own: Linux would weigh it against all of ours together
        )
    with process:
        try:
            end = time.monotonic() + TIMEOUT_SECONDS
            while len(children(process.pid)) < workers or not answers(port):
                if time.monotonic() > end or process.poll() is not None:
                    raise RuntimeError("gunicorn does not start")
                time.sleep(0.05)
            time.sleep(1)  # until the last worker has imported all as well
            yield port, process.pid
        finally:
            process.send_signal(signal.SIGTERM)


def answers(port: int) -> bool:
    try:
        return get(port, "/") == 404
    except OSError:
        return False


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def get(port: int, url: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)) as connection:
        connection.request("GET", url)
        response = connection.getresponse()
        response.read()
        return response.status


def all_at_once(port: int, server: int, urls: list[str]) -> Counter[str]:
    """How often there was which status of answers to *urls*, each asked for by a client of its own.

    The clients of a server are elsewhere and take none of its processors' time: here, all have asked before its workers
    go on, their sockets hold a whole answer, and one thread, which comes last, reads them all.
    """
    with ExitStack() as stack:
        for worker in children(server):
            os.kill(worker, signal.SIGSTOP)
            stack.callback(os.kill, worker, signal.SIGCONT)
        clients = [_asking(port, url) for url in urls]
    with ThreadPoolExecutor(1, initializer=_come_last) as pool:
        return pool.submit(_answered, clients).result()


def _asking(port: int, url: str) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ANSWER_BYTES)
    client.settimeout(TIMEOUT_SECONDS)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET {url} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
    return client


def _come_last() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)  # Linux counts this by thread


def _answered(clients: list[socket.socket]) -> Counter[str]:
    """By status; of what was not whole, the error."""
    found: Counter[str] = Counter()
    for client in clients:
        try:
            with client, http.client.HTTPResponse(client) as response:
                response.begin()
                response.read()
                found[str(response.status)] += 1
        except (OSError, http.client.HTTPException) as error:
            found[type(error).__name__] += 1
    return found


def url_of(folder: Path, name: str) -> str:
    app = site(str(folder))
    with app.test_request_context():
        return str(resized_img_src(name, width=1200))


def memory(folder: Path, workers: int, clients: int) -> None:
    for _ in range(ROUNDS):
        with gunicorn(folder, workers) as (port, master):
            before = [peak_mb(pid) for pid in children(master)]
            statuses = all_at_once(port, master, [url_of(folder, "large.jpg")] * clients)
            peaks = [peak_mb(pid) for pid in children(master)]
            renders = len(list(Told(folder / "told").lines("rendered")))
            each = ", ".join(f"{one:.0f} → {peak:.0f}" for one, peak in zip(before, peaks, strict=True))
            print(
                f"{clients} clients: {dict(statuses)}, {renders} render; peak RSS of {workers} workers: {each}, "
                f"together {sum(peaks):.0f} MB; and gunicorn's master {peak_mb(master):.0f} MB",
                flush=True,
            )


class Waits(NamedTuple):
    """What became of the requests; *beyond* is how long those who waited did so beyond the render's end. All in ms."""

    statuses: Counter[str]
    renders: list[float]
    beyond: list[float]
    late: list[float]

    def __str__(self) -> str:
        return (
            f"{dict(self.statuses)}, {len(self.renders)} renders, median {statistics.median(self.renders):.0f} ms with "
            f"the wait for a slot; {len(self.beyond)} waited, beyond the render's end median "
            f"{statistics.median(self.beyond):.1f}, p95 {p95(self.beyond):.1f} ms; a sleeping thread woke late by p95 "
            f"{p95(self.late):.1f} ms"
        )


def crowds(folder: Path, workers: int, pictures: int, clients: int) -> dict[str, Waits]:
    """As many *clients* for each of *pictures*: for one picture after another, and for all at once."""
    names = [f"{number}.jpg" for number in range(pictures)]
    for name in names:
        shutil.copyfile(folder / "static" / "middling.jpg", folder / "static" / name)
    urls = [url_of(folder, name) for name in names]
    bursts = {
        "one after another": [[url] * clients for url in urls],
        "all at once": [[url for _ in range(clients) for url in urls]],
    }
    return {how: waits(folder, workers, asked) for how, asked in bursts.items()}


def waits(folder: Path, workers: int, bursts: list[list[str]]) -> Waits:
    """How those waited who ask for each of *bursts* at the same moment, one burst after another."""
    with gunicorn(folder, workers) as (port, master):
        statuses = sum((all_at_once(port, master, urls) for urls in bursts), Counter())
    told = Told(folder / "told")
    ends = {name: end for name, (end, _) in told.lines("rendered")}
    waited = [(begin, end, ends[name]) for name, (begin, end) in told.lines("answered") if name in ends]
    first, last = min(begin for begin, _, _ in waited), max(ends.values())
    return Waits(
        statuses,
        renders=[1000 * seconds for _, (_, seconds) in told.lines("rendered")],
        beyond=sorted(1000 * (end - rendered) for begin, end, rendered in waited if begin < rendered),
        late=sorted(1000 * seconds for _, (due, seconds) in told.lines("woke") if first < due < last),
    )


def p95(values: list[float]) -> float:
    return values[math.ceil(0.95 * len(values)) - 1]


def main() -> None:
    print(f"{os.cpu_count()} cores, {THREADS} threads in each process, MALLOC_ARENA_MAX=2")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "static").mkdir()
        enlarged(LARGE).save(folder / "static" / "large.jpg", quality=92)
        enlarged(MIDDLING).save(folder / "static" / "middling.jpg", quality=92)
        memory(folder, workers=2, clients=100)
        for _ in range(ROUNDS):
            for how, found in crowds(folder, workers=4, pictures=20, clients=50).items():
                print(f"20 pictures × 50 clients on 4 processes, {how}: {found}", flush=True)


if __name__ == "__main__":
    main()
