"""Hostile files end with the renderer that decodes them: within the deadline and the memory, and are remembered.

In the thread, less is promised. Files that state too much are refused before a decoder reads them. A single call of a
decoder is ended by nothing, see `pool.threads`.
"""

from __future__ import annotations

import json
import os
import re
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import IN_THREAD, LONG, Start, url_of
from flask import Flask
from servers import site

from flask_images_vips import resized_img_size, resized_img_src, resized_img_tag
from flask_images_vips.pool.client import Pool
from pool.attackers import ATTACKERS, REFUSED, REFUSED_IN_THREAD, UNBOUNDED

pytestmark = pytest.mark.usefixtures("runtime")

needs_pool = pytest.mark.skipif(bool(IN_THREAD), reason="there is no pool")

MEMORY = 500_000_000
SLACK_SECONDS = 0.9  # until a busy host notices an end, and less than a second try would take
FORMATS = ("bmp", "ico", "tiff", "webp", "transform")


@pytest.fixture(scope="module")
def files() -> Callable[[str], bytes]:
    made: dict[str, bytes] = {}
    return lambda name: made[name] if name in made else made.setdefault(name, ATTACKERS[name]())


def asked_again(*_: Any, **__: Any) -> None:
    pytest.fail("a renderer is asked although the failure is known")


def _check_ends(log: str, name: str) -> float:
    """Check when renderers of *name* ended, and by how much memory. Return the seconds that they took together."""
    pattern = rf"A renderer ended while it rendered '{re.escape(name)}' .* (\d+\.\d+) s of (\d+\.\d+) s, (\d+) MB"
    ended = re.findall(pattern, log)
    for seconds, limit, megabytes in ended:
        assert float(seconds) < float(limit) + SLACK_SECONDS
        assert int(megabytes) < MEMORY / 1_000_000 + 100
    return sum(float(seconds) for seconds, _, _ in ended)


@needs_pool
@pytest.mark.parametrize("engine", ["vips", "pillow", "auto"] if LONG else ["vips", "pillow"])
@pytest.mark.parametrize("name", ATTACKERS)
def test_a_hostile_file_costs_no_more_than_its_limits(
    make_app: Callable[..., Flask],
    static: Path,
    files: Callable[[str], bytes],
    name: str,
    engine: str,
    caplog: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (static / name).write_bytes(files(name))
    app = make_app(
        IMAGES_ENGINE=engine,
        IMAGES_RENDER_TIMEOUT=1,
        IMAGES_RENDER_MEMORY=MEMORY,
        IMAGES_MAX_RENDERS=1,
        IMAGES_SVG=engine != "pillow",
    )
    client = app.test_client()
    url = url_of(app, name, width=100, format="jpeg", max_bytes=100)
    response = client.get(url)
    assert response.status_code in (200, 422)
    assert _check_ends(caplog.text, name) < (0.1 if name in REFUSED else 1 + SLACK_SECONDS)
    if response.status_code == 422:
        with app.test_request_context():
            assert resized_img_tag(name, width=100)
        monkeypatch.setattr(Pool, "run", asked_again)
        assert client.get(url).status_code == 422
        with app.test_request_context():
            assert resized_img_tag(name, width=100)


@needs_pool
@pytest.mark.parametrize("format", FORMATS)
def test_so_do_formats_that_only_pillow_writes(
    make_app: Callable[..., Flask],
    static: Path,
    files: Callable[[str], bytes],
    format: str,
    caplog: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (static / "scans.jpg").write_bytes(files("scans.jpg"))
    app = make_app(IMAGES_RENDER_TIMEOUT=1, IMAGES_RENDER_MEMORY=MEMORY, IMAGES_MAX_RENDERS=1)
    wanted = {"transform": "EXTENT,50%,50%,0,0,200,100"} if format == "transform" else {"format": format}
    url = url_of(app, "scans.jpg", width=100, **wanted)
    assert app.test_client().get(url).status_code == 422
    assert 0.5 < _check_ends(caplog.text, "scans.jpg") < 1 + SLACK_SECONDS
    monkeypatch.setattr(Pool, "run", asked_again)
    assert app.test_client().get(url).status_code == 422


@needs_pool
def test_another_picture_is_rendered_right_after_a_hostile_one(
    make_app: Callable[..., Flask], static: Path, files: Callable[[str], bytes], draw: Any
) -> None:
    (static / "scans.jpg").write_bytes(files("scans.jpg"))
    draw("a.png")
    app = make_app(IMAGES_ENGINE="pillow", IMAGES_RENDER_TIMEOUT=0.5, IMAGES_MAX_RENDERS=1)
    assert app.test_client().get(url_of(app, "scans.jpg", width=50)).status_code == 422
    assert app.test_client().get(url_of(app, "a.png", width=50)).status_code == 200


@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_the_thread_refuses_files_that_state_too_much(
    static: Path, tmp_path: Path, files: Callable[[str], bytes], engine: str, elsewhere: Start
) -> None:
    names = sorted(REFUSED | REFUSED_IN_THREAD)
    _put(static, {name: files(name) for name in names})
    told = _told(elsewhere(ask_in_thread, tmp_path, engine, *names))
    assert [name for name, _, _, _ in told] == names
    for name, status, seconds, megabytes in told:
        assert status == 422, name
        assert seconds < 2, name
        assert megabytes < 100, name


@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_the_thread_survives_the_others_within_the_memory_of_its_process(
    static: Path, tmp_path: Path, files: Callable[[str], bytes], engine: str, elsewhere: Start
) -> None:
    """They take as long as the pixels and the bytes of a source let them."""
    names = sorted(ATTACKERS.keys() - REFUSED - REFUSED_IN_THREAD - UNBOUNDED)
    _put(static, {name: files(name) for name in names})
    told = _told(elsewhere(ask_in_thread, tmp_path, engine, *names))
    assert [name for name, _, _, _ in told] == names
    assert {status for _, status, _, _ in told} <= {200, 422}
    for name, _, seconds, _ in told:
        assert seconds < 10, name


def _put(folder: Path, files: dict[str, bytes]) -> None:
    """Write files that are old enough to be complete."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
        os.utime(folder / name, (1_600_000_000, 1_600_000_000))


def _told(process: Any) -> list[tuple[str, int, float, float]]:
    output, errors = process.communicate(timeout=150)
    assert process.returncode == 0, f"ended by {process.returncode}: {errors[-2000:]}"
    return [tuple(json.loads(line)) for line in output.splitlines()]


def ask_in_thread(folder: str, engine: str, *names: str) -> None:
    """Run in a process: ask for each of *names*, and print its status, seconds of CPU and growth in MB, as JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (4_000_000_000, 4_000_000_000))
    resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
    app = site(folder, IMAGES_ENGINE=engine, IMAGES_MAX_RENDERS=0, IMAGES_RENDER_TIMEOUT=1)
    client, before = app.test_client(), _peak_megabytes()
    for name in names:
        with app.test_request_context():
            url = resized_img_src(name, width=100, format="jpeg")
        begin = time.process_time()
        status = client.get(url).status_code
        assert client.get(url).status_code == status
        with app.test_request_context():
            assert resized_img_tag(name, width=100)
            resized_img_size(name, width=100)
        print(json.dumps([name, status, time.process_time() - begin, _peak_megabytes() - before]))


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
