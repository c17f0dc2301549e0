"""Encode a rendition with libvips, and write the metadata that it keeps."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ...formats import JPEG, JXL, PNG
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
    is_deep,
    tries_lossless,
)
from ..engine import Paletted, Spec
from . import abilities, small_jpeg
from .deep import in_8_bits
from .load import pyvips
from .reader import ERRORS, has

_INDEXED = {"compression": 9, "filter": "none", "palette": True}
_SAME_PALETTE = {"dither": 0, "effort": 7}  # with less effort, its colours would be off by a level or two
# For shrunk pictures, the best palette first. The next one is for files that are larger than the source.
_PALETTES: tuple[dict[str, Any], ...] = (
    {"dither": 0, "effort": 1},
    {"dither": 0, "effort": 1, "Q": 50},
    {"dither": 1, "effort": 7, "bitdepth": 4},
)
_KEEP_EXIF, _KEEP_PROFILE = 1, 8  # bits of libvips' ForeignKeep
_WEBP_FLAGS, _ANIMATION, _ALPHA = 20, 0x02, 0x10  # the offset of the flags in a WebP, and two of them
_BY_PLUGIN = {"Q": "quality"}  # what the encoder of JPEG XL calls the settings of libvips
_METADATA = "exif-", "icc-", "xmp-", "iptc-", "photoshop-", "png-comment-", "gif-comment", "orientation"


def together(frames: list[pyvips.Image]) -> pyvips.Image:
    """Join *frames* one below the other, as libvips' encoders expect.

    The result keeps the metadata of the first frame, which holds the delays of all frames and the loop count.
    """
    if len(frames) == 1:
        return frames[0]
    image = pyvips.Image.arrayjoin(frames, across=1).copy()
    image.set_type(pyvips.GValue.gint_type, "page-height", frames[0].height)
    return image


def exif_of(source: pyvips.Image, descriptor: int, spec: Spec) -> bytes | None:
    """Return the EXIF block for the rendition, or None."""
    if not spec.keeps_copyright:
        return None
    if source.get("vips-loader").startswith("tiff"):
        with io.FileIO(descriptor, closefd=False) as file:
            return rights_of_tiff(file)
    return rights(source.get("exif-data")) if has(source, "exif-data") else None


def encode(
    image: pyvips.Image,
    spec: Spec,
    effort: str,
    watch: Callable[[pyvips.Image], pyvips.Image],
    exif: bytes | None = None,
) -> bytes:
    """Encode *image* at *effort*, with the block *exif*. *watch* is given the image that the encoder reads.

    Raises:
        Lacking: If libvips has no encoder for the format or these options, or cannot write *exif*.
        pyvips.Error, UnicodeDecodeError: If it fails.
    """
    format, options = spec.format, spec.options
    if options.lossless and format.name == "avif" and not abilities.writes_lossless_avif():
        raise abilities.Lacking("an encoder for lossless AVIF")
    if is_deep(options, format) and not abilities.writes_deep_avif():
        raise abilities.Lacking("an encoder for AVIF with more than 8 bits")
    flat, pixels = False, image.width * image.height
    effort = effort_for(effort, pixels)
    if format is JPEG and effort == "small" and not abilities.has_mozjpeg():
        # The scale of this effort would only make the file larger.
        effort, options = "balanced", replace(options, progressive=True)
    if depends_on_flatness("vips", effort, format, options) and pixels <= MOST_FLAT_PIXELS:
        image = watch(image.copy_memory())  # it is read twice
        flat = is_flat(in_8_bits(image))
    parameters = arguments_of("vips", effort, format, options, flat=flat, pixels=spec.geometry.final.pixels)
    # The step `scale` has removed a profile that is not kept.
    keep = _KEEP_PROFILE if options.keep.icc and has(image, "icc-profile-data") else 0
    if format is JXL:
        return _write_jxl(image, parameters, exif)
    if exif is not None:
        if not abilities.can_keep():  # it would drop the tags of the block
            raise abilities.Lacking("an encoder that keeps some of the metadata")
        keep |= _KEEP_EXIF
        image = image.copy()
        for field in image.get_fields():
            if field.startswith("exif-"):  # or libvips would write these tags into the block, too
                image.remove(field)
        image.set_type(pyvips.GValue.blob_type, "exif-data", exif)
    if format is PNG and spec.paletted is not None and not options.lossless:
        return _write_png(image, keep, parameters, spec.geometry, spec.paletted)
    if format is JPEG and not keep and (made := small_jpeg.encoded(image, parameters)):
        return made
    data = write(image, format.name, keep, parameters)
    if tries_lossless(effort, format, options, flat=flat):
        data = min(data, write(image, format.name, keep, parameters | LOSSLESS["vips"][format.name]), key=len)
    return _with_alpha_flag(data) if format.name == "webp" and image.hasalpha() else data


def _with_alpha_flag(webp: bytes) -> bytes:
    """Return *webp* with a header that states alpha, if it is an animation.

    libwebp omits that if all its frames are opaque, although they may leave parts clear. Some decoders then show these
    in black.
    """
    if webp[12:16] != b"VP8X" or not webp[_WEBP_FLAGS] & _ANIMATION:
        return webp
    return webp[:_WEBP_FLAGS] + bytes([webp[_WEBP_FLAGS] | _ALPHA]) + webp[_WEBP_FLAGS + 1 :]


def is_flat(image: pyvips.Image) -> bool:
    """Return whether *image* is a drawing, a screen or text, rather than a photograph. See `EDGES`."""
    if image.width < 2:
        return False
    rows = image.subsample(1, min(FLAT_ROWS, image.height))
    left, right = (rows.crop(x, 0, rows.width - 1, rows.height) for x in (0, 1))
    equal = (left == right).bandand().avg() / 255
    if equal < FLAT:
        return False
    edges = ((left - right).abs() > SMALL_STEP).bandor().avg() / 255
    return bool(edges >= EDGES * (1 - equal))


def _write_png(
    image: pyvips.Image, keep: int, parameters: Mapping[str, Any], geometry: Geometry, source: Paletted
) -> bytes:
    """Encode *image* as a PNG with a palette, or without one if that is smaller or this libvips finds no palettes."""
    image = image.copy_memory()  # it is encoded several times
    best = write(image, PNG.name, keep, parameters)
    for palette in _PALETTES if source.is_shrunk(geometry) else (_SAME_PALETTE,):
        with suppress(*ERRORS):
            best = min(best, write(image, PNG.name, keep, _INDEXED | palette), key=len)
        if len(best) <= source.size_bytes:
            break
    return best


def _write_jxl(image: pyvips.Image, parameters: Mapping[str, Any], exif: bytes | None) -> bytes:
    """Encode *image* as a JPEG XL, with the block *exif*, by pillow-jxl-plugin or by a libvips that can do so."""
    if jxl.works():
        settings = {_BY_PLUGIN.get(name, name): value for name, value in parameters.items()}
        size = image.width, image.height
        return jxl.encoded(jxl.mode_of(image.bands), size, bytes(image.write_to_memory()), settings, exif)
    data = write(image, JXL.name, 0, parameters)
    return data if exif is None else jxl.with_exif(data, exif)


def write(image: pyvips.Image, format: str, keep: int, parameters: Mapping[str, Any]) -> bytes:
    """Encode *image* with *parameters*, and with the metadata whose bits are set in *keep*.

    Raises:
        Lacking: If libvips has no encoder for *format*.
        pyvips.Error, UnicodeDecodeError: If it fails.
    """
    metadata: dict[str, Any] = {"keep": keep} if abilities.can_keep() else {"strip": not keep}
    # libvips 8.14 writes all metadata into WebP, even if it is told to strip it.
    if not abilities.can_keep() or (format == "png" and abilities.keeps_comments()):
        image = _with_only(image, keep)
    try:
        # Write into memory, because libvips would leave an empty file behind on a full disk.
        data: bytes = image.write_to_buffer("." + format, **metadata, **parameters)
    except ERRORS as error:
        if not abilities.can_write(format):
            raise abilities.Lacking(f"an encoder for {format}") from error
        raise
    return data


def _with_only(image: pyvips.Image, keep: int) -> pyvips.Image:
    """Return *image* without the metadata that *keep* does not name.

    Raises:
        Lacking: If a name is not valid UTF-8, so pyvips cannot read it.
    """
    image = image.copy()
    try:
        fields = image.get_fields()
    except UnicodeDecodeError as error:
        raise abilities.Lacking("an encoder that removes all metadata") from error
    for field in fields:
        # The fields of EXIF are those of the block. libvips would drop the tags of the others.
        is_exif = field.startswith("exif-")
        is_kept = (field == "icc-profile-data" and keep & _KEEP_PROFILE) or (is_exif and keep & _KEEP_EXIF)
        if field.startswith(_METADATA) and not is_kept:
            image.remove(field)
    return image
