"""Whole requests: the status of each error, and the picture."""

from __future__ import annotations

import io
import logging
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import all_renderers_taken, cached_files, fetch, signed, url_of
from flask import Flask
from PIL import Image

from flask_images_vips import Images, resized_img_size
from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.cache.per_process import Said
from flask_images_vips.errors import ConfigError
from flask_images_vips.options.options import Options
from flask_images_vips.serving import views
from flask_images_vips.urls import ImageUrl


def age(path: Path, seconds: float = 3600) -> None:
    """Set the modification time of *path* to *seconds* ago."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_rendition_is_sent_and_kept_once(app: Flask, draw: Any, tmp_path: Path, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    draw("a.png", (200, 100))
    url = url_of(app, "a.png", width=50, format="jpeg")
    first, second = app.test_client().get(url), app.test_client().get(url)
    assert first.status_code == second.status_code == 200
    assert first.mimetype == "image/jpeg"
    assert first.data == second.data
    assert Image.open(io.BytesIO(first.data)).size == (50, 25)
    assert first.headers["ETag"] == second.headers["ETag"]
    assert len(cached_files(tmp_path / "cache")) == 1
    assert sum(record.message.startswith("rendered") for record in caplog.records) == 1


def test_a_photograph_goes_through(app: Flask, photograph: Any) -> None:
    photograph("flower.jpg")
    assert fetch(app, "flower.jpg", width=200, height=200, mode="crop").size == (200, 200)


@pytest.mark.parametrize("ref", ["missing.png", "folder", "folder/", "a.png/x", "x" * 300, "%00"])
def test_what_is_no_file_is_404(app: Flask, draw: Any, static: Path, ref: str, caplog: Any) -> None:
    draw("a.png")
    (static / "folder").mkdir()
    response = app.test_client().get(signed(app, ref, "w=10"))
    assert response.status_code == 404
    assert response.headers["Cache-Control"] == "public, max-age=60"


@pytest.mark.parametrize("change", ["", "?w=10", "?w=10&s=", "?w=10&s=abc", "?s=b''"])
def test_what_is_not_signed_is_404(app: Flask, draw: Any, change: str) -> None:
    draw("a.png")
    assert app.test_client().get("/imgsizer/a.png" + change).status_code == 404


def test_what_was_tampered_with_is_404(app: Flask, draw: Any) -> None:
    draw("a.png")
    draw("b.png")
    url = url_of(app, "a.png", width=10)
    client = app.test_client()
    assert client.get(url).status_code == 200
    for other in (url.replace("w=10", "w=11"), url.replace("a.png", "b.png"), url + "&w=11", url + "&x", url[:-1]):
        assert client.get(other).status_code == 404


def test_a_name_that_stands_twice_is_404(app: Flask, draw: Any) -> None:
    draw("a.png")
    assert app.test_client().get(url_of(app, "a.png", width=10) + "&w=10").status_code == 404


@pytest.mark.parametrize(
    "keywords",
    [
        {"width": "abc"},
        {"width": -5},
        {"height": "50.7"},
        {"mode": "bogus"},
        {"background": "no colour"},
        {"transform": "MESH,1,2"},
        {"format": "exe"},
        {"quality": 0},
        {"sharpen": "1,2"},
    ],
)
def test_impossible_values_are_built_and_then_400_with_a_reason(
    app: Flask, draw: Any, tmp_path: Path, caplog: Any, keywords: dict[str, Any]
) -> None:
    draw("a.png")
    response = app.test_client().get(url_of(app, "a.png", **keywords))
    assert response.status_code == 400
    assert response.headers["Cache-Control"] == "no-store"
    assert next(iter(keywords)) in caplog.text
    assert "expected" in caplog.text
    assert "expected" not in response.text
    assert not cached_files(tmp_path / "cache")


def test_numbers_beyond_reason_are_400_and_end_no_page(app: Flask, draw: Any) -> None:
    draw("a.png")
    url = url_of(app, "a.png", transform="EXTENT,1e308%,0,0,0,1,1")
    assert app.test_client().get(url).status_code == 400


def test_two_applications_that_share_a_cache_share_no_entry(tmp_path: Path) -> None:
    pictures = []
    for name, colour in (("one", "red"), ("two", "blue")):
        app = Flask(name, root_path=str(tmp_path / name))
        app.config.update(SECRET_KEY=name, IMAGES_CACHE=str(tmp_path / "shared"))
        Images(app)
        path = tmp_path / name / "static" / "logo.bmp.tif"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (8, 8), colour).save(path)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        pictures.append(fetch(app, "logo.bmp.tif", format="png").getpixel((4, 4)))
    assert pictures == [(255, 0, 0), (0, 0, 255)]


def test_in_debug_the_body_says_why(app: Flask, draw: Any) -> None:
    app.debug = True
    assert "width='abc': expected" in app.test_client().get(url_of(app, "a.png", width="abc")).text


def test_what_is_wrong_with_all_images_is_500_and_logged_once(
    make_app: Any, draw: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    abilities = pytest.importorskip("flask_images_vips.engines.vips.abilities")
    monkeypatch.setattr(abilities, "problem", lambda: "libvips is broken")
    monkeypatch.setattr(views, "_said", Said())
    draw("a.png")
    for debug in (False, True):
        app = make_app(DEBUG=debug, IMAGES_ENGINE="vips", IMAGES_MAX_RENDERS=0)
        for width in (10, 20):
            response = app.test_client().get(url_of(app, "a.png", width=width))
            assert (response.status_code, response.headers["Cache-Control"]) == (500, "no-store")
            assert ("IMAGES_ENGINE = 'vips', but libvips is broken" in response.text) is debug
    (line,) = caplog.messages
    assert line.startswith("IMAGES_ENGINE = 'vips', but libvips is broken. ")


def test_a_wrong_value_is_an_error_of_the_application(make_app: Any) -> None:
    app = make_app()
    url = url_of(app, "a.png", width=10)
    with pytest.raises(ConfigError, match="IMAGES_MAX_FRAMES"):
        make_app(IMAGES_MAX_FRAMES=0, TESTING=True).test_client().get(url)


def test_what_is_no_image_is_422_and_never_kept(app: Flask, static: Path, tmp_path: Path, caplog: Any) -> None:
    (static / "a.jpg").write_text("not a picture")
    for _ in range(2):
        response = app.test_client().get(url_of(app, "a.jpg", width=10))
        assert response.status_code == 422
        assert response.headers["Cache-Control"] == "no-store"
    assert "a.jpg" in caplog.text
    assert not cached_files(tmp_path / "cache")


@pytest.mark.parametrize(
    ("config", "keywords"),
    [
        ({"IMAGES_MAX_SOURCE_PIXELS": 64 * 48 - 1}, {}),
        ({"IMAGES_MAX_WIDTH": 99}, {"width": 100, "enlarge": True}),
        ({"IMAGES_MAX_HEIGHT": 99}, {"height": 100, "enlarge": True}),
        ({"IMAGES_MAX_OUTPUT_PIXELS": 9_999}, {"width": 100, "height": 100, "mode": "pad"}),
        ({"IMAGES_MAX_OUTPUT_PIXELS": 9_999}, {"transform": "EXTENT,100,100,0,0,64,48", "width": 10}),
        ({}, {"width": 300, "enlarge": True, "format": "ico"}),
        ({"IMAGES_MAX_WIDTH": 99_999}, {"width": 20_000, "height": 1, "enlarge": True, "format": "webp"}),
        ({}, {"width": 10**9, "height": 10**9, "enlarge": True}),
    ],
)
def test_over_a_limit_is_422_and_names_the_limit(
    make_app: Any, draw: Any, caplog: Any, config: dict[str, Any], keywords: dict[str, Any]
) -> None:
    draw("a.png", (64, 48))
    app = make_app(**config)
    assert app.test_client().get(url_of(app, "a.png", **keywords)).status_code == 422
    assert re.search(r"the limit is [0-9,]+ \(.*(IMAGES_MAX_[A-Z_]+|format \w+)", caplog.text)


def test_a_remote_source_of_the_inside_is_502_with_a_log_line(app: Flask, caplog: Any) -> None:
    url = url_of(app, "http://10.0.0.1/a.jpg", width=10)
    assert app.test_client().get(url).status_code == 502
    assert "10.0.0.1 is not a public address" in caplog.text


@pytest.mark.parametrize("is_signed", [True, False])
def test_the_log_names_a_remote_source_but_no_secret_of_its_url(app: Flask, caplog: Any, is_signed: bool) -> None:
    url = url_of(app, "http://me:password@10.0.0.1/a.jpg?token=hidden", width=10)
    app.test_client().get(url if is_signed else url.replace("w=10", "w=11"))
    with app.test_request_context():
        resized_img_size("http://10.0.0.1/a.jpg?token=hidden", width="wide")
    assert caplog.text.count("image 'http://10.0.0.1/a.jpg?token=…'") == 2
    assert "hidden" not in caplog.text
    assert "password" not in caplog.text.replace("a user name or password", "")


def test_the_usual_cause_of_wrong_signatures_is_logged_once(make_app: Any, draw: Any, caplog: Any) -> None:
    views._said.get().clear()
    draw("a.png")
    one, other = make_app(SECRET_KEY=os.urandom(24)), make_app(SECRET_KEY=os.urandom(24))
    assert one.test_client().get("/imgsizer/a.png").status_code == 404  # not signed: another cause
    assert "SECRET_KEY" not in caplog.text
    for width in (1, 2):
        assert one.test_client().get(url_of(other, "a.png", width=width)).status_code == 404
    assert caplog.text.count("The usual cause is a random SECRET_KEY") == 1
    assert caplog.text.count("image 'a.png': 404, the signature is wrong") == 2


def test_a_link_that_leads_out_of_the_folder_is_404(app: Flask, draw: Any, static: Path, tmp_path: Path) -> None:
    path = draw("a.png")
    path.rename(tmp_path / "secret.png")
    (static / "out.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "static2").mkdir()
    (tmp_path / "secret.png").rename(tmp_path / "static2" / "b.png")
    (static / "out2.png").symlink_to(tmp_path / "static2" / "b.png")
    for name in ("out.png", "out2.png", "../static2/b.png", "..%2Fstatic2%2Fb.png"):
        assert app.test_client().get(signed(app, name, "w=10")).status_code == 404


def test_a_link_within_the_folder_is_followed(app: Flask, draw: Any, static: Path) -> None:
    draw("sub/a.png")
    (static / "link.png").symlink_to(static / "sub" / "a.png")
    assert fetch(app, "link.png", width=10).size == (10, 7)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_a_fifo_is_404_and_hangs_nobody(app: Flask, static: Path) -> None:
    os.mkfifo(static / "a.png")
    assert app.test_client().get(signed(app, "a.png", "w=10")).status_code == 404


def test_methods(app: Flask, draw: Any) -> None:
    draw("a.png")
    url = url_of(app, "a.png", width=10)
    client = app.test_client()
    head = client.head(url)
    get = client.get(url)
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"] == str(len(get.data))
    assert client.post(url).status_code == 405
    assert client.options(url).status_code == 200


def test_cache_false_is_rendered_each_time_and_kept_by_nobody(
    app: Flask, draw: Any, tmp_path: Path, caplog: Any
) -> None:
    caplog.set_level(logging.INFO)
    draw("a.png")
    for _ in range(2):
        response = app.test_client().get(url_of(app, "a.png", width=10, cache=False))
        assert response.headers["Cache-Control"] == "no-store"
    assert not cached_files(tmp_path / "cache")
    assert sum(record.message.startswith("rendered") for record in caplog.records) == 2


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not allow")
@pytest.mark.parametrize("name", ["a.gif[n=-1]", "a,b.png", "a[1].png", "100%.png", "a\nb.png", 'a"b.png', "a;b.png"])
def test_odd_names_are_served_as_themselves(app: Flask, draw: Any, name: str) -> None:
    draw(name, (20, 10), format="PNG")
    if "\n" in name:
        assert app.test_client().get(url_of(app, name, width=10)).status_code == 404  # no path of Werkzeug's
    else:
        assert fetch(app, name, width=10).size == (10, 5)


def test_the_lock_and_a_renderer_are_waited_for_in_one_timeout(make_app: Any, draw: Any) -> None:
    draw("a.png")
    app = make_app(IMAGES_MAX_RENDERS=1, IMAGES_LOCK_TIMEOUT=5)
    url = url_of(app, "a.png", width=10)
    pipeline = app.extensions["flask_images_vips"].pipeline
    entered, leave = threading.Event(), threading.Event()

    def hang(*_: object) -> bytes:
        entered.set()
        leave.wait(60)
        return b"late"

    source = pipeline.sources.local.find("a.png")
    key = pipeline.rendition(ImageUrl("a.png", Options(width=10), None), source).key
    # Another process, as far as locks can tell: an object of its own.
    other = DiskCache(pipeline.cache.folder, lock_timeout=60, temp_max_age=60)
    hanging = threading.Thread(target=lambda: other.get_or_create(key, 0, hang).close())
    with all_renderers_taken(app):
        hanging.start()
        assert entered.wait(60)
        begin = time.monotonic()
        assert app.test_client().get(url).status_code == 503
        assert 5 <= time.monotonic() - begin < 10
    assert app.test_client().get(url).status_code == 200  # without the lock, since a renderer is free
    leave.set()
    hanging.join()


def test_a_busy_host_sends_no_larger_picture_than_the_url_allows(make_app: Any, draw: Any) -> None:
    draw("a.png", (200, 100))
    app = make_app(IMAGES_LOCK_TIMEOUT=0.1)
    smallest, *urls = [url_of(app, "a.png", width=width) for width in (20, 40, 60, 80, 100)]
    client = app.test_client()
    assert [client.get(urls[number]).status_code for number in (0, 3)] == [200, 200]
    with all_renderers_taken(app):
        assert client.get(smallest).status_code == 503
        sizes = [Image.open(io.BytesIO(client.get(url).data)).width for url in urls]
    assert sizes == [40, 40, 40, 100]


def test_two_applications_in_one_process_do_not_mix(tmp_path: Path, make_app: Any, draw: Any) -> None:
    draw("a.png")
    one = make_app()
    other = make_app(IMAGES_URL="/pictures", IMAGES_NAME="pictures", SECRET_KEY="other")
    assert other.test_client().get(url_of(other, "a.png", width=10)).status_code == 200
    assert one.test_client().get(url_of(one, "a.png", width=10)).status_code == 200
    assert one.test_client().get(url_of(other, "a.png", width=10)).status_code == 404
    crossed = url_of(one, "a.png", width=10).replace("/imgsizer", "/pictures")
    assert other.test_client().get(crossed).status_code == 404


def test_the_default_cache_is_this_users_and_this_applications(
    tmp_path: Path, make_app: Any, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    draw("a.png")
    app = make_app(IMAGES_CACHE=None)
    fetch(app, "a.png", width=10)
    (folder,) = (tmp_path / "temporary").iterdir()
    assert folder.name.startswith("flask-images-")
    if os.name == "posix":
        assert folder.stat().st_mode & 0o777 == 0o700
    assert len(cached_files(folder)) == 1


def test_what_is_over_a_limit_is_said_to_be_so_again_and_again(make_app: Any, draw: Any) -> None:
    draw("a.png")
    app = make_app(IMAGES_MAX_WIDTH=10, IMAGES_FALLBACK="a.png")
    answers = [app.test_client().get(url_of(app, "a.png", width=20)) for _ in range(2)]
    assert {(each.status_code, each.headers["Cache-Control"], each.data) for each in answers} == {
        (422, "no-store", answers[0].data)
    }
