"""Pixels by Pillow: PIL's transforms, what libvips cannot load or write, and everything where there is no libvips."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from PIL import Image, ImageCms, ImageFilter, UnidentifiedImageError

from ...errors import ImagesError, InvalidOption, UnreadableSource, UnsupportedSource
from ...formats import INPUTS, Format
from ...geometry import ORIENTATIONS, Box, Geometry, Size, Turn
from ...options.options import Options
from ...options.values import Mode
from ...rendition import Rendition
from ..colour import is_rgb, is_srgb
from ..encoders import settings_of
from ..engine import Header, overtime
from ..outlines import check_frames
from ..rights import rights, rights_of_tiff
from . import effects as pillow_effects
from .effects import has_alpha, on_canvas, turned

T = TypeVar("T")

# How each format is written, less its quality: Pillow's name, its parameters, the modes it takes.
_SAVE: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "jpeg": ("JPEG", {"optimize": True}, ("L", "RGB")),
    "png": ("PNG", {"compress_level": 6}, ("L", "LA", "RGB", "RGBA")),
    "webp": ("WEBP", {"method": 2}, ("RGB", "RGBA")),
    "avif": ("AVIF", {"speed": 7}, ("RGB", "RGBA")),
    "gif": ("GIF", {}, ("L", "RGB", "RGBA")),
    "tiff": ("TIFF", {"compression": "tiff_lzw"}, ("L", "LA", "RGB", "RGBA")),
    "bmp": ("BMP", {}, ("L", "RGB")),
    "ico": ("ICO", {}, ("RGBA",)),
}
_PROGRESSIVE = {"jpeg": {"progressive": True}}  # it writes no interlaced PNG
# Its AVIF has no lossless mode: in whole colours and at its best it is off by a few levels at most.
_LOSSLESS: dict[str, dict[str, Any]] = {
    "webp": {"lossless": True},
    "avif": {"quality": 100, "subsampling": "4:4:4"},
}

_ORIENTATION = 0x0112
_LINEAR_SIZES = 2.0  # the headroom that JPEG's own shrinking and the first, coarse reduction leave to LANCZOS
_MOST_REDUCED = 32  # Pillow's own first reduction divides by multiplying: it darkens where it takes too many pixels
_SRGB = ImageCms.createProfile("sRGB")
_FORMATS = {"MPO": "jpeg"}  # what Pillow calls otherwise than `formats.INPUTS`: a JPEG with more pictures behind it


class PillowEngine:
    """Renders by Pillow, in this process, sources of the formats *inputs*. A file that is cut short is refused.

    *timeout*, in seconds, ends what still reads its source then: not the decoders of WebP, AVIF and TIFF, nor encoders.
    """

    name = "pillow"

    def __init__(
        self,
        *,
        auto_orient: bool = True,
        inputs: Sequence[str] = INPUTS,
        timeout: float = 10.0,
        effort: str = "balanced",
    ) -> None:
        self.auto_orient = auto_orient
        self.settings = settings_of("pillow", effort, {name: own for name, (_, own, _) in _SAVE.items()})
        self.timeout = timeout
        # Named one by one: left to itself, Pillow starts Ghostscript for an EPS that calls itself cat.jpg.
        self.inputs = tuple(name.upper() for name in inputs)

    def refusal(self, options: Options, format: Format) -> InvalidOption | None:
        if format.name not in _SAVE:
            return InvalidOption("format", format.name, expected=f"one of {', '.join(_SAVE)} (Pillow)")
        gravity = options.settled().gravity
        if gravity.smart:
            return InvalidOption("gravity", str(gravity), expected="a fixed gravity (Pillow has no smart ones)")
        return None

    def header(self, descriptor: int, ref: str) -> Header:
        check_frames(descriptor)
        with self._readable(ref), self._open(descriptor) as (image, turn):
            format = _FORMATS.get(image.format or "", str(image.format).lower())
            return Header(
                turn.size(Size(*image.size)),
                format,
                frames=getattr(image, "n_frames", 1) if format in ("gif", "webp") else 1,
                alpha=image.has_transparency_data,
                whole=format != "jpeg",
            )

    def render(self, descriptor: int, rendition: Rendition, geometry: Geometry, frames: int = 1) -> bytes:
        with self._readable(rendition.source.ref), self._open(descriptor) as (image, turn):
            options, format = rendition.options, rendition.format
            profile = image.info.get("icc_profile")
            metadata: dict[str, Any] = {}
            if options.keep.copyright and format.metadata and (exif := _rights(image, descriptor)):
                metadata["exif"] = exif
            mark = self._mark(rendition, geometry)
            timely = partial(self._timely, time.monotonic())
            pictures, delays = [], []
            for number in timely(range(frames)):
                if number:
                    image.seek(number)
                if options.transform:  # no shrinking while decoding: it would shift the coordinates
                    picture = resized(turned(_expanded(image), turn), options, geometry)
                else:
                    cut = geometry.cut and turn.undone(geometry.cut, Size(*image.size))
                    picture = turned(turned(_scaled(image, turn.size(geometry.upright), cut), turn), geometry.turn)
                delays.append(image.info.get("duration", 0))  # a WebP has it once its frame is decoded
                if _keeps_profile(picture, profile, rendition):
                    metadata["icc_profile"] = profile
                else:
                    picture = in_srgb(picture, profile)
                pictures.append(finish(picture, options, format, geometry, mark))
            if frames > 1:
                metadata |= _movement(pictures, delays, _plays(image), format)
            return encode(pictures, options, format, self.settings[format.name], metadata, timely)

    def _timely(self, begin: float, items: Iterable[T]) -> Iterator[T]:
        """*items*, as long as there is time."""
        for item in items:
            if (seconds := time.monotonic() - begin) > self.timeout:
                raise overtime(seconds, self.timeout)
            yield item

    def trim_box(self, descriptor: int, ref: str, region: Box, threshold: int) -> Box:
        with self._readable(ref), self._open(descriptor) as (image, turn):
            return trim_box(turned(_expanded(image), turn), region, threshold)

    def _mark(self, rendition: Rendition, geometry: Geometry) -> Image.Image | None:
        """The watermark, of the size it is wanted at."""
        source, box = rendition.watermark, geometry.mark
        if source is None or box is None:
            return None
        with source.open() as descriptor, self._readable(source.ref), self._open(descriptor) as (image, turn):
            picture = turned(_scaled(image, turn.size(box.size)), turn)
            return in_srgb(picture, image.info.get("icc_profile"))

    @contextmanager
    def _open(self, descriptor: int) -> Iterator[tuple[Image.Image, Turn]]:
        """The image, of which only the header is read so far, and what turns it as it is to be."""
        os.lseek(descriptor, 0, os.SEEK_SET)
        with (
            io.BufferedReader(_TimedFile(os.dup(descriptor), self.timeout)) as file,
            Image.open(file, formats=self.inputs) as image,
        ):
            # Of the class above: a PNG's own would decode the pixels, to look for EXIF behind them.
            upright = ORIENTATIONS.get(Image.Image.getexif(image).get(_ORIENTATION, 1), Turn())
            if image.format == "TIFF":
                # Pillow turns it by itself: its size is upright already, and what is left is to turn it back.
                yield image, Turn() if self.auto_orient else upright.back
            elif image.format == "AVIF":
                yield image, upright  # part of the format, whatever EXIF says
            else:
                yield image, upright if self.auto_orient else Turn()

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


def _expanded(image: Image.Image) -> Image.Image:
    """8 bits a band, without a palette: L, LA, RGB, RGBA or CMYK."""
    if image.mode.startswith("I;16") or image.mode == "I":
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("P", "PA") or "transparency" in image.info:
        return image.convert("RGBA" if image.mode == "PA" or "transparency" in image.info else "RGB")
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
        return image
    return image.convert("L" if image.mode in ("1", "F") else "RGB")


def _scaled(image: Image.Image, size: Size, cut: Box | None = None) -> Image.Image:
    """*image*, or the part *cut* of it, at *size* pixels, decoded at a fraction of its size where it is a JPEG."""
    whole = Size(*image.size)
    part = cut or Box(0, 0, *whole)
    across, down = size.width / part.width, size.height / part.height
    # The box is the original, in pixels of the smaller image: its sides need not be whole.
    wanted = round(whole.width * across * _LINEAR_SIZES), round(whole.height * down * _LINEAR_SIZES)
    drafted = image.draft(None, wanted)
    box: tuple[float, float, float, float] | None = drafted[1] if drafted else None
    picture = _expanded(image)
    if cut is not None:
        right, bottom = (box or (0, 0, *whole))[2:]
        left, top = part.left * right / whole.width, part.top * bottom / whole.height
        width, height = part.width * right / whole.width, part.height * bottom / whole.height
        box = left, top, min(left + width, picture.width), min(top + height, picture.height)
        reduction = max(width / size.width, height / size.height)
    else:
        if box is None and picture.size == size:
            return picture.copy()
        reduction = max(picture.width / size.width, picture.height / size.height)
    gap = max(_LINEAR_SIZES, reduction / _MOST_REDUCED)
    return picture.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=gap)


def resized(picture: Image.Image, options: Options, geometry: Geometry) -> Image.Image:
    """*picture*, upright and decoded: what is wanted of it, turned, transformed and then scaled."""
    picture = _expanded(picture)
    if (cut := geometry.cut) is not None:
        picture = picture.crop((cut.left, cut.top, cut.left + cut.width, cut.top + cut.height))
    picture = turned(picture, geometry.turn)
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


def trim_box(picture: Image.Image, region: Box, threshold: int) -> Box:
    """As `Engine.trim_box`, of an upright picture."""
    piece = _expanded(picture).crop((region.left, region.top, region.left + region.width, region.top + region.height))
    found = pillow_effects.trimmed(piece, threshold)
    if found is None:
        return region
    left, top, right, bottom = found
    return Box(region.left + left, region.top + top, right - left, bottom - top)


def finish(
    picture: Image.Image, options: Options, format: Format, geometry: Geometry, mark: Image.Image | None = None
) -> Image.Image:
    """In its colours, without alpha where *format* has none, on its canvas, with all effects and the *mark*."""
    picture = pillow_effects.recoloured(picture, options)
    if has_alpha(picture) and not format.alpha:
        picture = flattened(picture, options)
    if options.mode is Mode.PAD:
        picture = on_canvas(picture, geometry.offset, geometry.canvas, options.background, format)
    elif geometry.canvas != geometry.scaled:
        left, top = geometry.offset
        picture = picture.crop((-left, -top, geometry.canvas.width - left, geometry.canvas.height - top))
    picture = pillow_effects.blurred(picture, options.blur)
    if options.sharpen:
        picture = picture.filter(ImageFilter.UnsharpMask(*options.sharpen))
    if mark and geometry.mark and options.watermark:
        picture = pillow_effects.with_mark(picture, mark, geometry.mark, options.watermark.opacity)
    return pillow_effects.framed(picture, options, format, geometry)


def flattened(picture: Image.Image, options: Options) -> Image.Image:
    """*picture* as it looks in front of the background."""
    canvas = Image.new("RGBA", picture.size, (*options.background[:3], 255))
    canvas.alpha_composite(picture.convert("RGBA"))
    return canvas.convert("RGB")


def _keeps_profile(picture: Image.Image, profile: bytes | None, rendition: Rendition) -> bool:
    """Whether the rendition stays in the colours of its source's *profile*."""
    wanted = rendition.options.keep.icc and rendition.format.metadata
    return wanted and profile is not None and picture.mode in ("RGB", "RGBA") and is_rgb(profile)


def _rights(image: Image.Image, descriptor: int) -> bytes | None:
    if image.format == "TIFF":
        with io.FileIO(descriptor, closefd=False) as file:
            return rights_of_tiff(file)
    return rights(image.info.get("exif", b""))


def rgba(data: bytes) -> tuple[Size, bytes]:
    """The pixels of a PNG that an engine has made: its size, and 4 bytes a pixel, row by row."""
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        return Size(*image.size), image.convert("RGBA").tobytes()


def _plays(image: Image.Image) -> int:
    """How often an animation is shown, 0 for ever. A GIF states how often it is repeated, or nothing for never."""
    loop: int | None = image.info.get("loop")
    if image.format == "GIF":
        return 1 if loop is None else loop + 1 if loop else 0
    return loop or 0


def _movement(pictures: list[Image.Image], delays: list[int], plays: int, format: Format) -> dict[str, Any]:
    """What Pillow's writers take of an animation besides its frames."""
    movement: dict[str, Any] = {"save_all": True, "duration": delays}
    if format.name != "gif":
        return {**movement, "loop": plays % 65_536}  # the most that it can state; beyond that is for ever
    if plays != 1:
        movement["loop"] = max(0, plays - 1)
    if any(has_alpha(picture) for picture in pictures):
        movement["disposal"] = 2  # cleared, or the frame before would show through
    return movement


def encode(
    pictures: list[Image.Image],
    options: Options,
    format: Format,
    settings: Mapping[str, Any],
    metadata: dict[str, Any],
    timely: Callable[[Iterable[Image.Image]], Iterator[Image.Image]],
) -> bytes:
    """*pictures*, one or all frames, as a file of *format*, with nothing but this *metadata*.

    Frames come through *timely*: the writer of GIF takes one after the other, and a second for each of the worst.
    """
    name, _, modes = _SAVE[format.name]
    parameters = dict(settings)
    first, *others = (_in_one_of(modes, picture) for picture in _alike(pictures, format))
    if format.lossy:
        parameters = {**parameters, "quality": options.quality}
    if format.name == "ico":
        parameters = {**parameters, "sizes": [first.size]}
    if options.progressive:
        parameters = {**parameters, **_PROGRESSIVE.get(format.name, {})}
    if options.lossless:
        parameters = {**parameters, **_LOSSLESS.get(format.name, {})}
    if others:
        metadata = {**metadata, "append_images": timely(others)}
    file = io.BytesIO()
    first.save(file, name, **parameters, **metadata)
    return file.getvalue()


def _alike(pictures: list[Image.Image], format: Format) -> list[Image.Image]:
    """*pictures*, the frames of an animation, in one mode: those of a GIF may differ from frame to frame."""
    if len(pictures) == 1:
        return pictures
    mode = "RGBA" if any(has_alpha(picture) for picture in pictures) else "RGB"
    frames = [picture.convert(mode) for picture in pictures]
    if mode == "RGBA" and format.name == "gif":  # all that is not wholly clear would be opaque, and have a seam
        for frame in frames:
            frame.putalpha(frame.getchannel("A").point([0] * 128 + [255] * 128))
    return frames


def _in_one_of(modes: tuple[str, ...], picture: Image.Image) -> Image.Image:
    if picture.mode not in modes:
        picture = picture.convert(modes[-1] if has_alpha(picture) or len(modes) == 1 else "RGB")
    picture.info = {}  # some of Pillow's writers take a profile or a comment from here
    return picture
