"""The page ``docs/guides/hdr.md``: its site works, and its figures of the curve are those of the code."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest
from conftest import ROOT, gradient
from engines.test_coded_colour import png
from flask import Flask
from PIL import Image
from rendering.ultra_hdr_files import coordinates, map_in, ramp, ultra_hdr

from docs.blocks import runs
from flask_images_vips.engines.vips import abilities
from flask_images_vips.options.options import DECLARED
from flask_images_vips.rendering.gain_map import CHANGING

PAGE = (ROOT / "docs" / "guides" / "hdr.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """The site of the page."""
    blocks = BLOCK.findall(PAGE)
    (python,) = (text for name, text in blocks if name == "python")
    (jinja,) = (text for name, text in blocks if name == "jinja" and text.startswith("{# templates/"))
    (tmp_path / "beach_site.py").write_text(python)
    for folder in ("templates", "static"):
        (tmp_path / folder).mkdir()
    (tmp_path / "templates" / "home.html").write_text(jinja)
    (tmp_path / "static" / "beach.jpg").write_bytes(ultra_hdr(coordinates((1000, 600)), ramp((250, 150))))
    gradient((900, 300)).save(tmp_path / "static" / "sky.png")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "beach_site", raising=False)
    monkeypatch.chdir(tmp_path)
    from beach_site import app  # type: ignore[import-not-found]

    app.config["IMAGES_CACHE"] = str(tmp_path / "cache")
    found: Flask = app
    return found


@runs("docs/guides/hdr.md", "python", "{# templates/home.html #}")
def test_the_pictures_of_the_page_have_their_maps_and_their_depth(site: Flask, tmp_path: Path) -> None:
    client = site.test_client()
    urls = [url.replace("&amp;", "&") for url in re.findall(r' src="([^"]+)"', client.get("/").text)]
    assert len(urls) == 3
    for url, size in zip(urls[:2], ((200, 120), (75, 75)), strict=True):
        (tmp_path / "made.jpg").write_bytes(client.get(url).data)
        found = map_in(tmp_path / "made.jpg")
        assert found is not None
        assert Image.open(io.BytesIO((tmp_path / "made.jpg").read_bytes()[found.start :])).size == size
    if abilities.writes_deep_avif():
        assert abilities.pyvips.Image.new_from_buffer(client.get(urls[2]).data, "").format == "ushort"


def test_the_page_names_all_that_leaves_the_map_out() -> None:
    part = PAGE.partition("### Where the map is left out")[2].partition("\n## ")[0]
    named = {name for name in re.findall(r"`(\w+)`", part) if name in DECLARED}
    assert named == {*CHANGING, "sharpen"}


def test_diffuse_white_has_the_level_that_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from conftest import fetch

    from flask_images_vips import Images

    level = int(re.findall(r"which becomes level (\d+)", PAGE)[0])
    app = Flask("site", root_path=str(tmp_path))
    (tmp_path / "static").mkdir()
    app.config.update(SECRET_KEY="s", IMAGES_CACHE=str(tmp_path / "cache"))
    Images(app)
    white = Image.new("RGB", (8, 8), (148, 148, 148))  # 0.5807 of 255: 203 cd/m² in PQ
    (tmp_path / "static" / "a.png").write_bytes(png(white, {b"cICP": bytes([9, 16, 0, 1])}))
    made = fetch(app, "a.png", format="png").convert("RGB").getpixel((4, 4))
    assert isinstance(made, tuple)
    assert all(abs(band - level) <= 2 for band in made)
