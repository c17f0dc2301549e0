"""Decode HEIC with the package pillow-heif, which is imported at the first HEIC. Both engines use this module.

It decodes the primary picture, turned as the file's own properties say. Thumbnails, depth maps and other images of the
file are ignored, and so is the orientation of EXIF.
"""

from __future__ import annotations

import ctypes
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any

from ..errors import ImagesError, UnreadableSource, UnsupportedSource
from ..geometry import Size
from ..headers.coding import PLAIN, of_numbers
from ..headers.heic import is_heic, lacks_end
from ..system_errors import is_passing
from .coded_colour import profile_of
from .engine import Header

FORMAT = "heic"
_PACKAGE, _LEAST = "pillow-heif", (1, 8, 1)  # older ones contain a libheif with a known hole
_LIBHEIF = "libheif.so.1" if sys.platform != "darwin" else "libheif.1.dylib"
_CURE = "Run: pip install --upgrade 'flask-images-vips[heic]'"


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: its upright size in pixels, and its pixels, row by row, in Pillow's *mode*.

    The mode is L, LA, RGB or RGBA, or La or RGBa if alpha is multiplied into the colours, with 8 bits a band. *profile*
    is an ICC profile, also if the file states its colours by numbers. *exif* is an EXIF block.
    """

    size: Size
    mode: str
    data: Any
    profile: bytes | None = None
    exif: bytes | None = None


def takes(descriptor: int, inputs: Sequence[str]) -> bool:
    """Return whether the file at *descriptor* is a HEIC, and *inputs* are formats that include it."""
    return FORMAT in inputs and is_heic(descriptor)


def problem() -> str | None:
    """Return why no HEIC can be decoded, with a cure, or None. pillow-heif is not imported."""
    try:
        version = metadata.version(_PACKAGE)
    except metadata.PackageNotFoundError:
        return f"HEIC needs {_PACKAGE}, which is not installed. {_CURE}"
    if tuple(int(part) for part in re.findall(r"\d+", version)[:3]) < _LEAST:
        least = ".".join(map(str, _LEAST))
        return (
            f"HEIC needs {_PACKAGE} {least} or newer, because of holes in older ones; {version} is installed. {_CURE}"
        )
    return None


def decoder() -> str:
    """Return the names and versions of the libraries that decode, the inner one first. This imports them.

    Raises:
        UnsupportedSource: If there is none.
    """
    return f"libheif {_loaded('').libheif_version()} (pillow-heif {metadata.version(_PACKAGE)})"


def header(descriptor: int, ref: str) -> Header:
    """Read the header of the HEIC open at *descriptor*. *ref* names it in errors.

    Raises:
        UnsupportedSource: If pillow-heif is missing or too old.
        UnreadableSource: If it cannot read the file.
    """
    with _failing(ref):
        image = _opened(descriptor, ref)
        return Header(Size(*image.size), FORMAT, alpha=image.has_alpha, whole=True)


def decoded(descriptor: int, ref: str) -> Picture:
    """Decode the HEIC open at *descriptor*. *ref* names it in errors.

    Raises:
        UnsupportedSource: If pillow-heif is missing or too old.
        UnreadableSource: If it cannot decode the file, or finds another size than the header states.
    """
    if lacks_end(descriptor):
        raise UnreadableSource(ref, "the file ends within its pixels")
    with _failing(ref):
        image = _opened(descriptor, ref)
        stated = Size(*image.size)
        data = image.data
        size, mode = Size(*image.size), image.mode
        if size != stated:
            what = f"its picture has {size.width} × {size.height} pixels, its header states {stated.width} × "
            raise UnreadableSource(ref, f"{what}{stated.height}")
        mode, _, bits = mode.partition(";")
        if bits:  # only of grey, in little-endian order
            mode, data = mode.replace("I", "L"), bytes(data)[1::2]
        return Picture(size, mode, data, _profile(image.info, mode), image.info.get("exif"))


def _opened(descriptor: int, ref: str) -> Any:
    """Return the primary image of a HEIC, whose pixels are not decoded yet.

    Raises:
        UnsupportedSource: If pillow-heif is missing or too old.
        UnreadableSource: If there is no such image. pillow-heif would return another one.
    """
    heif = _loaded(ref)
    with io.FileIO(descriptor, closefd=False) as file:
        file.seek(0)
        images = heif.open_heif(file.read())
    image = images[images.primary_index] if len(images) else None
    if image is None or not image.info["primary"]:
        raise UnreadableSource(ref, "libheif finds no primary image in it")
    if min(image.size) < 1:
        raise UnreadableSource(ref, "an image without pixels")
    return image


def _loaded(ref: str) -> Any:
    """Return the module of pillow-heif.

    Raises:
        UnsupportedSource: If it is missing, too old or broken.
    """
    try:
        return _module()
    except ImportError as error:
        raise UnsupportedSource(ref, str(error)) from error


@cache
def _module() -> Any:
    if lacking := problem():
        raise ImportError(lacking)
    try:
        with _own_symbols():
            import pillow_heif  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(f"{_PACKAGE} cannot be imported ({error}). {_CURE}") from error
    pillow_heif.options.DECODE_THREADS = 0  # decode in this thread: a render has one processor
    return pillow_heif


@contextmanager
def _own_symbols() -> Iterator[None]:
    """Let a module that is imported in the block call the libheif that it brings.

    The libvips of a distribution may have loaded another libheif for all modules of this process. Calls of functions of
    the same names would end there, and crash the process.

    Raises:
        ImportError: If there is another libheif, and this C library cannot keep the two apart.
    """
    if not _has_loaded(_LIBHEIF):
        yield
        return
    if not hasattr(os, "RTLD_DEEPBIND"):
        raise ImportError(f"this libvips has loaded another {_LIBHEIF}; pyvips-binary brings a libvips that does not")
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        yield
    finally:
        sys.setdlopenflags(flags)


def _has_loaded(library: str) -> bool:
    if not hasattr(os, "RTLD_NOLOAD"):
        return False
    try:
        ctypes.CDLL(library, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
    except OSError:
        return False
    return True


def _profile(info: dict[str, Any], mode: str) -> bytes | None:
    profile: bytes | None = info.get("icc_profile")
    numbers = info.get("nclx_profile")
    if profile or not numbers:
        return profile or None
    coding = of_numbers(int(numbers["color_primaries"]), int(numbers["transfer_characteristics"]))
    return None if coding == PLAIN else profile_of(coding, grey=mode.startswith("L"))


@contextmanager
def _failing(ref: str) -> Iterator[None]:
    """Convert the errors of pillow-heif.

    Raises:
        UnreadableSource: If it fails in the block.
        OSError: If the file cannot be read at the moment.
    """
    try:
        yield
    except (ImagesError, MemoryError):
        raise
    except Exception as error:  # it raises many kinds
        if isinstance(error, OSError) and is_passing(error):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableSource(ref, f"libheif cannot decode it: {reason}"[:300]) from error
