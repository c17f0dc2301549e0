"""What the browser is told about a picture before it reads the page."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from PIL import Image
from servers import environment
from test_readme import get

from flask_images_vips import resized_img_attrs, resized_img_hint, resized_img_preload, resized_img_src
from page.markup import parsed_head


@pytest.mark.usefixtures("page")
def test_a_preload_says_what_the_tag_says() -> None:
    tag = resized_img_attrs("wide.jpg", layout="full", priority=True, sizes="50vw")
    link = parsed_head(resized_img_preload("wide.jpg", layout="full", sizes="50vw", media="screen", alt="x"))
    assert link == {
        "rel": "preload",
        "as": "image",
        "href": tag["src"],
        "imagesrcset": tag["srcset"],
        "imagesizes": "50vw",
        "fetchpriority": "high",
        "media": "screen",
    }
    avif = parsed_head(resized_img_preload("wide.jpg", width=300, layout="fixed", format="avif", nonce="n"))
    assert (avif["type"], avif["nonce"]) == ("image/avif", "n")
    assert "imagesizes" not in avif


@pytest.mark.usefixtures("page")
@pytest.mark.parametrize("name", ["wide.jpg", "gone.jpg", "http://example.com/a.jpg"])
def test_a_preload_has_the_type_that_was_asked_for(name: str) -> None:
    assert parsed_head(resized_img_preload(name, width=300, format="avif"))["type"] == "image/avif"
    assert "type" not in parsed_head(resized_img_preload(name, width=300))


@pytest.mark.parametrize("configured", [True, False])
def test_a_hint_is_a_link_header_and_goes_ahead_only_where_that_is_configured(
    configured: bool, make_app: Any, draw: Any
) -> None:
    draw("wide.jpg", (1600, 800))
    app = make_app(**({"IMAGES_EARLY_HINTS": True} if configured else {}))
    sent: list[tuple[str, str]] = []

    @app.get("/")
    def index() -> str:
        resized_img_hint("wide.jpg", width=300, layout="fixed")
        return str(len(sent))

    plain = app.test_client().get("/")
    assert (plain.text, sent) == ("0", [])
    early = app.test_client().get("/", environ_overrides={"wsgi.early_hints": sent.extend})
    assert early.text == str(int(configured))
    assert sent == [("Link", early.headers["Link"])] * configured
    assert plain.headers["Link"] == early.headers["Link"]
    with app.test_request_context():
        one, two = (resized_img_src("wide.jpg", width=width) for width in (300, 600))
    assert plain.headers["Link"] == (
        f'<{one}>; rel=preload; as=image; imagesrcset="{one} 1x, {two} 2x"; fetchpriority="high"'
    )


def test_a_header_holds_no_line_break_and_no_quote_of_a_templates(page: Flask) -> None:
    @page.get("/")
    def index() -> str:
        resized_img_hint("wide.jpg", width=300, layout="full", sizes='a\r\nX: "y" \\ é')
        return ""

    link = page.test_client().get("/").headers["Link"]
    assert 'imagesizes="a X: \\"y\\" \\\\ ?"' in link


@pytest.mark.parametrize("configured", [True, False])
def test_gunicorn_sends_the_hint_before_the_view_is_done_where_that_is_configured(
    configured: bool, tmp_path: Path
) -> None:
    (tmp_path / "static").mkdir()
    Image.new("RGB", (64, 48)).save(tmp_path / "static" / "a.jpg")
    (tmp_path / "site.py").write_text("")
    (tmp_path / "hinting.py").write_text(
        "import time\n"
        "from flask import Flask\n"
        "from flask_images_vips import Images, resized_img_hint\n"
        "app = Flask(__name__)\n"
        f"app.config.update(SECRET_KEY='s', IMAGES_CACHE='cache', IMAGES_EARLY_HINTS={configured})\n"
        "Images(app)\n"
        "@app.get('/')\n"
        "def index():\n"
        "    resized_img_hint('a.jpg', width=32, layout='fixed')\n"
        "    time.sleep(1)\n"
        "    return 'done'\n"
        "@app.get('/up')\n"
        "def up():\n"
        "    return 'up'\n"
    )
    (tmp_path / "site.py").unlink()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "-b", f"127.0.0.1:{port}", "hinting:app"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment(TMPDIR=str(tmp_path)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            assert get(f"http://127.0.0.1:{port}/up") == b"up"
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                first = client.recv(65536)
                rest = b"".join(iter(lambda: client.recv(65536), b""))
        finally:
            server.terminate()
    if not configured:
        assert (first + rest).startswith(b"HTTP/1.1 200 OK\r\n")
        assert (first + rest).count(b"\r\nLink: </imgsizer/a.jpg?") == 1
        return
    assert first.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </imgsizer/a.jpg?")
    assert first.endswith(b"\r\n\r\n")
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nLink: </imgsizer/a.jpg?" in rest
