"""The decisions between a URL and its bytes: quality, headers, limits and render slots."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from conftest import url_of
from rendering.test_quality import data_of, noise

from flask_images_vips import Images, facts
from flask_images_vips.config.keys import Config
from flask_images_vips.formats import NEGOTIABLE
from flask_images_vips.rendering.request import Work
from flask_images_vips.serving.hit import verify
from flask_images_vips.state import current_images

CONFIG = Config.read({"IMAGES_QUALITY": {"jpeg": 75, "webp": 70, "avif": 55}})


@pytest.mark.parametrize(("format", "quality"), [("jpeg", 75), ("webp", 70), ("avif", 55), ("png", 75), ("gif", 75)])
def test_the_lines_own_decision_is_the_one_that_was_tested(make_app: Any, draw: Any, format: str, quality: int) -> None:
    draw("a.png")
    app = make_app(IMAGES_QUALITY=CONFIG.quality)
    images: Images = app.extensions["images"]
    with app.test_request_context():
        path, _, query = images.build_url("a.png", format="auto").removeprefix("/imgsizer/").partition("?")
        url = verify(current_images(), path, query.encode(), f"image/{format}").url
        rendition = images.pipeline.rendition(url, images.pipeline.sources.find(url))
        named = images.build_url("a.png", format=format).partition("?")[2]
        url = verify(current_images(), "a.png", named.encode(), "").url
        assert images.pipeline.rendition(url, images.pipeline.sources.find(url)).options.quality == quality
        if format in NEGOTIABLE:
            assert (rendition.format.name, rendition.options.quality) == (format, quality)


# The header of a source, remembered.


@pytest.mark.parametrize(("name", "asked"), [("a.jpg", 0), ("a.svg", 1)])
def test_a_source_s_header_is_read_once_for_all_its_renditions(
    make_app: Any, static: Any, monkeypatch: pytest.MonkeyPatch, name: str, asked: int
) -> None:
    noise(static / "a.jpg")
    (static / "a.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"/>')
    app = make_app(IMAGES_SVG=True)
    read: list[str] = []
    works: list[Work] = []
    with app.app_context():
        renderers = app.extensions["images"].pipeline.producer.renderers
    run, read_header = renderers.run, facts.read_header
    monkeypatch.setattr(
        renderers, "run", lambda request, *rest, **more: works.append(request.work) or run(request, *rest, **more)
    )
    monkeypatch.setattr(facts, "read_header", lambda *of, **more: read.append(of[1]) or read_header(*of, **more))
    for width in (10, 20, 30):
        data_of(app, name, width=width)
    assert (read, works.count(Work.HEADER)) == ([name], asked)


@pytest.mark.parametrize("copies", [False, "tiff"])
def test_the_limits_are_those_of_what_a_file_holds_now(make_app: Any, static: Any, copies: object) -> None:
    app = make_app(IMAGES_MAX_SOURCE_PIXELS=160 * 120, IMAGES_COPIES=copies)
    client = app.test_client()

    def status_of(size: tuple[int, int], width: int) -> int:
        """That of a rendition of a picture of *size* in a file that is told from others by nothing else."""
        noise(static / "a.jpg", size, quality=10)
        with open(static / "a.jpg", "r+b") as file:
            file.truncate(100_000)
        os.utime(static / "a.jpg", (1e9, 1e9))
        status: int = client.get(url_of(app, "a.jpg", width=width)).status_code
        time.sleep(0.02)  # a step of the clock that the file system keeps
        return status

    assert status_of((160, 120), 10) == 200
    assert status_of((161, 120), 20) == 422
    assert status_of((160, 120), 30) == 200


@pytest.mark.parametrize("role", ["watermark", "source"])
def test_a_larger_picture_of_the_same_size_and_time_is_checked_against_the_limits(
    make_app: Any, draw: Any, static: Any, role: str
) -> None:
    draw("a.png", (640, 480))
    small, large = draw("mark.png", (60, 60)), draw("large.png", (2000, 2000), "1")
    most = max(small.stat().st_size, large.stat().st_size)
    for path in (small, large):
        path.write_bytes(path.read_bytes().ljust(most, b"\0"))  # decoders ignore what is behind the end
        os.utime(path, (1_700_000_000,) * 2)
    app = make_app(IMAGES_MAX_SOURCE_PIXELS=1_000_000, IMAGES_COPIES=False)
    client = app.test_client()
    name, options = ("a.png", {"watermark": "mark.png"}) if role == "watermark" else ("mark.png", {})
    first, second = (url_of(app, name, width=width, **options) for width in (32, 48))
    assert client.get(first).status_code == 200
    os.replace(large, small)
    assert client.get(second).status_code == 422
    assert client.get(first).status_code == 200  # it is the same version, for all that can be known
