"""``quality='auto'``: what is sent at first, what replaces it, and what is remembered for the next sizes."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import url_of
from flask import Flask
from PIL import Image
from test_recompression import Hot

from flask_images_vips import background_renders, resized_img_src
from flask_images_vips.formats import Auto, by_name
from flask_images_vips.rendering import scores
from flask_images_vips.rendering.scores import Reference
from flask_images_vips.state import images_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: an open file is replaced")
pytest.importorskip("pyvips")

MakeApp = Callable[..., Flask]
Lay = Callable[[str], Path]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_renders, "_AUTO_AFTER", 2)


@pytest.fixture
def needs_scores() -> None:
    pytest.importorskip("ssimulacra2")


def known(app: Flask, name: str, format: str, pixels: int) -> int | None:
    pipeline = images_of(app).pipeline
    return pipeline.facts.pixels.quality(pipeline.sources.local.find(name), format, pixels)


def picture(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def same(app: Flask, name: str, **keywords: Any) -> bytes:
    return app.test_client().get(url_of(app, name, **keywords)).data


@pytest.mark.usefixtures("needs_scores")
@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_the_first_file_has_the_usual_quality_and_a_smaller_one_replaces_it(
    make_app: MakeApp, photograph: Lay, format: str
) -> None:
    photograph("flower.jpg")
    app = make_app()
    hot = Hot(app, "flower.jpg", width=200, format=format, quality="auto")
    assert hot.first.data == same(app, "flower.jpg", width=200, format=format)
    hot.ask(1)
    hot.wait()
    found, last = known(app, "flower.jpg", format, 200 * 253), hot.get()
    assert found is not None
    assert 30 <= found < 75
    assert last.data == same(app, "flower.jpg", width=200, format=format, quality=found)
    assert len(last.data) < len(hot.first.data)
    assert last.headers["ETag"] != hot.first.headers["ETag"]
    reference = Reference(same(app, "flower.jpg", width=200, format="png"))
    assert reference.score(last.data) >= 70


@pytest.mark.usefixtures("needs_scores")
def test_the_next_sizes_have_the_quality_at_once(make_app: MakeApp, photograph: Lay) -> None:
    photograph("flower.jpg")
    app = make_app()
    hot = Hot(app, "flower.jpg", width=200, quality="auto")
    hot.ask(1)
    hot.wait()
    found = known(app, "flower.jpg", "jpeg", 200 * 253)
    other = make_app()  # another process, which shares only the cache
    for width, more in ((100, 0), (190, 0), (300, 4)):
        expected = same(app, "flower.jpg", width=width, quality=found + more)
        assert same(other, "flower.jpg", width=width, quality="auto") == expected


def test_the_quality_of_another_size_is_never_above_the_usual_one(make_app: MakeApp, photograph: Lay) -> None:
    photograph("flower.jpg")
    app = make_app(IMAGES_QUALITY=60)
    pipeline = images_of(app).pipeline
    source = pipeline.sources.local.find("flower.jpg")
    pipeline.facts.pixels.add_quality(source, "jpeg", 10_000, 58)
    assert same(app, "flower.jpg", width=400, quality="auto") == same(app, "flower.jpg", width=400)
    pipeline.facts.pixels.add_quality(source, "webp", 1, 30)
    assert pipeline.facts.pixels.likely_quality(source, "webp", 10_000) is None  # too far from it


@pytest.mark.usefixtures("needs_scores")
def test_the_target_is_the_one_of_the_site(make_app: MakeApp, photograph: Lay) -> None:
    photograph("flower.jpg")
    app = make_app(IMAGES_TARGET_SCORE=95)
    hot = Hot(app, "flower.jpg", width=200, quality="auto")
    hot.ask(1)
    hot.wait()
    assert hot.get().data == hot.first.data
    assert known(app, "flower.jpg", "jpeg", 200 * 253) == 75


@pytest.mark.usefixtures("needs_scores")
def test_the_configuration_may_say_auto_for_all_or_for_some_formats(make_app: MakeApp) -> None:
    for value in ("auto", {"jpeg": "auto"}):
        config = images_of(make_app(IMAGES_QUALITY=value)).pipeline.config
        assert str(config.quality_of("jpeg")) == "auto"
        assert int(config.quality_of("jpeg")) == 75
    assert config.quality_of("webp") == 75
    assert not isinstance(config.quality_of("webp"), Auto)


@pytest.mark.usefixtures("needs_scores")
def test_where_auto_is_usual_a_url_without_quality_is_the_same_file(make_app: MakeApp, photograph: Lay) -> None:
    photograph("flower.jpg")
    app = make_app(IMAGES_QUALITY="auto")
    hot = Hot(app, "flower.jpg", width=200)
    named = Hot(app, "flower.jpg", width=200, quality="auto")
    assert hot.file == named.file
    hot.ask(2)
    hot.wait()
    assert len(hot.get().data) < len(hot.first.data)


@pytest.mark.usefixtures("needs_scores")
def test_what_has_no_quality_is_left_alone(make_app: MakeApp, photograph: Lay) -> None:
    photograph("flower.jpg")
    app = make_app()
    recompressor, pipeline = images_of(app).recompressor, images_of(app).pipeline
    assert recompressor is not None
    with app.test_request_context():
        for options in ({"format": "png"}, {"format": "webp", "lossless": True}):
            hot = Hot(app, "flower.jpg", width=60, quality="auto", **options)
            hot.ask(3)
            assert not hot.is_final()
    assert pipeline.abilities.writes(by_name("jpeg"))


@pytest.mark.usefixtures("needs_scores")
@pytest.mark.parametrize(
    ("engine", "options"),
    [
        ("vips", {"watermark": "a.png,se", "trim": True, "radius": "max", "background": "#fa0"}),
        ("pillow", {"watermark": "a.png,se", "radius": 20, "format": "webp", "keep": "rights"}),
        ("vips", {"max_bytes": 2500}),
    ],
    ids=str,
)
def test_both_engines_compare_what_they_render(
    make_app: MakeApp, photograph: Lay, draw: Any, engine: str, options: dict[str, Any]
) -> None:
    photograph("flower.jpg")
    draw("a.png", (20, 20))
    app = make_app(IMAGES_ENGINE=engine)
    hot = Hot(app, "flower.jpg", width=120, quality="auto", **options)
    hot.ask(1)
    hot.wait()
    found, size = known(app, "flower.jpg", options.get("format", "jpeg"), 120 * 151), picture(hot.first.data).size
    assert found is not None
    assert found < 75
    assert picture(hot.get().data).size == size
    assert len(hot.get().data) < len(hot.first.data)


@pytest.mark.usefixtures("needs_scores")
def test_an_animation_keeps_its_quality_and_frames(make_app: MakeApp, draw: Any, static: Path) -> None:
    frames = [Image.linear_gradient("L").resize((40, 40)).rotate(turn).convert("RGB") for turn in (0, 90)]
    frames[0].save(static / "a.gif", save_all=True, append_images=frames[1:])
    hot = Hot(make_app(), "a.gif", width=30, format="webp", quality="auto")
    hot.ask(2)
    hot.wait()
    assert getattr(picture(hot.get().data), "n_frames", 1) == 2


def test_without_the_package_the_usual_quality_stays_and_a_sentence_says_so(
    make_app: MakeApp, photograph: Lay, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    photograph("flower.jpg")
    monkeypatch.setattr(scores, "PACKAGE", "no_such_package")
    app = make_app(IMAGES_PRESETS={"small": {"width": 100, "quality": "auto"}})
    with app.test_request_context():
        url = resized_img_src("flower.jpg", preset="small")
    first = app.test_client().get(url)
    assert first.data == same(app, "flower.jpg", width=100)
    assert images_of(app).recompressor is None
    assert [record.message for record in caplog.records if "auto" in record.message] == [
        "quality='auto' keeps the usual quality, because ssimulacra2 is not installed. Run: pip install "
        "'flask-images-vips[auto-quality]'"
    ]


def test_without_renderers_the_usual_quality_stays_and_a_sentence_says_so(
    make_app: MakeApp, photograph: Lay, caplog: pytest.LogCaptureFixture
) -> None:
    """Comparing would take the time and the memory of a web worker."""
    photograph("flower.jpg")
    app = make_app(IMAGES_QUALITY="auto", IMAGES_MAX_RENDERS=0)
    assert app.test_client().get(url_of(app, "flower.jpg", width=100)).status_code == 200
    assert images_of(app).recompressor is None
    if scores.is_installed():
        assert "quality='auto' keeps the usual quality: there are no renderers (IMAGES_MAX_RENDERS)." in caplog.messages


def test_auto_equals_no_number_and_has_a_key_of_its_own() -> None:
    assert Auto(75) != 75
    assert Auto(75) == Auto(60)
    assert hash(Auto(75)) == hash(Auto(60))
    assert f"{Auto(75)}" == str(Auto(75)) == "auto"
