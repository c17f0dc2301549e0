"""Three screens load one page over a slow network: each chooses its own pictures, and has placeholders until then."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import render_template_string

from demo.conftest import Demo
from demo.waiting import until
from flask_images_vips.demo import devices, throttle
from flask_images_vips.demo.devices import DEVICES
from flask_images_vips.demo.photos import LARGE
from flask_images_vips.demo.throttle import MOST_AT_ONCE, MOST_SECONDS, NETWORKS, Lines, Network

COMPLETE = "[...document.querySelectorAll('.device')].every(each => each.dataset.state === 'complete')"
CHOSEN = """['phone', 'tablet', 'desktop'].map(name => document.querySelector(`.${name} iframe`)).map(frame =>
    [...frame.contentDocument.images].map(each => each.currentSrc))"""
STATES = """[...document.querySelectorAll('iframe')].map(frame => [...frame.contentDocument.images].map(each =>
    [each.complete && each.naturalWidth > 0, frame.contentWindow.getComputedStyle(each).backgroundImage]))"""


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a slow network."""
    monkeypatch.setattr(devices, "_lines", Lines(sleep=lambda _: None))


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Pictures arrive when this event is set."""
    opened = threading.Event()

    class Gated(Lines):
        def send(self, line: str, network: Network, data: bytes) -> Iterator[bytes]:
            opened.wait(60)
            yield data

    monkeypatch.setattr(devices, "_lines", Gated())
    yield opened
    opened.set()


def test_a_picture_takes_as_long_as_its_bytes_and_shares_its_line() -> None:
    clock = Clock()
    lines, network = Lines(clock, clock.sleep), Network("", 80_000, 0.5)  # 10,000 bytes a second
    data = bytes(range(250)) * 40
    assert b"".join(lines.send("a", network, data)) == data
    assert clock.now == pytest.approx(101.5)
    slept: list[float] = []
    lines = Lines(clock, slept.append)  # at this moment
    for line in "aab":
        next(lines.send(line, network, data))
    assert slept == pytest.approx([0.5 + 0.4096, 0.5 + 2 * 0.4096, 0.5 + 0.4096])


def test_no_picture_takes_too_long() -> None:
    clock = Clock()
    data = bytes(1_000_000)
    assert b"".join(Lines(clock, clock.sleep).send("a", Network("", 80_000, 0.5), data)) == data
    assert clock.now <= 100 + MOST_SECONDS


def test_only_so_many_are_slow_at_once() -> None:
    clock = Clock()
    lines, network, data = Lines(clock, clock.sleep), NETWORKS["4g"], bytes(50_000)
    slow = [lines.send(str(number), network, data) for number in range(MOST_AT_ONCE)]
    for each in slow:
        next(each)
    now = clock.now
    assert [*lines.send("more", network, data)] == [data]
    assert clock.now == now
    slow[0].close()  # as when a browser goes away
    assert len([*lines.send("more", network, data)]) > 1


def test_lines_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "_REMEMBERED", 3)
    lines = Lines(sleep=lambda _: None)
    for number in range(9):
        list(lines.send(str(number), NETWORKS["4g"], b"x"))
    assert [*lines._free] == ["6", "7", "8"]


@pytest.mark.usefixtures("fast")
def test_a_slow_picture_is_the_same_and_never_from_the_cache(demo: Demo) -> None:
    client = demo.app.test_client()
    text = client.get("/devices/phone/page?network=4g&run=7").text
    slow = re.findall(r'src="(/devices/[^"]+)"', text)[-1].replace("&amp;", "&")
    assert slow.startswith("/devices/phone/4g/7/photos/")
    assert "/imgsizer/" not in text
    answer = client.get(slow)
    assert answer.headers["Cache-Control"] == "no-store"
    fast = client.get(slow.replace("/devices/phone/4g/7", "/imgsizer"))
    assert (answer.status_code, answer.mimetype, answer.data) == (200, fast.mimetype, fast.data)


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("path", ["/devices/watch/4g/1/x.jpg", "/devices/phone/5g/1/x.jpg", "/devices/watch/page"])
def test_nothing_else_is_slow(demo: Demo, path: str) -> None:
    assert demo.app.test_client().get(path).status_code == 404


@pytest.mark.usefixtures("fast")
def test_a_slow_picture_needs_its_signature(demo: Demo) -> None:
    assert demo.app.test_client().get("/devices/phone/4g/7/photos/cat.jpg?w=90").status_code in (403, 404)


def test_frames_show_placeholders_until_the_pictures_arrive(page: Any, gate: threading.Event) -> None:
    page.goto("/devices?network=4g", wait_until="domcontentloaded")
    until(page, f"{STATES}.every(states => states.length === {len(LARGE)})")
    for states in page.evaluate(STATES):
        assert not any(loaded for loaded, _ in states)
        assert all(background.startswith('url("data:image/webp') for _, background in states)
    assert page.locator(".phone [data-total]").text_content() == "–"
    gate.set()
    until(page, COMPLETE)
    assert all(loaded for states in page.evaluate(STATES) for loaded, _ in states)


@pytest.mark.usefixtures("fast")
def test_each_frame_chooses_its_own_pictures_and_says_what_they_weigh(page: Any) -> None:
    page.goto("/devices?network=fast-3g")
    until(page, COMPLETE)
    phone, tablet, desktop = page.evaluate(CHOSEN)
    widths = [int(re.search(r"w=(\d+)", each[0])[1]) for each in (phone, tablet, desktop)]
    assert widths == sorted({*widths})
    assert page.locator(".phone [data-lead]").text_content().startswith(f"{widths[0]} px, ")
    totals = [page.locator(f".{name} [data-total]").text_content() for name in DEVICES]
    assert all(re.fullmatch(r"[\d.]+ kB", total) for total in totals)
    assert float(totals[0].split()[0]) < float(totals[2].split()[0])
    assert page.locator("[data-bar=phone] b").text_content() == totals[0]

    page.get_by_role("button", name="Load again").click()
    until(page, COMPLETE)
    again = page.evaluate(CHOSEN)
    assert not {*again[0]} & {*phone}
    page.get_by_label("4G").check(force=True)
    until(page, f"{COMPLETE} && {CHOSEN}.every(urls => urls.every(url => url.includes('/4g/')))")


@pytest.mark.usefixtures("fast")
def test_a_server_that_does_not_answer_is_told(page: Any) -> None:
    page.goto("/devices?network=4g")
    page.route("**/devices/*/page*", lambda route: route.abort())
    page.get_by_role("button", name="Load again").click()
    until(page, "document.getElementById('problem').textContent.startsWith('The playground does not answer.')")
    page.unroute("**/devices/*/page*")
    page.get_by_role("button", name="Load again").click()
    until(page, "document.getElementById('problem').hidden")


def test_the_code_that_the_page_shows_runs(page: Any, demo: Demo) -> None:
    page.goto("/devices?network=4g")
    page.locator("[data-copy=pictures-code]").click()
    until(page, "document.querySelector('.copy').textContent === 'Copied'")
    copied = page.evaluate("navigator.clipboard.readText()")
    with demo.app.test_request_context():
        html = render_template_string(copied, lead=LARGE[0], rest=LARGE[1:])
    assert html.count("<img") == len(LARGE)
    assert 'media="(max-width: 40em)"' in html


def test_without_a_script_the_frames_load_with_the_network_that_was_chosen(demo: Demo) -> None:
    text = demo.app.test_client().get("/devices?network=4g").text
    for device in DEVICES:
        assert f'src="/devices/{device}/page?network=4g&amp;run=' in text
    assert re.search(r'value="4g" checked', text)
