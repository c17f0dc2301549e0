"""What Chromium makes of passed drawings: the same pixels and sizes as before, no request, and no script that runs."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import CHROMIUM, INSTALL, Chromium
from conftest import needs, sample
from headers.test_svg import SIZES
from headers.test_svg import drawing as sized
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from flask_images_vips.errors import UnreadableSource
from flask_images_vips.svg.drawing import passed_through

from .test_drawing import picture
from .vectors import SCRIPTS, attacks, drawing

# Draws each picture on a canvas in two sizes, and returns its own size and the pixels.
DRAWN = """(async () => {
    const all = [];
    for (const source of SOURCES) {
        const image = new Image();
        image.src = source;
        await image.decode();
        const drawn = [[image.naturalWidth, image.naturalHeight]];
        for (const [width, height] of [[96, 72], [130, 130]]) {
            const canvas = Object.assign(document.createElement('canvas'), {width, height});
            canvas.getContext('2d').drawImage(image, 0, 0, width, height);
            drawn.push(canvas.toDataURL());
        }
        all.push(drawn);
    }
    return all;
})()"""
# Sends the events that a visitor would cause to every element in the frames, and tells where the frames are then.
PROVOKED = """(async () => {
    const frames = [...document.querySelectorAll('iframe')];
    for (const frame of frames)
        for (const element of frame.contentDocument.querySelectorAll('*'))
            for (const event of ['click', 'mouseover', 'focusin', 'load', 'beginEvent'])
                element.dispatchEvent(new Event(event, {bubbles: true, cancelable: true}));
    await new Promise(resolve => setTimeout(resolve, 200));
    return [document.title, frames.map(frame => frame.contentWindow.location.pathname)];
})()"""

ICONS = [
    sized(
        'width="24" height="24" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2"',
        '<path d="M3 12l9-9 9 9M5 10v10h14V10" stroke-linejoin="round"/><circle cx="12" cy="14" r="2"/>',
    ),
    sized(
        'viewBox="0 0 32 32"',
        '<defs><linearGradient id="a"><stop stop-color="#f80"/><stop offset="1" stop-color="#08f"/></linearGradient>'
        '<clipPath id="c"><circle cx="16" cy="16" r="14"/></clipPath></defs>'
        '<g clip-path="url(#c)"><rect width="32" height="32" fill="url(#a)" transform="rotate(30 16 16)"/></g>',
    ),
    sized(
        'width="40" height="30"',
        "<style>/* x */.a{fill:#0a0;stroke:rgb(200 0 0 / 50%)} .b>rect:nth-child(2){fill:blue!important}</style>"
        '<g class="b"><rect class="a" width="9" height="9"/><rect x="12" y="5" width="20" height="12" class="a"/></g>',
    ),
    sized(
        'width="16.031" height="16" style="background:#ffe"',
        '<filter id="f"><feGaussianBlur stdDeviation="1"/></filter><text x="1" y="12" font-size="12">Aé</text>'
        '<path style="font-variant-caps:normal;fill:red;solid-color:#000" d="M1 1h9v4z" filter="url(#f)"/>',
    ),
    sized(
        'xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:i="http://ns.adobe.com/x/" viewBox="0 0 9 9"',
        '<symbol id="s" viewBox="0 0 3 3"><path d="M0 0h3L0 3z"/></symbol><i:pgf><path d="M0 0h9v9z"/></i:pgf>'
        '<switch><foreignObject requiredExtensions="http://ns.adobe.com/x"/><g i:extraneous="self">'
        '<use xlink:href="#s" width="5" height="5" fill="teal"/></g></switch><title>icon</title>',
    ),
    sized(
        'width="40" height="40"',
        f'<image width="30" height="20" href="data:image/png;base64,{picture()}"/><mask id="m"><rect width="20" '
        'height="40" fill="#fff"/></mask><ellipse cx="20" cy="30" rx="15" ry="8" mask="url(#m)"/>',
    ),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    needs("chromium", CHROMIUM, INSTALL)
    browser = Chromium(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


class Recorder:
    """A server of *pages*, by their paths, without a policy. It notes all other paths that are asked for."""

    def __init__(self, pages: dict[str, tuple[str, bytes]]) -> None:
        self.pages = pages
        self.others: list[str] = []
        self.server = make_server("127.0.0.1", 0, self.answer, threaded=True)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @Request.application
    def answer(self, request: Request) -> Response:
        if request.path in self.pages:
            kind, body = self.pages[request.path]
            return Response(body, content_type=kind)
        if request.path != "/favicon.ico":
            self.others.append(request.path)
        return Response(status=404)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def drawn(browser: Chromium, files: list[bytes]) -> list[list[object]]:
    """The size and the pixels of each SVG of *files*, as the browser shows it."""
    page = browser.page("about:blank", 800)
    sources = [f"data:image/svg+xml;base64,{base64.b64encode(data).decode()}" for data in files]
    found: list[list[object]] = page.evaluate(DRAWN.replace("SOURCES", json.dumps(sources)))
    page.close()
    return found


def written(data: bytes) -> bytes:
    return passed_through(data, "a.svg", 1_000_000)[0]


def test_icons_look_the_same_to_the_pixel(browser: Chromium) -> None:
    before, after = (
        drawn(browser, files) for files in ([each.encode() for each in ICONS], [*map(written, map(str.encode, ICONS))])
    )
    assert before == after
    assert len({str(each[1]) for each in before}) == len(ICONS)


@pytest.mark.skipif("IMAGES_TESTS_ICONS" not in os.environ, reason="set IMAGES_TESTS_ICONS to a folder of SVG icons")
def test_icons_of_a_package_look_the_same_to_the_pixel(browser: Chromium) -> None:
    paths = sorted(path for path in Path(os.environ["IMAGES_TESTS_ICONS"]).rglob("*.svg") if path.stat().st_size < 1e6)
    for begin in range(0, len(paths), 50):
        files = [path.read_bytes() for path in paths[begin : begin + 50]]
        before, after = drawn(browser, files), drawn(browser, [written(data) for data in files])
        assert before == after


def test_sizes_are_those_of_the_browser(browser: Chromium) -> None:
    every = drawn(browser, [sized(attributes).encode() for attributes in SIZES])
    assert [tuple(each[0]) for each in every] == [*SIZES.values()]  # type: ignore[arg-type]


def test_no_attack_runs_or_fetches_even_without_a_policy(browser: Chromium) -> None:
    texts = sample(attacks(), 4)
    pages: dict[str, tuple[str, bytes]] = {}
    for number, text in enumerate(texts):
        try:
            pages[f"/{number}.svg"] = "image/svg+xml", written(text.encode())
        except UnreadableSource:
            continue
    frames = "".join(f'<iframe src="{path}"></iframe><img src="{path}">' for path in pages)
    recorder = Recorder(pages | {"/": ("text/html", f"<!doctype html><title>unchanged</title>{frames}".encode())})
    try:
        page = browser.page(recorder.url("/"), 800)
        assert page.evaluate(PROVOKED) == ["unchanged", [*pages]]
        page.close()
    finally:
        recorder.close()
    assert recorder.others == []


def test_the_recorder_sees_attacks(browser: Chromium) -> None:
    pages = {
        "/a.svg": ("image/svg+xml", drawing(f"{SCRIPTS[0]}<style>@import '/fetched';</style>").encode()),
        "/": ("text/html", b'<!doctype html><iframe src="/a.svg"></iframe>'),
    }
    recorder = Recorder(pages)
    try:
        page = browser.page(recorder.url("/"), 800)
        page.evaluate(PROVOKED)
        page.close()
    finally:
        recorder.close()
    assert {*recorder.others} == {"/ran", "/fetched"}
