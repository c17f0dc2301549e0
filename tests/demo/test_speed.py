"""The page about speed shows the first request, the same one from the cache, and other sizes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from servers import IN_THREAD

from demo.conftest import THEMES, Demo, axe
from demo.waiting import until
from flask_images_vips.demo import create_app
from flask_images_vips.demo.missing import GONE
from flask_images_vips.demo.speed import AGAIN, OTHERS, place


def test_the_scale_is_logarithmic() -> None:
    assert [place(ms) for ms in (0.001, 0.01, 0.1, 10, 1000, 9999)] == [0, 0, 20, 60, 100, 100]


def test_nothing_is_measured_unasked_for_people_who_save_data(page: Any) -> None:
    page.add_init_script("Object.defineProperty(Navigator.prototype, 'connection', { value: { saveData: true } })")
    page.goto("/speed", wait_until="networkidle")
    assert page.locator(".plot circle").count() == 0
    assert page.get_by_role("button", name="Ask for a new size").is_enabled()


def test_without_a_script_the_button_measures_within_the_application(demo: Demo) -> None:
    client = demo.app.test_client()
    assert "<circle" not in client.get("/speed").text.partition("<main")[2]
    text = client.post("/speed", data={"photo": "cat.jpg"}).text.partition("<main")[2]
    assert len(re.findall('<circle class="first"', text)) == 1
    assert len(re.findall('<circle class="again"', text)) == AGAIN
    assert len(re.findall('<circle class="others"', text)) == OTHERS
    assert len(re.findall(r'data-figure="\w+">[\d.]+ ms<', text)) == 3
    shown = sum(float(width) for width in re.findall(r'<rect class="\w+" x="[\d.]+%" width="([\d.]+)%"', text))
    assert shown == pytest.approx(100, abs=0.1)


def test_it_says_what_keeps_it_from_measuring(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr(demo.app.extensions["images"], "purge", refused)
    client = demo.app.test_client()
    assert client.post("/speed.json", data={"photo": "cat.jpg"}).json == {"problem": "The cache cannot be changed."}
    assert "The cache cannot be changed." in client.post("/speed", data={"photo": "cat.jpg"}).text
    assert client.post("/speed.json", data={"photo": "dog.jpg"}).json == {"problem": GONE}


def test_nothing_is_shown_that_was_not_measured(tmp_path: Path) -> None:
    app = create_app()
    app.config.update(IMAGES_SERVER_TIMING=False, IMAGES_CACHE=str(tmp_path / "cache"), **IN_THREAD)
    text = app.test_client().post("/speed", data={"photo": "cat.jpg"}).text
    assert "Nothing can be measured, because IMAGES_SERVER_TIMING is not set." in text
    assert not re.search(r"\d ms</(?:b|dd)>", text)


def test_the_browser_asks_for_new_sizes_and_draws_each_request(page: Any) -> None:
    page.goto("/speed")
    until(page, f"document.querySelectorAll('[data-lane=others] circle').length === {OTHERS}")  # it begins by itself
    page.locator("#photo").select_option("cat.jpg")
    until(page, "document.querySelector('#shown img')?.alt.startsWith('The face of a tabby cat')")
    until(page, "!document.querySelector('form button').disabled")
    timings: list[str] = []

    def note(answer: Any) -> None:
        if "/photos/cat.jpg" in answer.url:
            timings.append(answer.headers["server-timing"].partition(",")[0])

    page.on("response", note)
    for _ in range(2):  # the second time, it begins anew
        timings.clear()
        page.get_by_role("button", name="Ask for a new size").click()
        until(page, f"document.querySelectorAll('[data-lane=others] circle').length === {OTHERS}")
        until(page, "!document.querySelector('form button').disabled")
        miss, hit = "cache;desc=miss", "cache;desc=hit"
        assert timings == [miss, *[hit] * AGAIN, *[miss] * OTHERS]
        assert page.locator("[data-lane=first] circle").count() == 1
        assert page.locator("[data-lane=again] circle").count() == AGAIN
    assert re.fullmatch(r"[\d.]+ ms", page.locator("[data-figure=again]").inner_text())
    assert page.locator("#summary").inner_text().startswith("The first request took ")
    assert page.evaluate("document.querySelector('#shown img').naturalWidth > 0")
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        assert axe(page) == []
