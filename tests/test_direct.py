"""Rendering from Python code: the same file as its URL gives, at once or in the background."""

from __future__ import annotations

import io
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from conftest import all_renderers_taken, cached_files, lack, url_of
from flask import Flask, g
from PIL import Image

from flask_images_vips import Images, direct
from flask_images_vips.errors import Busy, InvalidOption, InvalidPath, SourceNotFound
from flask_images_vips.state import images_of


def images(app: Flask) -> Images:
    found: Images = app.extensions["images"]
    return found


WAYS: list[dict[str, Any]] = [
    {"width": 20},
    {"width": 20, "height": 20, "mode": "crop"},
    {"width": 20, "format": "webp", "quality": 50},
    {"preset": "avatar"},
    {"preset": "avatar", "width": 24, "background": ""},
    {"width": 133.2},
    {"width": 20, "watermark": "b.png"},
    {},
]


@pytest.mark.parametrize("options", WAYS)
def test_the_file_is_that_of_the_url_and_made_once(
    make_app: Any, draw: Any, tmp_path: Path, options: dict[str, Any]
) -> None:
    app = make_app(IMAGES_PRESETS={"avatar": {"width": 16, "height": 16, "mode": "crop"}}, IMAGES_QUALITY=60)
    draw("a.jpg")
    draw("b.png", (8, 8))
    data = images(app).render("a.jpg", **options)
    assert len(cached_files(tmp_path / "cache")) == 1
    assert app.test_client().get(url_of(app, "a.jpg", **options)).data == data
    assert len(cached_files(tmp_path / "cache")) == 1
    assert images(app).render(Path("a.jpg"), **options) == data


def test_the_subject_of_the_picture_is_asked_for_as_for_a_url(app: Flask, draw: Any, tmp_path: Path) -> None:
    draw("a.jpg")
    asked = []

    @images(app).focal_point
    def find(ref: str) -> tuple[float, float]:
        g.in_context = True
        asked.append(ref)
        return 0.1, 0.9

    data = images(app).render("a.jpg", width=20, height=20, mode="crop")
    assert asked == ["a.jpg"]
    assert app.test_client().get(url_of(app, "a.jpg", width=20, height=20, mode="crop")).data == data
    assert len(cached_files(tmp_path / "cache")) == 1


def test_auto_is_the_format_of_the_path(app: Flask, draw: Any) -> None:
    draw("a.png")
    with Image.open(io.BytesIO(images(app).render("a.png", width=9, format="auto"))) as picture:
        assert picture.format == "PNG"
    lack(app, "webp")
    with pytest.raises(InvalidOption):
        images(app).render("a.png", width=9, format="webp")


@pytest.mark.parametrize(
    ("path", "options", "kind", "message"),
    [
        ("a.png", {"widht": 9}, InvalidOption, "did you mean width"),
        ("a.png", {"width": 0}, InvalidOption, "expected 1 or more"),
        ("a.png", {"width": "wide"}, InvalidOption, "width='wide'"),
        ("a.png", {"rotate": "auto"}, InvalidOption, "rotate='auto'"),
        ("a.png", {"preset": "none"}, InvalidOption, "none"),
        ("a.png", {"layout": "full"}, InvalidOption, "layout is a keyword of resized_img_tag"),
        ("../a.png", {}, InvalidPath, "not normalized"),
        (None, {}, InvalidPath, "None is not a path"),
        ("gone.png", {"width": 9}, SourceNotFound, "no such file"),
    ],
)
def test_what_is_wrong_with_a_call_is_an_error(
    app: Flask, draw: Any, path: Any, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    draw("a.png")
    with pytest.raises(kind, match=message):
        images(app).render(path, **options)


def test_without_an_application_the_error_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="within an application context"):
        Images().render("a.png")


# In the background.


def test_a_queued_rendition_is_in_the_cache_when_its_future_is_done(app: Flask, draw: Any, tmp_path: Path) -> None:
    draw("a.png")
    futures = [images(app).enqueue("a.png", width=width) for width in (10, 20, 30)]
    assert [future.result(60) for future in futures] == [None] * 3
    assert len(cached_files(tmp_path / "cache")) == 3


def test_its_error_is_that_of_the_future_and_a_wrong_call_is_one_at_once(app: Flask, draw: Any) -> None:
    with pytest.raises(SourceNotFound):
        images(app).enqueue("gone.png", width=10).result(60)
    with pytest.raises(InvalidOption):
        images(app).enqueue("gone.png", widht=10)


def test_it_waits_while_visitors_need_the_renderers(app: Flask, draw: Any) -> None:
    draw("a.png")
    with all_renderers_taken(app):
        future = images(app).enqueue("a.png", width=10)
        cancelled = images(app).enqueue("a.png", width=20)
        assert cancelled.cancel()
        with pytest.raises(TimeoutError):
            future.result(0.2)
    assert future.result(60) is None
    assert images(app).enqueue("a.png", width=30).result(60) is None
    assert cancelled.cancelled()


def test_a_host_that_is_busy_for_very_long_ends_it(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    later, waiting = direct.Later(images_of(app)), direct._Waiting(direct.image_url(images_of(app), "a.png", {}))

    def busy(*_: Any, **__: Any) -> Any:
        raise Busy("always")

    monkeypatch.setattr(images_of(app).pipeline, "entry", busy)
    with pytest.raises(Busy):
        later._make(waiting)
    assert not waiting.future.done()
    monkeypatch.setattr(direct, "_LONGEST_SECONDS", 0)
    later._make(waiting)
    with pytest.raises(Busy, match="always"):
        waiting.future.result(0)


def test_a_full_queue_and_an_environment_without_threads_are_errors(
    app: Flask, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("a.png")
    monkeypatch.setattr(direct, "_MOST_WAITING", 2)
    with monkeypatch.context() as patch:
        patch.setattr(direct, "threads_run", lambda: False)
        with pytest.raises(Busy, match="--enable-threads"):
            images(app).enqueue("a.png", width=10)
    futures: list[Future[None]] = []
    with all_renderers_taken(app), pytest.raises(Busy, match="2 renditions wait already"):
        futures.extend(images(app).enqueue("a.png", width=width) for width in range(10, 20))
    assert 2 <= len(futures) <= 3  # one may have left the queue
    assert [future.result(60) for future in futures] == [None] * len(futures)
