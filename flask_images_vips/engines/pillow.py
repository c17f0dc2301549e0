"""Pixels by Pillow: PIL's transforms, what libvips cannot load or write, and everything where there is no libvips."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from PIL import Image, ImageCms, ImageFilter, UnidentifiedImageError

from ..errors import ImagesError, UnreadableSource, UnsupportedSource
from ..formats import INPUTS, Format
from ..geometry import Geometry, Size
from ..options import Mode, Options
from ..rendition import Rendition
from . import Header, overtime
from .colour import is_srgb
from .frames import check_frames

# How each format is written, less its quality: Pillow's name, its parameters, the modes it takes.
_SAVE: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "jpeg": ("JPEG", {"optimize": True}, ("L", "RGB")),
    "png": ("PNG", {"compress_level": 6}, ("L", "LA", "RGB", "RGBA")),
    "webp": ("WEBP", {"method": 2}, ("RGB", "RGBA")),
    "avif": ("AVIF", {"speed": 8}, ("RGB", "RGBA")),
    "gif": ("GIF", {}, ("L", "RGB", "RGBA")),
    "tiff": ("TIFF", {"compression": "tiff_lzw"}, ("L", "LA", "RGB", "RGBA")),
    "bmp": ("BMP", {}, ("L", "RGB")),
    "ico": ("ICO", {}, ("RGBA",)),
}
_WITH_QUALITY = {"jpeg", "webp", "avif"}

_ORIENTATION = 0x0112
_SWAPPED = range(5, 9)
_TURNED_BACK = {6: 8, 8: 6}  # the others undo themselves
_LINEAR_SIZES = 2.0  # the headroom that JPEG's own shrinking and the first, coarse reduction leave to LANCZOS
_MOST_REDUCED = 32  # Pillow's own first reduction divides by multiplying: it darkens where it takes too many pixels
_SRGB = ImageCms.createProfile("sRGB")
_FORMATS = {"MPO": "jpeg"}  # what Pillow calls otherwise than `formats.INPUTS`: a JPEG with more pictures behind it


class PillowEngine:
    """Renders by Pillow, in this process, sources of the formats *inputs*. A file that is cut short is refused.

    *timeout*, in seconds, ends what still reads its source then: not the decoders of WebP, AVIF and TIFF, nor encoders.
    """

    name = "pillow"

    def __init__(self, *, auto_orient: bool = True, inputs: Sequence[str] = INPUTS, timeout: float = 10.0) -> None:
        self.auto_orient = auto_orient
        self.timeout = timeout
        # Named one by one: left to itself, Pillow starts Ghostscript for an EPS that calls itself cat.jpg.
        self.inputs = tuple(name.upper() for name in inputs)

    def supports(self, options: Options, format: Format) -> bool:
        return format.name in _SAVE

    def header(self, descriptor: int, ref: str) -> Header:
        check_frames(descriptor)
        with self._readable(ref), self._open(descriptor) as (image, orientation):
            format = _FORMATS.get(image.format or "", str(image.format).lower())
            return Header(
                _turned(Size(*image.size), orientation),
                format,
                alpha=image.has_transparency_data,
                whole=format != "jpeg",
                orientation=orientation,
            )

    def render(self, descriptor: int, rendition: Rendition, geometry: Geometry) -> bytes:
        with self._readable(rendition.source.ref), self._open(descriptor) as (image, orientation):
            options = rendition.options
            if options.transform:  # no shrinking while decoding: it would shift the coordinates
                picture = resized(_turn(_expanded(image), orientation), options, geometry)
            else:
                picture = _turn(_scaled(image, _turned(geometry.scaled, orientation)), orientation)
            picture = in_srgb(picture, image.info.get("icc_profile"))
            return encode(finish(picture, options, rendition.format, geometry), rendition.format, options.quality)

    @contextmanager
    def _open(self, descriptor: int) -> Iterator[tuple[Image.Image, int]]:
        """The image, of which only the header is read so far, and the EXIF orientation to turn it by."""
        os.lseek(descriptor, 0, os.SEEK_SET)
        with (
            io.BufferedReader(_TimedFile(os.dup(descriptor), self.timeout)) as file,
            Image.open(file, formats=self.inputs) as image,
        ):
            # Of the class above: a PNG's own would decode the pixels, to look for EXIF behind them.
            orientation: int = Image.Image.getexif(image).get(_ORIENTATION) or 1
            if image.format == "TIFF":
                # Pillow turns it by itself: its size is upright already, and what is left is to turn it back.
                yield image, 1 if self.auto_orient else _TURNED_BACK.get(orientation, orientation)
            elif image.format == "AVIF":
                yield image, orientation  # part of the format, whatever EXIF says
            else:
                yield image, orientation if self.auto_orient else 1

    @contextmanager
    def _readable(self, ref: str) -> Iterator[None]:
        """Pillow raises whatever its parsers meet, so everything that is not ours means: this file is broken."""
        try:
            yield
        except (ImagesError, MemoryError):
            raise
        except UnidentifiedImageError as error:
            kinds = ", ".join(self.inputs)
            raise UnsupportedSource(ref, f"Pillow finds none of {kinds} in it; SVG is for libvips alone") from error
        except Exception as error:
            raise UnreadableSource(ref, f"{type(error).__name__}: {error}"[:300]) from error


class _TimedFile(io.FileIO):
    """A file that ends its readers after *limit* seconds: Pillow's parsers, and decoders that are fed in pieces."""

    def __init__(self, descriptor: int, limit: float) -> None:
        super().__init__(descriptor)
        self.limit = limit
        self.begin = time.monotonic()

    def readinto(self, buffer: Any) -> int | None:
        if (seconds := time.monotonic() - self.begin) > self.limit:
            raise overtime(seconds, self.limit)
        return super().readinto(buffer)


def _turned(size: Size, orientation: int) -> Size:
    return Size(size.height, size.width) if orientation in _SWAPPED else size


def _turn(picture: Image.Image, orientation: int) -> Image.Image:
    method = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    return picture if method is None else picture.transpose(method)


def _expanded(image: Image.Image) -> Image.Image:
    """8 bits a band, without a palette: L, LA, RGB, RGBA or CMYK."""
    if image.mode.startswith("I;16") or image.mode == "I":
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("P", "PA") or "transparency" in image.info:
        return image.convert("RGBA" if image.mode == "PA" or "transparency" in image.info else "RGB")
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
        return image
    return image.convert("L" if image.mode in ("1", "F") else "RGB")


def _scaled(image: Image.Image, size: Size) -> Image.Image:
    """*image* at *size* pixels, decoded at a fraction of its size where it is a JPEG."""
    # The box is the original, in pixels of the smaller image: its sides need not be whole.
    drafted = image.draft(None, (round(size.width * _LINEAR_SIZES), round(size.height * _LINEAR_SIZES)))
    box = drafted[1] if drafted else None
    picture = _expanded(image)
    if box is None and picture.size == size:
        return picture.copy()
    reduction = max(picture.width / size.width, picture.height / size.height)
    gap = max(_LINEAR_SIZES, reduction / _MOST_REDUCED)
    return picture.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=gap)


def resized(picture: Image.Image, options: Options, geometry: Geometry) -> Image.Image:
    """*picture*, upright and decoded, transformed and then scaled."""
    picture = _expanded(picture)
    if (transform := options.transform) is not None:
        picture = picture.transform(
            transform.size(picture.size),
            Image.Transform[transform.kind.name],
            transform.data(picture.size),
            Image.Resampling.BILINEAR,
        )
    return picture.resize(geometry.scaled, Image.Resampling.LANCZOS)


def in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """*picture* in grey or sRGB, converted by its *profile* where that fits it and is another colour space."""
    if profile and not is_srgb(profile):
        mode = "RGBA" if picture.mode in ("LA", "RGBA") else "RGB"
        colour = {"LA": "L", "RGBA": "RGB"}.get(picture.mode, picture.mode)
        try:
            converted = ImageCms.profileToProfile(
                picture.convert(colour), ImageCms.ImageCmsProfile(io.BytesIO(profile)), _SRGB, outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            converted = None  # a profile of another kind of image, or none at all: as if it were not there
        if converted is not None:
            if mode == "RGBA":
                converted.putalpha(picture.getchannel("A"))
            return converted
    return picture.convert("RGB") if picture.mode == "CMYK" else picture


def finish(picture: Image.Image, options: Options, format: Format, geometry: Geometry) -> Image.Image:
    """Without alpha where *format* has none, on its canvas, sharpened."""
    if _has_alpha(picture) and not format.alpha:
        picture = flattened(picture, options)
    if options.mode is Mode.PAD:
        picture = _padded(picture, options, format, geometry)
    elif geometry.canvas != geometry.scaled:
        left, top = geometry.offset
        picture = picture.crop((-left, -top, geometry.canvas.width - left, geometry.canvas.height - top))
    if options.sharpen:
        picture = picture.filter(ImageFilter.UnsharpMask(*options.sharpen))
    return picture


def flattened(picture: Image.Image, options: Options) -> Image.Image:
    """*picture* as it looks in front of the background."""
    canvas = Image.new("RGBA", picture.size, (*options.background[:3], 255))
    canvas.alpha_composite(picture.convert("RGBA"))
    return canvas.convert("RGB")


def _padded(picture: Image.Image, options: Options, format: Format, geometry: Geometry) -> Image.Image:
    alpha = format.alpha and (_has_alpha(picture) or options.background[3] < 255)
    mode = "RGBA" if alpha else "RGB"
    canvas = Image.new(mode, geometry.canvas, options.background if alpha else options.background[:3])
    canvas.paste(picture.convert(mode), geometry.offset)  # without a mask: what is clear inside stays clear
    return canvas


def _has_alpha(picture: Image.Image) -> bool:
    return picture.mode in ("LA", "RGBA")


def rgba(data: bytes) -> tuple[Size, bytes]:
    """The pixels of a PNG that an engine has made: its size, and 4 bytes a pixel, row by row."""
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        return Size(*image.size), image.convert("RGBA").tobytes()


def encode(picture: Image.Image, format: Format, quality: int) -> bytes:
    """*picture* as a file of *format*, without metadata."""
    name, parameters, modes = _SAVE[format.name]
    if picture.mode not in modes:
        picture = picture.convert(modes[-1] if _has_alpha(picture) or len(modes) == 1 else "RGB")
    picture.info = {}  # some of Pillow's writers take a profile or a comment from here
    if format.name in _WITH_QUALITY:
        parameters = {**parameters, "quality": quality}
    if format.name == "ico":
        parameters = {**parameters, "sizes": [picture.size]}
    file = io.BytesIO()
    picture.save(file, name, **parameters)
    return file.getvalue()
