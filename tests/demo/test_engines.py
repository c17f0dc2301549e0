"""The page about engines lets each engine render, and names what only one of them can do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from demo.conftest import THEMES, Demo, axe
from demo.waiting import until
from flask_images_vips.demo.engines import ENGINES, ONLY, RUNS, TREATMENTS
from flask_images_vips.engines.engine import DecodesOnce
from flask_images_vips.engines.pillow.engine import PillowEngine
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.formats import FORMATS, JPEG
from flask_images_vips.options.options import DECLARED, Options, write_query
from flask_images_vips.options.values import Gravity

BOTH = {engine.name: engine for engine in (VipsEngine(), PillowEngine())}


def able(keywords: dict[str, Any]) -> set[str]:
    """The engines that can render *keywords*."""
    options = Options.parse(write_query(keywords))
    return {name for name, engine in BOTH.items() if not engine.refusal(options, options.format or JPEG)}


def calls() -> Iterator[dict[str, Any]]:
    """Calls with each option, each gravity and each format."""
    for declared in DECLARED.values():
        if declared.example:
            yield eval(f"dict({declared.example})")
    yield from ({"width": 64, "height": 64, "mode": "crop", "gravity": str(each)} for each in Gravity if each != "face")
    yield from ({"width": 64, "format": each.name} for each in FORMATS)


def test_what_is_said_of_one_engine_is_true_and_complete() -> None:
    said: dict[str, set[str]] = {name: set() for name in ENGINES}
    for each in ONLY:
        for call in each.calls:
            assert able(call) == {each.engine}, call
            said[each.engine] |= {f"{name}={value}" for name, value in call.items()}
    for call in calls():
        engines = able(call)
        if len(engines) == 1:
            mine = said[engines.pop()]
            assert any(f"{name}={value}" in mine or name == "transform" for name, value in call.items()), call
    assert [isinstance(engine, DecodesOnce) for engine in BOTH.values()] == [True, False]


@pytest.mark.parametrize("treatment", ["rotate", "watermark", "none"])
def test_without_a_script_a_button_measures(demo: Demo, treatment: str) -> None:
    client = demo.app.test_client()
    assert "Each run" not in client.get("/engines").text
    text = client.get(f"/engines?photo=canyon.jpg&treatment={treatment}&format=webp&measure=1").text
    runs = re.findall(r"Each run: (.*?)</p>", text)
    assert len(runs) == len(ENGINES)
    assert all(len(re.findall(r"[\d.]+ ms", each)) == RUNS for each in runs)
    pictures = [*dict.fromkeys(re.findall(r'src="(/engines/\w+\.webp)"', text))]
    assert len(pictures) == len(ENGINES)
    assert all(client.get(each).mimetype == "image/webp" for each in pictures)


def test_both_engines_can_do_all_treatments() -> None:
    assert all(able(treatment.options) == {*ENGINES} for treatment in TREATMENTS.values())


def test_each_engine_renders_with_its_own_application(demo: Demo) -> None:
    text = demo.app.test_client().get("/engines?photo=cat.jpg&measure=1&fragment=1").text
    assert "<html" not in text
    assert all(f"rendered by {title}" in text for title in ENGINES.values())
    assert demo.app.test_client().get("/engines/0.jpg").status_code == 404


def test_the_browser_measures_at_once_and_compares_the_pixels(page: Any) -> None:
    page.goto("/engines?photo=canyon.jpg&treatment=reduce&format=jpeg")
    compared = "document.querySelector('[data-distance=largest]')?.textContent > ''"
    until(page, f"{compared} && document.querySelector('[data-distance=largest]').textContent !== '–'")
    with page.expect_response("**/engines?*fragment=1"):
        page.locator("#treatment").select_option("blur")
    until(page, "document.querySelector('#result').ariaBusy === 'false'")
    until(page, "/dB|∞/.test(document.querySelector('[data-distance=psnr]').textContent)")
    assert "treatment=blur" in page.url
    page.locator("#gain").fill("20")
    assert "brightness(20)" in page.evaluate("getComputedStyle(document.getElementById('difference')).filter")
    assert page.evaluate("[...document.images].every(each => each.naturalWidth > 0)")
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        assert axe(page) == []
