"""The same quality is another number for each encoder, and depends on whether the picture is flat."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvips
from conftest import PHOTOGRAPHS, url_of
from flask import Flask, render_template_string
from PIL import Image, ImageDraw, ImageOps

from engines.conftest import ENGINES
from engines.test_animation import lay
from engines.test_animation import render as render_frames
from engines.test_engine import decoded, render
from flask_images_vips import raw
from flask_images_vips.engines.encoder_settings import FULL_CHROMA, LARGE_WEBP, arguments_of, depends_on_flatness
from flask_images_vips.engines.engine import Engine, Spec
from flask_images_vips.engines.pillow import writer as pillow_writer
from flask_images_vips.engines.vips import writer as vips_writer
from flask_images_vips.errors import ConfigError
from flask_images_vips.formats import by_name
from flask_images_vips.geometry import Geometry, Size
from flask_images_vips.options.options import Options, write_query
from flask_images_vips.rendition import Rendition
from flask_images_vips.sources.source import Source

MakeApp = Callable[..., Flask]

EFFORTS = "fast", "balanced", "small"
NUMBER = {"vips": "Q", "pillow": "quality"}
CHROMA = {"vips": "subsample_mode", "pillow": "subsampling"}
WHOLE = {"vips": "off", "pillow": "4:4:4"}


def drawing(size: tuple[int, int] = (320, 200)) -> Image.Image:
    picture = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((20, 20, size[0] // 2, size[1] - 20), fill="#268bd2")
    pen.text((size[0] // 2 + 10, 40), "Northern Lights", "black", font_size=20)
    return picture


def photograph(width: int = 480) -> Image.Image:
    with Image.open(PHOTOGRAPHS / "canyon.jpg") as file:
        picture = file.convert("RGB")
    picture.thumbnail((width, width))
    return picture


# The scale


@pytest.mark.parametrize("pixels", [90_000, LARGE_WEBP + 1])
@pytest.mark.parametrize(
    ("name", "effort", "format", "flat"),
    [*itertools.product(ENGINES, EFFORTS, ("jpeg", "webp", "avif"), (False, True))],
)
def test_a_higher_quality_never_gets_a_lower_number(
    name: str, effort: str, format: str, flat: bool, pixels: int
) -> None:
    made = [
        arguments_of(name, effort, by_name(format), Options(quality=quality), flat=flat, pixels=pixels)
        for quality in range(1, 101)
    ]
    numbers = [arguments[NUMBER[name]] for arguments in made]
    assert numbers == sorted(numbers)
    assert 1 <= numbers[0] < numbers[-1] <= 100
    if format == "avif":
        assert numbers[-1] < 100  # which libaom would take for lossless
        whole = [arguments[CHROMA[name]] == WHOLE[name] for arguments in made]
        assert whole == [effort == "small" or quality >= FULL_CHROMA for quality in range(1, 101)]


def test_jpeg_is_the_scale() -> None:
    for name, effort, flat in itertools.product(ENGINES, ("fast", "balanced"), (False, True)):
        for quality in (1, 20, 75, 90, 100):
            arguments = arguments_of(name, effort, by_name("jpeg"), Options(quality=quality), flat=flat)
            assert arguments[NUMBER[name]] == quality


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("format", ["webp", "avif"])
def test_flat_pictures_need_a_lower_number(name: str, format: str) -> None:
    photo, flat = (
        arguments_of(name, "balanced", by_name(format), Options(), flat=flat)[NUMBER[name]] for flat in (False, True)
    )
    assert flat < photo
    assert depends_on_flatness(name, "balanced", by_name(format), Options())
    assert not depends_on_flatness(name, "balanced", by_name("jpeg"), Options())


@pytest.mark.parametrize("format", ["jpeg", "webp", "avif"])
@pytest.mark.parametrize("name", ENGINES)
def test_only_a_webp_needs_a_higher_number_if_it_is_large(name: str, format: str) -> None:
    for flat, effort, quality in itertools.product((False, True), EFFORTS, (50, 75, 85)):
        small, large = (
            arguments_of(name, effort, by_name(format), Options(quality=quality), flat=flat, pixels=pixels)
            for pixels in (LARGE_WEBP, LARGE_WEBP + 1)
        )
        assert (large[NUMBER[name]] > small[NUMBER[name]]) is (format == "webp" and not flat)


def test_each_frame_of_a_large_animation_counts_alone(engine: Engine, tmp_path: Path) -> None:
    photo = photograph().resize((400, 400))
    frames = [photo, ImageOps.mirror(photo)] * 3
    assert 6 * 300 * 300 > LARGE_WEBP > 300 * 300
    lay(tmp_path / "a.webp", frames, delays=[100] * len(frames))
    number = arguments_of(engine.name, "balanced", by_name("webp"), Options(), flat=False)[NUMBER[engine.name]]
    plain, raw_one = (
        render_frames(engine, tmp_path / "a.webp", width=300, quality=quality) for quality in (75, f"raw{number}")
    )
    assert plain == raw_one


@pytest.mark.parametrize("format", ["jpeg", "webp", "avif"])
def test_a_raw_quality_is_the_number_of_the_encoder(engine: Engine, format: str, tmp_path: Path) -> None:
    for effort, number in itertools.product(EFFORTS, (1, 40, 100)):
        arguments = arguments_of(engine.name, effort, by_name(format), Options(quality=raw(number)), flat=True)
        assert arguments[NUMBER[engine.name]] == number
    photograph().save(tmp_path / "a.png")
    sizes = [len(render(engine, tmp_path / "a.png", format=format, quality=f"raw{n}")) for n in (20, 50, 80)]
    assert sizes == sorted(sizes)


def test_at_equal_looks_avif_is_the_smallest(engine: Engine, tmp_path: Path) -> None:
    drawing().save(tmp_path / "drawing.png")
    for path in (PHOTOGRAPHS / "canyon.jpg", tmp_path / "drawing.png"):
        jpeg, webp, avif = (len(render(engine, path, width=320, format=format)) for format in ("jpeg", "webp", "avif"))
        assert avif < jpeg, path.name
        assert path.suffix == ".jpg" or avif < webp < jpeg


def night() -> Image.Image:
    """A photograph under a black sky, which is most of it."""
    photo = photograph()
    picture = Image.new("RGB", (photo.width, 3 * photo.height))
    picture.paste(photo, (0, 2 * photo.height))
    return picture


# Flat pictures


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_both_engines_agree_on_which_pictures_are_flat(mode: str) -> None:
    for picture, expected in (
        (drawing(), True),
        (drawing((960, 600)).resize((320, 200)), True),
        (Image.new("RGB", (60, 50), "white"), True),
        (photograph(), False),
        (night(), False),
        (Image.new("RGB", (1, 50)), False),
    ):
        converted = picture.convert(mode)
        assert pillow_writer.is_flat(converted) is expected
        assert vips_writer.is_flat(pyvips.Image.new_from_array(np.asarray(converted))) is expected


@pytest.mark.parametrize("format", ["png", "webp", "avif"])
def test_flat_pictures_keep_their_pixels(engine: Engine, format: str, tmp_path: Path) -> None:
    drawing().save(tmp_path / "a.png")
    made = decoded(render(engine, tmp_path / "a.png", format=format, lossless=format == "webp", quality=90))
    difference = np.abs(np.asarray(made.convert("RGB"), int) - np.asarray(drawing(), int)).mean()
    assert difference <= (3 if format == "avif" else 0)


def test_the_effort_small_keeps_a_lossless_webp_if_that_is_smaller(engine: Engine, tmp_path: Path) -> None:
    page = Image.new("RGB", (400, 300), "white")
    for line in range(14):
        ImageDraw.Draw(page).text((10, 10 + 20 * line), "A picture says more than a thousand words.", "black")
    for name, picture in (("page", page), ("drawing", drawing((800, 600))), ("photograph", photograph())):
        picture.save(tmp_path / f"{name}.png")
    engine_small = ENGINES[engine.name](effort="small")
    made = {name: render(engine_small, tmp_path / f"{name}.png", format="webp") for name in ("page", "photograph")}
    assert decoded(made["page"]).convert("RGB").tobytes() == page.tobytes()
    assert decoded(made["photograph"]).convert("RGB").tobytes() != photograph().tobytes()
    assert len(made["page"]) < len(render(engine, tmp_path / "page.png", format="webp")) / 2
    raw_one = render(engine_small, tmp_path / "page.png", format="webp", quality="raw40")
    assert decoded(raw_one).convert("RGB").tobytes() != page.tobytes()


# Options, configuration, keys


def key(quality: object, format: str) -> tuple[str, str]:
    source = Source("cat.jpg", "/static", "/static/cat.jpg", 1000, 1_700_000_000_000_000_000)
    return Rendition(source, Options.parse(write_query({"quality": quality})), by_name(format)).key


def test_a_raw_quality_is_another_rendition() -> None:
    assert key(raw(40), "avif") == key("raw40", "avif") != key(40, "avif")


@pytest.mark.parametrize("text", ["raw", "raw0", "raw-1", "raww", "raw4.5", "RAW40"])
def test_what_is_no_raw_quality_is_400(
    app: Flask, draw: Callable[..., Path], text: str, caplog: pytest.LogCaptureFixture
) -> None:
    draw("a.png")
    assert app.test_client().get(url_of(app, "a.png", quality=text)).status_code == 400
    assert "a whole number from 1 to 100, one after raw, such as raw40, or auto" in caplog.text


def test_the_configuration_takes_raw_numbers_by_format(make_app: MakeApp, draw: Callable[..., Path]) -> None:
    draw("a.png")
    low, high = (
        len(served(make_app(IMAGES_QUALITY={"avif": raw(number)}), "a.png", width=48, format="avif"))
        for number in (1, 99)
    )
    assert low < high


def served(app: Flask, name: str, **options: object) -> bytes:
    return app.test_client().get(url_of(app, name, **options)).data


@pytest.mark.parametrize("number", [0, 101, -5, "x", "60", 60.0, True, None])
def test_a_wrong_raw_number_fails_where_it_is_written(number: object) -> None:
    with pytest.raises(ValueError, match=r"expected raw with a whole number from 1 to 100") as caught:
        raw(number)  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"quality=raw({number!r}): ")


@pytest.mark.parametrize("quality", [{"avif": 101}, {"avif": 0}, raw(50), {"avif": "40"}])
def test_wrong_qualities_are_refused(make_app: MakeApp, quality: object) -> None:
    with pytest.raises(ConfigError, match=r"raw\(60\)") as caught:
        url_of(make_app(IMAGES_QUALITY=quality), "a.png")
    assert "Raw(" not in str(caught.value)  # it is shown as it is written


def test_a_number_for_an_encoder_is_logged_as_it_is_written_now(
    make_app: MakeApp, draw: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    draw("a.png")
    for quality in (70, {"jpeg": 60, "avif": raw(50)}):
        served(make_app(IMAGES_QUALITY=quality), "a.png")
    assert "raw" not in caplog.text
    caplog.set_level(logging.INFO)
    served(make_app(IMAGES_QUALITY={"jpeg": 60, "avif": 55}), "a.png")
    assert caplog.text.count("write raw(55)") == 1


def test_a_picture_that_was_looked_at_can_still_be_stopped_while_it_is_encoded() -> None:
    def stopped(image: pyvips.Image) -> pyvips.Image:
        image.set_kill(True)
        return image

    size = Size(320, 200)
    spec = Spec(Options(), by_name("png"), Geometry(size, size))
    with pytest.raises(pyvips.Error, match="kill"):
        vips_writer.encode(pyvips.Image.new_from_array(np.asarray(drawing())), spec, "balanced", stopped)


# The negotiated format


@pytest.mark.parametrize(
    ("quality", "options", "expected"),
    [
        (75, {}, "image/webp"),
        (75, {"quality": 89}, "image/webp"),
        (75, {"quality": 90}, "image/jpeg"),
        (90, {}, "image/jpeg"),
        (90, {"quality": 50}, "image/webp"),
        (75, {"quality": "raw95"}, "image/webp"),
        ({"webp": raw(95)}, {}, "image/webp"),
        (75, {"quality": 95, "lossless": True}, "image/webp"),
    ],
)
def test_webp_is_not_negotiated_for_a_quality_that_it_cannot_reach(
    quality: object, options: dict[str, object], expected: str, make_app: MakeApp, draw: Callable[..., Path]
) -> None:
    draw("a.jpg")
    app = make_app(IMAGES_QUALITY=quality)
    for accept, type in {"image/webp": expected, "image/avif,image/webp": "image/avif"}.items():
        answer = app.test_client().get(url_of(app, "a.jpg", format="auto", **options), headers={"Accept": accept})
        assert (answer.status_code, answer.content_type) == (200, type)


@pytest.mark.parametrize("name", ["a.gif", "a.avif"])
def test_a_path_that_webp_replaces_well_is_negotiated_at_any_quality(
    name: str, make_app: MakeApp, draw: Callable[..., Path]
) -> None:
    """A browser that names only WebP may be unable to show an AVIF."""
    draw(name)
    app = make_app()
    url = url_of(app, name, format="auto", quality=95)
    assert app.test_client().get(url, headers={"Accept": "image/webp,*/*"}).content_type == "image/webp"


@pytest.mark.parametrize(
    ("name", "quality", "formats", "offered"),
    [
        ("a.jpg", 89, None, ["avif", "webp"]),
        ("a.jpg", 95, None, ["avif"]),
        ("a.jpg", "raw95", None, ["avif", "webp"]),
        ("a.jpg", 95, ["webp"], ["webp"]),
        ("a.gif", 95, None, ["avif", "webp"]),
    ],
)
def test_a_picture_offers_what_would_be_negotiated(
    name: str, quality: object, formats: object, offered: list[str], app: Flask, draw: Callable[..., Path]
) -> None:
    draw(name)
    with app.test_request_context():
        tag = render_template_string(
            "{{ resized_picture_tag(name, width=32, quality=quality, formats=formats, alt='') }}",
            name=name,
            quality=quality,
            formats=formats,
        )
    assert re.findall(r'type="image/(\w+)"', tag) == offered
