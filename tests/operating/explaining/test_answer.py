"""An explained URL is answered as explained."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import cached_files, signed, url_of
from flask import Flask

from flask_images_vips import Images
from flask_images_vips.operating.explaining.answer import explain
from flask_images_vips.operating.explaining.signature import Parts, parts_of, signer_of
from flask_images_vips.state import images_of

URLS: dict[str, dict[str, Any]] = {
    "plain": {"width": 20},
    "full size": {},
    "negotiated": {"width": 20, "format": "auto"},
    "downloaded": {"width": 20, "download": "Käse.png"},
    "limited": {"width": 20, "expires": timedelta(hours=1)},
    "not cached": {"width": 20, "cache": False},
    "marked": {"width": 20, "watermark": "b.png,se"},
    "invalid": {"width": "x"},
    "too large": {"width": 9000, "enlarge": True},
    "expired": {"expires": 1},
}
ACCEPT = "image/webp"


@pytest.fixture
def pictures(draw: Any) -> None:
    for name in ("a.png", "b.png"):
        path = draw(name)
        os.utime(path, (1_700_000_000, 1_700_000_000))


def explained(app: Flask, url: str, *, render: bool = False) -> dict[str, Any]:
    with app.app_context():
        images = images_of(app)
        parts = parts_of(url, images)
        assert parts is not None
        return explain(parts, images, ACCEPT, render=render)


def but_expires(headers: Any) -> dict[str, str]:
    return {name: value for name, value in dict(headers).items() if name not in ("Expires", "Connection")}


def assert_as_explained(app: Flask, url: str) -> None:
    response = app.test_client().get(url, headers={"Accept": ACCEPT})
    found = explained(app, url)
    assert found["status"] == response.status_code, found
    expected = but_expires(response.headers)
    if response.status_code != 200:  # the body is a line of text
        del expected["Content-Length"], expected["Content-Type"]
    if not found.get("entry", {}).get("cached"):
        expected = {name: value for name, value in expected.items() if name not in ("ETag", "Content-Length")}
    assert but_expires(found["headers"]) == expected


@pytest.mark.parametrize("case", URLS)
def test_the_headers_are_those_of_the_response(app: Flask, pictures: None, case: str) -> None:
    assert_as_explained(app, url_of(app, "a.png", **URLS[case]))


@pytest.mark.parametrize("case", ["unversioned", "outdated", "reordered", "changed", "missing", "young"])
def test_so_are_those_of_unusual_urls(app: Flask, pictures: None, static: Path, case: str) -> None:
    url = url_of(app, "a.png", width=20)
    if case == "young":
        os.utime(static / "a.png", (time.time(),) * 2)
    urls = {
        "unversioned": signed(app, "a.png", "w=20"),
        "outdated": signed(app, "a.png", "v=abc&w=20"),
        "reordered": "?".join([(parts := url.partition("?"))[0], "&".join(reversed(parts[2].split("&")))]),
        "changed": url + "x",
        "missing": url_of(app, "gone.png", width=20),
        "young": url_of(app, "a.png", width=20),
    }
    assert_as_explained(app, urls[case])


def test_nothing_is_rendered_unless_it_is_wanted(app: Flask, pictures: None, tmp_path: Path) -> None:
    url = url_of(app, "a.png", width=20)
    found = explained(app, url)
    assert found["answer"] == "200, once it is rendered"
    assert found["entry"]["cached"] is False
    assert cached_files(tmp_path / "cache") == []
    assert not Path(found["entry"]["path"]).exists()
    found = explained(app, url, render=True)
    assert found["answer"] == "200, from the cache"
    assert Path(found["entry"]["path"]).stat().st_size == found["entry"]["size_bytes"]
    assert found["entry"]["path"].endswith(found["key"])


def test_it_says_why_no_gain_map_is_kept(app: Flask, pictures: None) -> None:
    reasons = {
        "webp": "gain maps are written into JPEG only, not webp",
        "jpeg": "the map does not fit a picture with blur",
    }
    for format, why in reasons.items():
        url = url_of(app, "a.png", keep="gainmap", format=format, blur=1)
        assert explained(app, url)["notes"] == [f"a gain map of the source is not kept: {why}"]
    assert explained(app, url_of(app, "a.png", keep="gainmap", format="jpeg"))["notes"] == []


def test_the_source_and_the_plan_are_described(app: Flask, pictures: None) -> None:
    url = url_of(app, "a.png", width=30, height=30, mode="crop", quality=60, format="webp")
    found = explained(app, url)
    assert (found["source"]["width"], found["source"]["height"], found["source"]["format"]) == (64, 48, "png")
    assert found["source"]["version"] == found["version"]
    assert found["options"] == {"height": "30", "format": "webp", "mode": "crop", "quality": "60", "width": "30"}
    assert found["size"] == [30, 30]
    assert found["plan"][:3] == ["decode: png, 64×48 upright", "scale: to 40×30", "crop: to 30×30 at 5, 0"]
    assert found["plan"][3].startswith("encode: webp, 30×30, quality 60 (the encoder gets about ")


def test_a_callback_is_not_asked_and_decides_about_visitors(app: Flask, pictures: None) -> None:
    images: Images = app.extensions["images"]
    images.authorize(lambda ref, options: pytest.fail("it was asked"))
    found = explained(app, url_of(app, "a.png", width=20))
    assert found["answer"].endswith("if the authorize callback allows it")
    assert found["private_cache_control"] == "private, max-age=3600"


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links")
def test_the_link_of_the_front_door_is_named(make_app: Any, pictures: None) -> None:
    app = make_app(IMAGES_FRONT_DOOR=True)
    url = url_of(app, "a.png", width=20)
    assert explained(app, url)["link"]["exists"] is False
    assert app.test_client().get(url).status_code == 200
    found = explained(app, url)
    assert found["link"]["exists"] is True
    assert explained(app, url_of(app, "a.png", cache=False))["link"] is None
    assert_as_explained(app, url)


@pytest.mark.parametrize(("hosts", "answer"), [(["example.com"], "its source is fetched first"), ([], "404")])
def test_remote_sources_are_not_fetched(make_app: Any, hosts: list[str], answer: str) -> None:
    pytest.importorskip("urllib3")
    app = make_app(IMAGES_REMOTE_HOSTS=hosts)
    found = explained(app, url_of(app, "https://example.com/a.jpg", width=20))
    assert found["answer"].startswith(answer)
    assert found["ref"] == "https://example.com/a.jpg"


# Who signed a URL


def test_the_key_that_signed_is_named(make_app: Any) -> None:
    app = make_app(SECRET_KEY_FALLBACKS=["an older secret"])
    with app.app_context():
        images = images_of(app)
        url = signed(app, "a.png", "w=20")
        assert signer_of(parts(url, app), images) == "valid, by the first key"
        app.secret_key = "an older secret"
        older = signed(app, "a.png", "w=20")
        app.secret_key = "a secret"
        assert signer_of(parts(older, app), images) == "valid, by key 2 of 2, an older one"
        legacy = url.replace("s=", "s=b'") + "'"
        assert signer_of(parts(legacy, app), images) == "valid, by the first key in the form of Flask-Images"
        assert signer_of(parts(signed(app, "a.png", "w=x"), app), images) == "valid, by the first key"
        assert signer_of(parts(url.replace("w=20", "w=21"), app), images).startswith("wrong: no key")


def parts(url: str, app: Flask) -> Parts:
    found = parts_of(url, images_of(app))
    assert found is not None
    return found


def test_only_urls_of_images_have_parts(app: Flask) -> None:
    images = images_of(app)
    found = parts_of("https://example.com/shop/imgsizer/a%20b.png?w=1&s=x", images)
    assert found == Parts("a b.png", b"w=1&s=x")
    assert parts_of("/imgsizer/a.png?w=1", images) == Parts("a.png", b"w=1")
    remote = "https://example.com/imgsizer/a.png?w=1"
    for url in ("a.png", "imgsizer/a.png", "https://example.com/a.png?s=x", remote, "http://[", "/imgsizerx/a.png"):
        assert parts_of(url, images) is None
