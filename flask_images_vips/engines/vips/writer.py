"""How does libvips write a rendition? The encoders' settings, and what of the source's metadata goes along."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pyvips

from ...rendition import Rendition
from ..rights import rights, rights_of_tiff
from .reader import has

# How each format is written, less its quality. Prices and gains: libvips' AVIF effort 4 costs ten times effort 2
# for a tenth fewer bytes; its WebP effort 4 twice effort 2 for a twentieth. A filter saves a quarter of a PNG of a
# photograph; to choose among all of them for each line, at compression 6, two to three times the CPU for another 6 %.
# libvips' GIF effort 7 takes two to four times the CPU of effort 4, which looks as near at half of the dither.
BALANCED: dict[str, dict[str, Any]] = {
    "jpeg": {"optimize_coding": True},
    "png": {"compression": 3, "filter": "sub"},
    "webp": {"effort": 2},
    "avif": {"effort": 2},
    "gif": {"effort": 4, "dither": 0.5},
}
_PROGRESSIVE = {"jpeg": {"interlace": True}, "png": {"interlace": True}}
_LOSSLESS = {"webp": {"lossless": True}, "avif": {"lossless": True}}
_KEEP_EXIF, _KEEP_PROFILE = 1, 8  # bits of libvips' ForeignKeep


def together(frames: list[pyvips.Image]) -> pyvips.Image:
    """*frames* as encoders take them: one below the other. Their delays and their loop came with the first."""
    if len(frames) == 1:
        return frames[0]
    image = pyvips.Image.arrayjoin(frames, across=1).copy()
    image.set_type(pyvips.GValue.gint_type, "page-height", frames[0].height)
    return image


def exif_of(source: pyvips.Image, descriptor: int, rendition: Rendition) -> bytes | None:
    """The block of EXIF that the rendition is to have, if any."""
    if not (rendition.options.keep.copyright and rendition.format.metadata):
        return None
    if source.get("vips-loader").startswith("tiff"):
        with io.FileIO(descriptor, closefd=False) as file:
            return rights_of_tiff(file)
    return rights(source.get("exif-data")) if has(source, "exif-data") else None


def encode(
    image: pyvips.Image, rendition: Rendition, exif: bytes | None, settings: Mapping[str, Mapping[str, Any]]
) -> bytes:
    format, options = rendition.format, rendition.options
    parameters = dict(settings[format.name])
    if format.lossy:
        parameters["Q"] = options.quality
    if options.progressive:
        parameters |= _PROGRESSIVE.get(format.name, {})
    if options.lossless:
        parameters |= _LOSSLESS.get(format.name, {})
    keep = _KEEP_PROFILE if options.keep.icc else 0  # `scale` has removed what is not to be kept
    if exif is not None:
        keep |= _KEEP_EXIF
        image = image.copy()
        for field in image.get_fields():
            if field.startswith("exif-"):  # each tag stands beside the block too, and would be written from there
                image.remove(field)
        image.set_type(pyvips.GValue.blob_type, "exif-data", exif)
    # Into memory, not into the file: a full disk would leave libvips' target empty, and in place.
    data: bytes = image.write_to_buffer("." + format.name, keep=keep, **parameters)
    return data
