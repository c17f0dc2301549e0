"""Encode and decode JPEG XL with the package pillow-jxl-plugin, which is imported at the first use.

Both engines use it, because the libvips of pyvips-binary has neither the encoder nor the decoder. Everything runs in
the calling thread.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from ..headers import jxl
from .colour import is_srgb

INSTALL = "pip install 'flask-images-vips[jxl]'"
"""The command that installs the package."""

_PACKAGE = "pillow_jxl"
_PANIC = "PanicException"  # of Rust, which is no Exception
_NO_THREADS = 0
_EXIF_PREFIX = b"Exif\0\0"
_HIGHEST = 99  # the encoder refuses 100
_BANDS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
# The end of the profile by which the decoder describes grey in sRGB: the parameters of its curve.
_GREY_CURVE = b"para\0\0\0\0\0\3\0\0\0\2ff\0\0\xf2\xa7\0\0\rY\0\0\x13\xd0\0\0\n["


class Decoded(NamedTuple):
    """The pixels of a JPEG XL, upright, in the *mode* of Pillow. *profile* is None if they are in sRGB."""

    mode: str
    size: tuple[int, int]
    data: bytes
    profile: bytes | None
    exif: bytes | None


def is_installed() -> bool:
    """Return whether the package is installed. It is not imported."""
    return importlib.util.find_spec(_PACKAGE) is not None


@cache
def works() -> bool:
    """Return whether the package is installed, and can encode a pixel. This imports it."""
    if not is_installed():
        return False
    try:
        return bool(encoded("L", (1, 1), b"\0", {"quality": 50, "effort": 1}))
    except Exception:  # whatever an extension module raises that cannot be loaded
        return False


def encoded(
    mode: str, size: tuple[int, int], data: bytes, settings: Mapping[str, Any], exif: bytes | None = None
) -> bytes:
    """Return *data*, pixels in the *mode* L, LA, RGB or RGBA in sRGB, as a JPEG XL.

    *settings* are ``effort``, and ``quality`` or ``lossless``. The file holds no metadata besides the block *exif*.

    Raises:
        ImportError: If the package is not installed.
        RuntimeError: If the encoder fails.
    """
    from pillow_jxl import Encoder  # noqa: PLC0415

    quality = min(settings.get("quality", _HIGHEST), _HIGHEST)
    lossless = bool(settings.get("lossless"))
    encoder = Encoder(mode=mode, quality=quality, lossless=lossless, effort=settings["effort"], num_threads=_NO_THREADS)
    made = bytes(encoder(data, *size, jpeg_encode=False))
    return made if exif is None else with_exif(made, exif)


def mode_of(bands: int) -> str:
    """Return the mode of pixels of so many *bands*."""
    return next(mode for mode, count in _BANDS.items() if count == bands)


def with_exif(data: bytes, exif: bytes) -> bytes:
    """Return the JPEG XL *data* with the block *exif*, and no other metadata."""
    return jxl.in_container(jxl.codestream_of(data), (b"Exif", bytes(4) + exif.removeprefix(_EXIF_PREFIX)))


def wrapped(jpeg: bytes, size: tuple[int, int], *, effort: int) -> bytes:
    """Return the pixels of the file *jpeg* as a JPEG XL, without loss and without its metadata.

    Raises:
        ImportError: If the package is not installed.
        RuntimeError, ValueError: If the encoder does not take the file.
    """
    from pillow_jxl import Encoder  # noqa: PLC0415

    encoder = Encoder(mode="RGB", lossless=True, effort=effort, num_threads=_NO_THREADS)
    # Its container also holds what is needed to restore the file: its comments, EXIF and so on.
    return jxl.codestream_of(bytes(encoder(jpeg, *size, jpeg_encode=True)))


def decoded(data: bytes) -> Decoded:
    """Decode the first frame of the JPEG XL *data*.

    Raises:
        ImportError: If the package is not installed.
        RuntimeError, ValueError: If the file is broken.
    """
    from pillow_jxl import Decoder  # noqa: PLC0415

    # Of a file that a JPEG was wrapped in, the decoder would restore the JPEG. Its codestream alone is decoded.
    codestream = jxl.codestream_of(data)
    try:
        _, info, pixels, profile, _ = Decoder(num_threads=_NO_THREADS)(codestream)
    except BaseException as error:
        if type(error).__name__ != _PANIC:
            raise
        raise RuntimeError(f"its decoder has failed: {error}") from None
    profile = bytes(profile) or None
    if profile is not None and (is_srgb(profile) or (profile[16:20] == b"GRAY" and profile.endswith(_GREY_CURVE))):
        profile = None
    return Decoded(info.mode, (info.width, info.height), bytes(pixels), profile, jxl.exif_of(data))
