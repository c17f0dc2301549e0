"""The guides show the HTML that the helpers write, and their applications do what the pages say."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
from conftest import ROOT, fetch, url_of
from flask import Flask, render_template_string

from docs.blocks import blocks_of, runs
from docs.site_of_page import SiteOfPage
from flask_images_vips.config.keys import Config
from flask_images_vips.demo import create_app
from flask_images_vips.formats import FORMATS
from flask_images_vips.page.tags import _CHANGING

GUIDES = ROOT / "docs" / "guides"


@pytest.fixture
def site_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """A function that writes the files of a guide, and returns its module ``app``."""
    site = SiteOfPage(tmp_path, monkeypatch)

    def load(page: str) -> ModuleType:
        blocks = list(blocks_of(f"docs/guides/{page}.md"))
        site.write(blocks)
        site.modules = {block.file.removesuffix(".py") for block in blocks if block.language == "python"}
        site.forget()  # those of other tests
        return importlib.import_module("app")

    yield load
    site.forget()


def plain(markup: str) -> str:
    """*markup* with one space where there is any, and without versions and signatures."""
    return re.sub(r"\b([vs])=[\w-]+", r"\1=…", " ".join(markup.split()))


@runs("docs/guides/templates.md", "html")
@runs("docs/guides/responsive-images.md", "<img")
def test_the_helpers_write_the_html_of_the_page() -> None:
    app = create_app()
    compared = 0
    for name in ("templates", "responsive-images"):
        blocks = blocks_of(f"docs/guides/{name}.md")
        for code, shown in pairwise(blocks):
            if (code.language, shown.language) == ("jinja", "html"):
                with app.test_request_context():
                    assert plain(render_template_string(code.code)) == plain(shown.code), shown.where
                compared += 1
    assert compared == 5


@pytest.mark.parametrize("keywords", ["widht=300", "rotate='auto'", "width='abc'"])
def test_a_wrong_value_does_what_the_table_says(keywords: str, caplog: pytest.LogCaptureFixture) -> None:
    (row,) = re.findall(rf"^\|.*`{re.escape(keywords)}` \|(.*)\|(.*)\|$", (GUIDES / "templates.md").read_text(), re.M)
    app = create_app()
    with app.test_request_context():
        tag = render_template_string(f"{{{{ resized_img_tag('photos/cat.jpg', {keywords}) }}}}")
    (url,) = re.findall('src="([^"]+)"', tag)
    status = app.test_client().get(url.replace("&amp;", "&")).status_code
    assert status == (400 if "400" in row[0] else 200)
    for message in re.findall("`([^`]+)`", row[1]):
        assert message.replace("widht=300", "widht='300'") in caplog.text


def test_the_placeholders_that_are_left_out_are_those_of_the_code() -> None:
    text = " ".join((GUIDES / "placeholders.md").read_text("utf-8").split())
    listed = re.search(r"look different from its placeholder: (.*?)\.", text)
    assert listed is not None
    assert {*re.findall(r"`(\w+)`", listed[1])} == {*_CHANGING}


def test_the_table_of_formats_is_that_of_the_code() -> None:
    text = (GUIDES / "formats.md").read_text("utf-8").partition("## Which formats")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    written = [row for row in rows[1:] if row[2] not in ("no", "only as it is")]
    stated = {}
    for names, _, _, transparent, animated, _ in written:
        for name in re.findall(r"JPEG XL|\w+", names.partition("(")[0]):
            alpha = name in transparent if transparent not in ("yes", "no") else transparent == "yes"
            stated[{"JPEG XL": "jxl"}.get(name, name.lower())] = (alpha, animated == "yes")
    assert stated == {format.name: (format.alpha, format.animated) for format in FORMATS}


def test_the_table_of_limits_for_other_hosts_has_the_defaults() -> None:
    text = (GUIDES / "remote-sources.md").read_text("utf-8")
    stated = dict(re.findall(r"^\| `IMAGES_(REMOTE_\w+)` \| (.*?) \|", text, re.MULTILINE))
    config = Config()
    for name, value in stated.items():
        default = getattr(config, name.lower())
        numbers = [float(each) for each in re.findall(r"\d+", value)] or re.findall(r"\w+", value.replace("`", ""))
        expected = default if isinstance(default, tuple) else (default / (1e6 if "MB" in value else 1),)
        assert tuple(numbers) == tuple(expected), name
    assert (config.remote_max_age, config.remote_error_ttl) == (86_400, 60)


def configured(page: str, at: int, folder: Path) -> Flask:
    """An application with the configuration in a block of Python of a guide."""
    from flask_images_vips import Images

    app = Flask("site", root_path=str(folder))
    app.config.update(SECRET_KEY="guides", IMAGES_CACHE=str(folder / "cache"))
    app.config["IMAGES_PATH"] = [str(ROOT / "flask_images_vips" / "demo" / "static")]
    exec([block.code for block in blocks_of(f"docs/guides/{page}.md") if block.language == "python"][at], {"app": app})
    Images(app)
    return app


@runs("docs/guides/presets.md", 'app.config["IMAGES_PRESETS"] = {"avatar": {"width": 96, "height"')
def test_only_presets_are_served(tmp_path: Path) -> None:
    app = configured("presets", 1, tmp_path)
    assert fetch(app, "photos/cat.jpg", preset="avatar").size == (96, 96)
    assert app.test_client().get(url_of(app, "photos/cat.jpg", width=97)).status_code == 400


def test_the_presets_are_those_of_the_picture(tmp_path: Path) -> None:
    app = configured("presets", 0, tmp_path)
    sizes = {name: fetch(app, "photos/cat.jpg", preset=name).size for name in app.config["IMAGES_PRESETS"]}
    assert sizes == {"avatar": (96, 96), "thumbnail": (240, 160), "banner": (420, 168)}


def test_only_some_widths_are_served(tmp_path: Path) -> None:
    app = configured("presets", 2, tmp_path)
    assert fetch(app, "photos/earth.jpg", width=400).width == 640


def test_members_see_their_pictures_and_nobody_else(site_of: Callable[[str], ModuleType]) -> None:
    app = site_of("private-images").app
    folder = Path(app.root_path) / "pictures" / "members"
    folder.mkdir(parents=True)
    (folder / "me.jpg").write_bytes((Path(app.root_path) / "static" / "cat.jpg").read_bytes())
    (folder.parent / "all.jpg").write_bytes((folder / "me.jpg").read_bytes())
    url, client = url_of(app, "members/me.jpg", width=40), app.test_client()
    assert client.get(url).status_code == 403
    with client.session_transaction() as session:
        session["user"] = 7
    answer = client.get(url)
    assert (answer.status_code, answer.cache_control.private) == (200, True)
    assert app.test_client().get(url_of(app, "all.jpg", width=40)).cache_control.public


def test_the_function_of_the_site_says_where_the_boat_is(site_of: Callable[[str], ModuleType]) -> None:
    app = site_of("crops").app
    assert "fp=0.27" in url_of(app, "photos/canyon.jpg", width=124, height=220, mode="crop")
    assert "fp=" not in url_of(app, "photos/canyon.jpg", width=124, height=220, mode="crop", gravity="west")
    assert "fp=" not in url_of(app, "photos/canyon.jpg", width=124)


def test_the_export_has_every_picture_and_no_url_of_the_application(
    site_of: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    app = site_of("static-export").app
    importlib.import_module("export")
    page = (tmp_path / "build" / "index.html").read_text("utf-8")
    assert "imgsizer" not in page
    assert "background:#" in page
    files = {*re.findall(r"/images/\w+\.\w+", page)}
    assert {Path(file).suffix for file in files} == {".avif", ".webp", ".jpeg"}
    assert {f"/images/{file.name}" for file in (tmp_path / "build" / "images").iterdir()} == files
    assert min((tmp_path / "build" / file[1:]).stat().st_size for file in files) > 1000
    frozen = tmp_path / "build" / "frozen.html"
    frozen.write_text(f'<img src="{url_of(app, "cat.jpg")}">')
    importlib.import_module("after_freeze")
    assert re.fullmatch('<img src="/images/[0-9a-f]{16}.jpeg">', frozen.read_text("utf-8"))
