"""Find out what the libvips of this process can do, by asking it.

libvips has many versions and builds: options were renamed, and a build may lack loaders, savers or codecs. Only this
module knows the differences. The other modules ask it for the name of an option, or let it set libvips up.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from contextlib import suppress
from functools import cache
from importlib import metadata
from typing import Any

from ...cache.per_process import Said
from .. import jxl
from .fork_safety import note_pixels
from .installed import LIBRARY, has_wheel, newer, too_old
from .load import pyvips

logger = logging.getLogger("flask_images_vips")

_LOADERS = {
    "jpeg": "jpegload_source",
    "png": "pngload_source",
    "gif": "gifload_source",
    "webp": "webpload_source",
    "avif": "heifload_source",
    "tiff": "tiffload_source",
    "svg": "svgload_buffer",
}
_SAVERS = {
    "jpeg": "jpegsave_target",
    "png": "pngsave_target",
    "webp": "webpsave_target",
    "avif": "heifsave_target",
    "jxl": "jxlsave_target",
    "gif": "gifsave_target",
    "tiff": "tiffsave_target",
}
_COMMENT = "a comment"
_BLACK = 2  # the largest level of all bands that counts as black

_unwritable: set[str] = set()

# Parts of the messages of pyvips that mean that libvips lacks an operation, an option or a saver.
_LACKS = "no such operation", "does not support optional argument", " arguments, but ", "unable to write to buffer"
_NO_MEMORY = "memory", "alloc", "creating thread"  # a thread needs memory for its stack
# Parts of messages about files that may be intact: libheif has no decoder, libvips 8.14 finds a profile unsuitable, or
# a TIFF is of a rare kind or has a tag with a meaningless value.
_BEYOND = (
    *("unsupported codec", "decoding plugin", "not been built in", "find any compatible input profile"),
    *("bad labq format", "separate planes not supported", "not a whole number of bytes", "bad value"),
    *("unsupported tiff image type", "not configured", "unimplemented"),
)


@cache
def version() -> tuple[int, int, int]:
    """Return the version of libvips."""
    return pyvips.version(0), pyvips.version(1), pyvips.version(2)


def version_name() -> str:
    """Return the version of libvips as text, such as ``8.18.0``."""
    return ".".join(map(str, version()))


@cache
def has_operation(name: str) -> bool:
    """Return whether libvips has the operation *name*."""
    return bool(pyvips.type_find("VipsOperation", name))


@cache
def option(operation: str, *names: str) -> str | None:
    """Return the first of *names* that *operation* accepts as an option, or None. It has one name per version."""
    try:
        options = pyvips.Introspect.get(operation).optional_input
    except pyvips.Error:  # there is no such operation
        return None
    return next((name for name in names if name in options), None)


def set_up() -> None:
    """Set libvips up for one-off renders: one thread, no cache, no warnings through Python's logging."""
    # Do not let pyvips pass libvips' warnings to Python's logging. If Python's garbage collector ran while a warning is
    # logged, and freed an image that causes another warning, glib would abort the process, because it does not allow a
    # warning within a warning.
    with suppress(AttributeError):
        pyvips._remove_log_handler()
    # Use one thread, because the web server already runs workers in parallel. With several threads, libvips 8.14 also
    # accepts some truncated JPEGs. Cache no operations, because the cache could return old pixels of a source that was
    # replaced.
    _set("vips_concurrency_set", 1)
    _set("vips_cache_set_max", 0)


def _set(function: str, value: int) -> None:
    """Call a *function* of libvips that takes one int. The binding of an older pyvips-binary lacks some of them."""
    try:
        getattr(pyvips.vips_lib, function)(value)
    except AttributeError:
        try:
            getattr(library(), function)(ctypes.c_int(value))
        except (OSError, AttributeError) as error:
            logger.warning("libvips cannot be set up (%s), so it may be slower, and may accept truncated files.", error)


@cache
def library() -> ctypes.CDLL:
    """Return libvips itself, which is loaded already."""
    if pyvips.API_mode:
        return ctypes.CDLL(sys.modules["_libvips"].__file__)  # looks up functions in the libraries that it needs, too
    return ctypes.CDLL(LIBRARY)


@cache
def path() -> str | None:
    """Return the file that libvips was loaded from. None if the system does not tell."""

    class Info(ctypes.Structure):
        _fields_ = (
            ("file", ctypes.c_char_p),
            ("base", ctypes.c_void_p),
            ("symbol", ctypes.c_char_p),
            ("address", ctypes.c_void_p),
        )

    info = Info()
    try:
        # dladdr reads no file: renderers may not open /proc.
        found = ctypes.CDLL(None).dladdr(ctypes.cast(library().vips_version, ctypes.c_void_p), ctypes.byref(info))
    except (OSError, AttributeError, TypeError):
        return None
    return os.fsdecode(info.file) if found and info.file else None


@cache
def is_overwritten() -> bool:
    """Return whether another libvips answers than the one in pyvips-binary, which is installed."""
    file = path()
    if file is None or "pyvips_binary" in file:
        return False
    return has_wheel(pyvips.__file__)


def parts() -> list[str]:
    """Return the names and versions of libraries of the system that libvips uses, as far as they tell.

    Empty if libvips comes from pyvips-binary, which contains its own.
    """
    if "pyvips_binary" in (path() or "pyvips_binary"):
        return []
    return [f"{name} {version}" for name, find in _VERSIONS_OF_PARTS.items() if (version := find())]


def _heif_version() -> str:
    with suppress(OSError, AttributeError):
        function = ctypes.CDLL(_PARTS.get(sys.platform, _PARTS["linux"])[0]).heif_get_version
        function.restype = ctypes.c_char_p
        return str(function().decode("ascii", "replace"))
    return ""


def _webp_version() -> str:
    with suppress(OSError, AttributeError):
        number = int(ctypes.CDLL(_PARTS.get(sys.platform, _PARTS["linux"])[1]).WebPGetDecoderVersion())
        return ".".join(str(number >> bits & 0xFF) for bits in (16, 8, 0))
    return ""


_PARTS = {"linux": ("libheif.so.1", "libwebp.so.7"), "darwin": ("libheif.1.dylib", "libwebp.7.dylib")}
_VERSIONS_OF_PARTS = {"libheif": _heif_version, "libwebp": _webp_version}


def _package(name: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def can_read(format: str) -> bool:
    """Return whether libvips has a loader for *format*. True for formats that no libvips loads for this package."""
    return format not in _LOADERS or has_operation(_LOADERS[format])


@cache
def can_write(format: str) -> bool:
    """Return whether libvips can write *format*: its encoder may be missing although the saver is there.

    This encodes one pixel, which takes milliseconds.
    """
    if format == "jxl" and jxl.works():
        return True
    note_pixels()
    try:
        pixel = pyvips.Image.black(1, 1, bands=3).copy(interpretation="srgb")
        pixel.write_to_buffer(f".{format}")
    except (pyvips.Error, UnicodeDecodeError) as error:
        pyvips.vips_lib.vips_error_clear()
        if not any(words in str(error).lower() for words in _NO_MEMORY):
            _unwritable.add(format)
    return format not in _unwritable


def is_unwritable(format: str) -> bool:
    """Return whether it is known that libvips cannot write *format*: it has no saver, or `can_write` has failed."""
    if format == "jxl" and jxl.works():
        return False
    return format in _unwritable or not has_operation(_SAVERS[format])


@cache
def keeps_comments() -> bool:
    """Return whether libvips writes the comments of a PNG although all metadata is to be removed, as 8.15 does."""
    pixel = pyvips.Image.black(1, 1).copy()
    pixel.set_type(pyvips.GValue.gstr_type, "png-comment-0-Comment", _COMMENT)
    return _COMMENT.encode() in pixel.pngsave_buffer(**({"keep": 0} if can_keep() else {"strip": True}))


@cache
def can_keep() -> bool:
    """Return whether libvips can keep some of the metadata. Before 8.15, it keeps all or none."""
    return option("pngsave_target", "keep") is not None


@cache
def has_mozjpeg() -> bool:
    """Return whether libvips writes JPEG with mozjpeg. Without it, libvips ignores the options for smaller files."""
    pixel = pyvips.Image.black(1, 1)
    plain, other = (pixel.jpegsave_buffer(quant_table=table) for table in (0, 3))
    return bool(plain != other)


@cache
def writes_lossless_avif() -> bool:
    """Return whether libvips writes AVIF without loss. With the libheif of Debian 12, the colours are wrong."""
    levels = 200, 30, 90
    pixels = (pyvips.Image.black(16, 16, bands=3) + list(levels)).cast("uchar").copy(interpretation="srgb")
    try:
        made = pyvips.Image.new_from_buffer(pixels.write_to_buffer(".avif", lossless=True), "")
        return tuple(made(8, 8)[:3]) == levels
    except pyvips.Error:
        return False


@cache
def writes_deep_avif() -> bool:
    """Return whether libvips writes AVIF with 10 and with 12 bits per band."""
    pixels = (pyvips.Image.black(16, 16, bands=3) + 30_000).cast("ushort").copy(interpretation="rgb16")
    try:
        made = [pyvips.Image.new_from_buffer(pixels.write_to_buffer(".avif", bitdepth=bits), "") for bits in (10, 12)]
        return all(image.format == "ushort" for image in made)
    except pyvips.Error:
        pyvips.vips_lib.vips_error_clear()
        return False


@cache
def converts_cmyk() -> bool:
    """Return whether libvips converts CMYK by its profile accurately. Before 8.18, dark colours become too bright."""
    all_inks = pyvips.Image.black(1, 1, bands=4).invert().copy(interpretation="cmyk")
    try:
        black = all_inks.icc_transform("srgb", input_profile="cmyk", intent="perceptual")
    except pyvips.Error:
        return False
    return bool(black.max() <= _BLACK)


class Lacking(Exception):
    """This libvips lacks something that the engine needs, which is the message."""


def lack(error: Exception) -> str | None:
    """Return what libvips or pyvips lacks, if that is the reason for *error*. None if the file may be the reason.

    The text contains nothing of the file, so there are few different ones.
    """
    if isinstance(error, Lacking):
        return str(error)
    if isinstance(error, pyvips.Error):
        return str(error.message) if any(words in error.message for words in _LACKS) else None
    if isinstance(error, (AttributeError, TypeError)) and ("libvips" in str(error) or _is_of_pyvips(error)):
        return f"{type(error).__name__}: {error}"
    return None


def is_beyond(reason: str) -> bool:
    """Return whether *reason*, a message of libvips, means that another engine may be able to load the file."""
    return any(words in reason.lower() for words in _BEYOND)


def report(lack: str) -> None:
    """Log what libvips lacks, once in each process."""
    if _said.add(lack):
        logger.warning(
            "libvips %s (%s) lacks something (%s), so Pillow renders the images that need it. %s",
            version_name(),
            path() or "unknown file",
            lack,
            cure(),
        )


def problem() -> str | None:
    """Return why this libvips cannot be used at all, or None."""
    return too_old(version(), path())


def overwritten() -> str:
    """Return the warning for an installation in which `is_overwritten` is true."""
    return (
        f"pyvips-binary is installed, but libvips {version_name()} ({path()}) is used instead, because pip has built "
        f"pyvips for that one. {cure()}"
    )


def cure() -> str:
    """Return how to install a newer libvips."""
    return newer(overwritten=is_overwritten())


def _is_of_pyvips(error: Exception) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0] == "pyvips"


_said = Said()


def describe() -> dict[str, Any]:
    """Return what is installed, and what it can do, as a JSON object.

    ``libvips``, ``pyvips``, ``pyvips_binary``, ``simplejpeg`` and ``pillow`` are versions, or None. ``path`` is the
    file of libvips, and ``mode`` is how pyvips calls it: ``API`` or ``ABI``. ``parts`` are names and versions of
    libraries of the system. ``reads`` and ``writes`` are names of formats. To tell the latter, a picture of one pixel
    is written in each format.
    """
    from ..pillow import abilities as pillow  # noqa: PLC0415

    return {
        "libvips": version_name(),
        "path": path(),
        "mode": "API" if pyvips.API_mode else "ABI",
        "overwritten": is_overwritten(),
        "parts": parts(),
        "reads": [format for format in _LOADERS if can_read(format)],
        "writes": [format for format in _SAVERS if can_write(format)],
        "pyvips": pyvips.__version__,
        "pyvips_binary": _package("pyvips-binary"),
        "simplejpeg": _package("simplejpeg"),
        **pillow.describe(),
    }
