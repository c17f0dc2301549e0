"""Write the sentences for people whose upload is refused.

They say what is wrong with the file, and what to do. This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import LimitExceeded, UploadRefused
from ..geometry import Size

MISSING, EMPTY, TOO_MANY_BYTES = "missing", "empty", "too_many_bytes"
NOT_A_PICTURE, WRONG_FORMAT, DAMAGED = "not_a_picture", "wrong_format", "damaged"
TOO_SMALL, TOO_LARGE, TOO_COMPLEX, TOO_MANY_FRAMES = "too_small", "too_large", "too_complex", "too_many_frames"

STATUSES = {TOO_MANY_BYTES: 413, NOT_A_PICTURE: 415, WRONG_FORMAT: 415, MISSING: 400}
"""The HTTP status of a refusal, where it is not 422."""

_NAMES = {"webp": "WebP", "jpeg2000": "JPEG 2000", "jxl": "JPEG XL"}
_UNKNOWN = "of an unknown kind"


def missing() -> UploadRefused:
    return UploadRefused(MISSING, "No file has arrived. Choose a picture, and send the form again.")


def empty() -> UploadRefused:
    return UploadRefused(EMPTY, "This file is empty. Choose another one.")


def too_many_bytes(most: int) -> UploadRefused:
    shown = bytes_shown(most)
    return UploadRefused(
        TOO_MANY_BYTES,
        f"This file is larger than {shown}. Make the picture smaller, or save it as JPEG with a lower quality.",
        max_bytes=most,
    )


def wrong_kind(kind: str, formats: Sequence[str], *, is_picture: bool) -> UploadRefused:
    """Return the refusal of a file of a *kind* such as ``"a PDF document"``."""
    this = "The kind of this file is not known" if kind == _UNKNOWN else f"This file is {kind}"
    return UploadRefused(
        WRONG_FORMAT if is_picture else NOT_A_PICTURE,
        f"{this}. Choose a picture in one of these formats: {formats_shown(formats)}.",
        kind=kind,
        formats=tuple(formats),
    )


def not_convertible(kind: str, formats: Sequence[str]) -> UploadRefused:
    return UploadRefused(
        WRONG_FORMAT,
        f"This file is {kind}, which browsers cannot show. Save it in another format: {formats_shown(formats)}.",
        kind=kind,
        formats=tuple(formats),
    )


def damaged() -> UploadRefused:
    return UploadRefused(
        DAMAGED,
        "This picture is damaged or incomplete. Open it in an image editor, save it again as JPEG or PNG, and choose "
        "the new file.",
    )


def too_small(size: Size, least: Size) -> UploadRefused:
    return UploadRefused(
        TOO_SMALL,
        f"This picture has {size_shown(size)} pixels, but needs at least {size_shown(least)}. Choose a larger one.",
        size=size,
        min_size=least,
    )


def too_large(size: Size, most: Size | int) -> UploadRefused:
    shown = size_shown(most) if isinstance(most, Size) else f"{most:,} altogether"
    return UploadRefused(
        TOO_LARGE,
        f"This picture has {size_shown(size)} pixels, but may have at most {shown}. Make it smaller.",
        size=size,
        limit=most,
    )


def too_many_frames(frames: int, most: int) -> UploadRefused:
    return UploadRefused(
        TOO_MANY_FRAMES,
        f"This animation has {frames:,} frames, which is too much for a picture of its size. Shorten it, or choose a "
        "still picture.",
        frames=frames,
        max_frames=most,
    )


def too_complex() -> UploadRefused:
    return UploadRefused(
        TOO_COMPLEX,
        "Reading this picture takes too long. Open it in an image editor, save it again as JPEG or PNG, and choose the "
        "new file.",
    )


def beyond_limits(error: LimitExceeded, size: Size | None) -> UploadRefused:
    """Return the refusal of a picture of a *size*, if it is known, that exceeds a limit of the configuration."""
    if "IMAGES_MAX_SOURCE_PIXELS" in error.set_by and size is not None:
        if "side" in error.what:
            return too_large(size, Size(int(error.limit), int(error.limit)))
        return too_large(size, int(error.limit))
    return too_complex()


def formats_shown(formats: Sequence[str]) -> str:
    return ", ".join(_NAMES.get(name, name.upper()) for name in formats)


def size_shown(size: Size) -> str:
    return f"{size.width:,} × {size.height:,}"


def bytes_shown(count: int) -> str:
    """Return a number of bytes for people, such as ``"2.5 MB"``."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 1000)):
        if count >= factor:
            return f"{count / factor:.1f}".removesuffix(".0") + f" {unit}"
    return f"{count:,} bytes"
