"""What is stored of a picture: its pixels, upright and within the limits, and of its metadata only the rights."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable
from typing import Any

import pytest
from conftest import PHOTOGRAPHS, all_renderers_taken, gradient
from engines.test_engine import psnr
from flask import Flask
from headers.containers import saved
from PIL import Image, ImageCms, ImageOps

from flask_images_vips import resized_img_tag
from flask_images_vips.errors import ConfigError, InvalidPath, NotStored, UploadRefused
from flask_images_vips.geometry import Size
from flask_images_vips.rights.files import read_rights, with_rights
from flask_images_vips.rights.record import Rights
from uploads.conftest import Door

PICTURE = gradient((64, 48))
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif(orientation: int = 1) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    made[0x8298] = "(c) Ada"
    made[0x013B] = "Ada"
    made[0x010F] = "A camera"
    made.get_ifd(0x8825)[2] = (52.0, 31.0, 0.0)
    return made


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def test_an_upright_jpeg_keeps_its_own_pixels_and_only_its_rights(door: Door) -> None:
    data = saved(
        PICTURE, "JPEG", exif=exif(), icc_profile=PROFILE, xmp=b"<x:xmpmeta>secret</x:xmpmeta>", comment="secret"
    )
    accepted = door.accept(data)
    stored = door.stored(accepted)
    picture = opened(stored)
    assert picture.tobytes() == opened(data).tobytes()
    assert dict(picture.getexif()) == {0x8298: "(c) Ada", 0x013B: "Ada"}
    assert picture.info["icc_profile"] == PROFILE
    assert b"secret" not in stored
    assert not accepted.facts.encoded


def test_without_strip_a_jpeg_keeps_its_metadata(door: Door) -> None:
    data = saved(PICTURE, "JPEG", exif=exif(), xmp=b"<x:xmpmeta/>")
    picture = opened(door.stored(door.accept(data, strip=False)))
    assert picture.getexif()[0x010F] == "A camera"
    assert picture.info["xmp"] == b"<x:xmpmeta/>"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_turned_picture_is_stored_upright_with_its_rights_alone(door: Door, format: str) -> None:
    more = {"quality": 95} if format in ("JPEG", "WEBP") else {}
    data = saved(PICTURE, format, exif=exif(6), **more)
    accepted = door.accept(data)
    picture = opened(door.stored(accepted))
    assert accepted.size == picture.size == (48, 64)
    assert psnr(picture.convert("RGB"), ImageOps.exif_transpose(opened(data)).convert("RGB")) > 36
    tags = dict(picture.getexif())
    assert tags.pop(0x0112, 1) == 1
    assert {*tags} - {0x011A, 0x011B, 0x0128, 0x8769} == {0x8298, 0x013B}  # the others are what libvips writes itself
    assert tags[0x8298] == "(c) Ada"
    assert not picture.getexif().get_ifd(0x8825)


@pytest.mark.parametrize(
    ("format", "mode", "stored"),
    [
        *(("JPEG", "RGB", "jpeg"), ("PNG", "RGB", "png"), ("GIF", "P", "gif"), ("WEBP", "RGBA", "webp")),
        *(("TIFF", "RGB", "jpeg"), ("TIFF", "RGBA", "png"), ("BMP", "RGB", "jpeg"), ("JPEG", "CMYK", "jpeg")),
    ],
)
def test_formats_that_browsers_show_stay_and_others_are_converted(
    door: Door, format: str, mode: str, stored: str
) -> None:
    accepted = door.accept(saved(PICTURE.convert(mode), format), "a.exe")
    assert accepted.format == stored
    assert accepted.path.endswith({"jpeg": ".jpg"}.get(stored, f".{stored}"))
    assert opened(door.stored(accepted)).mode in ("RGB", "RGBA", "P")


def test_another_format_may_be_asked_for(door: Door) -> None:
    assert door.accept(saved(PICTURE, "BMP"), convert="webp").format == "webp"
    assert door.accept(saved(PICTURE.convert("RGBA"), "TIFF"), convert="webp").format == "webp"
    with pytest.raises(UploadRefused, match=r"BMP image, .*|BMP"):
        door.accept(saved(PICTURE, "BMP"), formats=["jpeg"])
    with pytest.raises(ValueError, match="convert='exe': expected one of jpeg"):
        door.accept(saved(PICTURE, "BMP"), convert="exe")


@pytest.mark.parametrize(
    ("rules", "size"),
    [
        ({"max_size": (32, 100)}, (32, 24)),
        ({"max_size": 24}, (24, 18)),
        ({"max_size": 25}, (25, 19)),
        ({"max_pixels": 48 * 36}, (48, 36)),
        ({"max_pixels": 48 * 36, "max_size": 24}, (24, 18)),
        ({"max_size": (64, 48)}, (64, 48)),
    ],
)
def test_a_picture_that_is_too_large_is_scaled_down(door: Door, rules: dict[str, Any], size: tuple[int, int]) -> None:
    accepted = door.accept(saved(PICTURE, "JPEG"), **rules)
    assert accepted.size == opened(door.stored(accepted)).size == size
    assert accepted.facts.encoded is (size != (64, 48))


@pytest.mark.parametrize(("convert", "stored"), [("jpeg", (65_500, 2)), ("ico", (256, 1))])
def test_a_picture_that_is_too_long_for_its_new_format_is_scaled_down(
    door: Door, convert: str, stored: tuple[int, int]
) -> None:
    data = saved(Image.new("L", (70_000, 2)), "TIFF")
    assert door.accept(data, convert=convert).size == stored


def test_limits_are_those_of_the_upright_picture(door: Door) -> None:
    tall = saved(PICTURE, "JPEG", exif=exif(6))
    assert door.accept(tall, min_size=(48, 64)).size == (48, 64)
    with pytest.raises(UploadRefused, match="has 48 × 64 pixels, but needs at least 64 × 48"):
        door.accept(tall, min_size=(64, 48))


def test_without_conversion_nothing_is_scaled_or_converted(door: Door) -> None:
    assert door.accept(saved(PICTURE, "TIFF"), convert=None).format == "tiff"
    for rules in ({"max_size": 40}, {"max_pixels": 100}):
        with pytest.raises(UploadRefused, match="Make it smaller") as caught:
            door.accept(saved(PICTURE, "JPEG"), convert=None, **rules)
        assert caught.value.reason == "too_large"


def test_an_animation_stays_one_and_is_refused_if_it_could_not(make_app: Callable[..., Flask], door: Door) -> None:
    frames = [PICTURE.rotate(angle) for angle in (30, 60)]
    for format in ("GIF", "WEBP"):
        data = saved(PICTURE, format, save_all=True, append_images=frames, duration=70)
        assert door.accept(data).facts.frames == 3
    door.app.extensions.clear()
    strict = Door(make_app(IMAGES_UPLOADS="static/uploads", IMAGES_MAX_FRAMES=2), door.folder)
    with pytest.raises(UploadRefused, match="3 frames") as caught:
        strict.accept(data)
    assert caught.value.reason == "too_many_frames"


def test_a_lossless_picture_stays_lossless(door: Door) -> None:
    for format, more in (("PNG", {}), ("WEBP", {"lossless": True})):
        data = saved(PICTURE, format, **more)
        stored = opened(door.stored(door.accept(data)))
        assert stored.convert("RGB").tobytes() == opened(data).convert("RGB").tobytes()


def test_facts_are_what_a_page_needs(door: Door) -> None:
    accepted = door.accept((PHOTOGRAPHS / "cat.jpg").read_bytes())
    facts = accepted.facts
    assert accepted.size == Size(451, 300)
    assert {"thumbhash", "color"} <= facts.placeholders.keys()
    assert facts.placeholder == facts.placeholders["thumbhash"]
    assert facts.size_bytes == os.stat(door.path(accepted)).st_size
    assert facts.focal_point is None
    with door.app.test_request_context():
        assert f"/imgsizer/{accepted.path}?" in resized_img_tag(accepted, width=30)


def test_a_function_finds_the_focal_point_of_the_stored_file(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    def find(descriptor: int) -> tuple[float, float]:
        with open(descriptor, "rb", closefd=False) as file:
            picture = Image.open(file)
            assert picture.size == (48, 64)
        return 0.25, 0.75

    def fail(descriptor: int) -> None:
        raise ZeroDivisionError

    data = saved(PICTURE, "JPEG", exif=exif(6))
    door.images.find_focal_point_of = find
    assert door.accept(data).facts.focal_point == (0.25, 0.75)
    door.images.find_focal_point_of = fail
    assert door.accept(data).facts.focal_point is None
    assert "stored without one" in caplog.text


@pytest.mark.parametrize("config", [{"IMAGES_ENGINE": "pillow"}, {"IMAGES_ENGINE": "boxes"}, {"IMAGES_MAX_RENDERS": 0}])
def test_the_door_works_with_each_engine_and_without_renderers(
    make_app: Callable[..., Flask], door: Door, config: dict[str, Any]
) -> None:
    other = Door(make_app(IMAGES_UPLOADS="static/uploads", **config), door.folder)
    other.app.testing = True
    turned = saved(PICTURE, "JPEG", exif=exif(6), quality=95)
    picture = opened(other.stored(other.accept(turned)))
    assert psnr(picture, ImageOps.exif_transpose(opened(turned))) > 36
    with pytest.raises(UploadRefused, match="damaged"):
        other.accept(turned[:-500])
    assert len(other.files) == 1


def test_a_busy_host_is_no_fault_of_the_file(make_app: Callable[..., Flask], door: Door) -> None:
    busy = Door(make_app(IMAGES_UPLOADS="static/uploads", IMAGES_LOCK_TIMEOUT=0.05), door.folder)
    busy.accept(saved(PICTURE, "JPEG"))
    with all_renderers_taken(busy.app), pytest.raises(NotStored, match=r"cannot be checked now: .*Try again"):
        busy.accept(saved(PICTURE, "JPEG"))
    assert len(busy.files) == 1


def test_a_broken_file_is_refused_at_once_although_it_is_young(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_images_vips.pool.renderers.YOUNG_SECONDS", 2.0)
    for data in (saved(PICTURE, "JPEG")[:-400], saved(PICTURE, "PNG")[:-60]):
        with pytest.raises(UploadRefused, match="damaged"):
            door.accept(data)


@pytest.mark.parametrize("hidden", [bytes(3), b"a payload inside of the last scan", b"\xff\0" * 20])
def test_bytes_between_pixels_and_end_of_a_jpeg_are_no_damage_and_not_kept(door: Door, hidden: bytes) -> None:
    data = saved(PICTURE, "JPEG")
    accepted = door.accept(data[:-2] + hidden + data[-2:])
    assert accepted.facts.encoded
    assert psnr(opened(door.stored(accepted)), opened(data)) > 40
    assert hidden == bytes(3) or hidden not in door.stored(accepted)


@pytest.mark.parametrize("rules", [{}, {"max_size": 100}])
@pytest.mark.parametrize("cut", [4, 20, 200])
def test_damage_in_the_last_rows_of_a_large_jpeg_is_found(door: Door, cut: int, rules: dict[str, Any]) -> None:
    data = saved(gradient((1600, 1200)), "JPEG", quality=95)
    assert door.accept(data, **rules).facts.encoded is bool(rules)
    with pytest.raises(UploadRefused, match="damaged"):
        door.accept(data[: -2 - cut] + data[-2:], **rules)


def test_an_upload_is_shown_and_removed(door: Door) -> None:
    accepted = door.accept(saved(PICTURE, "JPEG"), folder="photos/2026")
    assert accepted.path.startswith("uploads/photos/2026/")
    with door.app.test_request_context():
        url = door.images.build_url(accepted, width=20)
    assert door.app.test_client().get(url).status_code == 200
    with door.app.app_context():
        assert door.images.remove_upload(accepted)
        assert not door.images.remove_upload(accepted.path)
    assert door.files == []
    assert door.app.test_client().get(url).status_code == 404


@pytest.mark.parametrize("path", ["a.jpg", "uploads", "photos/a.jpg", "uploadsa.jpg"])
def test_only_uploads_are_removed(door: Door, path: str) -> None:
    with door.app.app_context(), pytest.raises(InvalidPath, match="expected the path of a picture below uploads"):
        door.images.remove_upload(path)


@pytest.mark.parametrize("folder", ["../a", "/a", "a/../../b", "a//b", ".hidden", "a\\b", "a\0b", "."])
def test_a_folder_that_leads_elsewhere_is_a_mistake_of_the_application(door: Door, folder: str) -> None:
    with pytest.raises(ValueError, match="expected a path in IMAGES_UPLOADS"):
        door.accept(saved(PICTURE, "JPEG"), folder=folder)
    assert door.files == []


def test_a_site_that_names_no_folder_is_told_which_to_set(make_app: Callable[..., Flask], door: Door) -> None:
    closed = Door(make_app(), door.folder)
    with pytest.raises(ConfigError, match=r"IMAGES_UPLOADS is not set.*such as 'static/uploads'"):
        closed.accept(saved(PICTURE, "JPEG"))


def test_what_is_accepted_and_refused_is_logged(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "flask_images_vips")
    accepted = door.accept(saved(PICTURE, "JPEG"))
    assert (
        f"accepted '{accepted.path}': 64×48 jpeg, {accepted.facts.size_bytes} bytes, with its own pixels" in caplog.text
    )
    with pytest.raises(UploadRefused):
        door.accept(saved(PICTURE, "JPEG")[:-300])
    assert "An upload is refused (damaged): " in caplog.text


@pytest.mark.parametrize("orientation", [1, 6])
def test_rights_in_xmp_are_kept(door: Door, orientation: int) -> None:
    rights = Rights(creator="Ada", credit="Example", web_statement="https://example.com/rights")
    data = with_rights(saved(PICTURE, "JPEG", exif=exif(orientation)), rights)
    accepted = door.accept(data)
    kept = read_rights(door.stored(accepted))
    assert (kept.creator, kept.credit, kept.web_statement) == (("Ada",), "Example", "https://example.com/rights")
    assert accepted.facts.encoded is (orientation != 1)


def test_rights_with_a_tag_in_them_are_not_kept(door: Door) -> None:
    data = with_rights(saved(PICTURE, "JPEG"), Rights(credit="<?=`id`?>"))
    assert not read_rights(door.stored(door.accept(data))).in_file
