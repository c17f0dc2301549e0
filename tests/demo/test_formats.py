"""The page that compares formats shows what is really sent, on one scale."""

from __future__ import annotations

import re
from typing import Any

import pytest
from conftest import PHOTOGRAPHS
from flask import url_for

from demo.conftest import THEMES, Demo, axe
from demo.waiting import until
from flask_images_vips import resized_img_src
from flask_images_vips.demo.formats import QUALITIES, VISITORS
from flask_images_vips.demo.missing import GONE

MEASURED = "document.querySelectorAll('#large .waiting').length === 0"
BARS = """[...document.querySelectorAll('#large .rendition')].map(each => [each.dataset.format,
    Number(each.dataset.bytes), parseFloat(each.querySelector('.value').getAttribute('width'))])"""


def open_page(page: Any, query: str = "photo=cat.jpg&width=480") -> None:
    page.goto(f"/formats?{query}")
    until(page, MEASURED)


def test_without_a_script_a_button_measures(demo: Demo) -> None:
    client = demo.app.test_client()
    query = "photo=cat.jpg&width=480"
    assert not re.search(r"\d ms</span>", client.get(f"/formats?{query}&quality=61").text)
    text = client.get(f"/formats?{query}&quality=61&measure=1").text
    formats = re.findall(r'data-format="(\w+)"', text)
    lossy = len({*formats}) - 1  # PNG
    assert {"jpeg", "webp", "avif", "png"} <= {*formats}
    assert len(formats) == 1 + lossy + lossy * len(QUALITIES)
    for unit in ("kB", "ms"):
        assert len(re.findall(rf'class="number">[\d.]+ {unit}</span>', text)) == len(formats)


def test_a_measurement_is_that_of_the_picture(demo: Demo) -> None:
    client = demo.app.test_client()
    for name in ("jpeg", "avif", "png"):
        found = client.get(f"/formats.json?photo=cat.jpg&width=480&quality=50&format={name}").json
        assert found["ms"] > 0
        answer = client.get(found["url"])
        assert answer.mimetype == f"image/{name}"
        assert len(answer.data) == found["bytes"]
        assert answer.headers["Server-Timing"].startswith("cache;desc=hit")
        assert client.get(f"/formats.json?photo=cat.jpg&width=480&quality=50&format={name}").json == found


def test_a_format_that_is_not_compared_is_a_problem_and_so_is_an_unknown_photograph(demo: Demo) -> None:
    client = demo.app.test_client()
    answer = client.get("/formats.json?format=gif&quality=x&width=-1")
    assert answer.json == {"problem": "This format cannot be written here."}
    assert client.get("/formats.json?format=jpeg&photo=../x").json == {"problem": GONE}


@pytest.mark.parametrize("quality", [75, 95])
def test_a_visitor_gets_what_the_page_says(demo: Demo, quality: int) -> None:
    client = demo.app.test_client()
    text = client.get(f"/formats?photo=cat.jpg&width=480&quality={quality}").text
    said = dict(re.findall(r'data-gets="(\w+)"[^>]*>(\w+)</b>', text))
    with demo.app.test_request_context():
        url = resized_img_src("photos/cat.jpg", width=480, quality=quality, format="auto")
    sent = {
        name: client.get(url, headers={"Accept": accept}).mimetype.removeprefix("image/").upper()
        for name, (accept, *_) in VISITORS.items()
    }
    assert said == sent


def test_the_bars_have_one_scale_and_results_follow_the_slider(page: Any) -> None:
    open_page(page)
    bars = page.evaluate(BARS)
    longest = max(count for name, count, _ in bars if name != "png")
    for name, count, percent in bars:
        assert percent == pytest.approx(100 if name == "png" else 100 * count / longest, abs=0.1)
    page.locator("#quality").fill("20")
    until(page, "location.search.includes('quality=20')")
    until(page, MEASURED)
    smaller = {name: count for name, count, _ in page.evaluate(BARS)}
    assert all(smaller[name] < count for name, count, _ in bars if name != "png")
    assert "quality=20" in page.url
    assert page.locator("#large img").first.get_attribute("alt") == "The face of a tabby cat, as JPEG of quality 20"
    assert page.evaluate("[...document.querySelectorAll('#large img')].some(each => each.naturalWidth > 0)")


def test_all_crops_move_together_and_grow(page: Any) -> None:
    open_page(page)
    where = (
        "[...new Set([...document.querySelectorAll('.crop img')].map(each => getComputedStyle(each).objectPosition))]"
    )
    (before,) = page.evaluate(where)
    page.locator("#large").focus()
    page.keyboard.press("ArrowRight")
    (after,) = page.evaluate(where)
    assert after != before
    box = page.locator("#large .crop").first.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 100)
    page.mouse.up()
    assert page.evaluate(where) not in ([before], [after])
    page.get_by_role("radio", name="200 %").check()
    assert page.evaluate("getComputedStyle(document.querySelector('.crop img')).scale") == "2"


def test_axe_finds_nothing_once_all_is_measured(page: Any) -> None:
    open_page(page)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        assert axe(page) == []


def test_an_application_below_a_prefix_has_its_own_addresses(demo: Demo) -> None:
    with demo.app.test_request_context(base_url="http://localhost/below"):
        path = url_for("formats_json", photo="cat.jpg", format="jpeg")
    found = demo.app.test_client().get(path.removeprefix("/below"), base_url="http://localhost/below").json
    assert found["url"].startswith("/below/")


def test_an_upload_can_be_measured_on_each_page(demo: Demo) -> None:
    client = demo.app.test_client()
    with (PHOTOGRAPHS / "cat.jpg").open("rb") as file:
        path = client.post("/upload", data={"photo": file}, headers={"Accept": "application/json"}).json["photo"]
    query = {"photo": path, "format": "jpeg"}
    assert client.get("/formats.json", query_string=query).json["bytes"] > 0
    assert client.post("/speed.json", data=query).json["problem"] == ""
    for page in ("/formats", "/speed", "/engines"):
        for given in (query, {}):  # without a name, it is the newest upload
            chosen = re.search(
                r'<option value="([^"]+)"[^>]* selected>Yours: cat<', client.get(page, query_string=given).text
            )
            assert chosen is not None
            assert chosen[1] == path
        assert " selected>Yours" not in client.get(page, query_string={"photo": "cat.jpg"}).text
