"""A source that is overwritten in place gives one whole version, or is asked for again; no process of the site dies."""

from __future__ import annotations

import html
import io
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import IN_THREAD, url_of
from flask import Flask
from PIL import Image

from flask_images_vips import resized_img_placeholder, resized_img_size, resized_img_srcset

pytestmark = [
    pytest.mark.skipif(bool(IN_THREAD), reason="the thread that renders would die"),
    pytest.mark.usefixtures("young_files"),
]

COLOURS = ((250, 10, 10), (10, 250, 10), (10, 10, 250))
FORMATS = {"jpg": {"quality": 98}, "png": {"compress_level": 0}, "webp": {}, "gif": {}, "avif": {}, "tif": {}}


def versions(suffix: str, side: int) -> list[bytes]:
    """Pictures of one colour each, with some noise, so that they differ in length."""
    made = []
    for colour in COLOURS:
        picture = Image.new("RGB", (side, side), colour)
        noise = Image.effect_noise((side, side // 2), 8).convert("RGB")
        picture.paste(Image.blend(picture.crop((0, 0, side, side // 2)), noise, 0.02), (0, 0))
        file = io.BytesIO()
        picture.save(file, Image.registered_extensions()[f".{suffix}"], **FORMATS[suffix])
        made.append(file.getvalue())
    return made


@contextmanager
def overwritten(path: Path, contents: list[bytes]) -> Iterator[None]:
    """Write the *contents* to *path* in turn, in two pieces, as long as the block lasts."""
    path.write_bytes(contents[0])
    over = threading.Event()

    def write() -> None:
        number = 0
        while not over.is_set():
            number += 1
            data = contents[number % len(contents)]
            with path.open("wb") as file:
                file.write(data[: len(data) // 2])
                file.flush()
                time.sleep(0.01)
                file.write(data[len(data) // 2 :])
            over.wait(0.1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()


def is_whole(data: bytes) -> bool:
    """Whether all of the picture is of one of the colours."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    darkest, lightest = zip(*picture.getextrema(), strict=True)  # type: ignore[misc]
    near = [
        all(abs(value - wanted) < 60 for value, wanted in zip((*darkest, *lightest), colour * 2, strict=True))
        for colour in COLOURS
    ]
    return any(near)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_an_overwritten_source_is_one_whole_version_or_503(
    make_app: Callable[..., Flask], static: Path, suffix: str, engine: str, long: Callable[[int, int], int]
) -> None:
    app = make_app(IMAGES_ENGINE=engine)
    client, statuses = app.test_client(), Counter[int]()
    end = time.monotonic() + long(2, 60)
    with overwritten(static / f"a.{suffix}", versions(suffix, 900)):
        number = 0
        while time.monotonic() < end:
            number += 1
            wanted: list[dict[str, Any]] = [{"width": 40 + number}, {"width": 300, "quality": 20 + number % 80}]
            for keywords in (*wanted, {"trim": 5, "width": 50 + number}):
                response = client.get(url_of(app, f"a.{suffix}", format="png", **keywords))
                statuses[response.status_code] += 1
                assert response.status_code != 200 or is_whole(response.data)
    assert statuses[200]
    assert {*statuses} <= {200, 503}


def test_so_are_watermarks_sets_and_what_pages_say(
    make_app: Callable[..., Flask], static: Path, draw: Any, long: Callable[[int, int], int]
) -> None:
    draw("plain.png", (400, 400))
    app = make_app()
    client, statuses = app.test_client(), Counter[int]()
    end = time.monotonic() + long(3, 60)
    with overwritten(static / "a.jpg", versions("jpg", 2600)):
        number = 0
        while time.monotonic() < end:
            number += 1
            with app.test_request_context():
                resized_img_placeholder("a.jpg", "color")
                size = resized_img_size("a.jpg", width=100)
                assert size is None or size.width == 100
                srcset = resized_img_srcset("a.jpg", widths=[200 + number, 300 + number, 400 + number])
            for url in [html.unescape(part.split()[0]) for part in srcset.split(", ")]:
                statuses[client.get(url).status_code] += 1
            url = url_of(app, "plain.png", width=100 + number, watermark="a.jpg,center,0,1,0.5")
            statuses[client.get(url).status_code] += 1
    assert statuses[200]
    assert {*statuses} <= {200, 503}
