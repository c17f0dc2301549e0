"""JPEG XL out of both engines and in, and what becomes of files that are odd."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, gradient, url_of
from flask import Flask
from headers.test_jxl import Bits, needs_codec
from PIL import Image

from engines.test_colour import display_p3_profile, srgb_profile
from engines.test_copyright import ARTIST, COPYRIGHT, lay, tags
from engines.test_engine import psnr, render
from flask_images_vips.engines import jxl as codec
from flask_images_vips.engines.engine import Engine
from flask_images_vips.engines.pillow.engine import PillowEngine
from flask_images_vips.errors import UnreadableSource, UnsupportedSource
from flask_images_vips.formats import ALL_INPUTS
from flask_images_vips.headers import jxl

pytestmark = needs_codec

MakeApp = Callable[..., Flask]
SIZE = 64, 48


def opened(data: bytes) -> Image.Image:
    found = codec.decoded(data)
    return Image.frombytes(found.mode, found.size, found.data)


def file_of(image: Image.Image) -> bytes:
    return codec.encoded(image.mode, image.size, image.tobytes(), {"lossless": True, "effort": 1})


def loader() -> Engine:
    return PillowEngine(inputs=ALL_INPUTS)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_a_lossless_file_has_the_pixels_of_the_source(engine: Engine, mode: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (48, 64, 4), np.uint8)
    Image.fromarray(noise).convert(mode).save(tmp_path / "a.png")
    made = opened(render(engine, tmp_path / "a.png", format="jxl", lossless=True))
    with Image.open(io.BytesIO(render(engine, tmp_path / "a.png", format="png"))) as reference:
        assert made.convert("RGBA").tobytes() == reference.convert("RGBA").tobytes()


def test_a_higher_quality_takes_more_bytes_and_is_nearer_to_the_source(engine: Engine, photographs: Path) -> None:
    path, qualities = photographs / "cat.jpg", (20, 50, 75, 90, 100)
    files = [render(engine, path, format="jxl", quality=quality) for quality in qualities]
    reference = Image.open(photographs / "cat.jpg")
    near = [psnr(opened(data), reference) for data in files]
    assert [len(data) for data in files] == sorted(len(data) for data in files)
    assert near == sorted(near)
    assert near[-1] > 40


def test_nothing_of_the_metadata_is_in_the_file_but_what_is_kept(engine: Engine, tmp_path: Path) -> None:
    path = lay(tmp_path / "a.jpg", tags(), icc_profile=srgb_profile())
    plain, kept = (render(engine, path, width=32, format="jxl", keep=keep) for keep in (None, "copyright"))
    assert plain.startswith(jxl.CODESTREAM)
    assert jxl.codestream_of(kept) == plain
    exif = Image.Exif()
    exif.load(codec.decoded(kept).exif)
    assert dict(exif) == {ARTIST: "Anna Bell", COPYRIGHT: "(c) 2024 Anna Bell"}


def test_colours_are_converted_because_the_encoder_writes_no_profile(engine: Engine, tmp_path: Path) -> None:
    gradient(SIZE).save(tmp_path / "a.png", icc_profile=display_p3_profile())
    plain, kept = (render(engine, tmp_path / "a.png", format="jxl", keep=keep) for keep in (None, "icc"))
    assert plain == kept


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_a_source_is_shown_as_it_is(mode: str, tmp_path: Path) -> None:
    image = gradient(SIZE).convert(mode)
    (tmp_path / "a.jxl").write_bytes(file_of(image))
    with Image.open(io.BytesIO(render(loader(), tmp_path / "a.jxl", format="png"))) as made:
        assert (made.mode, made.size, made.tobytes()) == (mode, SIZE, image.tobytes())


def test_a_source_is_upright_whatever_its_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a.jxl").write_bytes(codec.with_exif(file_of(gradient(SIZE)), exif.tobytes()))
    with Image.open(io.BytesIO(render(loader(), tmp_path / "a.jxl", format="png"))) as made:
        assert made.tobytes() == gradient(SIZE).tobytes()


def test_the_rights_of_a_source_are_kept(tmp_path: Path) -> None:
    (tmp_path / "a.jxl").write_bytes(codec.with_exif(file_of(gradient(SIZE)), tags().tobytes()))
    with Image.open(io.BytesIO(render(loader(), tmp_path / "a.jxl", format="jpeg", keep="copyright"))) as made:
        assert dict(made.getexif()) == {ARTIST: "Anna Bell", COPYRIGHT: "(c) 2024 Anna Bell"}


@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_file_that_is_cut_short_is_refused(share: float, tmp_path: Path) -> None:
    whole = file_of(gradient(SIZE))
    (tmp_path / "a.jxl").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UnreadableSource):
        render(loader(), tmp_path / "a.jxl", format="png")


def test_inks_are_refused(tmp_path: Path) -> None:
    bits = Bits()
    for size in ((1, 1), (0, 5), (1, 3)):
        bits.put(*size)
    for depth in ((0, 1), (0, 1), (0, 1), (0, 2), (1, 1)):
        bits.put(*depth)
    for channel in ((1, 2), (0, 1), (2, 2), (2, 4)):  # one, whose type is 2 + 2
        bits.put(*channel)
    (tmp_path / "a.jxl").write_bytes(bits.data() + bytes(40))
    with pytest.raises(UnsupportedSource, match="JPEG XL of inks"):
        render(loader(), tmp_path / "a.jxl", format="png")


def test_a_source_is_accepted_where_it_is_listed(make_app: MakeApp, static: Path) -> None:
    (static / "a.jxl").write_bytes(file_of(gradient(SIZE)))
    for inputs, status in ((None, 422), (["jpeg", "jxl"], 200)):
        app = make_app(**({} if inputs is None else {"IMAGES_INPUT_FORMATS": inputs}), DEBUG=True)
        answer = app.test_client().get(url_of(app, "a.jxl", width=32, format="png"))
        assert answer.status_code == status, answer.text
        if status == 422:
            assert "the file is a JXL image" in answer.text
        else:
            assert Image.open(io.BytesIO(answer.data)).size == (32, 24)


def test_a_path_of_a_jpeg_xl_keeps_its_format(make_app: MakeApp, static: Path) -> None:
    (static / "a.jxl").write_bytes(file_of(gradient(SIZE)))
    app = make_app(IMAGES_INPUT_FORMATS=["jxl"])
    answer = app.test_client().get(url_of(app, "a.jxl", width=32))
    assert (answer.status_code, answer.mimetype, opened(answer.data).size) == (200, "image/jxl", (32, 24))


WITHOUT = """
import importlib.util, json, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "pillow_jxl" else find(name, package)
sys.modules["pillow_jxl"] = None
from flask import Flask
from flask_images_vips import Images, resized_img_src
app = Flask("site", root_path={root!r})
app.config.update(SECRET_KEY="s", IMAGES_PATH=["static"], IMAGES_CACHE="cache", IMAGES_MAX_RENDERS=0)
app.config.update({config!r})
Images(app)
found = []
for options in ({{"format": "jxl"}}, {{"format": "auto"}}):
    with app.test_request_context():
        url = resized_img_src("a.png", width=32, **options)
    answer = app.test_client().get(url, headers={{"Accept": "image/jxl,image/avif"}})
    found.append((answer.status_code, answer.mimetype))
print(json.dumps(found))
"""


@pytest.mark.parametrize("engine_name", ["auto", "pillow"])
def test_without_the_package_a_sentence_says_what_is_missing(engine_name: str, static: Path, tmp_path: Path) -> None:
    gradient(SIZE).save(static / "a.png")
    code = WITHOUT.format(root=str(tmp_path), config={"IMAGES_ENGINE": engine_name})
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    refused, negotiated = json.loads(run.stdout)
    assert refused == [400, "text/plain"]
    assert "pip install 'flask-images-vips[jxl]'" in run.stderr
    assert negotiated == [200, "image/avif"]
    assert "JXL cannot" not in run.stderr  # it is not missed where nobody has asked for it


def test_the_package_is_imported_at_its_first_use() -> None:
    modules = "flask_images_vips, flask_images_vips.engines.pillow.engine, flask_images_vips.engines.vips.engine"
    code = f"import sys, {modules}\nprint('pillow_jxl' in sys.modules)"
    command = [sys.executable, "-W", "ignore", "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.stdout.strip().endswith("False"), run.stderr


@pytest.mark.parametrize("engine_name", ["auto", "pillow"])
def test_a_damaged_source_is_shown_or_refused_with_a_reason(engine_name: str, make_app: MakeApp, static: Path) -> None:
    chance, image = random.Random(7), gradient(SIZE).convert("RGBA")
    lossy = codec.encoded("RGB", SIZE, gradient(SIZE).tobytes(), {"quality": 60, "effort": 3}, tags().tobytes())
    app = make_app(IMAGES_INPUT_FORMATS=["jxl"], IMAGES_ENGINE=engine_name)
    found = set()
    for number in range(40):
        data = bytearray(chance.choice((lossy, file_of(image))))
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        (static / f"{number}.jxl").write_bytes(data[: chance.choice((len(data), len(data) - 5))])
        found.add(app.test_client().get(url_of(app, f"{number}.jxl", width=32, format="png")).status_code)
    assert found <= {200, 422}
    assert 422 in found
