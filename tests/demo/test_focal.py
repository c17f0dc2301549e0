"""A point on a photograph moves its crops: by a click, a drag, the keyboard, and without a script."""

from __future__ import annotations

import re
from typing import Any

import pytest
from conftest import PHOTOGRAPHS
from flask import render_template_string

from demo.conftest import Demo
from demo.waiting import until
from flask_images_vips.demo.focal import CLICKED, SHAPES, rows_of

URLS = "[...document.querySelectorAll('img[data-shape]')].map(each => decodeURIComponent(each.src))"
RENDERED = "[...document.querySelectorAll('img[data-shape]')].every(each => each.complete && each.naturalWidth)"
SETTLED = f"!document.querySelector('.preview.shown') && {RENDERED}"
OTHERS = "[...document.querySelectorAll('.crops figure:not(.point) img')].map(each => decodeURIComponent(each.src))"
PREVIEWS = "[...document.querySelectorAll('.preview.shown')].map(each => each.style.objectPosition)"
PIXELS = """[...document.querySelectorAll('img[data-shape]')].map(each => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [16, 16];
    canvas.getContext('2d').drawImage(each, 0, 0, 16, 16);
    return canvas.toDataURL();
})"""


def open_page(page: Any, query: str = "photo=walruses.jpg&x=50&y=50") -> None:
    page.goto(f"/focal?{query}")
    until(page, RENDERED)


def code(page: Any) -> str:
    text: str = page.locator("#focal-code").text_content()
    return text


def test_a_click_moves_all_crops_and_nothing_else(page: Any) -> None:
    open_page(page)
    urls, pixels, others = page.evaluate(URLS), page.evaluate(PIXELS), page.evaluate(OTHERS)
    box = page.locator("#whole").bounding_box()
    page.mouse.click(box["x"] + 0.82 * box["width"], box["y"] + 0.2 * box["height"])
    assert code(page) == "focal=(0.82, 0.2)"
    until(page, f"{URLS}[0].includes('fp=0.82')")
    until(page, SETTLED)
    assert all("fp=0.82,0.2" in url for url in page.evaluate(URLS))
    assert not {*urls} & {*page.evaluate(URLS)}
    assert not {*pixels} & {*page.evaluate(PIXELS)}
    assert page.evaluate(OTHERS) == others
    assert page.url.endswith("?photo=walruses.jpg&x=82&y=20")


def test_crops_follow_a_drag_before_they_are_rendered(page: Any) -> None:
    open_page(page)
    page.route("**/focal.json*", lambda route: route.abort())
    box = page.locator("#whole").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    seen = []
    for across in (0.3, 0.6, 0.9):
        page.mouse.move(box["x"] + across * box["width"], box["y"] + 0.5 * box["height"])
        seen.append(
            page.evaluate("[...document.querySelectorAll('.preview.shown')].map(each => each.style.objectPosition)")
        )
    page.mouse.up()
    assert [len(each) for each in seen] == [len(SHAPES)] * 3
    assert len({each[1] for each in seen}) == 3  # the square one has room on both sides
    assert code(page) == "focal=(0.9, 0.5)"


def test_the_arrow_keys_move_the_marker(page: Any) -> None:
    open_page(page)
    marker = page.get_by_role("button", name="Focal point")
    marker.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowLeft", "Shift+ArrowDown"):
        page.keyboard.press(key)
    assert code(page) == "focal=(0.47, 0.54)"
    assert marker.get_attribute("aria-label") == "Focal point: 47 % across, 54 % down"
    until(page, f"{URLS}.every(url => url.includes('fp=0.47,0.54'))")
    until(page, "document.getElementById('announcer').textContent === '47 % across, 54 % down'")
    for _ in range(30):
        page.keyboard.press("Shift+ArrowLeft")
    assert code(page) == "focal=(0.0, 0.54)"


def test_a_number_moves_the_crops(page: Any) -> None:
    open_page(page)
    page.get_by_role("spinbutton", name="Across").fill("12")
    until(page, f"{URLS}.every(url => url.includes('fp=0.12,0.5'))")
    assert code(page) == "focal=(0.12, 0.5)"


def test_the_copied_code_runs(page: Any, demo: Demo) -> None:
    open_page(page, "photo=walruses.jpg&x=82&y=39")
    for button, expected in (("focal-code", "focal=(0.82, 0.39)"), ("jinja-code", "{{ resized_img_tag(")):
        page.locator(f"[data-copy={button}]").click()
        until(page, f"document.querySelector('[data-copy={button}]').textContent === 'Copied'")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert expected in copied
    with demo.app.test_request_context():
        tag = render_template_string(copied)
    (url,) = re.findall(r'src="([^"]+)"', tag)
    assert "fp=0.82" in url
    assert demo.app.test_client().get(url.replace("&amp;", "&")).status_code == 200


@pytest.mark.parametrize("name", CLICKED)
def test_without_a_script_a_click_sends_its_position(demo: Demo, name: str) -> None:
    height = CLICKED[name] * 2800 / 4579
    query = {"photo": "walruses.jpg", f"{name}.x": CLICKED[name] // 4, f"{name}.y": round(height / 2)}
    assert "focal=(0.25, 0.5)" in demo.app.test_client().get("/focal", query_string=query).text


def test_without_a_script_the_photograph_is_a_button(browser: Any, demo: Demo) -> None:
    context = browser.new_context(base_url=demo.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/focal?photo=cat.jpg")
    page.locator("input[type=image].wide").click(position={"x": 340, "y": 100})
    assert code(page) == "focal=(0.5, 0.22)"
    page.get_by_role("spinbutton", name="Down").fill("70")
    page.get_by_role("button", name="Show").click()
    assert code(page) == "focal=(0.5, 0.7)"
    context.close()


@pytest.mark.parametrize(
    ("x", "y", "point"),
    [
        ("nan", "inf", "(0.82, 0.39)"),
        ("-5", "1e3", "(0.0, 1.0)"),
        ("", "x", "(0.82, 0.39)"),
        ("1e999", "7.4", "(0.82, 0.07)"),
    ],
)
def test_a_point_is_inside_whatever_is_typed(demo: Demo, x: str, y: str, point: str) -> None:
    answer = demo.app.test_client().get("/focal.json", query_string={"photo": "walruses.jpg", "x": x, "y": y})
    assert answer.json["focal"] == f"focal={point}"
    assert [*answer.json["urls"]] == [*SHAPES]


def test_a_click_is_inside_whatever_is_sent(demo: Demo) -> None:
    query = {"wide.x": "9" * 400, "wide.y": "-1"}
    assert "focal=(1.0, 0.0)" in demo.app.test_client().get("/focal", query_string=query).text


def test_a_server_that_does_not_answer_is_told(page: Any) -> None:
    open_page(page)
    page.route("**/focal.json*", lambda route: route.abort())
    page.locator("#x").fill("70")
    until(page, "document.getElementById('problem').textContent.startsWith('The playground does not answer.')")
    assert page.locator("#problem").is_visible()
    page.unroute("**/focal.json*")
    page.locator("#x").fill("71")
    until(page, "document.getElementById('problem').hidden")


def test_an_unknown_photograph_is_not_found(demo: Demo) -> None:
    for path in ("/focal", "/focal.json"):
        assert demo.app.test_client().get(f"{path}?photo=../secret.jpg").status_code == 404


def test_an_upload_has_a_focal_point_too(demo: Demo) -> None:
    client = demo.app.test_client()
    with (PHOTOGRAPHS / "cat.jpg").open("rb") as file:
        photo = client.post("/upload", data={"photo": file}, headers={"Accept": "application/json"}).json["photo"]
    text = client.get("/focal", query_string={"photo": photo, "x": 20, "y": 30}).text
    assert f"resized_img_tag(&#39;{photo}&#39;" in text
    assert "focal=(0.2, 0.3)" in text
    shown = client.get("/focal").text  # whoever has uploaded a picture sees it, and can choose another
    assert f'data-photo="{photo}"' in shown
    assert shown.count('alt="Your picture"') == 2
    assert "write the path of your photograph in <code>static/</code>" in shown


@pytest.mark.parametrize("cure", [None, "pip install 'flask-images-vips[faces]'"])
def test_automatic_crops_stand_side_by_side(demo: Demo, monkeypatch: pytest.MonkeyPatch, cure: str | None) -> None:
    monkeypatch.setattr("flask_images_vips.demo.focal.lacking", lambda: cure)
    client = demo.app.test_client()
    with (PHOTOGRAPHS / "cat.jpg").open("rb") as file:
        own = client.post("/upload", data={"photo": file}, headers={"Accept": "application/json"}).json["photo"]
    for photo, has_faces in (("cat.jpg", False), (own, cure is None)):
        text = client.get("/focal", query_string={"photo": photo}).text
        titles = re.findall(r"<figcaption><b>(.*?)</b>", text)
        assert titles == ["Your point", "Centre", "Attention", "Entropy", *(["Faces"] if has_faces else [])]
        assert (" gets a row for faces too" in text) is not has_faces
        assert (", after <code>pip install" in text) is (cure is not None)


def test_crops_of_a_small_picture_are_equally_high(demo: Demo) -> None:
    with demo.app.test_request_context():
        sizes = [crop.size for row in rows_of("cat.jpg", 50, 50) for crop in row.crops]
    assert {each.height for each in sizes} == {253}
    assert [each.width for each in sizes[:3]] == [449, 253, 142]
