"""Start a Prometheus server for a test, which scrapes a port of this machine."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import needs

PROMETHEUS = shutil.which("prometheus")
PATIENCE_SECONDS = 60
CONFIGURATION = """
global:
  scrape_interval: 200ms
scrape_configs:
  - job_name: images
    metrics_path: {path}
    static_configs:
      - targets: ["127.0.0.1:{port}"]
"""


class Prometheus:
    """A Prometheus server at *port*."""

    def __init__(self, port: int) -> None:
        self.port = port

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an expression of PromQL. One that is not valid raises an HTTPError."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as response:
            answer = json.load(response)
        assert answer["status"] == "success"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def number(self, expression: str) -> float:
        """The value of an expression that has one value. 0 if there is none yet."""
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else 0.0

    def wait_for(self, expression: str, value: float) -> None:
        end, found = time.monotonic() + PATIENCE_SECONDS, -1.0
        while time.monotonic() < end:
            found = self.number(expression)
            if found == value:
                return
            time.sleep(0.1)
        pytest.fail(f"{expression} is {found}, not {value}")


@contextmanager
def prometheus(folder: Path, scraped_port: int, path: str) -> Iterator[Prometheus]:
    """Run a Prometheus server that scrapes *path* at *scraped_port*, with its data in *folder*."""
    needs("prometheus", PROMETHEUS, "apt-get install prometheus")
    (folder / "prometheus.yml").write_text(CONFIGURATION.format(path=path, port=scraped_port))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(str(PROMETHEUS), f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"),
    ]
    with (folder / "prometheus.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            end = time.monotonic() + PATIENCE_SECONDS
            while time.monotonic() < end and process.poll() is None:
                with suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5).close()
                    break
                time.sleep(0.05)
            assert process.poll() is None, (folder / "prometheus.log").read_text()
            yield Prometheus(port)
        finally:
            process.kill()
