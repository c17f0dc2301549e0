"""The headers of responses: how long they are kept, under which name they are saved, who may embed them."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from conftest import signed, url_of
from flask import Flask
from PIL import Image

from flask_images_vips.access import Privacy
from flask_images_vips.config.keys import Config
from flask_images_vips.formats import by_name
from flask_images_vips.options.options import Options
from flask_images_vips.serving.headers import Freshness, disposition, front_headers
from flask_images_vips.urls import ImageUrl
from serving.test_views import age

NOW = 1_800_000_000
YEAR_SECONDS = 31_536_000
IMMUTABLE = (f"public, max-age={YEAR_SECONDS}, immutable", YEAR_SECONDS)
CONFIG = Config.read({"IMAGES_MAX_AGE": 1000, "IMAGES_STALE_WHILE_REVALIDATE": 9})


def lifetime(privacy: Privacy = "public", *, age: int = 3600, current: bool = True, **url: Any) -> tuple[str, int]:
    asked = replace(ImageUrl("a.png", Options(), "abc"), **url)
    return Freshness(asked, NOW - age, CONFIG, current=current).at(NOW, privacy)


def test_only_the_present_version_in_its_exact_spelling_is_immutable() -> None:
    outdated = ("public, max-age=60", 60)
    assert lifetime() == IMMUTABLE
    assert lifetime(current=False) == lifetime(exact=False) == lifetime(age=2) == lifetime(age=-1000) == outdated
    assert lifetime(age=3) == IMMUTABLE
    assert lifetime(version=None) == ("public, max-age=1000, stale-while-revalidate=9", 1000)


def test_a_cdn_may_keep_an_image_without_a_version_for_another_time_than_browsers() -> None:
    def unversioned(**config: Any) -> str:
        url = ImageUrl("a.png", Options(), None)
        settings = {f"IMAGES_{name.upper()}": value for name, value in config.items()}
        return Freshness(url, NOW - 3600, Config.read(settings), current=False).at(NOW, "public")[0]

    kept = {"max_age": 0, "shared_max_age": 86_400, "stale_if_error": 99}
    assert unversioned(**kept) == "public, max-age=0, s-maxage=86400, stale-while-revalidate=3600, stale-if-error=99"
    assert unversioned(max_age=9, stale_while_revalidate=0) == "public, max-age=9"
    assert unversioned(max_age=9, shared_max_age=0, stale_while_revalidate=0) == "public, max-age=9, s-maxage=0"
    assert unversioned(max_age=0, stale_if_error=99) == "public, max-age=0"  # nothing is kept, so nothing gets stale


def test_nobody_stores_what_the_url_or_the_moment_forbids() -> None:
    forbidden = Options(cache=False)
    assert lifetime("no-store") == lifetime(options=forbidden) == lifetime("private", options=forbidden)
    assert lifetime("no-store") == ("no-store", 0)


def test_a_private_response_is_kept_no_longer_than_the_configured_age() -> None:
    assert lifetime("private") == lifetime("private", version=None) == ("private, max-age=1000", 1000)
    assert lifetime("private", current=False) == ("private, max-age=60", 60)


@pytest.mark.parametrize(("left", "age"), [(10, 10), (100_000_000, YEAR_SECONDS), (-5, 0)])
def test_a_url_that_expires_is_kept_until_then(left: int, age: int) -> None:
    expiring = Options(expires=NOW + left)
    assert lifetime(options=expiring) == (f"public, max-age={age}", age)
    assert lifetime("private", options=expiring) == (f"private, max-age={min(age, 1000)}", min(age, 1000))


def test_nginx_gets_the_same_headers_as_the_application(make_app: Any, draw: Any) -> None:
    age(draw("a.png"))
    app = make_app(IMAGES_ALLOW_ORIGIN="*", IMAGES_RESOURCE_POLICY="cross-origin")
    sent = app.test_client().get(url_of(app, "a.png", width=10)).headers
    front = front_headers(app.extensions["flask_images_vips"].pipeline.config)
    assert {*front} <= {*sent.items()}
    assert len(front) == 5


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


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (ImageUrl("a.png", Options(download="Invoice No. 5"), None), "Invoice No. 5.webp"),
        (ImageUrl("a.png", Options(download="cat.JPG"), None), "cat.webp"),
        (ImageUrl("a.png", Options(download="cat.heic"), None), "cat.webp"),
        (ImageUrl("a.png", Options(download=".png"), None), ".png.webp"),
        (ImageUrl("scan 2024.10", Options(download="1"), None), "scan 2024.10.webp"),
        (ImageUrl("http://example.com/a%20b.png", Options(), None, remote=True), "a b.webp"),
        (ImageUrl("http://example.com/a%2Fb%0A.png", Options(), None, remote=True), "a_b_.webp"),
        (ImageUrl("a%20b.png", Options(), None), "a%20b.webp"),
        (ImageUrl("http://example.com/cat/?x", Options(), None, remote=True), "cat.webp"),
        (ImageUrl("http://example.com", Options(), None, remote=True), "image.webp"),
    ],
)
def test_a_name_loses_the_extension_of_an_image_and_no_other(url: ImageUrl, name: str) -> None:
    assert disposition(url, by_name("webp")).partition("; ")[2] == f'filename="{name}"'


def test_the_name_of_a_remote_file_is_decoded() -> None:
    header = disposition(ImageUrl("http://example.com/%C3%BCber.png", Options(), None, remote=True), by_name("png"))
    assert header == "inline; filename=\"_ber.png\"; filename*=UTF-8''%C3%BCber.png"
