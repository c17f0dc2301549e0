"""What libvips says about a broken file: one line in the log, and nothing on stderr."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from conftest import url_of
from PIL import Image
from servers import IN_THREAD

pyvips = pytest.importorskip("pyvips")


def damage(path: Path, count: int) -> None:
    """Change *count* bytes of the file in its middle."""
    data, chance = bytearray(path.read_bytes()), random.Random(1)
    for _ in range(count):
        data[chance.randrange(1000, len(data) - 8000)] ^= 0xFF
    path.write_bytes(data)


@pytest.fixture
def broken(static: Path) -> list[str]:
    """Pictures of which libvips has much to say: one that cannot be rendered, and one that can."""
    noise = Image.frombytes("RGB", (600, 600), random.Random(1).randbytes(600 * 600 * 3))
    image = pyvips.Image.new_from_memory(noise.tobytes(), 600, 600, 3, "uchar").copy(interpretation="srgb")
    image.tiffsave(str(static / "tiles.tif"), tile=True, tile_width=64, tile_height=64, compression="jpeg")
    noise.save(static / "scan.jpg")
    damage(static / "tiles.tif", 3000)
    damage(static / "scan.jpg", 300)
    return ["tiles.tif", "scan.jpg"]


@pytest.mark.parametrize("renders", [0, 1])
def test_a_broken_file_costs_one_line(make_app: Any, broken: list[str], renders: int, caplog: Any, capfd: Any) -> None:
    if renders and IN_THREAD:
        pytest.skip("there is no pool")
    app = make_app(IMAGES_MAX_RENDERS=renders, IMAGES_ENGINE="vips", IMAGES_COPIES=False)
    client = app.test_client()
    caplog.set_level("INFO", "flask_images_vips")
    statuses = [client.get(url_of(app, name, width=100)).status_code for name in broken]
    assert statuses == [422, 200]
    assert capfd.readouterr().err == ""
    lines = [message for message in caplog.messages if any(name in message for name in broken)]
    assert [name in line for name, line in zip(broken, lines, strict=True)] == [True, True]
    assert "; the source is damaged: VipsJpeg: " in lines[1]


def test_what_was_said_of_one_file_is_not_said_of_the_next(
    make_app: Any, broken: list[str], draw: Any, caplog: Any
) -> None:
    draw("a.png", (200, 150))
    app = make_app(IMAGES_MAX_RENDERS=0, IMAGES_ENGINE="vips", IMAGES_COPIES=False)
    caplog.set_level("INFO", "flask_images_vips")
    for name in ("scan.jpg", "a.png"):
        app.test_client().get(url_of(app, name, width=100))
    assert "damaged" in caplog.messages[-2]
    assert "damaged" not in caplog.messages[-1]
