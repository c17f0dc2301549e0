"""Queries in the record: what they leave out, and that other spellings of the same options can be read again."""

from __future__ import annotations

import pytest
from conftest import signed, url_of
from flask import Flask

from flask_images_vips.errors import InvalidOption
from flask_images_vips.options.options import DECLARED, Options, write_query
from flask_images_vips.recording.queries import query_of, read_query, watermark_of
from flask_images_vips.serving.hit import VerifiedUrls
from flask_images_vips.state import images_of
from flask_images_vips.urls import ImageUrl

EXAMPLES = {name: eval(f"dict({declared.example})") for name, declared in DECLARED.items()}


def verified(app: Flask, url: str, accept: str = "") -> ImageUrl:
    path, _, query = url.removeprefix("/imgsizer/").partition("?")
    return VerifiedUrls(images_of(app)).find(path, query.encode(), accept).url


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in ("expires", "download", "arm", "cache")])
def test_every_option_can_be_read_again(name: str) -> None:
    options = Options.parse(write_query(EXAMPLES[name]))
    url = ImageUrl("a.png", options, None, default_quality=name != "quality")
    assert read_query("a.png", query_of(url), "png") == url


def test_a_query_is_that_of_the_page_without_version_and_signature(app: Flask, draw: object) -> None:
    draw("a.png")  # type: ignore[operator]
    url = url_of(app, "a.png", width="50.0")
    assert "v=" in url
    assert query_of(verified(app, url)) == "w=50.0"


def test_urls_with_an_expiry_a_file_name_or_an_arm_count_as_the_same(app: Flask) -> None:
    for more in ({"expires": 4_000_000_000}, {"download": "cat"}, {"arm": "canary"}):
        assert query_of(verified(app, url_of(app, "a.png", width=50, **more))) == "w=50"


def test_an_older_signature_counts_as_the_same(app: Flask) -> None:
    path, _, signature = signed(app, "a.png", "w=50").rpartition("=")
    assert query_of(verified(app, f"{path}=b'{signature}'")) == "w=50"


def test_a_negotiated_format_is_kept_beside_the_query(app: Flask) -> None:
    url = verified(app, url_of(app, "a.png", width=50, format="auto"), "image/webp")
    assert query_of(url) == "f=auto&w=50"
    read = read_query("a.png", "f=auto&w=50", "webp")
    assert (read.options, read.negotiated) == (url.options, True)
    path, _, signature = signed(app, "a.png", "f=auto&w=50").rpartition("=")
    assert query_of(verified(app, f"{path}=b'{signature}'", "image/webp")) == "f=auto&w=50"


def test_the_version_of_a_remote_source_is_kept(app: Flask) -> None:
    ref = "https://example.com/a.png?size=1"
    url = verified(app, url_of(app, ref, width=50, version="7"))
    assert query_of(url) == "v=7&w=50"
    read = read_query(ref, "v=7&w=50", "png")
    assert (read.ref, read.remote, read.version, read.options) == (ref, True, "7", url.options)


def test_a_value_that_this_version_does_not_know_is_an_error() -> None:
    for query in ("w=wide", "f=jxs"):
        with pytest.raises(InvalidOption):
            read_query("a.png", query, "png")
    with pytest.raises(InvalidOption):
        read_query("a.png", "f=auto", "jxs")


def test_the_watermark_of_a_query() -> None:
    assert watermark_of("w=5&wm=photos%2Fcup.png%2Cse") == "photos/cup.png"
    assert watermark_of("w=5") is None
    assert watermark_of("w=5&wm=") is None
