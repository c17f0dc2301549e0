"""A limit of bytes lowers the quality, and a picture that stays the same is no larger than its source."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest
from conftest import url_of
from flask import Flask
from PIL import Image

from flask_images_vips.rendition import Rendition


def noise(path: Any, size: tuple[int, int] = (160, 120), **save: Any) -> None:
    """A picture that takes many bytes at a high quality and few at a low one."""
    smooth = Image.radial_gradient("L").resize(size).convert("RGB")
    grain = Image.effect_noise(size, 60).convert("RGB")
    Image.blend(smooth, grain, 0.4).save(path, **save)


def data_of(app: Flask, name: str, **keywords: Any) -> bytes:
    answer = app.test_client().get(url_of(app, name, **keywords))
    assert answer.status_code == 200, answer.text
    return answer.data


def renders(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that the qualities of all further renders of *app* go to, which renders in this process."""
    qualities: list[int] = []
    with app.app_context():
        pipeline = app.extensions["images"].pipeline
    for engine in pipeline.producer.renderers.thread.engines:
        render = engine.render

        def counted(descriptor: int, rendition: Rendition, *rest: Any, render: Any = render) -> bytes:
            qualities.append(rendition.options.quality)
            data: bytes = render(descriptor, rendition, *rest)
            return data

        monkeypatch.setattr(engine, "render", counted)
    return qualities


@pytest.mark.parametrize("engine", ["vips", "pillow"])
@pytest.mark.parametrize("format", ["jpeg", "webp", "avif"])
def test_the_quality_is_lowered_until_the_file_fits_and_no_further(
    make_app: Any, static: Any, monkeypatch: pytest.MonkeyPatch, format: str, engine: str
) -> None:
    noise(static / "a.png")
    app = make_app(IMAGES_ENGINE=engine, IMAGES_MAX_RENDERS=0)
    by_quality = {q: len(data_of(app, "a.png", format=format, quality=q, width=80)) for q in range(20, 76)}
    qualities = renders(app, monkeypatch)
    for wanted in (24, 40, 66, 75):
        limit = by_quality[wanted]
        qualities.clear()
        data = data_of(app, "a.png", format=format, width=80, max_bytes=limit)
        assert len(data) <= limit
        # Of WebP, a higher quality may take fewer bytes: there is no one best quality, but one just below too large.
        assert any(
            size == len(data) and (quality == 75 or max(by_quality[q] for q in range(quality + 1, quality + 5)) > limit)
            for quality, size in by_quality.items()
            if quality <= 71 or quality == 75
        )
        assert len(qualities) <= 6
        assert qualities[0] == 75
        assert wanted != 75 or len(qualities) == 1


def test_the_quality_asked_for_is_the_highest(app: Flask, static: Any) -> None:
    noise(static / "a.png")
    plain = data_of(app, "a.png", format="jpeg", quality=30)
    assert data_of(app, "a.png", format="jpeg", quality=30, max_bytes=10**6) == plain


@pytest.mark.parametrize(
    ("keywords", "most"),
    [({"format": "jpeg"}, 2), ({"format": "png"}, 1), ({"format": "jpeg", "quality": 10}, 1)],
)
def test_what_cannot_fit_is_sent_at_its_smallest_with_a_log_line(
    make_app: Any, static: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any, keywords: dict[str, Any], most: int
) -> None:
    app = make_app(IMAGES_MAX_RENDERS=0)
    noise(static / "a.png")
    expected = data_of(app, "a.png", **{**keywords, "quality": min(20, keywords.get("quality", 20))})
    qualities = renders(app, monkeypatch)
    assert data_of(app, "a.png", **keywords, max_bytes=50) == expected
    assert len(qualities) == most
    assert "over the limit of 50" in caplog.text


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "10kB"])
def test_a_limit_that_is_no_number_of_bytes_is_400(app: Flask, draw: Any, value: str) -> None:
    draw("a.png")
    assert app.test_client().get(url_of(app, "a.png", max_bytes=value)).status_code == 400


# Never larger than the source.


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF"])
def test_the_same_picture_in_the_same_format_is_no_larger_and_not_the_source(
    app: Flask, static: Any, format: str
) -> None:
    path = static / f"a.{format.lower()}"
    noise(path, format=format, quality=40)
    source = path.read_bytes()
    for keywords in ({}, {"width": 160}, {"width": 500, "height": 500, "mode": "fit"}, {"quality": 95}):
        data = data_of(app, path.name, **keywords)
        assert len(data) <= len(source)
        assert data != source
        assert Image.open(io.BytesIO(data)).size == (160, 120)


def test_nothing_behind_the_picture_and_no_metadata_comes_along(app: Flask, static: Any) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    noise(static / "a.jpg", quality=30, exif=exif)
    with open(static / "a.jpg", "ab") as file:
        file.write(b"<script>alert(1)</script>")
    data = data_of(app, "a.jpg")
    assert b"secret" not in data
    assert b"<script" not in data


@pytest.mark.parametrize(
    "keywords",
    [
        {"format": "webp", "quality": 95},
        {"quality": 95, "sharpen": "2,200,0"},
        {"quality": 95, "width": 159, "height": 119, "mode": "crop"},
        {"quality": 95, "width": 200, "height": 200, "mode": "pad"},
        {"quality": 95, "transform": "EXTENT,0,0,0,0,160,120"},
        {"quality": 95, "width": 320, "enlarge": True},
    ],
)
def test_what_changes_the_picture_may_be_larger(app: Flask, static: Any, caplog: Any, keywords: dict[str, Any]) -> None:
    caplog.set_level(logging.WARNING)
    noise(static / "a.jpg", quality=10)
    assert len(data_of(app, "a.jpg", **keywords)) > (static / "a.jpg").stat().st_size


def test_a_small_rendition_costs_one_render(make_app: Any, static: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(IMAGES_MAX_RENDERS=0)
    noise(static / "a.jpg", quality=90)
    qualities = renders(app, monkeypatch)
    data_of(app, "a.jpg")
    data_of(app, "a.jpg", width=80)
    assert qualities == [75, 75]
