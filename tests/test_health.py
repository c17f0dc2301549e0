"""The view of ``IMAGES_HEALTH``: it is off by default, and fails when images cannot be cached or wait for too long."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, all_renderers_taken, cached_files, lack, url_of
from flask import Flask
from whole.test_file_systems import refusing, to_write

from flask_images_vips import health
from flask_images_vips.errors import Busy, WaitedTooLong
from flask_images_vips.health import HEALTH_ENDPOINT
from flask_images_vips.pool.renderers import Renderers
from flask_images_vips.state import images_of


@pytest.fixture
def watched(make_app: Any, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """An application with the view at ``/health``, which keeps no answer."""
    monkeypatch.setattr(health, "_KEPT_SECONDS", 0)
    app: Flask = make_app(IMAGES_HEALTH="/health", IMAGES_CACHE_MIN_FREE=0)
    return app


def ask(app: Flask) -> tuple[int, dict[str, Any]]:
    response = app.test_client().get("/health")
    assert response.json is not None
    return response.status_code, response.json


def test_it_is_off_by_default(app: Flask) -> None:
    assert HEALTH_ENDPOINT not in app.view_functions
    code = "import sys; from flask_images_vips import Images; sys.exit('flask_images_vips.health' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_site_that_can_serve_images_is_well(watched: Flask, tmp_path: Path) -> None:
    status, found = ask(watched)
    assert (status, found["status"], found["problems"]) == (200, "ok", [])
    assert found["renders"]["waiting"] == 0
    assert "jpeg" in found["libraries"]["pillow"]["writes"]
    assert cached_files(tmp_path / "cache") == []
    assert [*(tmp_path / "cache" / "flask-images-vips" / "tmp").iterdir()] == []


def test_no_cache_keeps_the_answer(watched: Flask) -> None:
    assert watched.test_client().get("/health").headers["Cache-Control"] == "no-store"


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: descriptors of files have paths")
def test_a_cache_that_cannot_be_written_is_a_problem(watched: Flask) -> None:
    ask(watched)
    with refusing(images_of(watched).pipeline.cache.folder, "open", errno.EROFS, to_write):
        status, found = ask(watched)
    assert (status, found["problems"]) == (503, ["the cache cannot be written (Read-only file system)"])
    assert ask(watched)[0] == 200


def test_a_full_disk_is_a_problem(make_app: Any) -> None:
    status, found = ask(make_app(IMAGES_HEALTH="/health", IMAGES_CACHE_MIN_FREE=0.9999))
    assert status == 503
    assert "the disk is nearly full" in found["problems"][0]


@pytest.mark.parametrize(("waiting", "status"), [(0, 200), (20, 200), (10_000, 503), (None, 200)])
def test_a_long_queue_is_a_problem(
    watched: Flask, monkeypatch: pytest.MonkeyPatch, waiting: int | None, status: int
) -> None:
    monkeypatch.setattr(Renderers, "waiting", lambda self: waiting)
    found, answer = ask(watched)
    assert (found, answer["renders"]["waiting"]) == (status, waiting)
    assert any("a new picture would wait for about" in problem for problem in answer["problems"]) is (status == 503)


def test_the_time_of_a_render_is_learnt(watched: Flask, draw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    draw("a.png")
    monkeypatch.setattr(Renderers, "waiting", lambda self: 10)
    before = ask(watched)[1]["renders"]["expected_wait_seconds"]
    monkeypatch.setattr(health, "_WEIGHT", 1)
    assert watched.test_client().get(url_of(watched, "a.png", width=9)).status_code == 200
    assert ask(watched)[1]["renders"]["expected_wait_seconds"] != before


def test_a_request_that_gave_up_waiting_is_a_problem_for_a_while(
    make_app: Any, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("a.png")
    monkeypatch.setattr(health, "_KEPT_SECONDS", 0)
    app = make_app(IMAGES_HEALTH="/health", IMAGES_CACHE_MIN_FREE=0, IMAGES_LOCK_TIMEOUT=0.05)
    url = url_of(app, "a.png", width=9)
    with app.app_context():
        images_of(app).pipeline.abilities.find()
    with all_renderers_taken(app):
        assert app.test_client().get(url).status_code == 503
    monkeypatch.setattr(Renderers, "waiting", lambda self: 0)  # the request that has left may not be dropped yet
    status, found = ask(app)
    assert status == 503
    assert found["problems"][0].startswith("a request gave up after waiting 0.05 s for a renderer")
    monkeypatch.setattr(health, "_REFUSED_SECONDS", 0)
    assert ask(app)[0] == 200


def test_only_a_request_that_gave_up_waiting_counts(watched: Flask) -> None:
    tell = images_of(watched).events.failed[-1]
    tell("a.png", None, 503, Busy("the source is being replaced"))
    assert ask(watched)[0] == 200
    tell("a.png", None, 503, WaitedTooLong("waited"))
    assert ask(watched)[0] == 503


def test_libraries_that_cannot_be_used_are_a_problem(watched: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    lack(watched, "avif")
    status, found = ask(watched)
    assert (status, found["libraries"]["vips"]["writes"]) == (200, ["jpeg", "png", "webp", "gif"])
    monkeypatch.setattr(health, "usable", lambda libraries: [])
    assert ask(watched)[1]["problems"] == ["no image library can be used"]


def test_an_answer_is_kept_for_a_moment(make_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(IMAGES_HEALTH="/health", IMAGES_CACHE_MIN_FREE=0)
    first = ask(app)[1]
    monkeypatch.setattr(Renderers, "waiting", lambda self: 10_000)
    assert ask(app)[1] == first


def test_tombstones_that_cannot_be_read_are_a_problem(watched: Flask, draw: Any, tmp_path: Path) -> None:
    draw("a.png")
    watched.extensions["images"].forget("a.png")
    assert ask(watched)[0] == 200
    (tmp_path / "cache" / "flask-images-vips" / "forgotten" / "key").write_bytes(b"short")
    status, found = ask(watched)
    assert status == 503
    assert found["problems"] == [
        "the tombstones of forgotten pictures cannot be read, so new images answer 503 (IMAGES_TOMBSTONES)"
    ]
    assert str(tmp_path) not in str(found)
