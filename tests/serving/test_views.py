"""Whole requests: statuses, headers, bytes."""

from __future__ import annotations

import io
import logging
import os
import re
import threading
import time
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import pytest
from conftest import cached_files, fetch, signed, url_of
from flask import Flask
from PIL import Image

from flask_images_vips import Images
from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.options.options import Options
from flask_images_vips.serving.hit import verify
from flask_images_vips.urls import ImageUrl


def age(path: Path, seconds: float = 3600) -> None:
    """Let *path* be as old as *seconds*."""
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
        {"height": 50.7},
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


def test_a_versioned_url_of_a_settled_source_is_immutable(app: Flask, draw: Any) -> None:
    age(draw("a.png"))
    headers = app.test_client().get(url_of(app, "a.png", width=10)).headers
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_a_source_of_this_moment_is_not_immutable_yet(app: Flask, draw: Any) -> None:
    age(draw("a.png"), 0)
    headers = app.test_client().get(url_of(app, "a.png", width=10)).headers
    assert headers["Cache-Control"] == "public, max-age=60"


def test_an_outdated_version_gets_the_present_picture_for_a_short_time(app: Flask, draw: Any) -> None:
    age(draw("a.png", (64, 48)))
    url = url_of(app, "a.png", width=10)
    age(draw("a.png", (48, 64)), 1800)
    response = app.test_client().get(url)
    assert Image.open(io.BytesIO(response.data)).size == (10, 13)
    assert response.headers["Cache-Control"] == "public, max-age=60"


def test_without_a_version_the_configured_age_counts(make_app: Any, draw: Any) -> None:
    age(draw("a.png"))
    app = make_app(IMAGES_MAX_AGE=7, IMAGES_STALE_WHILE_REVALIDATE=9)
    headers = app.test_client().get(signed(app, "a.png", "w=10")).headers
    assert headers["Cache-Control"] == "public, max-age=7, stale-while-revalidate=9"


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


def test_what_the_client_has_is_304_without_a_body(app: Flask, draw: Any) -> None:
    age(draw("a.png"))
    url = url_of(app, "a.png", width=10)
    client = app.test_client()
    first = client.get(url)
    for known in ({"If-None-Match": first.headers["ETag"]}, {"If-Modified-Since": first.headers["Last-Modified"]}):
        again = client.get(url, headers=known)
        assert (again.status_code, again.data) == (304, b"")
        for name in ("ETag", "Cache-Control"):
            assert again.headers[name] == first.headers[name]
        assert not {"Content-Type", "Content-Length"} & set(again.headers.keys())
    assert client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.get(url, headers={"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}).status_code == 200


def test_last_modified_is_the_sources_and_never_in_the_future(app: Flask, draw: Any) -> None:
    path = draw("a.png")
    os.utime(path, (0, 1_700_000_000))
    response = app.test_client().get(url_of(app, "a.png", width=10))
    assert response.headers["Last-Modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    os.utime(path, (0, time.time() + 1_000_000))
    response = app.test_client().get(url_of(app, "a.png", width=10))
    assert response.last_modified.timestamp() <= time.time()


@pytest.mark.parametrize("mtime", [0, -1_000_000, 2**33])
def test_odd_modification_times_are_served(app: Flask, draw: Any, mtime: int) -> None:
    os.utime(draw("a.png"), (mtime, mtime))
    client = app.test_client()
    url = url_of(app, "a.png", width=10)
    assert client.get(url).data == client.get(url).data
    assert client.get(url).status_code == 200


def test_a_range_is_206(app: Flask, draw: Any) -> None:
    draw("a.png")
    url = url_of(app, "a.png", width=10)
    client = app.test_client()
    whole = client.get(url).data
    part = client.get(url, headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.data) == (206, whole[2:6])
    beyond = client.get(url, headers={"Range": f"bytes={len(whole)}-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{len(whole)}")
    assert beyond.headers["Cache-Control"] == "no-store"
    assert client.get(url, headers={"Range": "items=0-5"}).data == whole


def test_answers_say_what_they_are(app: Flask, draw: Any) -> None:
    draw("sub/Crème brûlée.png")
    response = app.test_client().get(url_of(app, "sub/Crème brûlée.png", width=10, format="webp"))
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.mimetype == "image/webp"
    assert response.headers["Content-Disposition"] == (
        "inline; filename=\"Cr_me br_l_e.webp\"; filename*=UTF-8''Cr%C3%A8me%20br%C3%BBl%C3%A9e.webp"
    )


def test_download_sends_an_attachment_under_the_source_or_another_name(app: Flask, draw: Any) -> None:
    draw("sub/a.png")
    client = app.test_client()
    own = client.get(url_of(app, "sub/a.png", width=10, download=True, format="webp"))
    other = client.get(url_of(app, "sub/a.png", width=10, download="x/../my cat.jpg"))
    assert own.headers["Content-Disposition"] == 'attachment; filename="a.webp"'
    assert other.headers["Content-Disposition"] == 'attachment; filename="x_.._my cat.png"'
    assert client.get(signed(app, "sub/a.png", "d=a%0D%0AX%3A+y")).status_code == 400


def test_no_script_runs_in_an_answer(app: Flask, draw: Any) -> None:
    draw("a.png")
    for url in (url_of(app, "a.png", width=10), "/imgsizer/a.png?s=x", url_of(app, "a.png", width="abc")):
        headers = app.test_client().get(url).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_other_origins_may_be_let_in(make_app: Any, draw: Any) -> None:
    draw("a.png")
    app = make_app(IMAGES_ALLOW_ORIGIN="*", IMAGES_RESOURCE_POLICY="cross-origin")
    headers = app.test_client().get(url_of(app, "a.png", width=10)).headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_several_ranges_at_once_get_the_whole(app: Flask, draw: Any) -> None:
    draw("a.png")
    url = url_of(app, "a.png", width=10)
    whole = app.test_client().get(url)
    answer = app.test_client().get(url, headers={"Range": "bytes=0-1,4-5"})
    assert (answer.status_code, answer.data) == (200, whole.data)


def test_if_range_gives_the_whole_where_the_picture_changed(app: Flask, draw: Any) -> None:
    draw("a.png")
    url = url_of(app, "a.png", width=10)
    client = app.test_client()
    etag = client.get(url).headers["ETag"]
    part = {"Range": "bytes=0-1"}
    assert client.get(url, headers={**part, "If-Range": etag}).status_code == 206
    assert client.get(url, headers={**part, "If-Range": '"other"'}).status_code == 200


def test_a_large_rendition_is_streamed_from_its_file(app: Flask, static: Path) -> None:
    Image.effect_noise((600, 600), 90).save(static / "noise.png")
    url = url_of(app, "noise.png")
    client = app.test_client()
    rendered = client.get(url)
    assert len(rendered.data) > 100_000
    environ = {"wsgi.file_wrapper": FileWrapper}
    for method in ("GET", "HEAD"):
        with client.open(url, method=method, environ_overrides=environ) as streamed:
            assert streamed.data == (rendered.data if method == "GET" else b"")
            assert streamed.headers["Content-Length"] == str(len(rendered.data))


def test_only_the_one_spelling_of_a_url_is_immutable(app: Flask, draw: Any) -> None:
    age(draw("a.png"))
    url = url_of(app, "a.png", width=10, height=9)
    path, _, query = url.partition("?")
    reordered = "&".join(reversed(query.split("&")))
    for spelling in (f"{path}?{reordered}", f"{url}&", url.replace("w=10", "w=%31%30")):
        answer = app.test_client().get(spelling)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "public, max-age=60")
    assert "immutable" in app.test_client().get(url).headers["Cache-Control"]
    # The path comes unquoted, but for what some servers add.
    spelled = {"RAW_URI": url.replace("a.png", "%61.png")}
    assert "immutable" not in app.test_client().get(url, environ_overrides=spelled).headers["Cache-Control"]
    as_written = {"RAW_URI": url}
    assert "immutable" in app.test_client().get(url, environ_overrides=as_written).headers["Cache-Control"]


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not allow")
@pytest.mark.parametrize("name", ["a.gif[n=-1]", "a,b.png", "a[1].png", "100%.png", "a\nb.png", 'a"b.png', "a;b.png"])
def test_odd_names_are_served_as_themselves(app: Flask, draw: Any, name: str) -> None:
    draw(name, (20, 10), format="PNG")
    if "\n" in name:
        assert app.test_client().get(url_of(app, name, width=10)).status_code == 404  # no path of Werkzeug's
    else:
        assert fetch(app, name, width=10).size == (10, 5)


def test_the_lock_and_a_slot_are_waited_for_in_one_timeout(make_app: Any, draw: Any) -> None:
    draw("a.png")
    app = make_app(IMAGES_MAX_RENDERS=1, IMAGES_LOCK_TIMEOUT=3)
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
    with pipeline.producer.slots.hold(1):
        hanging.start()
        assert entered.wait(60)
        begin = time.monotonic()
        assert app.test_client().get(url).status_code == 503
        assert 3 <= time.monotonic() - begin < 6
    assert app.test_client().get(url).status_code == 200  # without the lock, since a slot is free
    leave.set()
    hanging.join()


def test_a_replaced_source_is_another_rendition(app: Flask, draw: Any) -> None:
    draw("a.png", (64, 48))
    assert fetch(app, "a.png", width=32).size == (32, 24)
    path = draw("a.png", (48, 64))
    age(path, 1)
    assert fetch(app, "a.png", width=32).size == (32, 42)


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


def test_a_source_in_the_second_folder_is_looked_up_for_each_hit_and_decided_on_once(
    make_app: Any, draw: Any, tmp_path: Path
) -> None:
    draw("a.png")
    (tmp_path / "first").mkdir()
    app = make_app(IMAGES_PATH=["first", "static"])
    url = url_of(app, "a.png", width=20)
    with app.app_context():
        images = app.extensions["flask_images_vips"]
    answers = []
    for _ in range(3):
        assert app.test_client().get(url).status_code == 200
        path, _, query = url.removeprefix("/imgsizer/").partition("?")
        answers.append(verify(images, path, query.encode(), "").last)
    assert answers[0] is answers[1] is answers[2]
