"""Encode a rendition with Pillow, and write the metadata that it keeps."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

from PIL import Image, ImageChops

from ...formats import JXL, PNG, Format
from ...geometry import Geometry
from .. import jxl
from ..copyright import rights, rights_of_tiff
from ..encoder_settings import (
    EDGES,
    FLAT,
    FLAT_ROWS,
    LOSSLESS,
    MOST_FLAT_PIXELS,
    SMALL_STEP,
    arguments_of,
    depends_on_flatness,
    effort_for,
    tries_lossless,
)
from ..engine import Paletted, Spec
from .effects import has_alpha

# The modes in which pictures are passed to each encoder.
_MODES: dict[str, tuple[str, ...]] = {
    "jpeg": ("L", "RGB"),
    "png": ("L", "LA", "RGB", "RGBA"),
    "webp": ("RGB", "RGBA"),
    "avif": ("RGB", "RGBA"),
    "jxl": ("L", "LA", "RGB", "RGBA"),
    "gif": ("L", "RGB", "RGBA"),
    "tiff": ("L", "LA", "RGB", "RGBA"),
    "bmp": ("L", "RGB"),
    "ico": ("RGBA",),
}
# Arguments with which Pillow needs a buffer for the whole JPEG. Its buffer is too small for some strips of noise.
_WHOLE_JPEG = frozenset({"optimize", "progressive"})
# How many colours the palette of a shrunk picture has. The next number is for files that are larger than the source.
# With alpha, Pillow finds poor palettes, so it needs all colours.
_COLOURS = {"RGB": (256, 64, 32), "RGBA": (256,)}


def metadata_of(image: Image.Image, descriptor: int, spec: Spec) -> dict[str, Any]:
    """Return the metadata of *image* that the rendition keeps, as arguments of Pillow's ``save``."""
    metadata: dict[str, Any] = {}
    if spec.keeps_copyright and (exif := _rights(image, descriptor)):
        metadata["exif"] = exif
    if spec.profile is not None:
        metadata["icc_profile"] = spec.profile
    return metadata


def movement_of(
    image: Image.Image, pictures: Sequence[Image.Image], durations: Sequence[int], format: Format
) -> dict[str, Any]:
    """Return the timing of an animation, as arguments of Pillow's ``save``. *durations* are in milliseconds."""
    plays = _plays(image)
    movement: dict[str, Any] = {"save_all": True, "duration": durations}
    if format.name != "gif":
        return {**movement, "loop": plays % 65_536}  # the field has 16 bits, so 65,536 plays become endless
    if plays != 1:
        movement["loop"] = max(0, plays - 1)
    if any(has_alpha(picture) for picture in pictures):
        movement["disposal"] = 2  # clear each frame, or it would be visible through transparent parts of the next one
    return movement


def encode(
    pictures: Sequence[Image.Image],
    spec: Spec,
    effort: str,
    metadata: Mapping[str, Any],
    timely: Callable[[Iterable[Image.Image]], Iterator[Image.Image]],
) -> bytes:
    """Encode *pictures*, the frames of the rendition, at *effort*.

    *metadata* holds further arguments of Pillow's ``save``. Metadata that the pictures themselves carry is dropped.
    *timely* wraps all frames but the first. It may raise an error between two frames, so that a slow encoder stops: the
    GIF encoder may take a second per frame.
    """
    format, options = spec.format, spec.options
    first, *others = (_for_encoder(picture, format) for picture in _alike(pictures, format))
    effort = effort_for(effort, first.width * first.height * len(pictures))
    flat = (
        depends_on_flatness("pillow", effort, format, options)
        and first.width * first.height <= MOST_FLAT_PIXELS
        and is_flat(first)
    )
    parameters = arguments_of("pillow", effort, format, options, flat=flat, pixels=first.width * first.height)
    if format.name == "ico":
        parameters["sizes"] = [first.size]
    if others:
        parameters["append_images"] = timely(others)
    parameters |= metadata
    made = _saved(first, format, parameters)
    if not others and tries_lossless(effort, format, options, flat=flat):
        made = min(made, _saved(first, format, parameters | LOSSLESS["pillow"][format.name]), key=len)
    if format is PNG and spec.paletted is not None and not options.lossless:
        return _with_palette(first, made, parameters, spec.geometry, spec.paletted)
    return made


def _with_palette(
    picture: Image.Image, plain: bytes, parameters: Mapping[str, Any], geometry: Geometry, source: Paletted
) -> bytes:
    """Encode *picture* as a PNG with a palette, or return *plain*, the one without, if that is smaller."""
    picture = picture.convert("RGBA" if has_alpha(picture) else "RGB")
    best = plain
    for colours in _COLOURS[picture.mode] if source.is_shrunk(geometry) else (256,):
        indexed = picture.quantize(colours, dither=Image.Dither.NONE)
        indexed.info = {}
        best = min(best, _saved(indexed, PNG, {**parameters, "compress_level": 9}), key=len)
        if len(best) <= source.size_bytes:
            break
    return best


def is_flat(picture: Image.Image) -> bool:
    """Return whether *picture* is a drawing, a screen or text, rather than a photograph. See `EDGES`."""
    rows = picture.resize((picture.width, -(-picture.height // FLAT_ROWS)), Image.Resampling.NEAREST)
    if rows.width < 2:
        return False
    differences = ImageChops.difference(rows.crop((0, 0, rows.width - 1, rows.height)), rows.crop((1, 0, *rows.size)))
    largest = reduce(ImageChops.lighter, differences.split())
    counts, pixels = largest.histogram(), largest.width * largest.height
    return counts[0] >= FLAT * pixels and sum(counts[SMALL_STEP + 1 :]) >= EDGES * (pixels - counts[0])


def _saved(picture: Image.Image, format: Format, parameters: Mapping[str, Any]) -> bytes:
    if format is JXL:
        return jxl.encoded(picture.mode, picture.size, picture.tobytes(), parameters, parameters.get("exif"))
    file = io.BytesIO()
    try:
        picture.save(file, format.name.upper(), **parameters)
    except OSError:
        plain = {name: value for name, value in parameters.items() if name not in _WHOLE_JPEG}
        if plain == parameters:
            raise
        file = io.BytesIO()
        picture.save(file, format.name.upper(), **plain)
    return file.getvalue()


def _rights(image: Image.Image, descriptor: int) -> bytes | None:
    if image.format == "TIFF":
        with io.FileIO(descriptor, closefd=False) as file:
            return rights_of_tiff(file)
    return rights(image.info.get("exif", b""))


def _plays(image: Image.Image) -> int:
    """Return how often an animation is played; 0 means endlessly. A GIF stores the number of repeats, if any."""
    loop: int | None = image.info.get("loop")
    if image.format == "GIF":
        return 1 if loop is None else loop + 1 if loop else 0
    return loop or 0


def _alike(pictures: Sequence[Image.Image], format: Format) -> list[Image.Image]:
    """Convert the frames of an animation to one mode, because the frames of a GIF may have different modes."""
    clear = any(has_alpha(picture) for picture in pictures)
    if len(pictures) == 1 and not (clear and format.name == "gif"):
        return [*pictures]
    mode = "RGBA" if clear else "RGB"
    frames = [picture.convert(mode) for picture in pictures]
    # Make each pixel of a GIF either transparent or opaque here. The encoder would make all partly transparent pixels
    # opaque, which is visible as a seam.
    if mode == "RGBA" and format.name == "gif":
        for frame in frames:
            frame.putalpha(frame.getchannel("A").point([0] * 128 + [255] * 128))
    return frames


def _for_encoder(picture: Image.Image, format: Format) -> Image.Image:
    """Convert *picture* to a mode that the encoder of *format* accepts, and drop the metadata it carries."""
    modes = _MODES[format.name]
    if picture.mode not in modes:
        picture = picture.convert(modes[-1] if has_alpha(picture) or len(modes) == 1 else "RGB")
    picture.info = {}  # some encoders would copy a profile or a comment from here
    return picture
