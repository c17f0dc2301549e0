"""``docs/guides/social-cards.md``: its code runs, and its table has every part of a style."""

from __future__ import annotations

import html
import re
import runpy
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, gradient
from engines.lettering.conftest import dejavu
from PIL import Image

from docs.blocks import runs
from flask_images_vips.config.fonts import fonts
from flask_images_vips.options.text import TextStyle

TEXT = (ROOT / "docs" / "guides" / "social-cards.md").read_text("utf-8")
FILES = {match[1]: match[0] for match in re.finditer(r"(?<=```python\n)# (\w+)\.py\n.*?(?=```)", TEXT, re.DOTALL)}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The names of the module ``app`` of the page, in a folder with a photograph and a font."""
    (tmp_path / "static" / "fonts").mkdir(parents=True)
    (tmp_path / "static" / "fonts" / "Inter-Bold.ttf").write_bytes(dejavu().read_bytes())
    gradient((800, 600)).save(tmp_path / "static" / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name, code in FILES.items():
        (tmp_path / f"{name}.py").write_text(code)
    return runpy.run_path(str(tmp_path / "app.py"), run_name="app")


def card(site: dict[str, Any], url: str, tmp_path: Path) -> Image.Image:
    response = site["app"].test_client().get(url)
    assert response.status_code == 200
    (tmp_path / "card").write_bytes(response.data)
    return Image.open(tmp_path / "card")


@runs("docs/guides/social-cards.md", "# app.py")
def test_the_page_has_an_absolute_url_of_a_card_with_its_title(site: dict[str, Any], tmp_path: Path) -> None:
    page = site["app"].test_client().get("/post").text
    url = html.unescape(re.findall(r'og:image" content="([^"]+)"', page)[0])
    assert url.startswith("http://localhost/")
    picture = card(site, url, tmp_path)
    assert (picture.size, picture.format) == ((1200, 630), "JPEG")
    assert picture.convert("L").crop((0, 315, 1200, 630)).getextrema()[1] > 240  # the letters are white


@runs("docs/guides/social-cards.md", "# plain.py")
def test_a_card_without_a_photograph_has_a_plain_colour(site: dict[str, Any], tmp_path: Path) -> None:
    runpy.run_path(str(tmp_path / "plain.py"))
    with site["app"].test_request_context():
        url = site["app"].jinja_env.globals["resized_img_src"]("green.png", preset="plain", text="Hello")
    picture = card(site, url, tmp_path).convert("RGB")
    assert (picture.size, picture.getpixel((5, 5))) == ((1200, 630), (0x0B, 0x3D, 0x2E))
    assert picture.convert("L").getextrema()[1] == 255


@runs("docs/guides/social-cards.md", "# fonts.py")
def test_the_list_of_fonts_is_one(tmp_path: Path) -> None:
    (tmp_path / "fonts.py").write_text(FILES["fonts"])
    found = fonts("IMAGES_FONTS", runpy.run_path(str(tmp_path / "fonts.py"))["IMAGES_FONTS"])
    assert found is not None
    assert len(found["title"]) == 3


def test_the_table_has_every_part_of_a_style() -> None:
    named = [name for row in re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(item.name for item in fields(TextStyle))
