"""A Prometheus server scrapes gunicorn with three workers, of which some are replaced and some are killed."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import gradient, url_of
from servers import Server, site

from monitoring.prometheus_server import prometheus
from monitoring.test_page import expressions

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: gunicorn, /proc")

WORKERS, WIDTHS = 3, range(8, 16)
RESTARTED_AFTER = 10  # requests, in each worker


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "static").mkdir()
    gradient((64, 48)).save(tmp_path / "static" / "a.png")
    return tmp_path


def workers_of(server: Server) -> set[int]:
    assert server.process is not None
    path = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return {int(child) for child in path.read_text().split()}


def test_the_sums_equal_the_requests_through_restarts_of_workers(folder: Path, serve: Callable[..., Server]) -> None:
    server = serve(
        f"--workers={WORKERS}",
        "--threads=2",
        f"--max-requests={RESTARTED_AFTER}",
        IMAGES_METRICS="/metrics/images",
    )
    with prometheus(folder, server.port, "/metrics/images") as scraper:
        app = site(folder, IMAGES_METRICS="/metrics/images")
        urls = [url_of(app, "a.png", width=width) for width in WIDTHS]
        before, served, failed = workers_of(server), 0, 0
        for _ in range(5):
            for url in urls:
                answer = server.get(url)
                assert answer.status == 200
                served += 1
            assert server.get(f"{urls[0]}x").status == 404
            failed += 1
        scraper.wait_for("sum(images_served_total)", served)
        for worker in workers_of(server):
            os.kill(worker, signal.SIGKILL)
        for _ in range(2):
            for url in urls:
                assert server.get(url).status == 200
                served += 1
        scraper.wait_for("sum(images_served_total)", served)
        scraper.wait_for("sum(images_failed_total)", failed)
        assert scraper.number('sum(images_served_total{cache="miss"})') == len(urls)
        assert scraper.number("sum(images_rendered_total)") == len(urls)
        assert scraper.number("sum(images_phase_seconds_count{phase='render'})") == len(urls)
        assert scraper.number("sum(resets(images_served_total[10m]))") == 0
        assert not before & workers_of(server)
        # Prometheus understands the expressions of the dashboard, and has something to show.
        empty = [expression for expression in expressions() if not scraper.query(expression)]
        # Here are no tenants and no arms, and nothing is fetched from other hosts.
        assert all(re.search("tenant|images_arm_|fetched", expression) for expression in empty)
        # The files of the workers that have ended are not kept.
        assert len(list((folder / "cache").rglob("*.sums"))) <= 2 * WORKERS
