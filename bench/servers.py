"""Start the servers that are measured: this package and views under gunicorn, nginx, thumbor, ipx, imgproxy and imagor.

A server that is not installed is left out; its `Server.missing` says how to install it. All serve the same originals
at the same sizes and quality, with one process for each processor.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil
from flask import Flask

from bench import shared_servers, sites
from bench.contenders import BARE, FULL
from bench.measure import Tree, WrongAnswer
from bench.results import ROOT, output_of
from bench.workload import cache_folder

STARTING_SECONDS = 60
QUALITY = 75
NGINX = shutil.which("nginx") or ("/usr/sbin/nginx" if os.path.exists("/usr/sbin/nginx") else None)

PACKAGE, UNCOPIED = "this package", "this package, no copies"
RIVALS = ("thumbor", "ipx", "imgproxy", "imagor")


class Urls(Protocol):
    def __call__(self, name: str, width: int, height: int, format: str = "", /) -> str:
        """Return the URL of the original *name*, scaled to fit into *width* and *height*, by default in its format."""


def cores() -> list[int]:
    """Return the processors that servers may use: all, or the first half if there are four or more.

    The client then has the other half.
    """
    own = sorted(os.sched_getaffinity(0))
    return own[: len(own) // 2] if len(own) >= 4 else own


@dataclass(frozen=True, slots=True)
class Server:
    """A server to measure.

    *command* takes the folder with the originals in ``static/`` and a port, and returns the command line. *urls* takes
    the folder and returns the function that builds URLs. *site* names one of `bench.sites`, which gets *config*.
    """

    name: str
    command: Callable[[Path, int], list[str]]
    urls: Callable[[Path], Urls]
    missing: str = ""
    site: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    version: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers at *port*."""

    port: int
    tree: Tree
    url: Urls


@contextmanager
def running(server: Server, folder: Path, runtime: Path | None = None) -> Iterator[Running]:
    """Start *server* in *folder*, and wait until it answers. It ends with the ``with`` block, with all its children.

    Servers with the same *runtime* folder share their renderers. By default, each server has its own.

    Raises:
        RuntimeError: If it does not start.
    """
    port = free_port()
    sockets = str(runtime or tempfile.mkdtemp(prefix="bench-"))
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores())  # inherited by the server
    log = folder / f"{server.name.replace(' ', '-').replace('/', '-')}.log"
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                server.command(folder, port),
                cwd=folder,
                stdout=output,
                stderr=output,
                env=os.environ
                | {"PYTHONPATH": str(ROOT), "BENCH_SITE": server.site, "BENCH_FOLDER": str(folder)}
                | {"BENCH_CONFIG": json.dumps(server.config)}
                | {"XDG_RUNTIME_DIR": sockets, "RUNTIME_DIRECTORY": ""}
                | {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "33554432", "NODE_ENV": "production"},
            )
    finally:
        os.sched_setaffinity(0, own)
    tree = Tree(process.pid, runtime=sockets)
    try:
        _wait_until_answering(server.name, process, port, log)
        yield Running(port, tree, server.urls(folder))
    except WrongAnswer as error:
        if str(error).startswith(f"{server.name}: "):
            raise WrongAnswer(f"{error}. Its log: {log.read_text(errors='replace')[-500:] or 'empty'}") from error
        raise
    finally:
        family = [each for each in tree.processes() if each.pid != process.pid] if process.poll() is None else []
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for child in family:
            if child.is_running():
                child.kill()
        psutil.wait_procs(family, 5)  # counts the CPU time of those that we adopted, see `adopt_orphans`
        if runtime is None:
            shutil.rmtree(sockets, ignore_errors=True)


def _wait_until_answering(name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                time.sleep(1)  # the other workers still import the application
                return
        time.sleep(0.05)
    raise RuntimeError(f"{name} does not start: {log.read_text(errors='replace')[-500:]}")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# Flask sites, under gunicorn and behind nginx.


def gunicorn(*options: str) -> Callable[[Path, int], list[str]]:
    """Return the command of a gunicorn that runs a site, with *options*."""

    def command(folder: Path, port: int) -> list[str]:
        start = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--no-control-socket"]
        return [*start, "--log-level=error", *options, "bench.sites:application()"]

    return command


def signed(folder: Path) -> Urls:
    app = sites.package(str(folder))
    return lambda name, width, height, format="": sites.signed_url(app, name, width, height, format)


def plain(folder: Path) -> Urls:
    return lambda name, width, height, format="": f"/{name}?w={width}&h={height}"


def threaded() -> Server:
    """This package under gunicorn's threaded workers."""
    workers = gunicorn(f"--workers={len(cores())}", "--threads=4")
    return Server("this package, gthread", workers, signed, site="package", note="the same as sync, 4 threads")


def ours() -> list[Server]:
    note = "signed URLs, renditions kept"
    sync = Server("this package, sync", gunicorn(f"--workers={len(cores())}"), signed, site="package", note=note)
    return [sync, threaded()]


def first() -> Server:
    """This package without copies, so that each rendition is made from the original."""
    workers = gunicorn(f"--workers={len(cores())}")
    note = "the same as sync, with IMAGES_COPIES = False: each rendition is made from the original"
    return Server(UNCOPIED, workers, signed, site="uncopied", note=note)


def views() -> list[Server]:
    workers = gunicorn(f"--workers={len(cores())}")
    return [
        Server(FULL, workers, plain, site="full", note="a Flask view, nothing kept"),
        Server(BARE, workers, plain, site="bare", note="a Flask view, nothing kept, nothing checked"),
    ]


def nginx(app: Flask, upstream: int) -> Server:
    """nginx as ``flask images nginx`` configures it for *app*, whose server listens at the port *upstream*."""
    return Server("nginx", lambda folder, port: _nginx(str(folder), app, port, upstream), lambda _: lambda *_: "")


def _nginx(folder: str, app: Flask, port: int, upstream: int) -> list[str]:
    """Write the configuration, and return the command."""
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


# Other servers.


def _executable(variable: str, name: str, *kept: Path) -> str | None:
    """Return the path of the program *name*: from the environment's *variable*, one of *kept*, or on the PATH."""
    candidates = [os.environ.get(variable), *map(str, kept), shutil.which(name)]
    return next((path for path in candidates if path and os.access(path, os.X_OK)), None)


def thumbor() -> Server:
    kept = cache_folder() / "thumbor"
    program = _executable("BENCH_THUMBOR", "thumbor", kept / "bin" / "thumbor")

    def command(folder: Path, port: int) -> list[str]:
        settings = {
            "LOADER": "thumbor.loaders.file_loader",
            "FILE_LOADER_ROOT_PATH": f"{folder}/static",
            "STORAGE": "thumbor.storages.no_storage",
            "RESULT_STORAGE": "thumbor.result_storages.file_storage",
            "RESULT_STORAGE_FILE_STORAGE_ROOT_PATH": f"{folder}/thumbor",
            "RESULT_STORAGE_STORES_UNSAFE": True,
            "ALLOW_UNSAFE_URL": True,
            "QUALITY": QUALITY,
        }
        (folder / "thumbor.conf").write_text("".join(f"{key} = {value!r}\n" for key, value in settings.items()))
        arguments = ["-i", "127.0.0.1", "-p", str(port), "-c", f"{folder}/thumbor.conf"]
        return [program or "thumbor", *arguments, "--processes", str(len(cores()))]

    def url(name: str, width: int, height: int, format: str = "") -> str:
        filters = f"filters:format({format})/" if format else ""
        return f"/unsafe/fit-in/{width}x{height}/{filters}{name}"

    return Server(
        "thumbor",
        command,
        lambda _: url,
        missing="" if program else f"thumbor is not installed: pip install it into a venv {kept}, or set BENCH_THUMBOR",
        note="its Pillow engine, unsigned URLs, renditions kept in files",
        version=("thumbor", _version(output_of(program, "--version")) if program else ""),
    )


def ipx() -> Server:
    kept = cache_folder() / "ipx"
    folder_of = Path(os.environ.get("BENCH_IPX") or kept) / "node_modules" / "ipx"
    node = shutil.which("node")
    found = bool(node and (folder_of / "bin" / "ipx.mjs").exists())

    def command(folder: Path, port: int) -> list[str]:
        start = [node or "node", str(folder_of / "bin" / "ipx.mjs"), "serve", "--dir", f"{folder}/static"]
        return [*start, "--host", "127.0.0.1", "--port", str(port)]

    def url(name: str, width: int, height: int, format: str = "") -> str:
        # With a quality, ipx would reduce a PNG to a palette.
        quality = "" if name.endswith((".png", ".gif")) else f",q_{QUALITY}"
        return f"/s_{width}x{height},fit_inside{quality}{f',f_{format}' if format else ''}/{name}"

    package = folder_of / "package.json"
    return Server(
        "ipx",
        command,
        lambda _: url,
        missing="" if found else f"ipx is not installed: npm install --prefix {kept} ipx, or set BENCH_IPX",
        note="sharp, one process with libuv's threads, unsigned URLs, nothing kept; PNGs without a palette",
        version=("ipx", json.loads(package.read_text())["version"] if found else ""),
    )


def imgproxy() -> Server:
    program = _executable("BENCH_IMGPROXY", "imgproxy")

    def command(folder: Path, port: int) -> list[str]:
        settings = {
            "IMGPROXY_BIND": f"127.0.0.1:{port}",
            "IMGPROXY_LOCAL_FILESYSTEM_ROOT": f"{folder}/static",
            "IMGPROXY_WORKERS": len(cores()),
            "IMGPROXY_QUALITY": QUALITY,
            "IMGPROXY_MAX_SRC_RESOLUTION": 50,
            "IMGPROXY_LOG_LEVEL": "error",
        }
        return ["env", *(f"{key}={value}" for key, value in settings.items()), program or "imgproxy"]

    def url(name: str, width: int, height: int, format: str = "") -> str:
        kind = format or name.rpartition(".")[2]
        return f"/insecure/rs:fit:{width}:{height}/q:{QUALITY}/plain/local:///{name}@{kind}"

    return Server(
        "imgproxy",
        command,
        lambda _: url,
        missing="" if program else "imgproxy is not installed: put its program on the PATH, or set BENCH_IMGPROXY",
        note="unsigned URLs, nothing kept",
        version=("imgproxy", _version(output_of(program, "version")) if program else ""),
    )


def imagor() -> Server:
    program = _executable("BENCH_IMAGOR", "imagor")

    def command(folder: Path, port: int) -> list[str]:
        settings = {
            "PORT": port,
            "SERVER_ADDRESS": "127.0.0.1",
            "IMAGOR_UNSAFE": 1,
            "FILE_LOADER_BASE_DIR": f"{folder}/static",
            "IMAGOR_PROCESS_CONCURRENCY": len(cores()),
            "IMAGOR_PROCESS_QUEUE_SIZE": 1000,  # without a queue, it answers 429
        }
        return ["env", *(f"{key}={value}" for key, value in settings.items()), program or "imagor"]

    def url(name: str, width: int, height: int, format: str = "") -> str:
        quality = "" if name.endswith((".png", ".gif")) else f":quality({QUALITY})"
        filters = quality + (f":format({format})" if format else "")
        return f"/unsafe/fit-in/{width}x{height}/{f'filters{filters}/' if filters else ''}{name}"

    return Server(
        "imagor",
        command,
        lambda _: url,
        missing="" if program else "imagor is not installed: put its program on the PATH, or set BENCH_IMAGOR",
        note="unsigned URLs, nothing kept, as many renders at once as cores",
        version=("imagor", _version(output_of(program, "-version")) if program else ""),
    )


def peers() -> list[Server]:
    """Return the image servers that this package is compared with."""
    return [thumbor(), ipx(), imgproxy(), imagor()]


def versions() -> dict[str, str]:
    """Return the versions of the installed programs, by name."""
    found = {name: version for name, version in (server.version for server in peers()) if version}
    if NGINX:
        found["nginx"] = _version(output_of(NGINX, "-v"))
    for name, flag in (("node", "--version"), ("wrk", "-v")):
        if shutil.which(name):
            found[name] = _version(output_of(name, flag))
    return found | shared_servers.versions()


def _version(text: str) -> str:
    """Return the first version number in *text*."""
    found = re.search(r"\d+(\.\d+)+", text)
    return found[0] if found else "of unknown version"
