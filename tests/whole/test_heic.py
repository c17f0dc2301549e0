"""A site with HEICs: what pages state and routes send, copies, limits, and an answer for every broken file."""

from __future__ import annotations

import logging
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import fetch, gradient, share, url_of
from engines.test_engine import psnr
from engines.test_heic import turned_by
from flask import Flask
from fuzz_route import QUERIES, Route, mutants
from headers.heics import BOMBS, KINDS, heic, of_kind, turned
from markupsafe import Markup
from PIL import Image
from shared_decode.test_copies import copies_of, told

from flask_images_vips import Images, resized_img_attrs, resized_img_size, resized_img_tag
from flask_images_vips.engines import heic as decoder
from flask_images_vips.errors import ConfigError
from flask_images_vips.state import images_of

__all__ = ["told"]  # a fixture

MakeApp = Callable[..., Flask]
ENGINES = ["auto", "vips", "pillow"]
LISTED: dict[str, Any] = {"IMAGES_INPUT_FORMATS": ["jpeg", "heif"]}
MUTANTS = share(3500, 20)


def tag_size(app: Flask, name: str, **wishes: Any) -> tuple[int, int]:
    """The size that a page states, as a size and in a tag: both are one."""
    with app.test_request_context():
        size, attributes = resized_img_size(name, **wishes), resized_img_attrs(name, **wishes)
    assert size is not None
    assert (attributes["width"], attributes["height"]) == (size.width, size.height)
    return size.width, size.height


@pytest.mark.parametrize("engine", ENGINES)
def test_pages_state_the_size_that_is_sent(make_app: MakeApp, static: Path, engine: str) -> None:
    app = make_app(IMAGES_ENGINE=engine, **LISTED)
    for number in range(1, 9):
        name = f"{number}.heic"
        (static / name).write_bytes(turned(number, exif=6))
        upright = turned_by(number)
        half = (upright.width // 2, upright.height // 2)
        for wishes, part in (
            ({}, upright),
            ({"region": (0.5, 0, 0.5, 0.5)}, upright.crop((half[0], 0, upright.width, half[1]))),
        ):
            made = fetch(app, name, width=part.width // 2, format="png", **wishes)
            assert made.size == tag_size(app, name, width=part.width // 2, **wishes)
            assert psnr(made, part.resize(made.size, Image.Resampling.LANCZOS)) > 36, (number, wishes)


@pytest.mark.parametrize("extension", ["heic", "heif", "HEIC", "jpg"])
def test_it_becomes_a_jpeg_unless_another_format_is_asked_for(make_app: MakeApp, static: Path, extension: str) -> None:
    app = make_app(**LISTED)
    (static / f"a.{extension}").write_bytes(of_kind("one"))
    assert app.test_client().get(url_of(app, f"a.{extension}", width=40)).mimetype == "image/jpeg"
    assert fetch(app, f"a.{extension}", width=40, format="webp").format == "WEBP"


def test_its_copies_are_made_once_and_used(make_app: MakeApp, static: Path, told: Callable[[], list[str]]) -> None:
    (static / "large.heic").write_bytes(heic(gradient((2000, 1200)), tile_size=512))
    app = make_app(**LISTED)
    for width in (500, 400, 300):
        made = fetch(app, "large.heic", width=width, format="png")
        assert psnr(made, gradient((2000, 1200)).resize(made.size, Image.Resampling.LANCZOS)) > 36
    assert len(copies_of(app)) == 1
    assert told()[-1] == "vips from a copy"


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(make_app: MakeApp, static: Path, name: str) -> None:
    app = make_app(**LISTED)
    (static / "a.heic").write_bytes(BOMBS[name]())
    response = app.test_client().get(url_of(app, "a.heic", width=40))
    assert response.status_code == 422
    with app.test_request_context():
        assert isinstance(resized_img_tag("a.heic", width=40), Markup)  # a page is shown all the same


@pytest.mark.parametrize("engine", ["auto", "pillow"])
def test_a_stated_size_over_the_limit_is_refused_before_anything_is_decoded(
    make_app: MakeApp, static: Path, engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(IMAGES_ENGINE=engine, IMAGES_MAX_SOURCE_PIXELS=2 * 256 * 160 - 2, **LISTED)
    (static / "a.heic").write_bytes(of_kind("grid"))
    assert app.test_client().get(url_of(app, "a.heic", width=40)).status_code == 422
    assert "a frame of the source has 40,960 pixels" in caplog.text
    assert "half of IMAGES_MAX_SOURCE_PIXELS" in caplog.text


@pytest.mark.parametrize("engine", ENGINES)
def test_no_mutant_is_answered_otherwise_than_by_a_picture_or_a_refusal(
    tmp_path: Path, engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "flask_images_vips")
    route = Route(tmp_path, engine, **LISTED)
    chance, answers = random.Random(engine), Counter[int]()
    bases = [of_kind(name) for name in KINDS] + [BOMBS[name]() for name in ("a circle", "grids in grids", "an overlay")]
    for number, data in enumerate(mutants(chance, MUTANTS, bases)):
        answers[route.status(data, number % (len(QUERIES) - 1))] += 1
    print(engine, dict(answers), f"{route.slowest_seconds:.2f} s")
    assert min(answers[200], answers[422]) > MUTANTS / 20


# Where it is not accepted


@pytest.mark.parametrize("engine", ENGINES)
def test_it_is_refused_by_default_and_the_log_says_what_to_do(
    make_app: MakeApp, static: Path, engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(IMAGES_ENGINE=engine)
    (static / "a.heic").write_bytes(of_kind("one"))
    response = app.test_client().get(url_of(app, "a.heic", width=40))
    if response.status_code == 200:
        pytest.skip("this libvips has a decoder of HEVC, and takes a HEIC for an AVIF")
    assert response.status_code == 422
    assert "pip install 'flask-images-vips[heic]' and add 'heic' to IMAGES_INPUT_FORMATS" in caplog.text


def test_a_site_that_lists_it_without_the_package_does_not_start(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "_LEAST", (99, 0))
    with pytest.raises(ConfigError, match=r"IMAGES_INPUT_FORMATS lists heic, but HEIC needs pillow-heif 99\.0"):
        make_app(**LISTED)
    make_app(IMAGES_ENGINE="boxes", **LISTED)  # decodes nothing


# Where it is imported


def test_a_web_worker_does_not_import_its_decoder(tmp_path: Path, elsewhere: Callable[..., Any]) -> None:
    process = elsewhere(serve_one, tmp_path)
    output, errors = process.communicate(timeout=60)
    assert output.split() == ["200", "256", "False"], errors


def serve_one(folder: str) -> None:
    """Answer one request, and tell whether pillow-heif has been imported."""
    static = Path(folder, "static")
    static.mkdir()
    (static / "a.heic").write_bytes(of_kind("one"))
    for name in [name for name in sys.modules if "pillow_heif" in name]:
        del sys.modules[name]  # the file was drawn with it
    app = Flask("site", root_path=folder)
    app.secret_key = "a secret"
    app.config.update(IMAGES_CACHE=str(Path(folder, "cache")), **LISTED)
    Images(app)
    with app.app_context():
        in_thread = images_of(app).pipeline.producer.renderers.pool is None
    with app.test_request_context():
        size = resized_img_size("a.heic")
    status = app.test_client().get(url_of(app, "a.heic", width=40)).status_code
    assert size is not None
    print(status, size.width, "pillow_heif" in sys.modules and not in_thread)
