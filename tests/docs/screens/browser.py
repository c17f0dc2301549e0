"""Take pictures of pages in Chromium: the panel of Flask-DebugToolbar, and the playground."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from chromium import CHROMIUM
from flask import Flask, render_template_string
from PIL import Image
from werkzeug.serving import make_server

from . import shop

SHOWN_WIDTH = 1200
_LOADED = "[...document.images].every(image => image.complete || image.loading == 'lazy')"
_PATIENCE_MS = 90_000


class Window(NamedTuple):
    """A page of the playground in a window: its path, the size of the window, the theme, and a button to press."""

    path: str
    title: str
    width: int = 1440
    height: int = 900
    theme: str = "light"
    press: str = ""


PLAYGROUND: dict[str, Window] = {
    "playground": Window("/", "The playground: a photograph, controls for all options, and the code for the template"),
    "playground-dark": Window(
        "/", "The same page in the dark theme, which follows the system or the button", theme="dark"
    ),
    "playground-phone": Window("/", "The playground on a phone: the photograph first, then the controls", 390, 844),
    "focal": Window("/focal", "The focal point is set by clicking, and three crops follow it"),
    "formats": Window("/formats", "The same photograph in several formats and qualities, with bytes and milliseconds"),
    "speed": Window(
        "/speed", "The first request of an image is rendered, the next ones come from the cache", press="Ask"
    ),
    "devices": Window("/devices", "A phone, a tablet and a desktop load the same page, each with images of its size"),
    "engines": Window("/engines", "libvips and Pillow render the same picture side by side"),
    "gallery": Window("/gallery", "A page with sixty pictures, which are regions of a few photographs"),
}
"""The pictures of the playground."""

TOOLBAR = "toolbar"
TOOLBAR_TITLE = "The panel of Flask-DebugToolbar lists the images of a page with their sizes, costs and findings"
PAGE = """<!doctype html><html lang="en"><head><title>Shop</title></head><body style="font-family: sans-serif">
<h1>Shop</h1>
{{ resized_img_tag('photos/canyon.jpg', layout='constrained', width=640, aspect='21:9', mode='crop', alt='') }}
<p>{{ resized_img_tag('photos/coffee.jpg', width=300, alt='Coffee') }}
<img src="{{ resized_img_src('photos/cat.jpg', width=300) }}" alt="A cat">
<img src="/static/photos/flower.jpg" width="100" height="67" alt="A flower"></p></body></html>"""


def playground() -> Iterator[tuple[str, Image.Image]]:
    """Yield the name and the picture of each page of the playground that exists."""
    from flask_images_vips.demo import create_app

    app = create_app()
    with _served(app) as url, _chromium() as browser:
        for name, window in PLAYGROUND.items():
            if app.test_client().get(window.path).status_code == 200:
                yield name, _shot(browser, f"{url}{window.path}", window)


def toolbar(folder: Path) -> Image.Image:
    """Return the picture of the panel, for a page of a shop in *folder*."""
    from flask_debugtoolbar import DebugToolbarExtension

    from flask_images_vips import Images

    shop.build(folder)
    app = Flask("shop", root_path=str(folder))
    app.config.update(SECRET_KEY="shop", DEBUG=True, IMAGES_CACHE=str(folder / "cache"))
    app.config["DEBUG_TB_PANELS"] = [
        "flask_debugtoolbar.panels.timer.TimerDebugPanel",
        "flask_images_vips.toolbar.ImagesPanel",
    ]
    Images(app)
    DebugToolbarExtension(app)
    app.add_url_rule("/", "home", lambda: render_template_string(PAGE))
    with _served(app) as url, _chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 330})
        for _ in range(2):  # the cost of a render is shown from the second visit on
            page.goto(url, wait_until="networkidle")
        if page.locator("#flShowToolBarButton").is_visible():
            page.click("#flShowToolBarButton")
        page.click("#flDebugToolbar a:has-text('Images')")
        page.wait_for_timeout(500)
        return _picture(page.screenshot())


@contextmanager
def _served(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as programs:
        browser = programs.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def _shot(browser: Any, url: str, window: Window) -> Image.Image:
    size = {"width": window.width, "height": window.height}
    context = browser.new_context(viewport=size, color_scheme=window.theme)
    page = context.new_page()
    page.goto(url, wait_until="networkidle", timeout=_PATIENCE_MS)
    if window.press:
        page.click(f"button:has-text('{window.press}')")
        page.wait_for_timeout(3000)
    page.wait_for_function(_LOADED, timeout=_PATIENCE_MS)
    page.wait_for_timeout(800)
    data = page.screenshot()
    context.close()
    return _picture(data)


def _picture(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        picture = image.convert("RGB")
    picture.thumbnail((SHOWN_WIDTH, 2000), Image.Resampling.LANCZOS)
    return picture
