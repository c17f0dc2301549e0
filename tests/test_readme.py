"""Test the README: its tables and pictures are up to date, and its code runs.

``python tests/test_readme.py`` writes the tables and the pictures again.
"""

from __future__ import annotations

import html
import io
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import html5lib
import numpy as np
import pytest
from conftest import PHOTOGRAPHS, ROOT, fetch, url_of
from engines.lettering.conftest import dejavu
from flask import Flask, render_template_string
from PIL import Image, ImageDraw, ImageFont, ImageOps

from flask_images_vips import Images
from flask_images_vips.config.keys import Config
from flask_images_vips.demo import create_app
from flask_images_vips.engines.pillow.engine import PillowEngine
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.formats import JPEG
from flask_images_vips.operating.cli import images
from flask_images_vips.options.options import DECLARED, DEFAULTS, Option, Options, write_query
from flask_images_vips.options.values import MODES

README = ROOT / "README.md"
PICTURE = PHOTOGRAPHS.parent / "modes.jpg"
SHEET = PHOTOGRAPHS.parent / "options.jpg"
BOX = 240


def options_table() -> str:
    rows = [
        "| option | in URLs | default | values | engine | description | example |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, declared in DECLARED.items():
        cells = (f"`{declared.short}`", default_of(name), declared.values, engines_of(declared), declared.doc)
        rows.append(f"| `{name}` | {' | '.join(cells)} | `{declared.example}` |")
    return "\n".join(rows)


def default_of(name: str) -> str:
    value = DEFAULTS[name]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"`{value}`"
    plain = f"{value:g}" if isinstance(value, float) else str(value)
    return {"background": "black", "padding": "0"}.get(name, "" if value is None else plain)


def engines_of(declared: Option) -> str:
    """The engines that can render the option's example."""
    options = Options.parse(write_query(keywords_of(declared)))
    able = [
        engine.name for engine in (VipsEngine(), PillowEngine()) if not engine.refusal(options, options.format or JPEG)
    ]
    return "both" if len(able) == 2 else able[0]


def keywords_of(declared: Option) -> dict[str, Any]:
    """The keywords of the option's example."""
    keywords: dict[str, Any] = eval(f"dict({declared.example})")
    return keywords


def configuration_table() -> str:
    rows = ["| key | default | description |", "|---|---|---|"]
    for item in fields(Config):
        key = item.metadata["key"]
        default = list(item.default) if item.default and isinstance(item.default, tuple) else item.default
        rows.append(f"| `{key.name}` | `{default if default != () else None!r}` | {key.doc} |")
    return "\n".join(rows)


def commands_table() -> str:
    rows = ["| command | what it does |", "|---|---|"]
    for name in images.list_commands(click.Context(images)):
        command = images.get_command(click.Context(images), name)
        assert command is not None
        sentences = " ".join((command.help or "").partition("\n\n")[0].split())
        rows.append(f"| `flask images {name}` | {sentences} |")
    return "\n".join(rows)


TABLES = {
    "options": options_table,
    "configuration": configuration_table,
    "commands": commands_table,
}


def draw_modes(folder: Path) -> Image.Image:
    """Render the demo's coffee in the four modes, side by side."""
    (folder / "static").mkdir()
    shutil.copy2(PHOTOGRAPHS / "coffee.jpg", folder / "static")
    app = Flask("modes", root_path=str(folder))
    app.config.update(SECRET_KEY="modes", IMAGES_CACHE=str(folder / "cache"))
    Images(app)
    strip = Image.new("RGB", (len(MODES) * (BOX + 12) - 12, BOX), "white")
    for index, mode in enumerate(("reshape", "fit", "crop", "pad")):
        picture = fetch(app, "coffee.jpg", width=BOX, height=BOX, mode=mode, background="#cfdcd8", format="png")
        strip.paste(picture, (index * (BOX + 12), (BOX - picture.height) // 2))
    return strip


DRAWN = [name for name in list(DECLARED)[list(DECLARED).index("gravity") :] if name != "depth"]
CELL = (176, 132)
LINE = 18


def draw_options(folder: Path) -> Image.Image:
    """Render the picture itself, then the example of each option that changes how it looks."""
    (folder / "static" / "photos").mkdir(parents=True)
    for name in ("coffee.jpg", "cup.png"):
        shutil.copy2(PHOTOGRAPHS / name, folder / "static" / "photos")
    with Image.open(PHOTOGRAPHS / "coffee.jpg") as image:
        ImageOps.expand(image.convert("RGB"), 120, fill="white").save(folder / "static" / "framed.png")
    app = Flask("options", root_path=str(folder))
    app.config.update(SECRET_KEY="options", IMAGES_CACHE=str(folder / "cache"))
    small = {"of_width": 176, "size": 18, "margin": 10}
    label = {**small, "gravity": "northeast", "background": "#ffffffe0", "color": "#333", "padding": 5, "radius": 5}
    app.config["IMAGES_FONTS"] = {"title": str(dejavu())}
    app.config["IMAGES_TEXT_STYLES"] = {"default": {**small, "shade": "#000000c0"}, "label": label}
    Images(app)
    examples = [("the picture", {}), *((DECLARED[name].example, keywords_of(DECLARED[name])) for name in DRAWN)]
    across = 6
    width, height = CELL[0] + 10, CELL[1] + LINE + 8
    sheet = Image.new("RGB", (across * width, -(-len(examples) // across) * height), "white")
    for index, (text, keywords) in enumerate(examples):
        source = "framed.png" if "trim" in keywords else "photos/coffee.jpg"
        box = (
            {}
            if {"width", "height", "aspect"} & keywords.keys()
            else {"width": CELL[0], "height": CELL[1], "mode": "fit"}
        )
        picture = fetch(app, source, format="jpeg", **{"quality": 95, "background": "white", **box, **keywords})
        picture.thumbnail(CELL)
        left, top = index % across * width, index // across * height
        sheet.paste(picture, (left + (CELL[0] - picture.width) // 2, top + (CELL[1] - picture.height) // 2))
        caption = re.sub(r"(width|height)=(150|200), |mode='crop', |, (background='.*'|mode='crop')$", "", text)
        ImageDraw.Draw(sheet).text((left + 2, top + CELL[1] + 2), caption, "#333", font=ImageFont.load_default(11))
    return sheet


def test_the_tables_are_those_of_the_code() -> None:
    text = README.read_text("utf-8")
    for name, table in TABLES.items():
        assert f"<!-- {name} -->\n{table()}\n<!-- /{name} -->" in text, "run: python tests/test_readme.py"


def test_every_key_and_option_has_a_sentence() -> None:
    assert all(item.metadata["key"].doc.endswith((".", ")")) for item in fields(Config))
    assert all(declared.doc.endswith(".") for declared in DECLARED.values())


def test_the_picture_of_the_modes_is_drawn_by_the_package(tmp_path: Path) -> None:
    with Image.open(PICTURE) as kept:
        difference = np.asarray(kept, float) - np.asarray(draw_modes(tmp_path), float)
    assert 10 * np.log10(255**2 / (difference**2).mean()) > 30  # it is kept as a JPEG


def test_the_pictures_of_the_options_are_drawn_by_the_package(tmp_path: Path) -> None:
    with Image.open(SHEET) as kept:
        difference = np.asarray(kept, float) - np.asarray(draw_options(tmp_path), float)
    assert 10 * np.log10(255**2 / (difference**2).mean()) > 28  # it is kept as a JPEG
    assert SHEET.stat().st_size < 80_000


def test_every_option_has_an_example_that_can_be_rendered() -> None:
    for name, declared in DECLARED.items():
        assert getattr(Options.parse(write_query(keywords_of(declared))), name) != DEFAULTS[name], name


def test_the_ten_lines_serve_a_photograph_of_ones_own(tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)[0]
    (tmp_path / "app.py").write_text(code)
    (tmp_path / "static").mkdir()
    shutil.copy2(PHOTOGRAPHS / "cat.jpg", tmp_path / "static" / "cat.jpg")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "flask", "--app", "app", "run", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(tmp_path)
    ) as server:
        try:
            page = get(f"http://127.0.0.1:{port}/").decode()
            tag = re.search(r'<img alt="A cat" .* height="300" src="([^"]+)" width="400"/>', page)
            assert tag is not None, page
            picture = Image.open(io.BytesIO(get(f"http://127.0.0.1:{port}{html.unescape(tag[1])}")))
            assert (picture.size, picture.format) == ((400, 300), "JPEG")
        finally:
            server.terminate()


def test_the_presets_and_the_callback_serve_what_they_say(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    presets, authorize = (next(code for code in blocks if name in code) for name in ("IMAGES_PRESETS", "authorize"))
    app = Flask("site", root_path=str(tmp_path))
    app.config.update(SECRET_KEY="readme", IMAGES_CACHE=str(tmp_path / "cache"))
    Images(app)
    for code in (presets, authorize):
        exec(code, {"app": app})
    (tmp_path / "pictures" / "members").mkdir(parents=True)
    for folder in ("", "members"):
        shutil.copy2(PHOTOGRAPHS / "cat.jpg", tmp_path / "pictures" / folder / "me.jpg")
    assert fetch(app, "me.jpg", preset="avatar").size == (96, 96)
    assert app.test_client().get(url_of(app, "members/me.jpg", preset="avatar")).status_code == 403


@pytest.mark.parametrize("case", range(4))
def test_the_four_cases_are_valid_and_every_picture_in_them_is_served(case: int) -> None:
    section = re.search(r"<!-- responsive -->(.*)<!-- /responsive -->", README.read_text("utf-8"), re.DOTALL)
    assert section is not None
    templates = re.findall(r"```jinja\n(.*?)```", section[1], re.DOTALL)
    assert len(templates) == 4
    app = create_app()
    with app.test_request_context():
        page = render_template_string(templates[case])
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    parser.parse(f"<!doctype html><html><head><title>t</title></head><body>{page}</body></html>")
    urls = set(re.findall(r"/imgsizer/[^ \",]+", html.unescape(page)))
    assert len(urls) >= 2
    for url in urls:
        assert app.test_client().get(url).status_code == 200


def environment(folder: Path) -> dict[str, str]:
    import os

    return {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}


def get(url: str) -> bytes:
    """Request *url* and return the body. The server may still be starting."""
    last: Exception | None = None
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                body: bytes = response.read()
                return body
        except urllib.error.URLError as error:
            last = error
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer") from last


def test_the_changelog_has_a_place_for_what_is_new() -> None:
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def write_generated() -> None:
    text = README.read_text("utf-8")
    for name, table in TABLES.items():
        text = re.sub(
            rf"<!-- {name} -->\n.*<!-- /{name} -->",
            lambda _, name=name, table=table: f"<!-- {name} -->\n{table()}\n<!-- /{name} -->",
            text,
            flags=re.DOTALL,
        )
    README.write_text(text, "utf-8")
    with tempfile.TemporaryDirectory() as folder:
        draw_modes(Path(folder)).save(PICTURE, quality=88)
    with tempfile.TemporaryDirectory() as folder:
        draw_options(Path(folder)).save(SHEET, quality=48, optimize=True)


if __name__ == "__main__":
    write_generated()
