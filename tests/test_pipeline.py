"""What the line decides between a URL and its bytes: the key, the quality, the limit of bytes."""

from __future__ import annotations

import io
import logging
import os
import time
from dataclasses import replace
from typing import Any

import pytest
from conftest import url_of
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from flask_images_vips import Images
from flask_images_vips.config.keys import Config
from flask_images_vips.formats import NEGOTIABLE, by_name, choose, negotiate
from flask_images_vips.options.options import DECLARED, Options
from flask_images_vips.rendition import Rendition
from flask_images_vips.serving.hit import verify
from flask_images_vips.sources.source import Source
from flask_images_vips.state import current_images

CONFIG = Config.read({"IMAGES_QUALITY": {"jpeg": 75, "webp": 70, "avif": 55}})
SOURCE = Source("a.png", "/", "/a.png", 1, 1)


def key_of(query: dict[str, str], accept: str = "") -> tuple[Rendition, tuple[str, str]]:
    """The rendition that a URL with *query* asks for, decided as the line does, and its key."""
    options = Options.parse(query)
    format = choose(SOURCE.ref, options.format)
    if options.format is not None and options.format.name == "auto":
        format = negotiate(SOURCE.ref, accept, [by_name(name) for name in NEGOTIABLE])
    if not query.get("q") and format.lossy:
        options = replace(options, quality=CONFIG.quality_of(format.name))
    rendition = Rendition(SOURCE, options, format)
    return rendition, rendition.key


queries = st.fixed_dictionaries(
    {},
    optional={
        "w": st.sampled_from(["1", "2", "2.0", "0", ""]),
        "h": st.sampled_from(["1", "2", "0"]),
        "m": st.sampled_from(["fit", "crop", "pad", "reshape", ""]),
        "e": st.sampled_from(["1", "0", "true", ""]),
        "f": st.sampled_from(["jpg", "JPEG", "png", "webp", "avif", "auto", "AUTO", ""]),
        "q": st.sampled_from(["55", "70", "75", "100", "250", ""]),
        "mb": st.sampled_from(["1", "10", "10.0", ""]),
        "b": st.sampled_from(["black", "#000", "#fff", "transparent", ""]),
        "usm": st.sampled_from(["1,2,3", "1:2:3", "1.0,2,3", ""]),
        "d": st.sampled_from(["1", "name", ""]),
        "exp": st.sampled_from(["1", "2", ""]),
        "c": st.sampled_from(["", "1"]),
    },
)
accepts = st.sampled_from(["", "image/avif,image/webp", "image/webp"])


@given(queries, queries, accepts, accepts)
def test_two_urls_share_a_key_where_they_ask_for_one_rendering_and_only_there(
    one: dict[str, str], other: dict[str, str], accept: str, another: str
) -> None:
    (first, key), (second, other_key) = key_of(one, accept), key_of(other, another)
    same = first.format is second.format and all(
        getattr(first.options, name) == getattr(second.options, name)
        for name, declared in DECLARED.items()
        if declared.keyed
    )
    assert (key == other_key) == same


@given(queries, accepts)
def test_other_spellings_of_one_wish_share_its_key(query: dict[str, str], accept: str) -> None:
    rendition, key = key_of(query, accept)
    spelled = {**query, "exp": "5", "d": "x", "f": rendition.format.name.upper(), "q": str(rendition.options.quality)}
    assert key_of(spelled)[1] == key


@pytest.mark.parametrize(("format", "quality"), [("jpeg", 75), ("webp", 70), ("avif", 55), ("png", 75), ("gif", 75)])
def test_the_lines_own_decision_is_the_one_that_was_tested(make_app: Any, draw: Any, format: str, quality: int) -> None:
    draw("a.png")
    app = make_app(IMAGES_QUALITY=CONFIG.quality)
    images: Images = app.extensions["images"]
    with app.test_request_context():
        path, _, query = images.build_url("a.png", format="auto").removeprefix("/imgsizer/").partition("?")
        url = verify(current_images(), path, query.encode(), f"image/{format}").url
        rendition = images.pipeline.rendition(url, images.pipeline.sources.find(url))
        named = images.build_url("a.png", format=format).partition("?")[2]
        url = verify(current_images(), "a.png", named.encode(), "").url
        assert images.pipeline.rendition(url, images.pipeline.sources.find(url)).options.quality == quality
        if format in NEGOTIABLE:
            assert (rendition.format.name, rendition.options.quality) == (format, quality)


# A limit of bytes.


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
    """A list that the qualities of all further renders go to."""
    qualities: list[int] = []
    with app.app_context():
        pipeline = app.extensions["images"].pipeline
    for engine in pipeline.producer.engines.here:
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
    app = make_app(IMAGES_ENGINE=engine)
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
    app: Flask, static: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any, keywords: dict[str, Any], most: int
) -> None:
    noise(static / "a.png")
    expected = data_of(app, "a.png", **{**keywords, "quality": min(20, keywords.get("quality", 20))})
    qualities = renders(app, monkeypatch)
    assert data_of(app, "a.png", **keywords, max_bytes=50) == expected
    assert len(qualities) == most
    assert "not the 50 wanted" in caplog.text


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


def test_a_small_rendition_costs_one_render(app: Flask, static: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    noise(static / "a.jpg", quality=90)
    qualities = renders(app, monkeypatch)
    data_of(app, "a.jpg")
    data_of(app, "a.jpg", width=80)
    assert qualities == [75, 75]


# The header of a source, remembered.


def test_a_source_s_header_is_read_once_for_all_its_renditions(
    app: Flask, static: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise(static / "a.jpg")
    read = []
    with app.app_context():
        engine = app.extensions["images"].pipeline.producer.engines.here[0]
    header = engine.header
    monkeypatch.setattr(engine, "header", lambda *of: read.append(of) or header(*of))
    for width in (10, 20, 30):
        data_of(app, "a.jpg", width=width)
    assert len(read) == 1


@pytest.mark.parametrize("copies", [False, "tiff"])
def test_the_limits_are_those_of_what_a_file_holds_now(make_app: Any, static: Any, copies: object) -> None:
    app = make_app(IMAGES_MAX_SOURCE_PIXELS=160 * 120, IMAGES_COPIES=copies)
    client = app.test_client()

    def status_of(size: tuple[int, int], width: int) -> int:
        """That of a rendition of a picture of *size* in a file that is told from others by nothing else."""
        noise(static / "a.jpg", size, quality=10)
        with open(static / "a.jpg", "r+b") as file:
            file.truncate(100_000)
        os.utime(static / "a.jpg", (1e9, 1e9))
        status: int = client.get(url_of(app, "a.jpg", width=width)).status_code
        time.sleep(0.02)  # a step of the clock that the file system keeps
        return status

    assert status_of((160, 120), 10) == 200
    assert status_of((161, 120), 20) == 422
    assert status_of((160, 120), 30) == 200


# The render slot.


def test_a_slot_is_held_until_those_who_wait_have_the_result_and_never_longer(
    app: Flask, static: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise(static / "a.jpg")
    noise(static / "broken.jpg")
    os.truncate(static / "broken.jpg", os.path.getsize(static / "broken.jpg") // 2)
    with app.app_context():
        pipeline = app.extensions["images"].pipeline

    def held() -> int:
        count: int = pipeline.producer.slots._process.get().held
        return count

    seen = []
    land = pipeline.cache._once._flights.land
    monkeypatch.setattr(pipeline.cache._once._flights, "land", lambda *told: seen.append(held()) or land(*told))
    data_of(app, "a.jpg", width=80)
    assert seen == [1]
    assert held() == 0
    for status, name, keywords in ((200, "a.jpg", {"cache": False}), (422, "broken.jpg", {}), (404, "none.jpg", {})):
        assert app.test_client().get(url_of(app, name, **keywords)).status_code == status
        assert held() == 0
