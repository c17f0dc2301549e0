"""TIFF headers: both byte orders, BigTIFF, what an extra sample means, and bombs."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from flask_images_vips.errors import LimitExceeded, UnreadableSource
from flask_images_vips.geometry import Size
from flask_images_vips.headers.header import FileHeader
from headers.containers import page, tiff
from headers.drawn import differences, picture, read


def header_of(data: bytes, folder: Path) -> FileHeader | None:
    path = folder / "a.tif"
    path.write_bytes(data)
    return read(path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("kind", [3, 4])
def test_every_kind_has_a_size(order: str, big: bool, kind: int, tmp_path: Path) -> None:
    tags = page(40, 30, t256=(kind, [40]), t257=(kind, [30]))
    assert header_of(tiff(tags, order, big=big), tmp_path) == FileHeader(Size(40, 30), "tiff")


@pytest.mark.parametrize("orientation", range(10))
def test_the_size_is_upright(orientation: int, tmp_path: Path) -> None:
    header = header_of(tiff(page(40, 30, t274=(3, [orientation]))), tmp_path)
    assert header is not None
    assert header.size == ((30, 40) if 5 <= orientation <= 8 else (40, 30))
    assert differences(tmp_path / "a.tif") == {}


@pytest.mark.parametrize(
    ("colour", "samples", "extra", "alpha"),
    [
        (1, 2, [2], True),
        (1, 2, [0], False),
        (2, 4, [1], True),
        (2, 4, [2], True),
        (2, 4, [0], False),
        (2, 4, [999], True),
        (2, 4, None, True),
        (2, 5, [0, 2], True),
        (2, 6, [0, 0, 0], False),
        (5, 4, None, False),
        (5, 5, [2], True),
        (6, 3, None, False),
    ],
)
def test_an_extra_sample_is_alpha_if_it_says_so(
    colour: int, samples: int, extra: list[int] | None, alpha: bool, tmp_path: Path
) -> None:
    more: dict[str, Any] = {"t338": (3, extra)} if extra else {}
    header = header_of(tiff(page(40, 30, colour=colour, samples=samples, **more)), tmp_path)
    assert header == FileHeader(Size(40, 30), "tiff", alpha=alpha)


def test_only_the_first_page_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    picture("RGB", (40, 30)).save(path, save_all=True, append_images=[picture("RGBA", (80, 70))])
    assert read(path) == FileHeader(Size(40, 30), "tiff")
    assert differences(path) == {}


GOOD = tiff(page(40, 30))


@pytest.mark.parametrize(
    "data",
    [
        b"II+\0" + struct.pack("<HHQ", 8, 0, 2**63),
        GOOD[:6],
        b"II*\0" + struct.pack("<I", 2**32 - 1) + GOOD[8:],
        tiff(page(0, 30)),
        tiff(page(40, 30, t256=(16, [2**63])), big=True),
    ],
)
def test_broken_headers_are_unreadable(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource):
        header_of(data, tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        tiff(page(40, 30, t256=None)),
        tiff(page(40, 30, t262=None)),
        GOOD[:60],
        tiff(page(40, 30, t256=(3, [40, 50]))),
        b"II+\0" + struct.pack("<HHQ", 4, 0, 16) + bytes(100),
        b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 2**64 - 1),
    ],
)
def test_rare_kinds_are_left_to_the_engines(data: bytes, tmp_path: Path) -> None:
    assert header_of(data, tmp_path) is None


@pytest.mark.parametrize(
    ("tags", "what"),
    [
        (page(5000, 5000, samples=33, depth=8, t338=(3, [0] * 30)), "samples"),
        (page(1, 300_000, t273=(4, [1000] * 300_000), t278=(4, [1]), t279=(1, [1] * 300_000)), "strips"),
        (page(5000, 5000, samples=20, depth=16, t338=(3, [0] * 17)), "bytes per pixel"),
        (page(7000, 7000, samples=32, t284=(3, [2]), t338=(3, [0] * 29)), "strips of"),
        (page(100, 100, t322=(3, [20_000]), t323=(3, [20_000]), t324=(4, [1000]), t273=None), "tile"),
        (page(9, 9, samples=4, depth=64, t322=(3, [4096]), t323=(3, [4096]), t324=(4, [9]), t273=None), "tile"),
        ({**page(40, 30), **{number: (4, [1]) for number in range(60_000, 61_000)}}, "tags"),
    ],
)
@pytest.mark.parametrize("big", [False, True])
def test_bombs_are_refused(tags: Any, what: str, big: bool, tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match=what):
        header_of(tiff(tags, big=big), tmp_path)


def test_pages_that_loop_are_not_followed(tmp_path: Path) -> None:
    at = 8 + 2 + 12 * 9
    assert header_of(GOOD[:at] + struct.pack("<I", 8) + GOOD[at + 4 :], tmp_path) == FileHeader(Size(40, 30), "tiff")
