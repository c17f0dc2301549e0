"""The choice among formats: what clients can read, at which quality, and always said so to caches."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import ACCEPT_HEADERS, cached_files, draw_kinds, signed, url_of
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from werkzeug.test import TestResponse

from flask_images_vips import formats
from flask_images_vips.formats import FORMATS, NEGOTIABLE, accept_pattern, by_name, negotiate

MODERN = [by_name(name) for name in NEGOTIABLE]


@pytest.fixture
def pictures(static: Path) -> dict[str, bool]:
    return draw_kinds(static)


def get(app: Flask, url: str, accept: str | None = None, method: str = "GET", **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    accepted = {} if accept is None else {"Accept": accept}
    return app.test_client().open(url, method=method, headers={**accepted, **named})


def test_a_format_follows_from_the_extension_alone() -> None:
    expected = {
        "a.jpg": "jpeg",
        "a.JPEG": "jpeg",
        "a.jpe": "jpeg",
        "a.jfif": "jpeg",
        "a.png": "png",
        "a.b/c.webp": "webp",
        "a.avif": "avif",
        "a.GIF": "gif",
        "a.tif": "jpeg",
        "a.bmp": "jpeg",
        "a.ico": "ico",
        "a.svg": "jpeg",
        "png": "jpeg",
        "dir.png/file": "jpeg",
        "https://example.com/a.png?x=1": "jpeg",
        "": "jpeg",
    }
    assert {ref: formats.choose(ref, None).name for ref in expected} == expected
    assert formats.choose("a.png", formats.by_name("AVIF")).name == "avif"


@pytest.mark.parametrize("accept", ACCEPT_HEADERS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_each_client_gets_what_it_reads_and_caches_are_told(
    app: Flask, pictures: dict[str, bool], accept: str | None, method: str
) -> None:
    for name, animated in pictures.items():
        wanted = ACCEPT_HEADERS[accept][animated]
        format = formats.choose(name, None) if wanted is None else by_name(wanted)
        answer = get(app, url_of(app, name, width=16, format="auto"), accept, method)
        assert (answer.status_code, answer.mimetype) == (200, format.media_type)
        assert answer.headers.getlist("Vary") == ["Accept"]
        assert f"{name.partition('.')[0]}{format.suffix}" in answer.headers["Content-Disposition"]
        assert "immutable" in answer.headers["Cache-Control"]
        if method == "GET":
            picture = Image.open(io.BytesIO(answer.data))
            assert picture.format == format.name.upper()
            assert picture.size == (16, 12)
            if name == "alpha.png":
                assert picture.convert("RGBA").getextrema()[3] != (255, 255)


def test_a_url_that_names_its_format_does_not_vary(app: Flask, pictures: dict[str, bool]) -> None:
    for name in pictures:
        for keywords in ({}, {"format": "webp"}):
            answer = get(app, url_of(app, name, width=16, **keywords), "image/avif")
            assert "Vary" not in answer.headers
            assert answer.mimetype != "image/avif"


@pytest.mark.usefixtures("pictures")
def test_304_and_ranges_and_errors_vary_too(make_app: Any, static: Any) -> None:
    app = make_app(IMAGES_MAX_WIDTH=50)
    url = url_of(app, "opaque.jpg", width=16, format="auto")
    etags = {get(app, url, accept).headers["ETag"] for accept in ("image/avif", "image/webp", "*/*")}
    assert len(etags) == 3
    for accept in ("image/avif", "image/webp", "*/*"):
        first = get(app, url, accept)
        for validator in ({"If_None_Match": first.headers["ETag"]}, {"If_None_Match": f"W/{first.headers['ETag']}"}):
            again = get(app, url, accept, **validator)
            assert (again.status_code, again.headers["Vary"]) == (304, "Accept")
        part, beyond = (get(app, url, accept, Range=f"bytes={start}-") for start in ("5", "99999"))
        assert (part.status_code, part.headers["Vary"]) == (206, "Accept")
        assert (beyond.status_code, beyond.headers["Vary"]) == (416, "Accept")
    (static / "text.png").write_text("no picture")
    for status, wrong in {
        404: url[:-1],
        400: url_of(app, "opaque.jpg", width="x", format="AUTO"),
        422: url_of(app, "text.png", format="auto"),
    }.items():
        answer = get(app, wrong, "image/avif")
        assert (answer.status_code, answer.headers["Vary"]) == (status, "Accept")
    assert get(app, url_of(app, "missing.png", format="auto")).headers["Vary"] == "Accept"
    assert "Vary" not in get(app, url_of(app, "missing.png")).headers


@pytest.mark.usefixtures("pictures")
def test_the_choice_and_not_the_header_names_the_entry(make_app: Any, tmp_path: Any) -> None:
    app = make_app(IMAGES_FORMATS=["avif", "webp"])
    url = url_of(app, "opaque.jpg", width=16, format="auto")
    for accept in ACCEPT_HEADERS:
        get(app, url, accept)
    assert {path.suffix for path in cached_files(tmp_path / "cache")} == {".avif", ".webp", ".jpg"}
    assert len(cached_files(tmp_path / "cache")) == 3
    for format in ("avif", "webp", "jpeg", None):
        get(app, url_of(app, "opaque.jpg", width=16, format=format))
    assert len(cached_files(tmp_path / "cache")) == 3


@pytest.mark.usefixtures("pictures")
def test_the_order_of_the_configuration_decides(make_app: Any) -> None:
    chrome = "image/avif,image/webp,*/*"
    for preferred, expected in ((["webp", "avif"], "image/webp"), (("avif",), "image/avif"), ([], "image/jpeg")):
        app = make_app(IMAGES_FORMATS=preferred)
        assert get(app, url_of(app, "opaque.jpg", width=16, format="auto"), chrome).mimetype == expected


@given(st.text(alphabet=' \t,;=/*.01qQx"imageavfwbp+', max_size=80))
def test_any_header_chooses_one_of_the_formats_or_the_paths_own(accept: str) -> None:
    assert negotiate("a.png", accept, MODERN) in {*MODERN, by_name("png")}
    assert negotiate("a.gif", accept, MODERN) in {by_name("webp"), by_name("gif")}


def weight(parameters: list[str]) -> float:
    """The weight among the *parameters* of one media range: 1 where there is none, 0 where it is no number."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip(" \t").lower() == "q":
            number = value.strip(" \t")
            return float(number) if re.fullmatch(r"[0-9]+\.?[0-9]*|\.[0-9]+", number) else 0
    return 1


ranges = st.sampled_from(["image/avif", "image/webp", "IMAGE/WebP", "image/*", "*/*", "image/avifs", "", "text/html"])
weights = st.sampled_from(["", ";q=0", ";q=0.0", "; Q=0.001", ";q=1", " ; q = .5", ";q=x", ";q=-1", ";v=b", ";v=b;q=0"])


@given(st.lists(st.tuples(ranges, weights), max_size=6), st.sampled_from([",", ", ", " ,\t"]))
def test_the_pattern_reads_a_header_as_a_parser_would(items: list[tuple[str, str]], comma: str) -> None:
    header = comma.join(media_type + parameters for media_type, parameters in items)
    for format in MODERN:
        expected = False
        for element in header.split(","):
            media_type, *parameters = element.split(";")
            if media_type.strip(" \t").lower() == format.media_type and weight(parameters) > 0:
                expected = True
        assert bool(re.search(accept_pattern(format), header, re.IGNORECASE)) == expected


def test_a_hostile_header_costs_no_time() -> None:
    begin = time.process_time()
    for part in ("image/avif;", "image/avif;q=", ",image/avif;a", "image/avif;q=0.", "\t", ";q=0"):
        negotiate("a.png", part * 4000, MODERN)
    assert time.process_time() - begin < 5  # quadratic would be minutes


def test_no_rendition_is_of_the_format_auto() -> None:
    assert formats.choose("a.png", formats.AUTO) is by_name("png")
    assert formats.AUTO not in FORMATS


@pytest.mark.parametrize(
    ("config", "keywords", "quality"),
    [
        ({}, {"format": "webp"}, 75),
        (40, {"format": "webp"}, 40),
        (40, {"format": "webp", "quality": 60}, 60),
        ({"jpg": 30, "avif": 50}, {}, 30),
        ({"jpeg": 30, "avif": 50}, {"format": "avif"}, 50),
        ({"jpeg": 30, "avif": 50}, {"format": "webp"}, 75),
        ({"jpeg": 30, "avif": 50}, {"format": "png"}, 75),
    ],
)
@pytest.mark.usefixtures("pictures")
def test_the_quality_of_the_format_counts_where_none_is_asked_for(
    make_app: Any, tmp_path: Any, config: Any, keywords: dict[str, Any], quality: int
) -> None:
    app = make_app(IMAGES_QUALITY=config)
    answer = get(app, url_of(app, "opaque.jpg", width=16, **keywords))
    assert answer.data == get(app, url_of(app, "opaque.jpg", width=16, **{**keywords, "quality": quality})).data
    assert len(cached_files(tmp_path / "cache")) == 1


@pytest.mark.usefixtures("pictures")
def test_another_quality_in_the_configuration_is_another_entry(make_app: Any) -> None:
    sizes = []
    for quality in (10, 90):
        app = make_app(IMAGES_QUALITY={"jpeg": quality})
        sizes.append(len(get(app, url_of(app, "opaque.jpg", width=60)).data))
    assert sizes[0] < sizes[1]


@pytest.mark.usefixtures("pictures")
def test_the_quality_of_the_negotiated_format_counts(make_app: Any) -> None:
    app = make_app(IMAGES_QUALITY={"avif": 20, "webp": 30})
    auto = url_of(app, "opaque.jpg", width=60, format="auto")
    for format, quality in (("avif", 20), ("webp", 30)):
        expected = get(app, url_of(app, "opaque.jpg", width=60, format=format, quality=quality)).data
        assert get(app, auto, f"image/{format}").data == expected


@pytest.mark.usefixtures("pictures")
def test_a_signed_auto_of_any_spelling_is_negotiated(app: Flask) -> None:
    answer = get(app, signed(app, "opaque.jpg", "f=AuTo&w=16"), "image/webp")
    assert (answer.mimetype, answer.headers["Vary"]) == ("image/webp", "Accept")
