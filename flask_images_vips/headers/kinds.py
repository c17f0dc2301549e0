"""Name the kind of a file that no engine loads, so that its owner knows what to do with it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from ..formats import EXTRAS, FORMATS, is_file_of

_LEAST = 16  # bytes that tell the kind
_STATED = 4096  # bytes at the start of a file; an SVG may have comments before its first element

_EMPTY = "empty"
# What people upload by mistake. The first pattern that the start of the file matches is its kind.
_KINDS = {
    _EMPTY: re.compile(rb"\Z"),
    "a HEIC image": re.compile(rb"....ftyp(?:hei[cfmsx]|hev[cmsx]|mif[12]|msf1)", re.DOTALL),
    "a video": re.compile(rb"....ftyp(?!avi[fs])|\x1aE\xdf\xa3|RIFF....AVI", re.DOTALL),
    "a JPEG 2000 image": re.compile(rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51"),
    "a Photoshop document": re.compile(rb"8BPS"),
    "a PDF document": re.compile(rb"%PDF-"),
    "a PostScript document": re.compile(rb"%!PS"),
    "a ZIP archive": re.compile(rb"PK\x03\x04"),
    "compressed by gzip": re.compile(rb"\x1f\x8b"),
    "a pointer of Git LFS, which was not replaced by the file": re.compile(rb"version https://git-lfs"),
    "an HTML page": re.compile(rb"\s*<(?:!doctype html|html|head|body)", re.IGNORECASE),
}
_SVG = re.compile(rb"<(?:\w{1,20}:)?svg[\s>]")
SVG = "an SVG drawing"
UNKNOWN = "of an unknown kind"


def kind_of(descriptor: int) -> str:
    """Return the kind of the file open at *descriptor*, for a sentence such as "the file is a PDF document"."""
    start = os.pread(descriptor, _STATED, 0) if hasattr(os, "pread") else b""
    for format in FORMATS:
        if is_file_of(format.name, start):
            return image_of(format.name)
    found = next(filter(lambda kind: _KINDS[kind].match(start), _KINDS), None)
    if found is not None:
        return found
    return SVG if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" and _SVG.search(start) else UNKNOWN


def refusal(kind: str, inputs: Sequence[str], reader: str) -> str:
    """Return why *reader* does not load a file of *kind*, where *inputs* are the formats that sources may have.

    It begins with the kind, unless that is one of them: see `is_refused_kind`.
    """
    if kind in map(image_of, inputs):
        return f"the file begins like {kind}, but its header is broken, or of a kind that {reader} does not read"
    refused = f"the file is {kind}; expected {', '.join(inputs).upper()} (IMAGES_INPUT_FORMATS)"
    extra = next((format for format in EXTRAS if image_of(format) == kind), None)  # it is named like the format
    if extra is None:
        return refused
    return (
        f"{refused}. To accept it, pip install 'flask-images-vips[{extra}]' and add {extra!r} to IMAGES_INPUT_FORMATS"
    )


def is_refused_kind(descriptor: int, reason: str) -> bool:
    """Return whether the file was refused for a *reason* that stays: its kind, which its first bytes tell."""
    if os.fstat(descriptor).st_size < _LEAST:
        return False
    kind = kind_of(descriptor)
    return kind not in (UNKNOWN, _EMPTY) and reason.startswith(f"the file is {kind}")


def image_of(format: str) -> str:
    """Return the kind of a file in *format*."""
    return f"{'an' if format[0] in 'ai' else 'a'} {format.upper()} image"
