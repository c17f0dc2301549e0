"""Files that one of the libraries shows in another way than the rest of the world, or not at all.

Every test runs on both engines, and most compare their pictures with what Pillow decodes of a plainer file.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from conftest import fetch, gradient, url_of
from flask import Flask
from headers.containers import avif, box
from headers.drawn import properties_of
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from engines.conftest import converted
from engines.test_engine import ORIENTATION, psnr
from flask_images_vips import resized_img_tag
from flask_images_vips.engines.vips import abilities

MakeApp = Callable[..., Flask]

SIZE = (96, 64)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'


@pytest.fixture(params=["vips", "pillow"])
def app(request: pytest.FixtureRequest, make_app: MakeApp) -> Flask:
    return make_app(IMAGES_ENGINE=request.param)


def saved(picture: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


# JPEG


@pytest.mark.skipif(not abilities.has_operation("uhdrsave_buffer"), reason="this libvips does not write Ultra HDR")
def test_an_ultra_hdr_jpeg_is_shown_as_a_jpeg_on_every_way(app: Flask, static: Path, make_app: MakeApp) -> None:
    light = pyvips.Image.new_from_array(np.asarray(gradient(SIZE)), interpretation="srgb").colourspace("scrgb") * 2
    data = light.copy(interpretation="scrgb").uhdrsave_buffer(Q=95)
    (static / "a.jpg").write_bytes(data)
    gradient((8, 8)).save(static / "plain.png")
    with Image.open(io.BytesIO(data)) as shown:
        profile = shown.info.get("icc_profile")
        base = converted(shown, profile) if profile else shown.convert("RGB")
    for wishes in ({}, {"trim": 1}, {"watermark": "a.jpg,center,0,0.5,1"}):
        assert fetch(app, "a.jpg", format="png", **wishes).size[0] > 80
    assert psnr(fetch(app, "a.jpg", format="png"), base) > 38
    half = base.resize((48, 32), Image.Resampling.LANCZOS)
    assert psnr(fetch(app, "a.jpg", format="png", width=48), half) > 38
    assert fetch(app, "plain.png", watermark="a.jpg,center,0,1,1").size == (8, 8)
    smart = fetch(make_app(), "a.jpg", width=32, height=32, mode="crop", gravity="attention")
    assert smart.size == (32, 32)


# Hidden colours


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.webp", {"quality": 90, "exact": True}),
        ("a.webp", {"lossless": True, "exact": True}),
        ("a.avif", {"quality": 90}),
        ("a.png", {}),
        ("a.tif", {}),
    ],
)
def test_a_shrunk_disc_has_no_halo_of_hidden_colours(
    name: str, options: dict[str, Any], app: Flask, static: Path
) -> None:
    disc = Image.new("RGBA", (800, 800), (255, 255, 255, 0))
    ImageDraw.Draw(disc).ellipse((40, 40, 760, 760), fill=(20, 20, 40, 255))
    disc.save(static / name, **options)
    made = np.asarray(fetch(app, name, width=90, format="png").convert("RGBA")).astype(int)
    seen = made[made[..., 3] > 30]
    assert np.abs(seen[:, :3] - (20, 20, 40)).max() <= 20


# Orientation


def turned_elsewhere(orientation: int) -> dict[str, bytes]:
    """Files that state an orientation, but not in EXIF, where browsers and libvips look for it."""
    picture, xmp = gradient(SIZE), XMP % orientation
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    block = b"Exif\0\0" + tags.tobytes().removeprefix(b"Exif\0\0")
    in_xmp, in_text = PngInfo(), PngInfo()
    in_xmp.add_itxt("XML:com.adobe.xmp", xmp.decode())
    in_text.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n", zip=True)
    return {
        "a.jpg": saved(picture, "JPEG", quality=95, xmp=xmp),
        "a.webp": saved(picture, "WEBP", quality=95, xmp=xmp),
        "a.avif": saved(picture, "AVIF", quality=95, xmp=xmp),
        "a.tif": saved(picture, "TIFF", tiffinfo={700: xmp}),
        "a.png": saved(picture, "PNG", pnginfo=in_xmp),
        "b.png": saved(picture, "PNG", pnginfo=in_text),
    }


@pytest.mark.parametrize("orientation", [3, 6])
def test_an_orientation_outside_of_exif_does_not_count(orientation: int, app: Flask, static: Path) -> None:
    for name, data in turned_elsewhere(orientation).items():
        (static / name).write_bytes(data)
        assert psnr(fetch(app, name, format="png"), gradient(SIZE)) > 34, name


# A part of an AVIF


def test_the_hidden_part_of_an_avif_is_never_shown(make_app: MakeApp, static: Path, caplog: Any) -> None:
    whole = saved(gradient(SIZE), "AVIF", quality=95)
    properties, pixels = properties_of(whole, b"ispe", b"pixi", b"av1C"), whole[whole.index(b"mdat") + 4 :]
    right_and_above = struct.pack(">8I", 48, 1, 40, 1, 8, 1, 2**32 - 4, 1)  # the size, and the offsets of the centre
    part = box(b"clap", right_and_above)
    (static / "a.avif").write_bytes(avif({1: (b"av01", [*properties, part], pixels)}))
    app = make_app()
    assert psnr(fetch(app, "a.avif", format="png"), gradient(SIZE).crop((32, 8, 80, 48))) > 34
    assert fetch(app, "a.avif", format="png", width=24).size == (24, 20)
    with app.test_request_context():
        assert 'height="40"' in resized_img_tag("a.avif")
    for other, wishes in ((app, {"transform": "EXTENT,0,0,0,0,48,40"}), (make_app(IMAGES_ENGINE="pillow"), {})):
        caplog.clear()
        assert other.test_client().get(url_of(other, "a.avif", width=20, **wishes)).status_code == 422
        assert "Pillow does not crop an AVIF where the file says so (clap)" in caplog.text


# SVG


def test_an_inch_of_an_svg_has_96_pixels(make_app: MakeApp, static: Path) -> None:
    app = make_app(IMAGES_SVG=True)
    inch = 96 if abilities.version() >= (8, 17) else 72  # pixels, by libvips
    inches = f'width="{96 / inch}in" height="{48 / inch}in"'
    for number, sides in enumerate((inches, 'width="96" height="48"', 'viewBox="0 0 96 48"')):
        name = f"{number}.svg"
        inside = '<rect width="100%" height="100%" fill="lime"/>'
        (static / name).write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {sides}>{inside}</svg>')
        for wishes, size in (({}, (96, 48)), ({"width": 192, "enlarge": True}, (192, 96)), ({"width": 48}, (48, 24))):
            made = fetch(app, name, format="png", **wishes)
            assert (made.size, made.convert("RGB").getextrema()) == (size, ((0, 0), (255, 255), (0, 0))), sides


# TIFF


def tiff(data: bytes, size: tuple[int, int], photometric: int, bits: list[int], **more: tuple[int, list[int]]) -> bytes:
    """A TIFF whose pixels are *data*. *more* are other tags: their kind, 3 or 4, and their values."""
    tags: dict[int, tuple[int, list[int]]] = {
        256: (3, [size[0]]),
        257: (3, [size[1]]),
        258: (3, bits),
        259: (3, [1]),
        262: (3, [photometric]),
        273: (4, [0]),
        277: (3, [len(bits)]),
        278: (3, [size[1]]),
        279: (4, [len(data)]),
    }
    tags |= {int(name[1:]): tag for name, tag in more.items()}
    if 322 in tags:  # its pixels are in tiles
        del tags[273], tags[278], tags[279]
    sizes = {3: 2, 4: 4}
    entries, values, behind = b"", b"", 8 + 2 + 12 * len(tags) + 4
    pixels = behind + sum(sizes[kind] * len(each) for kind, each in tags.values() if sizes[kind] * len(each) > 4)
    for number, (kind, each) in sorted(tags.items()):
        moved = [value + pixels for value in each] if number in (273, 324, 513) else each
        packed = struct.pack(f"<{len(each)}{'H' if kind == 3 else 'I'}", *moved)
        entries += struct.pack("<HHI", number, kind, len(each))
        entries += packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack("<I", behind + len(values))
        values += packed if len(packed) > 4 else b""
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + values + data


def tiled_by_plane(pixels: np.ndarray[Any, Any]) -> bytes:
    height, width, _ = pixels.shape
    corners = [(y, x) for y in range(0, height, 16) for x in range(0, width, 16)]
    return b"".join(pixels[y : y + 16, x : x + 16, plane].tobytes() for plane in range(3) for y, x in corners)


def lab(pixels: np.ndarray[Any, Any]) -> bytes:
    floats = pyvips.Image.new_from_array(pixels, interpretation="srgb").colourspace("lab").numpy()
    return (np.rint(floats * (2.55, 1, 1)).astype(int) % 256).astype(np.uint8).tobytes()


def light(levels: np.ndarray[Any, Any]) -> bytes:
    """The light of *levels* in sRGB, in floating point from 0 to 1."""
    encoded = levels / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype("<f4").tobytes()


def odd_tiffs() -> dict[str, bytes]:
    """TIFFs of rare kinds. All show the gradient, the last ones in grey."""
    picture = gradient(SIZE)
    pixels, grey = np.asarray(picture), np.asarray(picture.convert("L"))
    full = np.full((*grey.shape, 1), 255, np.uint8)
    tiles = 3 * (SIZE[0] // 16) * (SIZE[1] // 16)
    twelve = (grey.astype(np.uint16) * 16)[:, :, None] >> np.arange(11, -1, -1) & 1
    rgb = [8, 8, 8]
    stream = saved(picture, "JPEG", quality=95, subsampling=0)
    inks = np.asarray(picture.convert("CMYK")).astype("<u2") * 257
    return {
        "cmyk of 16 bits": tiff(inks.tobytes(), SIZE, 5, [16] * 4),
        "ycbcr": tiff(np.asarray(picture.convert("YCbCr")).tobytes(), SIZE, 6, rgb, t530=(3, [1, 1])),
        "lab": tiff(lab(pixels), SIZE, 8, rgb),
        "tiles by plane": tiff(
            tiled_by_plane(pixels),
            SIZE,
            2,
            rgb,
            t284=(3, [2]),
            t322=(3, [16]),
            t323=(3, [16]),
            t324=(4, [256 * number for number in range(tiles)]),
            t325=(4, [256] * tiles),
        ),
        "planes of 16 bits": tiff(
            np.moveaxis(pixels.astype("<u2") * 257, 2, 0).tobytes(),
            SIZE,
            2,
            [16] * 3,
            t284=(3, [2]),
            t273=(4, [2 * grey.size * number for number in range(3)]),
            t279=(4, [2 * grey.size] * 3),
        ),
        "no alpha": tiff(np.dstack([pixels, full // 5]).tobytes(), SIZE, 2, [8] * 4, t338=(3, [0])),
        "five bands": tiff(np.dstack([pixels, full, full // 5]).tobytes(), SIZE, 2, [8] * 5, t338=(3, [2, 0])),
        "old-style jpeg": tiff(
            stream, SIZE, 6, rgb, t259=(3, [6]), t512=(3, [1]), t513=(4, [0]), t514=(4, [len(stream)]), t530=(3, [1, 1])
        ),
        "unknown tags": tiff(pixels.tobytes(), SIZE, 2, rgb, t60000=(3, [1]), t60001=(4, [1, 2, 3])),
        "odd resolution unit": tiff(pixels.tobytes(), SIZE, 2, rgb, t296=(3, [77])),
        "broken profile": tiff(pixels.tobytes(), SIZE, 2, rgb, t34675=(4, [7] * 40)),
        "grey of 12 bits": tiff(np.packbits(twelve.reshape(SIZE[1], -1), axis=1).tobytes(), SIZE, 1, [12]),
        "grey of floats": tiff(light(grey), SIZE, 1, [32], t339=(3, [3])),
        "grey of 16 bits": tiff((65535 - grey.astype("<u2") * 257).tobytes(), SIZE, 0, [16]),
    }


@pytest.mark.parametrize("kind", odd_tiffs())
def test_tiffs_of_rare_kinds_are_shown(kind: str, app: Flask, static: Path) -> None:
    (static / "a.tif").write_bytes(odd_tiffs()[kind])
    reference = gradient(SIZE).convert("L") if kind.startswith("grey") else gradient(SIZE)
    assert psnr(fetch(app, "a.tif", format="png").convert("RGB"), reference.convert("RGB")) > 34
    half = reference.resize((48, 32), Image.Resampling.LANCZOS)
    assert psnr(fetch(app, "a.tif", format="png", width=48), half) > 34
    framed = fetch(app, "a.tif", format="png", width=96, height=96, mode="pad", background="#fff")
    assert framed.getpixel((0, 0)) in ((255, 255, 255), (255, 255, 255, 255))


def test_light_beyond_black_and_white_is_black_and_white(app: Flask, static: Path) -> None:
    values = np.repeat([-1e30, -1, 0, 1, 5, 1e30, np.inf], 8).astype("<f4")
    (static / "a.tif").write_bytes(tiff(np.tile(values, (8, 1)).tobytes(), (len(values), 8), 1, [32], t339=(3, [3])))
    shown = fetch(app, "a.tif", format="png").convert("L")
    assert [shown.getpixel((8 * number + 4, 4)) for number in range(6)] == [0, 0, 0, 255, 255, 255]


# Transparent colours


def with_transparent_colour(depth: int, *, grey: bool) -> bytes:
    """A PNG with a ramp, of which one colour is transparent: that of its left half."""
    width, height = SIZE
    ramp = np.arange(width)[None, :].repeat(height, 0) * (2**depth - 1) // (width - 1)
    ramp[:, : width // 2], ramp[:, -8:] = 2**depth // 3, 2**depth - 1
    samples = ramp if grey else np.repeat(ramp, 3, axis=1)
    bits = samples[:, :, None] >> np.arange(depth - 1, -1, -1) & 1
    rows = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    clear = struct.pack(">H", 2**depth // 3) * (1 if grey else 3)
    head = struct.pack(">IIBBBBB", width, height, depth, 0 if grey else 2, 0, 0, 0)
    chunks = (
        (b"IHDR", head),
        (b"tRNS", clear),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))),
    )
    parts = [
        struct.pack(">I", len(each)) + name + each + struct.pack(">I", zlib.crc32(name + each)) for name, each in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + b"\0\0\0\0IEND\xaeB`\x82"


@pytest.mark.parametrize(
    ("depth", "grey"), [(1, True), (2, True), (4, True), (8, True), (16, True), (8, False), (16, False)]
)
def test_one_transparent_colour_is_transparent_at_each_depth(depth: int, grey: bool, app: Flask, static: Path) -> None:
    (static / "a.png").write_bytes(with_transparent_colour(depth, grey=grey))
    for width in (96, 48):
        made = fetch(app, "a.png", width=width, format="webp", lossless=True).convert("RGBA")
        assert made.getpixel((width // 4, 10))[3] == 0  # type: ignore[index]
        assert made.getpixel((width - 1, 10))[1:] == (255, 255, 255)  # type: ignore[index]


# GIF


def test_a_faint_pixel_of_a_still_gif_is_clear(app: Flask, static: Path) -> None:
    picture = Image.new("RGBA", (40, 20), (200, 30, 30, 60))
    picture.paste((30, 200, 30, 200), (20, 0, 40, 20))
    picture.save(static / "a.png")
    made = fetch(app, "a.png", format="gif").convert("RGBA")
    assert [made.getpixel((x, 10))[3] for x in (10, 30)] == [0, 255]  # type: ignore[index]


# The end of a JPEG


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_may_lack_the_marker_at_its_end_but_no_pixels(progressive: bool, app: Flask, static: Path) -> None:
    data = saved(gradient((200, 150)), "JPEG", quality=90, progressive=progressive)
    (static / "whole.jpg").write_bytes(data)
    (static / "a.jpg").write_bytes(data[:-2])
    for wishes in ({}, {"width": 25}, {"trim": 1}, {"width": 40, "height": 40, "mode": "crop"}):
        wishes |= {"format": "png"}
        assert fetch(app, "a.jpg", **wishes).tobytes() == fetch(app, "whole.jpg", **wishes).tobytes()
    for missing in (40, 200, 500):
        name = f"{missing}.jpg"
        (static / name).write_bytes(data[:-missing])
        for wishes in ({}, {"width": 25}):
            assert app.test_client().get(url_of(app, name, format="png", **wishes)).status_code == 422, (name, wishes)


def lossless_jpeg(picture: Image.Image) -> bytes:
    """A lossless JPEG in grey, whose pixels are differences from their left neighbours (ITU-T T.81, annex H)."""
    pixels = np.asarray(picture).astype(int)
    height, width = pixels.shape
    neighbours = np.column_stack([np.append(128, pixels[:-1, 0]), pixels[:, :-1]])
    bits = ""
    for difference in (pixels - neighbours).flatten().tolist():
        length = abs(difference).bit_length()
        value = difference if difference > 0 else difference + 2**length - 1
        bits += f"{length:04b}" + (f"{value:0{length}b}" if length else "")
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")
    parts = (
        (0xC3, struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0)),
        (0xC4, bytes([0, 0, 0, 0, 9, *[0] * 12, *range(9)])),  # nine codes of four bits
        (0xDA, bytes([1, 1, 0, 1, 0, 0])),
    )
    segments = b"".join(bytes([0xFF, kind]) + struct.pack(">H", len(each) + 2) + each for kind, each in parts)
    return b"\xff\xd8" + segments + data + b"\xff\xd9"


def test_a_lossless_jpeg_is_shown_whole_at_each_size(app: Flask, static: Path) -> None:
    picture = gradient((320, 240)).convert("L")
    (static / "a.jpg").write_bytes(lossless_jpeg(picture))
    if app.test_client().get(url_of(app, "a.jpg", format="png")).status_code == 422:
        pytest.skip("only libjpeg-turbo 3 reads lossless JPEGs")
    for width in (320, 160, 40, 20):
        made = fetch(app, "a.jpg", format="png", width=width).convert("L")
        assert psnr(made, picture.resize((width, width * 3 // 4), Image.Resampling.LANCZOS)) > 40, width
