"""Sources that are overwritten in place, and a process that renders them meanwhile."""

from __future__ import annotations

import html
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from PIL import Image
from servers import site

from flask_images_vips import resized_img_placeholder, resized_img_size, resized_img_src, resized_img_srcset

COLOURS = ((250, 10, 10), (10, 250, 10), (10, 10, 250))
FORMATS = {"jpg": {"quality": 98}, "png": {"compress_level": 0}, "webp": {}, "gif": {}, "avif": {}, "tif": {}}
MODES = {"renderers": {"IMAGES_MAX_RENDERS": 2}, "thread": {"IMAGES_MAX_RENDERS": 0}}


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
def overwritten(path: Path, contents: list[bytes], rest_seconds: float) -> Iterator[None]:
    """Write the *contents* to *path* in turn, in two pieces, as long as the block lasts.

    A file is left alone for *rest_seconds*, then truncated and written again.
    """
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
            over.wait(rest_seconds * (number % 4))

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


def render(folder: str, mode: str, engine: str, name: str, seconds: str) -> None:
    """Run in a process: render *name* in all ways, and print the statuses as JSON.

    That takes some *seconds*, or until a version was left alone for long enough.
    """
    app = site(folder, IMAGES_ENGINE=engine, **MODES[mode])
    client, statuses = app.test_client(), Counter[int]()
    end, number = time.monotonic() + float(seconds), 0
    while time.monotonic() < end or not statuses[200]:
        number += 1
        for keywords in (
            {"width": 40 + number},
            {"width": 300, "quality": 20 + number % 80},
            {"trim": 5, "width": 50 + number},
        ):
            with app.test_request_context():
                url = resized_img_src(name, format="png", **keywords)
            response = client.get(url)
            statuses[response.status_code] += 1
            assert response.status_code != 200 or is_whole(response.data)
    print(json.dumps(statuses))


def name_in_pages(folder: str, mode: str, name: str, mark: str, seconds: str) -> None:
    """Run in a process: name *name* in pages, and draw it on *mark*. Print the statuses as JSON.

    That takes some *seconds*, or until a version was left alone for long enough.
    """
    app = site(folder, **MODES[mode])
    client, statuses = app.test_client(), Counter[int]()
    end, number = time.monotonic() + float(seconds), 0
    while time.monotonic() < end or not statuses[200]:
        number += 1
        for url in _urls(app, name, mark, number):
            statuses[client.get(url).status_code] += 1
    print(json.dumps(statuses))


def _urls(app: Flask, name: str, mark: str, number: int) -> list[str]:
    with app.app_context():  # decodes at once
        resized_img_placeholder(name, "color")
    with app.test_request_context():
        size = resized_img_size(name, width=100)
        assert size is None or size.width == 100
        srcset = resized_img_srcset(name, widths=[200 + number, 300 + number, 400 + number])
        marked = resized_img_src(mark, width=100 + number, watermark=f"{name},center,0,1,0.5")
    return [*(html.unescape(part.split()[0]) for part in srcset.split(", ")), marked]
