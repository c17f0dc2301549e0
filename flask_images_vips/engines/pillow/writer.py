"""Encode a rendition with Pillow: the settings of the encoders, and the metadata that is kept."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from PIL import Image

from ...formats import Format
from ..engine import Spec
from ..rights import rights, rights_of_tiff
from .effects import has_alpha

# The modes that each encoder accepts.
_MODES: dict[str, tuple[str, ...]] = {
    "jpeg": ("L", "RGB"),
    "png": ("L", "LA", "RGB", "RGBA"),
    "webp": ("RGB", "RGBA"),
    "avif": ("RGB", "RGBA"),
    "gif": ("L", "RGB", "RGBA"),
    "tiff": ("L", "LA", "RGB", "RGBA"),
    "bmp": ("L", "RGB"),
    "ico": ("RGBA",),
}
_PROGRESSIVE = {"jpeg": {"progressive": True}}  # Pillow cannot write interlaced PNGs
# AVIF has no lossless mode in Pillow. With full chroma at the best quality, values are off by a few levels at most.
_LOSSLESS: dict[str, dict[str, Any]] = {
    "webp": {"lossless": True},
    "avif": {"quality": 100, "subsampling": "4:4:4"},
}


def metadata_of(image: Image.Image, descriptor: int, spec: Spec) -> dict[str, Any]:
    """The metadata that the rendition keeps of *image*, as arguments of Pillow's ``save``."""
    metadata: dict[str, Any] = {}
    if spec.options.keep.copyright and spec.format.metadata and (exif := _rights(image, descriptor)):
        metadata["exif"] = exif
    if spec.profile is not None:
        metadata["icc_profile"] = spec.profile
    return metadata


def movement_of(
    image: Image.Image, pictures: Sequence[Image.Image], durations: Sequence[int], format: Format
) -> dict[str, Any]:
    """The timing of the animation *image*, as arguments of Pillow's ``save``. *durations* are in milliseconds."""
    plays = _plays(image)
    movement: dict[str, Any] = {"save_all": True, "duration": durations}
    if format.name != "gif":
        return {**movement, "loop": plays % 65_536}  # the field has 16 bits; more becomes endless
    if plays != 1:
        movement["loop"] = max(0, plays - 1)
    if any(has_alpha(picture) for picture in pictures):
        movement["disposal"] = 2  # clear each frame, or it would show through the next one
    return movement


def encode(
    pictures: Sequence[Image.Image],
    spec: Spec,
    settings: Mapping[str, Mapping[str, Any]],
    metadata: Mapping[str, Any],
    timely: Callable[[Iterable[Image.Image]], Iterator[Image.Image]],
) -> bytes:
    """Encode *pictures*, one or all frames, with the *settings* of their format and only this *metadata*.

    The encoder takes all frames but the first from *timely*, so that it can be stopped between them: GIF's encoder may
    take a second for each.
    """
    format, options = spec.format, spec.options
    first, *others = (_for_encoder(picture, format) for picture in _alike(pictures, format))
    parameters = dict(settings[format.name])
    if format.lossy:
        parameters["quality"] = options.quality
    if format.name == "ico":
        parameters["sizes"] = [first.size]
    if options.progressive:
        parameters |= _PROGRESSIVE.get(format.name, {})
    if options.lossless:
        parameters |= _LOSSLESS.get(format.name, {})
    if others:
        parameters["append_images"] = timely(others)
    file = io.BytesIO()
    first.save(file, format.name.upper(), **parameters, **metadata)
    return file.getvalue()


def _rights(image: Image.Image, descriptor: int) -> bytes | None:
    if image.format == "TIFF":
        with io.FileIO(descriptor, closefd=False) as file:
            return rights_of_tiff(file)
    return rights(image.info.get("exif", b""))


def _plays(image: Image.Image) -> int:
    """How often an animation is played; 0 for endless. A GIF stores the number of repeats, or nothing for none."""
    loop: int | None = image.info.get("loop")
    if image.format == "GIF":
        return 1 if loop is None else loop + 1 if loop else 0
    return loop or 0


def _alike(pictures: Sequence[Image.Image], format: Format) -> list[Image.Image]:
    """Convert the frames of an animation to one mode. Those of a GIF may have different modes."""
    if len(pictures) == 1:
        return [*pictures]
    mode = "RGBA" if any(has_alpha(picture) for picture in pictures) else "RGB"
    frames = [picture.convert(mode) for picture in pictures]
    if mode == "RGBA" and format.name == "gif":  # otherwise all half-clear pixels become opaque, and show as a seam
        for frame in frames:
            frame.putalpha(frame.getchannel("A").point([0] * 128 + [255] * 128))
    return frames


def _for_encoder(picture: Image.Image, format: Format) -> Image.Image:
    """Convert *picture* to a mode that the encoder of *format* accepts, and drop the metadata it carries."""
    modes = _MODES[format.name]
    if picture.mode not in modes:
        picture = picture.convert(modes[-1] if has_alpha(picture) or len(modes) == 1 else "RGB")
    picture.info = {}  # some encoders take a profile or a comment from here
    return picture
