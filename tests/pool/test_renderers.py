"""Work is done by the pool, or in the thread with one line that says why; and errors name the source."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import IN_THREAD, fetch, url_of
from engines.lettering.conftest import square_font
from flask import Flask

from flask_images_vips.engines.engine import out_of_memory
from flask_images_vips.errors import Busy, UnreadableSource
from flask_images_vips.pool import renderers as module
from flask_images_vips.pool.outcome import Budget, Crashed, NoPool
from flask_images_vips.pool.renderers import Renderers
from flask_images_vips.rendering.request import Request, Work
from flask_images_vips.state import images_of

MakeApp = Callable[..., Flask]
WEAKER = "Images are rendered in the web worker, without protection against hostile files"


def renderers_of(app: Flask) -> Renderers:
    return images_of(app).pipeline.producer.renderers


class Failing:
    """A pool whose every request fails with *error*."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.asked = 0

    def run(self, *_: object, **__: object) -> None:
        self.asked += 1
        raise self.error


def failing(error: Exception) -> Any:
    return Failing(error)


@pytest.mark.skipif(bool(IN_THREAD), reason="there is no pool")
def test_without_a_pool_the_thread_renders_and_one_line_says_why(
    make_app: MakeApp, draw: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("a.png")
    app = make_app()
    pool = renderers_of(app).pool = failing(NoPool("there is no room"))
    for width in (10, 20, 30):
        assert fetch(app, "a.png", width=width).width == width
    assert caplog.text.count(WEAKER) == 1
    assert "there is no room" in caplog.text
    assert pool.asked == 1
    monkeypatch.setattr(module, "_REST_SECONDS", 0)
    renderers_of(app)._fallback.until = time.monotonic()
    assert fetch(app, "a.png", width=40).width == 40
    assert pool.asked > 1
    assert caplog.text.count(WEAKER) == 1  # the same reason again
    pool.error = NoPool("another reason")
    assert fetch(app, "a.png", width=50).width == 50
    assert caplog.text.count(WEAKER) == 2


def test_no_renderers_by_configuration_are_no_reason_for_a_line(make_app: MakeApp, draw: Any, caplog: Any) -> None:
    draw("a.png")
    app = make_app(IMAGES_MAX_RENDERS=0)
    assert renderers_of(app).pool is None
    assert fetch(app, "a.png", width=10).width == 10
    assert not caplog.records


@pytest.mark.skipif(bool(IN_THREAD), reason="there is no pool")
@pytest.mark.parametrize("mode", [0o500, 0o755])
def test_a_folder_that_will_not_do_is_said(
    make_app: MakeApp, draw: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: int
) -> None:
    if mode == 0o500 and os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    draw("a.png")
    folder = tmp_path / "runtime"
    (folder / "flask-images-vips").mkdir(parents=True)
    other = tmp_path / f"flask-images-{os.geteuid()}-renderers"
    other.mkdir()
    for each in (folder / "flask-images-vips", other):
        each.chmod(mode)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    app = make_app()
    assert fetch(app, "a.png", width=10).width == 10
    assert "no folder for its sockets" in caplog.text
    assert caplog.text.count(WEAKER) == 1


@pytest.mark.skipif(bool(IN_THREAD), reason="there is no pool")
def test_an_interpreter_that_does_not_start_is_said(
    runtime: Path, make_app: MakeApp, draw: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("a.png")
    monkeypatch.setattr("flask_images_vips.pool.start._interpreter", lambda: "/bin/false")
    app = make_app()
    assert fetch(app, "a.png", width=10).width == 10
    assert caplog.text.count(WEAKER) == 1


@pytest.mark.skipif(bool(IN_THREAD), reason="there is no pool")
def test_another_system_is_said(make_app: MakeApp, draw: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sys, "platform", "darwin")
    draw("a.png")
    assert fetch(make_app(), "a.png", width=10).width == 10
    assert "renderers need Linux" in caplog.text


@pytest.mark.usefixtures("young_files")
@pytest.mark.parametrize(("age", "error"), [(0, Busy), (3600, UnreadableSource)])
def test_a_file_that_crashes_its_decoder_is_being_written_or_unreadable(
    static: Path, age: float, error: type[Exception]
) -> None:
    path = static / "a.png"
    path.write_bytes(b"whatever")
    os.utime(path, (time.time() - age,) * 2)
    renderers = Renderers(failing(Crashed()), None)  # type: ignore[arg-type]
    request = Request(work=Work.HEADER, settings={})
    with path.open("rb") as file, pytest.raises(error, match=r"a\.png"):
        renderers.run(request, [file.fileno()], ["a.png"], since=time.monotonic(), budget=Budget(1))


@pytest.mark.parametrize("threads", [True, False])
def test_a_thread_that_cannot_be_started_is_no_fault_of_the_picture(
    app: Flask, draw: Any, threads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renderer gets no thread if its memory is short, or if this user has too many processes."""
    draw("a.png")
    url = url_of(app, "a.png", width=10)
    renderers_of(app).pool = failing(out_of_memory(100_000_000))
    monkeypatch.setattr(module.resources, "has_threads", lambda: threads)
    assert app.test_client().get(url).status_code == (422 if threads else 503)


@pytest.mark.usefixtures("young_files")
def test_a_file_that_is_just_being_written_is_503_and_an_old_empty_one_422(app: Flask, static: Path) -> None:
    path = static / "a.png"
    path.write_bytes(b"")
    client = app.test_client()
    assert client.get(url_of(app, "a.png", width=10)).status_code == 503
    os.utime(path, (1e9, 1e9))
    assert client.get(url_of(app, "a.png", width=10)).status_code == 422


@pytest.mark.usefixtures("young_files")
@pytest.mark.parametrize("engine", ["auto", "pillow"])
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", 422),
        (b"%PDF-1.7 and all the rest of it", 422),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422),
        (b"\x89PNG\r\n\x1a\n and not more than that", 503),
        (b"\0\0\0\x18ftyp", 503),
        (b"of no kind that is known", 503),
    ],
)
def test_waiting_does_not_help_a_file_whose_kind_is_refused(
    make_app: MakeApp, static: Path, engine: str, data: bytes, status: int
) -> None:
    (static / "a.jpg").write_bytes(data)
    app = make_app(IMAGES_ENGINE=engine, IMAGES_INPUT_FORMATS=["jpeg", "png"])
    assert app.test_client().get(url_of(app, "a.jpg", width=10)).status_code == status


@pytest.mark.usefixtures("young_files")
def test_a_font_that_is_just_being_written_is_503_and_named(
    make_app: MakeApp, draw: Any, static: Path, caplog: Any
) -> None:
    os.utime(draw("a.png"), (1e9, 1e9))
    square_font(static / "a.ttf", "abc")
    app = make_app(IMAGES_FONTS={"title": "a.ttf"})
    url = url_of(app, "a.png", text="abc")
    (static / "a.ttf").write_bytes((static / "a.ttf").read_bytes()[:100])
    assert app.test_client().get(url).status_code == 503
    assert "a.ttf' was written moments ago" in caplog.text
    os.utime(static / "a.ttf", (1e9, 1e9))
    assert app.test_client().get(url).status_code == 422


def test_errors_name_the_source_and_the_watermark(app: Flask, draw: Any, static: Path, caplog: Any) -> None:
    draw("a.png")
    (static / "mark.png").write_bytes(b"no picture")
    client = app.test_client()
    assert client.get(url_of(app, "mark.png", width=10)).status_code == 422
    assert "'mark.png'" in caplog.records[-1].getMessage()
    assert client.get(url_of(app, "a.png", width=10, watermark="mark.png")).status_code == 422
    assert "'mark.png'" in caplog.records[-1].getMessage()


def test_keys_that_do_nothing_are_named_once(make_app: MakeApp, draw: Any, caplog: Any) -> None:
    draw("a.png")
    app = make_app(IMAGES_MAX_WAITING=3, IMAGES_MAX_INFLIGHT_PIXELS=10)
    for width in (10, 20):
        assert fetch(app, "a.png", width=width).width == width
    assert [record.getMessage() for record in caplog.records] == [
        "IMAGES_MAX_WAITING and IMAGES_MAX_INFLIGHT_PIXELS: ignored. IMAGES_LOCK_TIMEOUT limits how long "
        "requests wait, and IMAGES_RENDER_MEMORY limits the memory of renders."
    ]
