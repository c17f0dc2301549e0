"""The panel of Flask-DebugToolbar: what it shows, before and after the images are rendered."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from conftest import url_of
from flask import Flask, render_template_string

flask_debugtoolbar = pytest.importorskip("flask_debugtoolbar")
toolbar = pytest.importorskip("flask_images_vips.toolbar")

PAGE = """<!doctype html><body>
{{ resized_img_tag('a.jpg', width=300) }}
<img src="{{ resized_img_src('a.jpg', width=100) }}">
<img src="/static/a.jpg" width="900" height="600">
</body>"""


@pytest.fixture
def site(make_app: Callable[..., Flask], draw: Any) -> Flask:
    draw("a.jpg", (900, 600))
    app = make_app(
        IMAGES_ENGINE="boxes",
        DEBUG=True,
        DEBUG_TB_ENABLED=True,
        DEBUG_TB_PANELS=["flask_images_vips.toolbar.ImagesPanel"],
    )
    flask_debugtoolbar.DebugToolbarExtension(app)
    app.add_url_rule("/", "index", lambda: render_template_string(PAGE))
    app.add_url_rule("/none", "none", lambda: "<!doctype html><body></body>")
    return app


def panel(app: Flask, path: str = "/") -> tuple[str, list[list[str]]]:
    """The subtitle, and the cells of each row."""
    page = app.test_client().get(path).text
    rows = re.findall(r"<tr><td>.*?</tr>", page, re.DOTALL)
    cells = [[html.unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", row, re.DOTALL)] for row in rows]
    subtitle = re.search(r"<small>\s*(.*?)\s*</small>", page, re.DOTALL)
    assert subtitle is not None, page
    return subtitle[1], cells


def test_each_image_has_a_row_with_its_size_and_its_findings(site: Flask) -> None:
    subtitle, rows = panel(site)
    assert subtitle.startswith("3 images, ")
    assert subtitle.endswith(" kB, 1 finding")
    first, second, third = rows
    assert first[:7] == ["a.jpg", "300×200", "300×200", "jpeg", "not rendered yet", "", ""]
    assert second[1:3] == ["100×66", "not known"]
    assert "no width and height" in second[8]
    assert third[0] == "/static/a.jpg"
    assert re.fullmatch(r"[\d.]+ kB", third[4])


def test_once_rendered_an_image_has_its_bytes_and_its_cost(site: Flask) -> None:
    panel(site)
    data = site.test_client().get(url_of(site, "a.jpg", width=300)).data
    _, (first, *_) = panel(site)
    assert first[4] == f"{len(data) / 1000:,.1f} kB"
    assert re.fullmatch(r"\d+ ms", first[5])
    assert re.fullmatch(r"\d+ ms", first[6])


def test_a_page_without_images_has_an_empty_panel(site: Flask) -> None:
    assert panel(site, "/none") == ("0 images, 0.0 kB, 0 findings", [])


def test_an_application_without_images_has_a_panel_that_says_so() -> None:
    app = Flask("other")
    app.config.update(SECRET_KEY="s", DEBUG_TB_ENABLED=True, DEBUG_TB_PANELS=["flask_images_vips.toolbar.ImagesPanel"])
    flask_debugtoolbar.DebugToolbarExtension(app)
    app.add_url_rule("/", "index", lambda: "<!doctype html><body></body>")
    page = app.test_client().get("/").text
    assert "call Images(app)" in page


def test_only_the_latest_renders_are_remembered(site: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolbar, "_MOST_REMEMBERED", 2)
    panel(site)
    for width in (300, 10, 20):
        site.test_client().get(url_of(site, "a.jpg", width=width))
    _, (first, *_) = panel(site)
    assert first[5] == ""


def test_a_row_describes_the_size_that_is_rendered_and_counts_the_cost_of_all(site: Flask) -> None:
    site.add_url_rule("/set", "set", lambda: render_template_string(
        "<!doctype html><body>{{ resized_picture_tag('a.jpg', width=300, formats=['webp']) }}</body>"
    ))  # fmt: skip
    page = html.unescape(site.test_client().get("/set").text)
    webp = re.search(r"/imgsizer/[^ ]+f=webp[^ ]+(?= 600w)", page)
    assert webp is not None
    site.test_client().get(webp[0])
    _, ((name, pixels, shown, format, size, render, *_),) = panel(site, "/set")
    assert (name, pixels, shown, format) == ("a.jpg", "600×400", "300×200", "webp")
    assert size.endswith(" kB")
    assert render.endswith(" ms")
