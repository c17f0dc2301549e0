"""What the tests of the benchmark share: a small picture, servers with one answer, and results."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from bench.contenders import FULL, LIMIT, OURS, PILLOW
from bench.measure import Tree
from bench.parts import mixed
from bench.servers import PACKAGE, UNCOPIED
from bench.workload import Picture
from flask_images_vips.engines.vips import small_jpeg, turbo

SMALL = Picture("a small JPEG", "small.jpg", (600, 400), save=(("quality", 85),))


@pytest.fixture(autouse=True)
def linux_only() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("the benchmark reads the accounts of Linux")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "bench-cache"))


@pytest.fixture(autouse=True)
def other_tests_do_not_use_what_renderers_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turbo, "_decode", None)
    monkeypatch.setattr(small_jpeg, "_pillow", None)


@pytest.fixture
def jpeg() -> bytes:
    return encoded((400, 266), "jpeg")


def encoded(size: tuple[int, int], format: str) -> bytes:
    file = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(file, format)
    return file.getvalue()


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    """Yield the port of a server that gives every request the same answer."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def here() -> Tree:
    return Tree(psutil.Process().pid)


def results_of(**cpu: list[float]) -> dict[str, Any]:
    """Return results of one case of a 6 Mpx JPEG, from the CPU milliseconds of each contender's rounds."""
    names = {"vips": OURS, "pillow": PILLOW, "full": FULL, "limit": LIMIT, "bare": "bare pyvips"}
    rows = {
        names[name]: {"cpu_ms": times, "wall_ms": times, "idle_mb": 40, "peak_mb": 60, "bytes": 20_000}
        | ({} if name == "limit" else {"ssim": 0.9, "psnr": 30.0})
        for name, times in cpu.items()
    }
    picture = {"name": "6 Mpx JPEG, camera", "size": [3000, 2000], "bytes": 1_500_000, "bits_per_pixel": 2.0}
    return {
        "engines": {
            **about(),
            "rounds": 3,
            "contenders": {},
            "pictures": [{**picture, "photograph": "coffee.jpg", "saved": {"quality": 92}}],
            "cases": [
                {"case": "6 Mpx JPEG, camera, fit 400×300", "picture": picture["name"], "contenders": rows}
                | {"output": "jpeg", "disturbed": 0, "foreign_share": 0.0}
            ],
            "densities": [],
        }
    }


def about() -> dict[str, Any]:
    machine = {"cores": 2, "processor": "a processor", "memory_gb": 8, "system": "Linux", "architecture": "x86_64"}
    return {
        "environment": {"date": "2026-01-02T03:04:05", "revision": "abc", "machine": machine, "versions": {"p": "1"}},
        "quick": False,
    }


def cold_results(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    def row(per_second: list[float], ssim: float) -> dict[str, Any]:
        times = [1000 / rate for rate in per_second]
        columns = dict.fromkeys(("cpu_ms", "client_ms", "median_ms", "p95_ms"), times)
        return {"per_second": per_second, **columns, "ssim": ssim, "psnr": 30.0, "bytes": 20_000}

    case = {"picture": "6 Mpx JPEG, camera", "disturbed": 1, "foreign_share": 0.25}
    contenders = {UNCOPIED: row(ours, 0.905), "thumbor": row(theirs, 0.9), "full decode": row([1, 1], 0.91)}
    served = {"rounds": 2, "clients": 4, "cores": 2, "skipped": ["ipx is not installed"], "servers": {}, "pictures": []}
    return {"cold": {**about(), **served, "cases": [{**case, "contenders": contenders}]}}


def mixed_results(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    def row(per_second: list[float], copies_mb: float) -> dict[str, Any]:
        seconds = [500 / rate for rate in per_second]
        waits = dict.fromkeys(("client_s", "median_ms", "p95_ms"), seconds)
        kept = {"disk_mb": [20 + copies_mb] * 2, "copies_mb": [copies_mb] * 2, "answer_kb": [46.0] * 2}
        return {"per_second": per_second, "cpu_s": seconds, **waits, **kept}

    contenders = {PACKAGE: row(ours, 300.0), "thumbor": row(theirs, 0.0)}
    case = {"load": mixed.ALL, "requests": 750, "disturbed": 0, "foreign_share": 0.0, "contenders": contenders}
    about_all = {"rounds": 2, "clients": 4, "cores": 2, "sources": 200, "widths": [320, 640], "pictures": []}
    return {"mixed": {**about(), **about_all, "skipped": ["ipx is not installed"], "servers": {}, "cases": [case]}}
