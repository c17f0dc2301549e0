"""The gallery: 60 pictures by one loop, without a shift of the layout, and nothing from another host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import render_template_string

from demo.conftest import THEMES, WIDTHS, Demo, axe
from demo.waiting import until
from flask_images_vips.demo import create_app
from flask_images_vips.demo.gallery import PICTURES
from flask_images_vips.demo.photos import LARGE

COUNT = 60
DOT = b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x01D\0;"
"""The smallest picture: for tests that do not look at pictures."""
WATCH = """
window.shifts = 0;
new PerformanceObserver(list => { for (const entry of list.getEntries()) window.shifts += entry.value; })
    .observe({type: 'layout-shift', buffered: true});
"""
PIXELS = """[...document.querySelectorAll('.wall img')].map(each => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [12, 12];
    canvas.getContext('2d').drawImage(each, 0, 0, 12, 12);
    return canvas.toDataURL();
})"""
ROWS = """[...Map.groupBy(document.querySelectorAll('.wall img'), each => Math.round(each.getBoundingClientRect().top))
    .values()].map(row => row.map(each => each.getBoundingClientRect().height))"""


def as_jpeg(route: Any) -> None:
    """Ask for JPEG, which is rendered quickly, and is not made smaller in the background."""
    route.continue_(headers={**route.request.headers, "accept": "*/*"})


def test_the_pictures_are_distinct_parts_of_the_photographs() -> None:
    assert len(PICTURES) == COUNT
    assert len({(picture.path, picture.region) for picture in PICTURES}) == COUNT
    assert {picture.path for picture in PICTURES} == {photo.path for photo in LARGE}
    assert all(0.6 < picture.ratio <= 1.75 for picture in PICTURES)


def test_60_pictures_load_while_somebody_scrolls_and_nothing_moves(page: Any, demo: Demo) -> None:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.route("**/imgsizer/**", as_jpeg)
    page.add_init_script(WATCH)
    page.set_viewport_size({"width": 390, "height": WIDTHS[390]})
    page.goto("/gallery")
    for picture in page.locator(".wall img").all():
        picture.scroll_into_view_if_needed()
    until(page, "[...document.querySelectorAll('.wall img')].every(each => each.complete && each.naturalWidth)")
    assert len({*page.evaluate(PIXELS)}) == COUNT
    until(page, f"document.getElementById('count').textContent === '{COUNT}'")
    weight, unit = page.locator("#bytes").text_content().split()
    assert unit == "kB"
    assert 300 < float(weight) < 1000
    assert page.locator("#original").text_content() == "3.35 MB"
    assert 1 < float(page.locator("#pixels").text_content()) < 20
    assert page.evaluate("window.shifts") == 0
    assert len(requested) > COUNT
    assert all(url.startswith((f"{demo.url}/", "data:")) for url in requested)


def test_the_first_picture_is_urgent_and_those_below_wait(demo: Demo) -> None:
    text = demo.app.test_client().get("/gallery").text
    assert text.count('fetchpriority="high"') == 1
    assert text.count('loading="eager"') == 6
    assert text.count('loading="lazy"') == COUNT - 6
    assert text.count("srcset=") == text.count('sizes="') == COUNT


def test_the_first_visit_has_placeholders(tmp_path: Path) -> None:
    app = create_app()
    app.config["IMAGES_CACHE"] = str(tmp_path)
    text = app.test_client().get("/gallery").text
    assert text.count("background:url(data:image/webp;base64,") == COUNT


@pytest.mark.parametrize("width", WIDTHS)
def test_the_pictures_of_a_row_have_one_height(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": WIDTHS[width]})
    page.route("**/imgsizer/**", lambda route: route.fulfill(body=DOT, content_type="image/gif"))
    page.goto("/gallery")
    rows = page.evaluate(ROWS)
    assert sum(map(len, rows)) == COUNT
    assert all(max(row) - min(row) < 0.5 for row in rows)
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_loop_that_the_page_shows_runs(page: Any, demo: Demo) -> None:
    page.goto("/gallery")
    page.locator("[data-copy=loop-code]").click()
    until(page, "document.querySelector('.copy').textContent === 'Copied'")
    copied = page.evaluate("navigator.clipboard.readText()")
    with demo.app.test_request_context():
        html = render_template_string(copied, pictures=PICTURES[:3])
    assert html.count("<img") == 3


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_below_the_first_screen(page: Any, theme: str) -> None:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.route("**/imgsizer/**", lambda route: route.fulfill(body=DOT, content_type="image/gif"))
    page.goto("/gallery#written")
    assert axe(page) == []
