"""The upload form of the playground, and a click for the focal point, in a real Chromium."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import _LOADED, CHROMIUM, INSTALL, Chromium, Page
from conftest import PHOTOGRAPHS, needs
from servers import PATIENCE_SECONDS
from werkzeug.serving import make_server

from flask_images_vips.demo import create_app
from flask_images_vips.demo.uploads import MOST_KEPT


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    needs("chromium", CHROMIUM, INSTALL)
    app = create_app()
    app.config["IMAGES_CACHE"] = str(tmp_path / "cache")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    browser = Chromium(tmp_path / "profile")
    yield browser.page(f"http://127.0.0.1:{server.server_port}/upload", 800)
    browser.close()
    server.shutdown()
    thread.join()
    server.server_close()


def send(page: Page, path: Path) -> None:
    """Choose the file at *path* in the form, send it, and wait for the answer."""
    root = page._browser.call("DOM.getDocument", page._session)["root"]["nodeId"]
    field = page._browser.call("DOM.querySelector", page._session, nodeId=root, selector="input[type=file]")["nodeId"]
    page._browser.call("DOM.setFileInputFiles", page._session, files=[str(path)], nodeId=field)
    page.evaluate("window.old = true; document.querySelector('button').click()")
    until = time.monotonic() + PATIENCE_SECONDS
    while page.evaluate("window.old === true") and time.monotonic() < until:
        time.sleep(0.05)
    page.evaluate(_LOADED)


def test_a_good_picture_is_shown_and_a_bad_one_is_explained(page: Page, tmp_path: Path) -> None:
    send(page, PHOTOGRAPHS / "flower.jpg")
    assert page.evaluate("document.querySelector('figure b').innerText").startswith("flower-")
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    assert page.evaluate("document.images.length") == 2
    bad = tmp_path / "bad.jpg"
    bad.write_bytes((PHOTOGRAPHS / "cat.jpg").read_bytes()[:20_000])
    send(page, bad)
    assert page.evaluate("document.querySelector('[role=alert]').innerText").startswith("This picture is damaged")
    assert page.evaluate("document.images.length") == 1


def test_the_playground_keeps_only_the_last_uploads() -> None:
    app = create_app()
    client = app.test_client()
    folder = Path(app.config["IMAGES_UPLOADS"])
    for _ in range(MOST_KEPT + 2):
        with (PHOTOGRAPHS / "cat.jpg").open("rb") as file:
            assert client.post("/upload", data={"photo": (file, "cat.jpg")}).status_code == 200
    assert len([*folder.iterdir()]) == MOST_KEPT
    assert client.post("/upload").status_code == 422
