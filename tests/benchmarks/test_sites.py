"""The measured applications answer, and one of them records when."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from bench import load, servers, sites, workload
from bench.measure import check
from benchmarks.conftest import SMALL


@pytest.fixture
def folder(tmp_path: Path) -> str:
    workload.copy_into(tmp_path / "static", SMALL, [SMALL.file])
    return str(tmp_path)


@pytest.mark.parametrize("name", ["full", "bare"])
def test_a_view_around_a_renderer_answers_the_same_size(folder: str, name: str) -> None:
    client = sites.SITES[name](folder).test_client()
    check(name, client.get(f"/{SMALL.file}?w=90&h=90").data, (90, 60), "jpeg")
    assert client.get("/missing.jpg?w=90&h=90").status_code == 404


def test_a_worker_imports_only_what_the_package_needs() -> None:
    code = "import sys, bench.sites; print(*{'PIL', 'numpy', 'psutil', 'pyvips'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True).stdout == b"\n"


def test_a_site_records_its_renders_and_answers(folder: str) -> None:
    # In a process of its own: the site sets the package's logger, and starts a thread that never ends.
    server = servers.Server("timed", servers.gunicorn("--workers=1"), servers.signed, site="timed")
    with servers.running(server, Path(folder)) as here:
        url = here.url(SMALL.file, 90, 60)
        for _ in range(2):
            load.get(server.name, here.port, url)
    events = sites.Events(folder)
    ((name, (end, seconds)),) = events.of("rendered")
    answers = list(events.of("answered"))
    assert [found for found, _ in answers] == [name, name] == [url.partition("?")[0]] * 2
    assert answers[0][1][0] < end - seconds < end < answers[0][1][1] < answers[1][1][0]
    assert len(list(events.of("ready"))) == 1


def test_renditions_are_forgotten_alone_or_with_all_else(folder: str) -> None:
    large = workload.Picture("a picture with copies", "large.jpg", (3000, 2000), grain=0)
    workload.copy_into(Path(folder, "static"), large, [large.file])
    app = sites.package(folder)
    client, files = app.test_client(), Path(folder, "cache", "flask-images-vips")
    for width in (600, 640):
        assert client.get(sites.signed_url(app, large.file, width)).status_code == 200
    sites.forget_renditions(app, large.file)
    assert not list(files.glob("??/*/*.jpg"))
    assert list(files.glob("copies/??/*/*"))
    sites.forget(app, large.file)
    assert not list(files.glob("copies/??/*/*"))
