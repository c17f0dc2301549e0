"""The diff, the plan and the examples of docs/start/migrating.md are those of the code."""

from __future__ import annotations

import html
import importlib
import re
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import PHOTOGRAPHS, ROOT
from flask import Flask, render_template_string
from flask.cli import ScriptInfo

from docs.blocks import runs
from flask_images_vips import Images
from flask_images_vips.operating.migrate import command
from flask_images_vips.operating.migrating.proof import sets_of_options

PAGE = "docs/start/migrating.md"
TEXT = (ROOT / PAGE).read_text("utf-8")


def block(pattern: str) -> str:
    found = re.search(pattern, TEXT, re.DOTALL)
    assert found is not None
    return found[1]


@runs(PAGE, "from flask import", "<h1>Cats", "\nTo change by hand: 1")
def test_the_plan_of_the_page_is_that_of_its_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop.py").write_text(block(r"<!-- site -->\n```python\n(.*?)```"))
    (tmp_path / "requirements.txt").write_text("Flask\nFlask-Images==3.0.2\n")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "index.html").write_text(block(r"<!-- site -->.*?```jinja\n(.*?)```"))
    photos = tmp_path / "static" / "photos"
    photos.mkdir(parents=True)
    for name in ("cat.jpg", "flower.jpg"):
        shutil.copy2(PHOTOGRAPHS / name, photos)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    result = CliRunner().invoke(command, [], obj=ScriptInfo("shop"))
    assert result.exit_code == 1
    assert result.output.rstrip("\n") == block(r"<!-- plan -->\n```text\n(.*?)\n```")


def test_the_number_of_usual_sets_is_that_of_the_code() -> None:
    assert f", and {len(sets_of_options([])[0])} are usual ones" in TEXT


def test_the_table_lists_each_option() -> None:
    table = TEXT.partition("| option |")[2].partition("\n\n")[0]
    named = [option for parameter in command.params for option in parameter.opts]
    assert re.findall(r"`(--\w+)`", table) == named


def side(of_file: str, mark: str) -> str:
    """The file *of_file* before (-) or after (+) the diff at the top of the page."""
    files = re.split(r"^--- a/.*\n\+\+\+ b/(.*)\n", block(r"<!-- move -->\n```diff\n(.*?)```"), flags=re.MULTILINE)[1:]
    lines = dict(zip(files[::2], files[1::2], strict=True))[of_file].splitlines()
    return "".join(f"{line[1:]}\n" for line in lines if line[:1] in (" ", mark))


@runs(PAGE, "--- a/requirements.txt")
def test_the_diff_at_the_top_is_what_a_site_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "static" / "photos").mkdir(parents=True)
    for name in ("cat.jpg", "flower.jpg"):
        shutil.copy2(PHOTOGRAPHS / name, tmp_path / "static" / "photos")
    view = '    return render_template("index.html")\n'
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    (tmp_path / "shop.py").write_text(side("shop.py", "-") + view)
    (tmp_path / "requirements.txt").write_text(side("requirements.txt", "-"))
    (tmp_path / "templates" / "index.html").write_text(side("templates/index.html", "-"))
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    plan = CliRunner().invoke(command, [], obj=ScriptInfo("shop")).output
    assert "To change by hand: 1\n" in plan
    assert "templates/index.html:2" in plan
    assert "\nEverything is the same.\n" in plan
    changes = [line for line in side("requirements.txt", "+").splitlines() if "vips" in line]
    for line in (*changes, "from flask_images_vips import Images"):
        assert f"\n+{line}\n" in plan

    new = side("shop.py", "+").replace("/var/cache/shop", str(tmp_path / "cache"))
    (tmp_path / "moved.py").write_text(new + view)
    (tmp_path / "templates" / "index.html").write_text(side("templates/index.html", "+"))
    monkeypatch.delitem(sys.modules, "moved", raising=False)
    client = importlib.import_module("moved").app.test_client()
    page = client.get("/").text
    assert '<img alt="A cat"' in page
    urls = re.findall(r'src="([^"]+)"', page)
    assert len(urls) == 3
    assert [client.get(html.unescape(url)).status_code for url in urls] == [200] * 3


@runs(PAGE, "{{ resized_img_tag('cat.jpg')|replace(")
@pytest.mark.parametrize("markup", [True, False])
def test_templates_that_change_the_tag_need_strings(tmp_path: Path, markup: bool) -> None:
    (tmp_path / "static").mkdir()
    shutil.copy2(PHOTOGRAPHS / "cat.jpg", tmp_path / "static")
    app = Flask("shop", root_path=str(tmp_path))
    app.config.update(SECRET_KEY="moving", IMAGES_CACHE=str(tmp_path / "cache"), IMAGES_MARKUP=markup)
    Images(app)
    templates = block(r"<!-- changing -->\n```jinja\n(.*?)```").splitlines()
    assert len(templates) == 3
    with app.test_request_context():
        for template in templates:
            assert ("&lt;" in render_template_string(template)) is markup, template
