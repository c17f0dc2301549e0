"""A picture of one's own: dropped, chosen or sent by the form, it is shown; what cannot be shown is explained."""

from __future__ import annotations

import base64
import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from conftest import PHOTOGRAPHS, ROOT, gradient
from headers.containers import saved

from flask_images_vips.demo import create_app
from flask_images_vips.demo.playground import size_shown
from flask_images_vips.demo.uploads import MAX_BYTES, MOST_KEPT

expect = pytest.importorskip("playwright.sync_api").expect


def bomb() -> bytes:
    """A PNG of a few bytes that states 50,000 × 50,000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(50_000))) + chunk(b"IEND", b"")


HOSTILE = {
    "letter.jpg": (b"Dear reader, I am not a picture.\n" * 40, "Choose a picture in one of these formats"),
    "paper.png": (b"%PDF-1.7\n", "This file is a PDF document."),
    "bomb.png": (bomb(), "This picture has 50,000 × 50,000 pixels, but may have at most"),
    "half.jpg": ((PHOTOGRAPHS / "cat.jpg").read_bytes()[:20_000], "This picture is damaged or incomplete."),
    "nothing.jpg": (b"", "This file is empty."),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_form_explains_what_it_refuses(name: str) -> None:
    data, words = HOSTILE[name]
    for accept, in_text in (("text/html", True), ("application/json", False)):
        response = (
            create_app()
            .test_client()
            .post("/upload", data={"photo": (io.BytesIO(data), name)}, headers={"Accept": accept})
        )
        assert response.status_code == 422
        said = response.text if in_text else response.json["problem"]  # type: ignore[index]
        assert words in said


def test_the_form_shows_what_it_stored() -> None:
    data = {"photo": (io.BytesIO(saved(gradient((64, 48)), "JPEG")), "<i>.jpg")}
    response = create_app().test_client().post("/upload", data=data)
    assert response.status_code == 200
    assert "64 × 48 pixels, jpeg" in response.text


def test_the_result_is_compared_with_the_file_that_was_sent() -> None:
    client = create_app().test_client()
    sent = saved(gradient((640, 480)), "JPEG", quality=30)
    data = {"photo": (io.BytesIO(sent), "small.jpg")}
    path = client.post("/upload", data=data, headers={"Accept": "application/json"}).get_json()["photo"]
    shown = client.get("/render.json", query_string={"photo": path, "width": 20}).get_json()
    assert shown["share"].endswith(f" of {size_shown(len(sent))}")


def test_a_request_that_states_too_many_bytes_is_not_read() -> None:
    response = (
        create_app()
        .test_client()
        .post(
            "/upload",
            content_type="multipart/form-data; boundary=a",
            environ_overrides={"CONTENT_LENGTH": str(MAX_BYTES + 20_000)},
        )
    )
    assert response.status_code == 413
    assert "This file is larger than 100 MB." in response.text


def test_only_the_last_uploads_are_kept_and_only_those_are_shown() -> None:
    app = create_app()
    client = app.test_client()
    folder = Path(app.config["IMAGES_UPLOADS"])
    paths = []
    for _ in range(MOST_KEPT + 2):
        with (PHOTOGRAPHS / "cat.jpg").open("rb") as file:
            answer = client.post("/upload", data={"photo": (file, "cat.jpg")}, headers={"Accept": "application/json"})
            assert answer.json is not None
            paths.append(answer.json["photo"])
    assert len([*folder.iterdir()]) == MOST_KEPT
    shown = [client.get("/render.json", query_string={"photo": path, "width": 20}).json for path in paths]
    assert ["There is no such photograph" in each["problem"] for each in shown if each] == [True] * 2 + [False] * 12


def test_a_chosen_file_is_shown_and_can_be_edited(page: Any) -> None:
    page.goto("/?photo=cat.jpg&width=320")
    page.set_input_files("#file", PHOTOGRAPHS / "flower.jpg")
    expect(page.locator("#code-jinja")).to_contain_text("flower-")
    expect(page.locator("#f-size")).to_contain_text("320 × 4")
    assert "photo=flower-" in page.url
    thumbnail = page.get_by_role("link", name="Your picture flower.jpg")
    assert thumbnail.get_attribute("aria-current") == "true"
    page.reload()
    expect(page.locator("#code-jinja")).to_contain_text("flower-")
    assert page.evaluate("document.getElementById('picture').naturalWidth") == 320


def test_a_file_can_be_dropped_anywhere(page: Any) -> None:
    page.goto("/?photo=cat.jpg&width=321")
    drop(page, "coffee.jpg", (PHOTOGRAPHS / "coffee.jpg").read_bytes())
    expect(page.locator("#code-jinja")).to_contain_text("coffee-")
    assert page.is_hidden("#dropping")


def drop(page: Any, name: str, data: bytes) -> None:
    """Drag a file over the page, which then says so, and drop it."""
    page.evaluate(
        """([name, data]) => {
            const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
            window.held = new DataTransfer();
            held.items.add(new File([bytes], name, {type: 'image/jpeg'}));
            document.body.dispatchEvent(new DragEvent('dragenter', {dataTransfer: held, bubbles: true}));
        }""",
        [name, base64.b64encode(data).decode()],
    )
    assert page.is_visible("#dropping")
    page.evaluate("document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: held, bubbles: true}))")


def test_a_hostile_file_gets_a_clear_message_and_the_picture_stays(page: Any, tmp_path: Path) -> None:
    page.goto("/?photo=cat.jpg&width=322")
    before = page.get_attribute("#picture", "src")
    for name, (data, words) in HOSTILE.items():
        drop(page, name, data)
        alert = page.locator("#upload-problem[role=alert]")
        expect(alert).to_contain_text(f"{name}: ")
        expect(alert).to_contain_text(words)
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    page.set_input_files("#file", large)
    expect(page.locator("#upload-problem")).to_contain_text("large.jpg: This file is larger than 100 MB.")
    assert page.get_attribute("#picture", "src") == before
    page.set_input_files("#file", PHOTOGRAPHS / "rocket.jpg")
    expect(page.locator("#code-jinja")).to_contain_text("rocket-")
    assert page.is_hidden("#upload-problem")


def test_the_form_works_without_a_script(browser: Any, demo: Any) -> None:
    context = browser.new_context(base_url=demo.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    page.get_by_role("link", name="Your own").click()
    page.set_input_files("#photo", PHOTOGRAPHS / "canyon.jpg")
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("link", name="Open it in the playground").click()
    assert "canyon-" in page.text_content("#code-jinja")
    context.close()


def test_nothing_is_left_when_the_process_ends(tmp_path: Path) -> None:
    code = """
from pathlib import Path
from flask_images_vips.demo import app
client = app.test_client()
client.post("/upload", data={"photo": open(%r, "rb")})
assert client.get("/render.json?photo=cat.jpg&width=30").json["problem"] == ""
assert [*Path(app.config["IMAGES_UPLOADS"]).iterdir()] and Path(app.config["IMAGES_CACHE"]).is_dir()
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    script = code % str(PHOTOGRAPHS / "cat.jpg")
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True, timeout=60)
    assert [*tmp_path.glob("flask-images-demo-*")] == []
