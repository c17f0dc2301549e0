"""``python -m bench.traffic``: CPU of one warm hit, in the application, under gunicorn and behind nginx.

Contenders are interleaved in rounds; the CPU is the kernel's account of the server's process tree, so that the client's
own cost is not in it. nginx is left out where it is not installed.
"""

from __future__ import annotations

import io
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
from flask import Flask, send_from_directory

from bench.photographs import SOURCE
from flask_images_vips import Images, resized_img_src

ROUNDS = 7
REQUESTS = 2_000
EARLY = "a hit, IMAGES_EARLY_HITS"
NGINX = shutil.which("nginx") or ("/usr/sbin/nginx" if os.path.exists("/usr/sbin/nginx") else None)


def site(folder: str, *, early: bool = False) -> Flask:
    """One picture: as a rendition, as a plain file sent by Flask, and an empty page beside them."""
    app = Flask("traffic", root_path=folder)
    app.config.update(
        SECRET_KEY="traffic", IMAGES_CACHE=f"{folder}/cache", IMAGES_FRONT_DOOR=True, IMAGES_EARLY_HITS=early
    )
    Images(app)
    app.add_url_rule("/empty", "empty", lambda: "")
    app.add_url_rule("/flask", "flask", lambda: send_from_directory(f"{folder}/static", "plain.jpg"))
    return app


def prepare(folder: str) -> tuple[Flask, str]:
    """The site in *folder*, and the URL of its warm rendition."""
    os.chmod(folder, 0o755)
    static = Path(folder, "static")
    static.mkdir(mode=0o755)
    shutil.copyfile(SOURCE, static / "photo.jpg")
    os.utime(static / "photo.jpg", (1_700_000_000, 1_700_000_000))
    app = site(folder)
    with app.test_request_context():
        url = resized_img_src("photo.jpg", width=400)
    (static / "plain.jpg").write_bytes(app.test_client().get(url).data)
    return app, url


def in_process(app: Flask, url: str) -> float:
    """CPU µs of one request, called as a WSGI server calls it."""
    path, _, query = url.partition("?")
    base = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "bench",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
    }
    statuses: set[str] = set()
    environments = [dict(base) for _ in range(REQUESTS)]
    begin = time.process_time()
    for environment in environments:
        body = app(environment, lambda status, headers, error=None: statuses.add(status))  # type: ignore[arg-type,return-value]
        for _ in body:
            pass
        if hasattr(body, "close"):
            body.close()
    spent = time.process_time() - begin
    assert statuses == {"200 OK"}, statuses
    return 1e6 * spent / REQUESTS


def request(port: int, connection: socket.socket | None, url: str) -> socket.socket | None:
    """One GET, read whole. Gives the connection back where the server keeps it."""
    if connection is None:
        connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(f"GET {url} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    length = next(int(line[16:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length: "))
    while len(body) < length:
        body += connection.recv(65_536)
    if b"connection: close" in head.lower():
        connection.close()
        return None
    return connection


def over_http(port: int, server: psutil.Process, url: str) -> float:
    """CPU µs that the *server* and its children spend on one request."""
    begin = tree_seconds(server)
    connection = None
    for _ in range(REQUESTS):
        connection = request(port, connection, url)
    if connection is not None:
        connection.close()
    return 1e6 * (tree_seconds(server) - begin) / REQUESTS


def tree_seconds(server: psutil.Process) -> float:
    times = [process.cpu_times() for process in (server, *server.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, folder: str) -> Iterator[psutil.Process]:
    environment = {**os.environ, "BENCH": folder, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL, env=environment) as server:
        try:
            for _ in range(200):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.05)
            yield psutil.Process(server.pid)
        finally:
            server.terminate()


def gunicorn(port: int, *worker: str, early: bool = False) -> list[str]:
    module = f"bench.traffic:from_environment({early=})"
    return [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "--no-control-socket", *worker, module]


def from_environment(*, early: bool) -> Flask:
    return site(os.environ["BENCH"], early=early)


def nginx(folder: str, app: Flask, port: int, upstream: int) -> list[str]:
    arguments = ["images", "nginx", "--listen", f"127.0.0.1:{port}", "--upstream", f"127.0.0.1:{upstream}"]
    printed = app.test_cli_runner().invoke(args=arguments).output
    plain = f"    location = /plain.jpg {{ root {folder}/static; }}\n    location / {{"
    Path(folder, "nginx.conf").write_text(
        textwrap.dedent(f"""\
            daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
            {"user nobody nogroup;" if os.geteuid() == 0 else ""}
            events {{ worker_connections 256; }}
            http {{ access_log off; include site.conf; }}
        """)
    )
    Path(folder, "site.conf").write_text(printed.replace("    location / {", "types { image/jpeg jpg; }\n" + plain, 1))
    return [NGINX or "nginx", "-c", f"{folder}/nginx.conf"]


def table(title: str, contenders: dict[str, Callable[[], float]], against: str) -> None:
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, measure in contenders.items():
            spent[name].append(measure())
    base = statistics.median(spent[against])
    print(f"\n| {title} | CPU µs, median | least–most | against {against} |\n|---|---|---|---|")
    for name, times in spent.items():
        median = statistics.median(times)
        print(f"| {name} | {median:.0f} | {min(times):.0f}–{max(times):.0f} | {median / base:.2f} |")
    sys.stdout.flush()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        app, url = prepare(folder)
        size = Path(folder, "static", "plain.jpg").stat().st_size
        print(f"A JPEG of {size:,} bytes, {REQUESTS:,} requests a round, {ROUNDS} interleaved rounds")
        pages = {"an empty view": "/empty", "send_from_directory": "/flask", "a hit": url}
        early_app = site(folder, early=True)
        early_app.test_client().get(url)  # the first image reads the configuration
        measures = {name: partial(in_process, app, page) for name, page in pages.items()}
        table("in the application", {**measures, EARLY: partial(in_process, early_app, url)}, "an empty view")
        for kind, worker in {"sync": ["-w1"], "gthread": ["-w1", "--threads", "4"]}.items():
            port, other = free_port(), free_port()
            with (
                running(gunicorn(port, *worker), port, folder) as server,
                running(gunicorn(other, *worker, early=True), other, folder) as early_server,
            ):
                measures = {name: partial(over_http, port, server, page) for name, page in pages.items()}
                measures[EARLY] = partial(over_http, other, early_server, url)
                table(f"gunicorn, {kind}", measures, "send_from_directory")
        if NGINX is None:
            print("\nnginx is not installed: the front door is left out.")
            return
        port, upstream = free_port(), free_port()
        with running(nginx(folder, app, port, upstream), port, folder) as server:
            pages = {"a static file": "/plain.jpg", "the front door": url}
            table("nginx", {n: partial(over_http, port, server, u) for n, u in pages.items()}, "a static file")


if __name__ == "__main__":
    main()
