"""The notes of web workers: what they say, and which of them count."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import url_of
from flask import Flask

from flask_images_vips import workers
from flask_images_vips.state import images_of
from flask_images_vips.workers import running_workers, sign_in, this_worker

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def notes(app: Flask, draw: Any) -> Path:
    """The folder of the notes of *app*, to which this process has signed in by a request."""
    draw("a.png")
    assert app.test_client().get(url_of(app, "a.png", width=9)).status_code == 200
    return Path(images_of(app).pipeline.cache.folder) / "locks" / "workers"


def running(app: Flask) -> list[int]:
    return [worker.pid for worker in running_workers(app, images_of(app).pipeline.cache)]


def change(note: Path, **fields: object) -> None:
    note.write_text(json.dumps({**json.loads(note.read_text()), **fields}))


def test_a_process_signs_in_with_its_first_request(app: Flask, notes: Path) -> None:
    assert running(app) == [os.getpid()]
    (note,) = notes.iterdir()
    assert note.stat().st_mode & 0o777 == 0o600
    written = json.loads(note.read_text())
    assert written["debug"] is False
    assert written["files"] > 0
    app.test_client().get(url_of(app, "a.png", width=8))
    assert [*notes.iterdir()] == [note]


def test_no_secret_is_written(app: Flask, notes: Path) -> None:
    assert str(app.secret_key) not in (notes / f"{os.getpid()}.json").read_text()


def test_commands_leave_no_note(app: Flask) -> None:
    with app.app_context():
        images_of(app).pipeline.cache.usable()
    assert running(app) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"born": "1"},  # an earlier process with this number
        {"site": "another site"},
        {"pid": "1"},
        {"threads": "many"},
        {"pid": 1 << 80},
        {"pid": 1 << 31},
    ],
)
def test_notes_of_others_and_damaged_ones_do_not_count(app: Flask, notes: Path, fields: dict[str, object]) -> None:
    change(notes / f"{os.getpid()}.json", **fields)
    assert running(app) == []


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"pid": 1}', b"{" * 20_000])
def test_files_that_are_no_notes_do_not_count(app: Flask, notes: Path, content: bytes) -> None:
    (notes / "77.json").write_bytes(content)
    assert running(app) == [os.getpid()]


def test_links_and_pipes_do_not_count(app: Flask, notes: Path) -> None:
    (notes / f"{os.getpid()}.json").rename(notes / "kept")
    (notes / "1.json").symlink_to("kept")
    os.mkfifo(notes / "2.json")
    assert running(app) == []


def test_the_notes_of_processes_that_have_ended_are_removed_by_the_next(app: Flask, notes: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    note = notes / f"{os.getpid()}.json"
    (notes / f"{ended.pid}.json").write_text(note.read_text().replace(f'"pid": {os.getpid()}', f'"pid": {ended.pid}'))
    (notes / "damaged.json").write_text("{")
    assert running(app) == [os.getpid()]
    pipeline = images_of(app).pipeline
    sign_in(app, pipeline.config, pipeline.cache)
    assert {path.name for path in notes.iterdir()} == {note.name}


def test_a_cache_that_cannot_be_written_does_not_matter(make_app: Any, tmp_path: Path, draw: Any) -> None:
    draw("a.png")
    (tmp_path / "cache").write_text("a file")
    app = make_app()
    assert app.test_client().get(url_of(app, "a.png", width=9)).status_code == 200
    assert running(app) == []


def test_keys_and_settings_are_told_apart(make_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app()
    with app.app_context():
        own = this_worker(app, images_of(app).pipeline.config)
        assert this_worker(app, images_of(app).pipeline.config) == own
        app.secret_key = "another"
        other = this_worker(app, images_of(app).pipeline.config)
        assert (other.key != own.key, other.settings == own.settings) == (True, True)
    changed = make_app(IMAGES_EFFORT="fast", IMAGES_SECRET_KEY="another")
    with changed.app_context():
        assert this_worker(changed, images_of(changed).pipeline.config).settings != own.settings
    monkeypatch.setattr(workers, "_IMPORTED_IN", 1)
    with app.app_context():
        assert this_worker(app, images_of(app).pipeline.config).preloaded


def test_a_page_does_not_sign_in(make_app: Any, draw: Any, tmp_path: Path) -> None:
    draw("a.png")
    app = make_app()
    url_of(app, "a.png", width=10)  # within a request, as pages are
    assert not (tmp_path / "cache").exists()
    assert running_workers(app, images_of(app).pipeline.cache) == []
    app.test_client().get("/imgsizer/a.png?w=10&s=forged")
    assert len(running_workers(app, images_of(app).pipeline.cache)) == 1
