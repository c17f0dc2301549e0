"""What is sent in place of an AVIF: a JPEG XL, and only one that is smaller."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import gradient, url_of
from flask import Flask
from headers.test_jxl import needs_codec
from PIL import Image, ImageDraw
from servers import until
from werkzeug.test import TestResponse

from flask_images_vips.engines import jxl
from flask_images_vips.serving.hit import jxl_pair, verify
from flask_images_vips.state import images_of

pytestmark = needs_codec

NEW = "image/jxl,image/avif,image/webp,image/*,*/*;q=0.8"
OLD = "image/avif,image/webp,image/*,*/*;q=0.8"
MakeApp = Callable[..., Flask]


def get(app: Flask, url: str, accept: str, **headers: str) -> TestResponse:
    return app.test_client().get(url, headers={"Accept": accept, **headers})


def drawing() -> Image.Image:
    image = Image.new("RGB", (640, 400), "white")
    pen = ImageDraw.Draw(image)
    for number in range(12):
        pen.rectangle((20 + 50 * number, 380 - 25 * number, 50 + 50 * number, 380), fill="#2a6fb0")
        pen.text((22 + 50 * number, 20), f"{number * 37}", "black", font_size=20)
    return image


@pytest.fixture
def pictures(static: Path, photograph: Callable[[str], Path]) -> None:
    photograph("cat.jpg")
    drawing().save(static / "drawing.png")


def settled(app: Flask, name: str, **options: Any) -> tuple[TestResponse, TestResponse]:
    """The answers to a browser without and with JPEG XL, after the background work is done."""
    url = url_of(app, name, format="auto", **options)
    old = get(app, url, OLD)
    folder = images_of(app).pipeline.cache.folder

    def is_done() -> bool:
        return any("jxl-" in path.name or path.suffix == ".jxl" for path in Path(folder).rglob("*"))

    until(is_done, "a JPEG XL, or the note that it is not smaller")
    return old, get(app, url, NEW)


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("engine", ["auto", "pillow"])
def test_a_photograph_is_sent_as_a_smaller_jpeg_xl(make_app: MakeApp, engine: str) -> None:
    app = make_app(IMAGES_ENGINE=engine)
    first = get(app, url_of(app, "cat.jpg", width=320, format="auto"), NEW)
    assert first.mimetype == "image/avif"  # nobody waits for the other one
    old, new = settled(app, "cat.jpg", width=320)
    assert (old.mimetype, new.mimetype) == ("image/avif", "image/jxl")
    assert len(new.data) < len(old.data)
    assert (new.headers["Vary"], new.headers["Content-Disposition"]) == ("Accept", 'inline; filename="cat.jxl"')
    assert new.headers["ETag"] != old.headers["ETag"]
    assert jxl.decoded(new.data).size == Image.open(io.BytesIO(old.data)).size
    again = get(app, url_of(app, "cat.jpg", width=320, format="auto"), NEW, **{"If-None-Match": new.headers["ETag"]})
    assert (again.status_code, again.headers["Vary"]) == (304, "Accept")


@pytest.mark.usefixtures("pictures")
def test_a_drawing_stays_an_avif_because_that_is_smaller(make_app: MakeApp) -> None:
    app = make_app()
    old, new = settled(app, "drawing.png", width=600)
    assert (old.mimetype, new.mimetype) == ("image/avif", "image/avif")
    assert new.data == old.data
    assert len(get(app, url_of(app, "drawing.png", width=600, format="jxl"), NEW).data) > len(old.data)


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cat.jpg", {"width": 200, "quality": 50}),
        ("cat.jpg", {"width": 300, "quality": 90}),
        ("cat.jpg", {}),
        ("drawing.png", {"width": 300, "quality": 95}),
    ],
)
def test_it_is_never_larger_than_the_avif(make_app: MakeApp, name: str, options: dict[str, Any]) -> None:
    old, new = settled(make_app(), name, **options)
    assert old.mimetype == "image/avif"
    assert len(new.data) <= len(old.data)
    assert (new.mimetype == "image/jxl") == (len(new.data) < len(old.data))


@pytest.mark.usefixtures("pictures")
def test_a_larger_file_that_a_url_has_asked_for_is_not_sent_in_its_place(make_app: MakeApp) -> None:
    app = make_app()
    get(app, url_of(app, "drawing.png", width=500, format="jxl"), NEW)
    old, new = settled(app, "drawing.png", width=500)
    assert new.data == old.data


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize(
    ("formats", "accept", "mimetype"),
    [
        (["jxl", "avif", "webp"], "image/jxl", "image/jxl"),
        (["jxl", "avif", "webp"], "image/jxl,image/webp", "image/jxl"),
        (["jxl", "avif", "webp"], "image/jxl;q=0,image/webp", "image/webp"),
        (["avif", "webp", "jxl"], NEW, "image/avif"),
        (["jxl", "webp"], NEW, "image/jxl"),
        (["webp"], NEW, "image/webp"),
    ],
)
def test_where_no_avif_could_be_sent_it_is_a_format_like_others(
    make_app: MakeApp, formats: list[str], accept: str, mimetype: str
) -> None:
    app = make_app(IMAGES_FORMATS=formats)
    assert get(app, url_of(app, "cat.jpg", width=64, format="auto"), accept).mimetype == mimetype


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("options", [{"keep": "icc"}, {"animated": True}, {"depth": 10}])
def test_it_is_not_made_where_it_would_lack_something(make_app: MakeApp, static: Path, options: dict[str, Any]) -> None:
    gradient((64, 48)).save(static / "moving.gif", save_all=True, append_images=[gradient((64, 48)).rotate(180)])
    name = "moving.gif" if "animated" in options else "cat.jpg"
    app = make_app()
    assert get(app, url_of(app, name, width=64, format="auto", **options), "image/jxl").mimetype != "image/jxl"


@pytest.mark.usefixtures("pictures")
def test_what_is_removed_is_made_again_as_an_avif_first(make_app: MakeApp) -> None:
    app = make_app()
    _, new = settled(app, "cat.jpg", width=320)
    assert new.mimetype == "image/jxl"
    images_of(app).pipeline.purge("cat.jpg")
    assert get(app, url_of(app, "cat.jpg", width=320, format="auto"), NEW).mimetype == "image/avif"


@pytest.mark.usefixtures("pictures")
def test_a_visitor_who_may_not_see_it_gets_neither(make_app: MakeApp) -> None:
    app = make_app()
    settled(app, "cat.jpg", width=320)
    refused = threading.Event()
    app.extensions["images"].authorize(lambda ref, options: not refused.is_set())
    url = url_of(app, "cat.jpg", width=320, format="auto")
    assert get(app, url, NEW).status_code == 200
    refused.set()
    assert [get(app, url, accept).status_code for accept in (NEW, OLD)] == [403, 403]


@pytest.mark.usefixtures("pictures")
def test_warming_makes_both(make_app: MakeApp, static: Path) -> None:
    (static / "photos").mkdir()
    (static / "cat.jpg").rename(static / "photos" / "cat.jpg")
    app = make_app(IMAGES_PRESETS={"card": {"width": 320, "format": "auto"}})
    output = app.test_cli_runner().invoke(args=["images", "warm", "--folder", "photos", "--preset", "card"])
    assert output.exit_code == 0, output.output
    url = url_of(app, "photos/cat.jpg", preset="card")
    assert [get(app, url, accept).mimetype for accept in (NEW, OLD)] == ["image/jxl", "image/avif"]


@pytest.mark.usefixtures("pictures")
def test_it_is_compared_with_the_avif_that_was_made_smaller(make_app: MakeApp) -> None:
    app = make_app(IMAGES_RECOMPRESS_AFTER=2)
    url = url_of(app, "cat.jpg", width=320, format="auto")
    first = get(app, url, OLD)

    def is_smaller() -> bool:
        answer = get(app, url, OLD)
        return len(answer.data) < len(first.data)

    until(is_smaller, "a smaller AVIF")
    old, new = settled(app, "cat.jpg", width=320)
    assert len(new.data) <= len(old.data) < len(first.data)


@pytest.mark.usefixtures("pictures")
def test_warming_leaves_it_for_later_if_the_avif_will_be_made_smaller(make_app: MakeApp, static: Path) -> None:
    (static / "photos").mkdir()
    (static / "cat.jpg").rename(static / "photos" / "cat.jpg")
    app = make_app(IMAGES_RECOMPRESS_AFTER=2, IMAGES_PRESETS={"card": {"width": 320, "format": "auto"}})
    warm = ["images", "warm", "--folder", "photos", "--preset", "card", "--format", "avif"]
    output = [app.test_cli_runner().invoke(args=warm).output for _ in range(2)]
    assert "1 made." in output[0]
    assert "1 cached already" in output[1]
    url = url_of(app, "photos/cat.jpg", preset="card")
    first = get(app, url, NEW)
    assert first.mimetype == "image/avif"
    until(lambda: len(get(app, url, OLD).data) < len(first.data), "a smaller AVIF")
    old, new = settled(app, "photos/cat.jpg", preset="card")
    assert len(new.data) <= len(old.data)


@pytest.mark.usefixtures("pictures")
def test_warming_makes_what_is_missing_beside_an_avif(make_app: MakeApp, static: Path) -> None:
    (static / "photos").mkdir()
    (static / "cat.jpg").rename(static / "photos" / "cat.jpg")
    app = make_app(IMAGES_PRESETS={"card": {"width": 320, "format": "auto"}})
    warm = ["images", "warm", "--folder", "photos", "--preset", "card", "--format", "avif"]
    app.test_cli_runner().invoke(args=warm)
    (made,) = Path(images_of(app).pipeline.cache.folder).rglob("*.jxl")
    made.unlink()
    outputs = [app.test_cli_runner().invoke(args=warm).output for _ in range(2)]
    assert made.exists()
    assert ["1 to make" in output for output in outputs] == [True, False]


@pytest.mark.usefixtures("pictures")
def test_warming_by_the_manifest_makes_both(make_app: MakeApp, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest"
    manifest.write_text('{"source": "cat.jpg", "query": "f=auto&w=320", "format": "jxl", "count": 3}\n')
    app = make_app()
    for args in (["manifest", "import", str(manifest)], ["warm", "--from-manifest"]):
        output = app.test_cli_runner().invoke(args=["images", *args])
        assert output.exit_code == 0, output.output
    url = url_of(app, "cat.jpg", width=320, format="auto")
    assert [get(app, url, accept).mimetype for accept in (NEW, OLD)] == ["image/jxl", "image/avif"]


@pytest.mark.usefixtures("pictures")
def test_a_client_with_a_part_of_the_avif_does_not_get_the_rest_of_the_jpeg_xl(make_app: MakeApp, static: Path) -> None:
    os.utime(static / "cat.jpg", (1_000_000_000, 1_000_000_000))
    app = make_app()
    old, new = settled(app, "cat.jpg", width=320)
    url, date = url_of(app, "cat.jpg", width=320, format="auto"), old.headers["Last-Modified"]
    for headers in ({"Range": "bytes=100-", "If-Range": date}, {"If-Modified-Since": date}):
        answer = get(app, url, NEW, **headers)
        assert (answer.status_code, answer.data) == (200, new.data)
    rest = get(app, url, NEW, **{"Range": "bytes=100-", "If-Range": new.headers["ETag"]})
    assert (rest.status_code, rest.data) == (206, new.data[100:])


@pytest.mark.usefixtures("pictures")
def test_a_client_that_refuses_it_never_gets_it(make_app: MakeApp, static: Path) -> None:
    app = make_app(IMAGES_INPUT_FORMATS=["jpeg", "jxl"])
    (static / "cat.jxl").write_bytes(get(app, url_of(app, "cat.jpg", width=200, format="jxl"), NEW).data)
    url = url_of(app, "cat.jxl", width=64, format="auto")
    until(lambda: get(app, url, NEW).mimetype == "image/jxl", "a smaller JPEG XL")
    assert get(app, url, "image/jxl;q=0,image/avif").mimetype == "image/avif"


@pytest.mark.usefixtures("pictures")
def test_one_of_another_host_is_dropped_where_the_avif_is_smaller(make_app: MakeApp, static: Path) -> None:
    app = make_app()
    settled(app, "cat.jpg", width=320)
    images, url = images_of(app), url_of(app, "cat.jpg", width=320, format="auto")
    with app.test_request_context():
        path, _, query = url.removeprefix(f"{images.url}/").partition("?")
        pair = jxl_pair(verify(images, path, query.encode(), OLD).hit())
    assert images.smaller_jxl is not None
    assert pair is not None
    images.smaller_jxl.make_now(pair)
    assert get(app, url, NEW).mimetype == "image/jxl"
    assert images.pipeline.cache.replace_with_smaller(pair.avif.key, b"a smaller AVIF")
    images.smaller_jxl.make_now(pair)
    assert get(app, url, NEW).data == b"a smaller AVIF"
    assert not images.smaller_jxl.lacks(pair)
