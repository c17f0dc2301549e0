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
from flask_images_vips.options.options import Options, write_query
from flask_images_vips.rendering import scores
from flask_images_vips.rendering.scores import Reference
from flask_images_vips.rendition import Rendition
from flask_images_vips.state import images_of
from flask_images_vips.urls import ImageUrl

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


def rendition(app: Flask, name: str, format: str, **options: Any) -> Rendition:
    source = images_of(app).pipeline.sources.local.find(name)
    asked = Options.parse(write_query({"width": 200, "quality": "auto", **options, "format": format}))
    return images_of(app).pipeline.rendition(ImageUrl(name, asked, None), source)


def known(app: Flask, name: str, format: str, pixels: int, target: float = 70, **options: Any) -> int | None:
    pixel_facts = images_of(app).pipeline.facts.pixels
    return pixel_facts.quality(rendition(app, name, format, **options), pixels, target)


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
    facts = images_of(app).pipeline.facts.pixels
    facts.add_quality(rendition(app, "flower.jpg", "jpeg"), 10_000, 70, 58)
    assert same(app, "flower.jpg", width=400, quality="auto") == same(app, "flower.jpg", width=400)
    tiny = rendition(app, "flower.jpg", "webp")
    facts.add_quality(tiny, 1, 70, 30)
    assert facts.likely_quality(tiny, 10_000, 70) is None  # too far from it


@pytest.mark.parametrize(
    ("options", "is_same"),
    [
        ({"width": 100}, True),
        ({"max_bytes": 20_000}, True),
        ({"width": 150, "height": 100, "mode": "crop"}, False),
        ({"blur": 5}, False),
    ],
)
def test_the_quality_of_another_picture_is_not_used(
    make_app: MakeApp, photograph: Lay, options: dict[str, Any], is_same: bool
) -> None:
    photograph("flower.jpg")
    app = make_app()
    facts = images_of(app).pipeline.facts.pixels
    facts.add_quality(rendition(app, "flower.jpg", "jpeg", **options), 10_000, 70, 31)
    assert known(app, "flower.jpg", "jpeg", 10_000) == (31 if is_same else None)
    assert facts.likely_quality(rendition(app, "flower.jpg", "jpeg"), 20_000, 70) == (35 if is_same else None)
    assert known(app, "flower.jpg", "jpeg", 10_000, **options) == 31


def test_crops_of_nearly_the_same_shape_share_a_quality(make_app: MakeApp, photograph: Lay) -> None:
    photograph("flower.jpg")
    app = make_app()
    first, *others = [
        rendition(app, "flower.jpg", "jpeg", width=width, height=height, mode="crop")
        for width, height in ((150, 100), (299, 199), (100, 150))
    ]
    images_of(app).pipeline.facts.pixels.add_quality(first, 10_000, 70, 44)
    found = [images_of(app).pipeline.facts.pixels.quality(each, 10_000, 70) for each in others]
    assert found == [44, None]


def test_a_quality_that_was_found_for_another_target_is_not_used(make_app: MakeApp, photograph: Lay) -> None:
    photograph("flower.jpg")
    app = make_app(IMAGES_TARGET_SCORE=80)
    images_of(app).pipeline.facts.pixels.add_quality(rendition(app, "flower.jpg", "jpeg"), 40_000, 70, 31)
    assert same(app, "flower.jpg", width=200, quality="auto") == same(app, "flower.jpg", width=200)


@pytest.mark.usefixtures("needs_scores")
def test_the_target_is_the_one_of_the_site(make_app: MakeApp, photograph: Lay) -> None:
    photograph("flower.jpg")
    app = make_app(IMAGES_TARGET_SCORE=95)
    hot = Hot(app, "flower.jpg", width=200, quality="auto")
    hot.ask(1)
    hot.wait()
    assert hot.get().data == hot.first.data
    assert known(app, "flower.jpg", "jpeg", 200 * 253, target=95) == 75


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
    size = picture(hot.first.data).size
    found = known(app, "flower.jpg", pixels=120 * 151, **{"format": "jpeg", **options})
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
