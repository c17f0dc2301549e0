"""A copy of a JPEG has its pixels and what is on a list, or there is no copy."""

from __future__ import annotations

import io

import pytest
from conftest import gradient
from headers.containers import saved, segment, with_segments
from PIL import Image, ImageCms

from flask_images_vips.errors import UnreadableSource
from flask_images_vips.uploads.jpeg_copy import NotCopied, check_end, copied
from uploads.clean import check_clean

PICTURE = gradient((64, 48))
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PLAIN = saved(PICTURE, "JPEG")


def profile_segments(*parts: bytes, count: int | None = None) -> list[bytes]:
    total = len(parts) if count is None else count
    return [segment(0xE2, b"ICC_PROFILE\0" + bytes((n + 1, total)) + part) for n, part in enumerate(parts)]


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize(
    "save",
    [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"subsampling": 0, "quality": 99}, {"optimize": True}],
)
def test_a_copy_has_the_same_pixels_and_is_clean(mode: str, save: dict[str, object]) -> None:
    data = saved(PICTURE.convert(mode), "JPEG", **save)
    made = copied(data + b"trailing")
    check_clean(made, "jpeg")
    assert Image.open(io.BytesIO(made)).tobytes() == Image.open(io.BytesIO(data)).tobytes()
    assert copied(made) == made


def test_a_copy_leaves_out_a_preview_and_other_applications() -> None:
    jfif = PLAIN.index(b"JFIF")
    data = PLAIN[: jfif - 2] + b"\0\x16" + PLAIN[jfif : jfif + 12] + b"\1\2" + b"secret" + PLAIN[jfif + 14 :]
    made = copied(
        with_segments(data, segment(0xE9, b"secret"), segment(0xFE, b"secret"), segment(0xE0, b"JFXX\0secret"))
    )
    assert b"secret" not in made
    assert made == PLAIN


def test_the_parts_of_a_profile_are_put_in_order() -> None:
    first, second = profile_segments(PROFILE[:200], PROFILE[200:])
    made = copied(with_segments(PLAIN, second, segment(0xE5, b"other"), first))
    assert Image.open(io.BytesIO(made)).info["icc_profile"] == PROFILE


@pytest.mark.parametrize(
    "data",
    [
        with_segments(PLAIN, *profile_segments(b"x" * 200)),
        with_segments(PLAIN, *profile_segments(PROFILE, count=2)),
        with_segments(PLAIN, *profile_segments(PROFILE + b"hidden")),
        with_segments(saved(PICTURE.convert("L"), "JPEG"), *profile_segments(PROFILE)),
        saved(PICTURE.convert("CMYK"), "JPEG"),
        PLAIN[:-2],
        PLAIN[:300],
        PLAIN[:3],
        b"\xff\xd8\xff\xd9",
        b"",
        b"\x89PNG",
        PLAIN[:2] + b"between" + PLAIN[2:],
        with_segments(PLAIN, segment(0xDC, b"\0\x30")),
        with_segments(PLAIN, segment(0xDD, b"\0\1hidden")),
        with_segments(PLAIN, segment(0xC3, bytes(15))),
        with_segments(PLAIN, PLAIN[PLAIN.index(b"\xff\xc0") : PLAIN.index(b"\xff\xc0") + 19]),
        PLAIN[:2] + b"\xff\xe5\0\0" + PLAIN[2:],
        with_segments(PLAIN, *[segment(0xE5, b"")] * 5000),
        b"\xff\xd8" + b"\xff" * 5000,
    ],
)
def test_what_is_not_understood_is_not_copied(data: bytes) -> None:
    with pytest.raises(NotCopied):
        copied(data)


def test_a_name_with_a_tag_in_it_is_left_out() -> None:
    for text, kept in (("Ada & Co", True), ("<?=`id`?>", False)):
        exif = Image.Exif()
        exif[0x8298] = text
        made = copied(saved(PICTURE, "JPEG", exif=exif))
        assert (text.encode() in made) is kept


@pytest.mark.parametrize("behind", [b"\xff\x06rest", b"\xff\xc4\0\1", b"\xff\xe5\xff\xff", b"\xff\xc4\0\2junk"])
def test_damage_behind_the_first_pixels_is_found(behind: bytes) -> None:
    with pytest.raises(UnreadableSource):
        check_end(PLAIN[:-2] + behind)


@pytest.mark.parametrize(
    "data", [PLAIN, PLAIN[:-2], PLAIN + b"trailing", saved(PICTURE.convert("CMYK"), "JPEG"), b"\xff\xd8", PLAIN[:300]]
)
def test_the_rest_is_left_to_the_decoder(data: bytes) -> None:
    check_end(data)
