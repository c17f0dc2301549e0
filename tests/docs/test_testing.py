"""The code of docs/guides/testing.md runs, and its message and its table are those of the code."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from flask import Flask, redirect, render_template_string, session

from docs.blocks import runs
from flask_images_vips import Images
from flask_images_vips.audit.findings import KINDS
from flask_images_vips.state import images_of

TEXT = (ROOT / "docs" / "guides" / "testing.md").read_text("utf-8")
CODE = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
CATALOGUE = """<!doctype html>
<h1>Lamps</h1>
<img src="{{ resized_img_src('lamp.jpg', width=300) }}">
{{ resized_img_tag('gone.jpg', width=300, height=200) }}
"""


@pytest.fixture
def names(draw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that the page's code defines, run with a module ``shop``."""
    draw("lamp.jpg", (900, 600))

    def create_app(config: dict[str, Any]) -> Flask:
        app = Flask("shop", root_path=str(tmp_path))
        app.config.update(SECRET_KEY="docs", **config)
        Images(app)
        app.add_url_rule("/catalogue", "catalogue", lambda: render_template_string(CATALOGUE))

        @app.post("/log-in")
        def log_in() -> Any:
            session["name"] = "ada"
            return redirect("/members")

        @app.get("/members")
        def members() -> str:
            assert session["name"] == "ada"
            return render_template_string("{{ resized_img_tag('lamp.jpg', width=300, priority=True) }}")

        return app

    shop = types.ModuleType("shop")
    shop.create_app = create_app  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shop", shop)
    found: dict[str, Any] = {}
    for code in CODE[:3]:
        exec(code, found)
    return found


def application(names: dict[str, Any], folder: Path) -> Flask:
    fixture: Callable[[Path], Flask] = names["app"].__wrapped__
    return fixture(folder)


@runs("docs/guides/testing.md", "import pytest")
def test_the_fixture_makes_an_application_with_boxes(names: dict[str, Any], tmp_path: Path) -> None:
    app = application(names, tmp_path / "cache")
    assert images_of(app).pipeline.config.engine == "boxes"


@runs("docs/guides/testing.md", "2 findings")
@runs("docs/guides/testing.md", "from flask_images_vips.testing")
def test_the_check_fails_with_the_message_of_the_page(names: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as caught:
        names["test_the_catalogue_shows_its_images"](application(names, tmp_path / "cache"))
    assert "```\n{}\n```".format(str(caught.value).replace(str(tmp_path), "/srv/shop")) in TEXT


@runs("docs/guides/testing.md", "def test_members")
def test_the_check_with_a_client_passes(names: dict[str, Any], tmp_path: Path) -> None:
    names["test_members_see_their_images"](application(names, tmp_path / "cache"))


def test_the_table_lists_each_kind() -> None:
    table = TEXT.partition("| kind |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == [*KINDS]


@runs("docs/guides/testing.md", "WARNING page")
def test_in_debug_mode_the_line_of_the_page_is_logged(
    names: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = application(names, tmp_path / "cache")
    app.debug = True
    app.test_client().get("/catalogue")
    (line,) = (f"{record.levelname} {record.message}" for record in caplog.records if "page /" in record.message)
    (shown,) = re.findall(r"^WARNING page .*$", TEXT, re.MULTILINE)
    assert re.fullmatch(".*".join(map(re.escape, shown.split("…"))), line)


@runs("docs/guides/testing.md", 'app.config["DEBUG_TB_PANELS"]')
def test_the_panel_is_shown() -> None:
    toolbar = pytest.importorskip("flask_debugtoolbar")
    app = Flask("shop")
    app.config.update(SECRET_KEY="docs", DEBUG=True)
    exec(CODE[3], {"app": app, "DebugToolbarExtension": toolbar.DebugToolbarExtension})
    app.add_url_rule("/", "index", lambda: "<!doctype html><body></body>")
    assert "Images of this page" in app.test_client().get("/").text
