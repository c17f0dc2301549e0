"""What a real Chromium makes of the markup: which files it fetches, and that nothing in the page moves."""

from __future__ import annotations

import base64
import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from chromium import CHROMIUM, INSTALL, Chromium, Page
from conftest import PHOTOGRAPHS, gradient, needs, url_of
from engines.test_avif_orientation import SIZE, TURNS, avif
from engines.test_engine import psnr
from flask import Flask, Response, render_template_string, request
from headers.test_jxl import needs_codec
from PIL import Image
from rendering.ultra_hdr_files import coordinates, ramp, ultra_hdr
from servers import until
from werkzeug.serving import make_server

from flask_images_vips import Images
from flask_images_vips.engines.vips import abilities

WIDTHS = (360, 768, 1440)
DENSITIES = (1, 2)
DELAY_SECONDS = 0.15  # of images: the page is laid out before the first is there
IMAGES = """[...document.images].map(image => ({
    src: image.currentSrc, natural: [image.naturalWidth, image.naturalHeight],
    attributes: [image.width, image.height], given: [+image.getAttribute('width'), +image.getAttribute('height')],
    box: [image.getBoundingClientRect().width, image.getBoundingClientRect().height], alt: image.alt,
    background: getComputedStyle(image).backgroundImage, srcset: image.srcset,
}))"""
PAGE = "<!doctype html><html lang=en><meta charset=utf-8><title>t</title><style>body{margin:0}</style>"

LAYOUTS = """
<p>{{ resized_img_tag('rocket.jpg', width=300, height=200, mode='crop', layout='fixed', alt='fixed') }}</p>
<p>{{ resized_img_tag('canyon.jpg', width=600, layout='constrained', placeholder='lqip', alt='constrained') }}</p>
<p>{{ resized_img_tag('canyon.jpg', width=500, layout='constrained', priority=True, alt='eager') }}</p>
<p>{{ resized_img_tag('earth.jpg', layout='full', placeholder='color', alt='full') }}</p>
<div style="width:50%">{{ resized_img_tag('coffee.jpg', layout='full', alt='half') }}</div>
<p>The end.
"""
PICTURE = """
<p>{{ resized_picture_tag('earth.jpg', width=1200, height=400, mode='crop', alt='directed', sources=[
    {'media': '(max-width: 600px)', 'path': 'rocket.jpg', 'width': 360, 'height': 360},
]) }}</p>
<p>{{ resized_picture_tag('cup.png', width=200, formats=['webp'], alt='cup') }}</p>
"""


class Site:
    """An application on a port of its own: *pages* are its templates, *requests* the images that were asked for."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.requests: list[tuple[str, int, str]] = []
        self.server = make_server("127.0.0.1", 0, app, threaded=True)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

        @app.before_request
        def wait() -> None:
            if request.endpoint == "images":
                time.sleep(DELAY_SECONDS)

        @app.after_request
        def note(response: Response) -> Response:
            if request.endpoint == "images":
                self.requests.append((request.full_path, response.status_code, response.headers["Content-Type"]))
            return response

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    needs("chromium", CHROMIUM, INSTALL)
    browser = Chromium(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def visit(browser: Chromium, tmp_path: Path) -> Iterator[Callable[..., tuple[Page, Site]]]:
    """Opens a *template* in a window of a *width*, at a *density*; further keywords are configuration."""
    opened: list[Any] = []

    def visit(template: str, width: int, density: float = 1, policy: str = "", **config: Any) -> tuple[Page, Site]:
        app = Flask("site", root_path=str(tmp_path))
        app.config.update(SECRET_KEY="s", IMAGES_PATH=str(PHOTOGRAPHS), IMAGES_CACHE=str(tmp_path / "cache"))
        app.config.update(config)
        app.debug = config.get("DEBUG", False)
        Images(app)

        @app.get("/")
        def index() -> tuple[str, dict[str, str]]:
            headers = {"Content-Security-Policy": policy} if policy else {}
            return (PAGE if not policy else PAGE.partition("<style>")[0]) + render_template_string(template), headers

        if "placeholder" in template:
            with app.app_context():  # makes them at once, so that the browser's is not the first visit
                render_template_string(template)
        site = Site(app)
        opened.append(site)
        page = browser.page(site.url("/"), width, density=density)
        opened.append(page)
        return page, site

    yield visit
    for one in reversed(opened):
        one.close()


def chosen(srcset: str, slot: float, density: float) -> str:
    """The candidate that Chromium takes for a box *slot* CSS pixels wide: the first that has enough pixels.

    On denser screens one that has too few is taken where it is nearer, by ratio.
    """
    offered = []
    for candidate in srcset.split(", "):
        url, descriptor = candidate.rsplit(" ", 1)
        number = float(descriptor[:-1])
        offered.append((number if descriptor[-1] == "x" else number / slot, url))
    for (low, url), (high, next_url) in pairwise(offered):
        if high >= density:
            return next_url if (density <= 1 and density > low) or density >= math.sqrt(low * high) else url
    return offered[-1][1]


def same_shape(natural: list[int], attributes: list[int]) -> bool:
    """Whether the sides of a file are as those of the attributes, but for rounding to whole pixels."""
    return abs(natural[0] * attributes[1] - natural[1] * attributes[0]) <= max(*natural, *attributes)


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_browser_fetches_the_candidate_that_it_should_and_nothing_shifts(
    visit: Any, width: int, density: int
) -> None:
    page, site = visit(LAYOUTS, width, density)
    slots = {
        "fixed": 300,
        "constrained": min(600, width),
        "eager": min(500, width),
        "full": width,
        "half": width / 2,  # not as sizes says, but as laid out: sizes="auto"
    }
    images = page.evaluate(IMAGES)
    for image in images:
        slot = slots[image["alt"]]
        assert image["src"] == site.url(chosen(image["srcset"], slot, density)), image["alt"]
        assert image["box"][0] == slot
        assert same_shape(image["natural"], image["given"]), image
        assert abs(image["box"][1] - slot * image["given"][1] / image["given"][0]) < 1
    assert page.evaluate("window.shifts") == 0
    assert sorted(site.url(path) for path, _, _ in site.requests) == sorted({image["src"] for image in images})
    assert {status for _, status, _ in site.requests} == {200}


def test_a_picture_without_its_size_would_be_seen_to_shift_the_page(visit: Any) -> None:
    page, _ = visit("<p><img alt='' src='{{ resized_img_src('cat.jpg') }}'><p>The end.", 768)
    assert page.evaluate("window.shifts") > 0


@pytest.mark.parametrize("width", WIDTHS)
def test_avif_is_chosen_and_other_screens_get_other_pictures(visit: Any, width: int) -> None:
    page, site = visit(PICTURE, width)
    directed, cup = page.evaluate(IMAGES)
    small = width <= 600
    assert ("/rocket.jpg?" if small else "/earth.jpg?") in directed["src"]
    assert "f=avif" in directed["src"]
    assert "f=webp" in cup["src"]
    kinds = {path: kind for path, _, kind in site.requests}
    assert sorted(kinds.values()) == ["image/avif", "image/webp"]
    box = directed["box"]
    assert box[0] == min(width, 360 if small else 1200)
    assert abs(box[1] - box[0] / (1 if small else 3)) < 1.5
    assert same_shape(directed["natural"], [1, 1] if small else [3, 1])
    assert page.evaluate("window.shifts") == 0


def test_a_picture_that_is_preloaded_is_fetched_once(visit: Any) -> None:
    both = "{{ resized_img_preload(**hero) }}{{ resized_img_tag(priority=True, alt='', **hero) }}"
    hero = "{% set hero = {'filename': 'earth.jpg', 'layout': 'full'} %}"
    page, site = visit(hero + both, 768, 2)
    (image,) = page.evaluate(IMAGES)
    assert [site.url(path.rstrip("?")) for path, _, _ in site.requests] == [image["src"]]
    assert "w=1668" in image["src"]


def test_a_strict_policy_forbids_nothing_where_it_names_the_nonce(visit: Any) -> None:
    policy = "default-src 'none'; img-src 'self' data:; style-src 'nonce-abc'"
    template = """
    {{ resized_img_tag('cat.jpg', width=300, placeholder='lqip', nonce='abc', alt='') }}
    {{ resized_img_tag('coffee.jpg', width=300, placeholder='color', nonce='abc', alt='', class_='mine') }}
    """
    page, _ = visit(template, 360, policy=policy)
    lqip, colour = page.evaluate(IMAGES)
    assert re.match(r'url\("data:image/webp;base64,', lqip["background"])
    assert colour["background"] == "none"
    assert page.evaluate("getComputedStyle(document.images[1]).backgroundColor") != "rgba(0, 0, 0, 0)"
    assert page.evaluate("document.images[1].classList.contains('mine')")
    assert page.evaluate("window.forbidden") == []


def test_the_tiny_picture_of_a_placeholder_decodes(visit: Any) -> None:
    page, _ = visit("<img alt='' src='{{ resized_img_placeholder('cup.png') }}'>", 360)
    (image,) = page.evaluate(IMAGES)
    assert image["natural"] == [16, 14]


def test_the_stand_in_of_a_missing_picture_is_shown_though_it_is_a_404(visit: Any) -> None:
    page, site = visit("<img alt='' src='{{ resized_img_src('gone.jpg', width=90) }}'>", 360, IMAGES_FALLBACK="cat.jpg")
    (image,) = page.evaluate(IMAGES)
    assert image["natural"] == [90, 59]
    assert [(status, kind) for _, status, kind in site.requests] == [(404, "image/jpeg")]


def test_in_debug_a_missing_picture_is_drawn_in_its_size(visit: Any) -> None:
    template = "{{ resized_picture_tag('go<n>e & \\'away\\'.jpg', width=240, height=90, mode='crop', alt='') }}"
    page, site = visit(template, 360, DEBUG=True)
    (image,) = page.evaluate(IMAGES)
    assert image["natural"] == [240, 90]
    assert [(status, kind) for _, status, kind in site.requests] == [(404, "image/svg+xml")]


KEPT: tuple[dict[str, str], ...] = ({}, {"keep": "gainmap"})
PIXELS = """
(async () => {
    const image = new Image();
    image.src = '%s';
    await image.decode();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    return [canvas.width, canvas.height, [...context.getImageData(0, 0, canvas.width, canvas.height).data]];
})()
"""


def shown_by(page: Page, format: str, data: bytes) -> Image.Image:
    return shown_from(page, f"data:image/{format};base64,{base64.b64encode(data).decode()}")


def shown_from(page: Page, url: str) -> Image.Image:
    width, height, pixels = page.evaluate(PIXELS % url)
    return Image.frombytes("RGBA", (width, height), bytes(pixels)).convert("RGB")


@pytest.mark.parametrize("exif_orientation", [1, 3, 6])
def test_an_avif_is_shown_as_the_engines_see_it(browser: Chromium, exif_orientation: int) -> None:
    """The references of `test_avif` are what a browser shows of the source itself."""
    page = browser.page("about:blank", WIDTHS[0])
    try:
        for turned in TURNS:
            shown = shown_by(page, "avif", avif(turned, exif_orientation))
            assert psnr(shown, turned.upright(gradient(SIZE))) > 36, turned
    finally:
        page.close()


def test_a_screen_without_hdr_shows_the_same_with_a_gain_map(browser: Chromium, make_app: Any, static: Path) -> None:
    (static / "a.jpg").write_bytes(ultra_hdr(coordinates((256, 160)), ramp((64, 40))))
    app = make_app()
    page = browser.page("about:blank", WIDTHS[0])
    try:
        assert not page.evaluate("matchMedia('(dynamic-range: high)').matches")
        for wishes in ({"width": 128}, {"width": 90, "height": 90, "mode": "crop", "rotate": 90}):
            plain, kept = (app.test_client().get(url_of(app, "a.jpg", **wishes, **more)).data for more in KEPT)
            assert len(kept) > len(plain)
            assert shown_by(page, "jpeg", kept).tobytes() == shown_by(page, "jpeg", plain).tobytes()
    finally:
        page.close()


def test_an_avif_of_10_or_12_bits_is_shown_like_one_of_8(browser: Chromium, make_app: Any, static: Path) -> None:
    if not abilities.writes_deep_avif():
        pytest.skip("this libvips does not write AVIF with more than 8 bits")
    gradient((256, 160)).save(static / "a.png")
    app = make_app()
    page = browser.page("about:blank", WIDTHS[0])
    try:
        for depth in (8, 10, 12):
            data = app.test_client().get(url_of(app, "a.png", format="avif", quality=90, depth=depth)).data
            assert psnr(shown_by(page, "avif", data), gradient((256, 160))) > 38, depth
    finally:
        page.close()


@needs_codec
def test_chromium_asks_for_jpeg_xl_and_shows_it(visit: Any, browser: Chromium) -> None:
    template = "<p>{{ resized_img_tag('cat.jpg', width=320, format='auto', alt='cat') }}</p>"
    page, site = visit(template, 768)
    (image,) = page.evaluate(IMAGES)
    assert [(status, kind) for _, status, kind in site.requests] == [(200, "image/avif")]
    path, url = site.requests[0][0], image["src"]

    def is_made() -> bool:
        answer = site.app.test_client().get(path, headers={"Accept": "image/jxl,image/avif"})
        return answer.mimetype == "image/jxl"

    until(is_made, "a JPEG XL")
    site.requests.clear()
    again = browser.page(site.url("/"), 768)
    try:
        (image,) = again.evaluate(IMAGES)
        assert image["src"] == url
        assert image["natural"] == [320, 212]
        shown = shown_from(again, path)
    finally:
        again.close()
    assert site.requests[0][1:] == (200, "image/jxl")
    with Image.open(PHOTOGRAPHS / "cat.jpg") as source:
        assert psnr(shown, source.resize(shown.size, Image.Resampling.LANCZOS)) > 30
