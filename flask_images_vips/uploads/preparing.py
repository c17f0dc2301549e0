"""Prepare an upload for the web: check it, decode all of it in a renderer, and make the file that is stored.

What is decoded is the file that is stored, so nobody can show one picture to the check and another one to visitors.
"""

from __future__ import annotations

import logging
import mmap
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from ..engines.engine import Header
from ..engines.gif_frames import check_gif
from ..errors import LimitExceeded, UnreadableSource, UnsupportedSource, UploadRefused
from ..formats import JPEG, Format
from ..geometry import Size
from ..headers.kinds import kind_of
from ..headers.read import read_header
from ..options.options import Options
from ..options.values import Keep, Mode
from ..rendering.result import Result
from ..rights.file import Unfit
from ..rights.files import read_rights, with_rights
from . import refusals
from .advice import advise
from .decoding import REF, Decoder
from .jpeg_copy import NotCopied, check_end, copied, shortened
from .receiving import close, make_old, open_temporary, writing_temporary
from .rules import CheckedRules

logger = logging.getLogger("flask_images_vips")

_KEPT, _ONLY_PIXELS = Keep(rights=True, icc=True), Keep()
"""The metadata that stays in an upload that is encoded, and that of one that seems to hold code: see `_seems_code`."""

_QUALITY = 92
_WEBP_START = 100_000  # bytes that hold the chunks before the pixels
# No picture needs these, but files that are a picture and a page or a program at the same time do.
_CODE = re.compile(rb"<(?:\?php|script|html|!doctype|svg|iframe|body)|PK\x03\x04|%PDF-|javascript:", re.IGNORECASE)


@dataclass(slots=True)
class Prepared:
    """A picture that may be stored: an open *file* without a name, of the *format*. *size* is in pixels, upright."""

    file: BinaryIO
    format: Format
    size: Size
    size_bytes: int
    alpha: bool
    frames: int
    encoded: bool
    placeholders: Mapping[str, str]


def prepare(file: BinaryIO, rules: CheckedRules, decoder: Decoder) -> Prepared:
    """Return the file to store for the upload in *file*, which is closed.

    Raises:
        UploadRefused: If it must not be stored.
        Busy: If no renderer is free in time, or the system cannot read the file now.
        NotStored: If the temporary folder is full.
    """
    try:
        return _Preparation(decoder, file, rules).prepared()
    finally:
        close(file)


class _Preparation:
    """The work for one upload in *file*."""

    def __init__(self, decoder: Decoder, file: BinaryIO, rules: CheckedRules) -> None:
        self._decoder = decoder
        self._file = file
        self._rules = rules
        self._descriptor = file.fileno()
        self._bytes = file.seek(0, 2)
        self._size: Size | None = None
        self._rights = read_rights(self._descriptor)

    def prepared(self) -> Prepared:
        try:
            return self._made()
        except UploadRefused:
            raise
        except LimitExceeded as error:
            raise self._refused(refusals.beyond_limits(error, self._size), error) from error
        except UnsupportedSource as error:
            raise self._refused(self._wrong_kind(), error) from error
        except UnreadableSource as error:
            kind = kind_of(self._descriptor)
            is_image = kind == "of an unknown kind" or kind.endswith(" image")
            raise self._refused(refusals.damaged() if is_image else self._wrong_kind(), error) from error

    def _refused(self, refusal: UploadRefused, error: Exception) -> UploadRefused:
        logger.info("An upload is refused (%s): %s", refusal.reason, error)
        return refusal

    def _wrong_kind(self) -> UploadRefused:
        kind = kind_of(self._descriptor)
        if {*self._rules.formats} == {*self._decoder.inputs}:  # the form itself leaves no format out
            advise(kind, self._decoder.inputs, self._decoder.engine)
        return refusals.wrong_kind(kind, self._rules.formats, is_picture=kind.endswith(("image", "drawing")))

    def _made(self) -> Prepared:
        rules, header = self._rules, self._decoder.header(self._descriptor)
        self._size = size = header.size
        if header.format not in rules.formats:
            raise self._wrong_kind()
        self._decoder.check_source(header)
        if rules.min_size is not None and (size.width < rules.min_size.width or size.height < rules.min_size.height):
            raise refusals.too_small(size, rules.min_size)
        target = rules.target(header.format, alpha=header.alpha)
        if target is not None and not self._decoder.writes(target):
            target = rules.converted(alpha=header.alpha)
        if target is None:
            raise refusals.not_convertible(kind_of(self._descriptor), rules.formats)
        wanted = rules.within(size, target.max_side)
        if wanted != size and rules.convert is None:
            raise refusals.too_large(size, self._exceeded(size, target))
        if target.animated and header.frames > 1:
            self._check_frames(header)
        if header.format == "gif":
            self._check_gif(header)
        if header.format == "jpeg":
            with self._mapped() as data:
                check_end(data)
        seems_code = self._seems_code()
        if target is JPEG and header.format == "jpeg" and wanted == size and not seems_code:
            prepared = self._copied(header)
            if prepared is not None:
                return prepared
        return self._encoded(header, wanted, target, _ONLY_PIXELS if seems_code else _KEPT)

    def _exceeded(self, size: Size, target: Format) -> Size | int:
        """Return the limit of the form, or of the format *target*, that *size* exceeds."""
        most, longest = self._rules.max_size, Size(target.max_side, target.max_side)
        for limit in (longest, most):
            if limit is not None and (size.width > limit.width or size.height > limit.height):
                return limit
        return self._rules.max_pixels or longest

    def _check_frames(self, header: Header) -> None:
        """Refuse an animation that would become a still picture."""
        frames, pixels = self._decoder.may_animate
        most = min(frames, pixels // header.size.pixels)
        if header.frames > most:
            raise refusals.too_many_frames(header.frames, most)

    def _check_gif(self, header: Header) -> None:
        """Refuse a GIF without a screen, or with an incomplete frame. Decoders would fill both with something."""
        with self._mapped() as data:
            if not any(data[6:8]) or not any(data[8:10]):
                raise UnreadableSource(REF, "a GIF without a screen")
        check_gif(self._descriptor, REF, header.frames)

    def _seems_code(self) -> bool:
        """Return whether the file holds what looks like a page, a program or an archive.

        Such a picture is encoded again, and nothing but its pixels is kept: no name, and no colour profile.
        """
        with self._mapped() as data:
            return _CODE.search(data) is not None or "<" in repr(self._rights)

    def _mapped(self) -> mmap.mmap:
        return mmap.mmap(self._descriptor, self._bytes, access=mmap.ACCESS_READ)

    def _copied(self, header: Header) -> Prepared | None:
        """Return a copy with the same pixels, or None if the file must be encoded again."""
        stated = read_header(self._descriptor, REF, auto_orient=True)
        if stated is None or stated.orientation != 1:
            return None
        try:
            with self._mapped() as data:
                made = copied(data, strip=self._rules.strip)
        except NotCopied:
            return None
        with suppress(Unfit):  # it kept its own
            made = with_rights(made, self._rights)
        file = _file_of(made)
        try:
            checked = self._decoder.check(file.fileno(), len(made), "warning")
            if self._is_longer_than_its_pixels(made):
                close(file)
                return None
        except UnreadableSource as error:
            close(file)
            if isinstance(error, UnsupportedSource):
                return None
            raise
        except BaseException:
            close(file)
            raise
        return self._prepared(file, JPEG, header, len(made), checked, encoded=False)

    def _is_longer_than_its_pixels(self, made: bytes) -> bool:
        """Return whether the last scan of the JPEG *made* holds other data behind its pixels. Decoders do not say so.

        Also true if the decoder cannot tell.
        """
        file = _file_of(shortened(made))
        try:
            self._decoder.check(file.fileno(), len(made), "warning")
        except UnreadableSource as error:
            return isinstance(error, UnsupportedSource)
        finally:
            close(file)
        return True

    def _encoded(self, header: Header, size: Size, target: Format, keep: Keep) -> Prepared:
        options = Options(
            width=size.width if size != header.size else None,
            height=size.height if size != header.size else None,
            mode=Mode.RESHAPE,
            quality=min(_QUALITY, target.max_quality),
            keep=keep,
            lossless=target.name == "webp" and header.format == "webp" and self._is_lossless_webp(),
        )
        decoder = self._decoder
        # Of the other formats, decoders also warn of what is harmless, such as tags and profiles.
        strict = "warning" if header.format in ("jpeg", "gif") else "error"
        result = decoder.render(self._descriptor, self._bytes, options, target, strict)
        (data,) = result.files
        file = _file_of(data)
        try:
            made = decoder.header(file.fileno())
            if {*decoder.placeholders} - {*result.placeholders}:
                result = decoder.check(file.fileno(), len(data), "error")
        except BaseException:
            close(file)
            raise
        return self._prepared(file, target, made, len(data), result, encoded=True)

    def _is_lossless_webp(self) -> bool:
        with self._mapped() as data:
            if data[12:16] != b"VP8X":
                return data[12:16] == b"VP8L"
            return data.find(b"VP8L", 30, _WEBP_START) > 0 and data.find(b"VP8 ", 30, _WEBP_START) < 0

    def _prepared(
        self,
        file: BinaryIO,
        format: Format,
        header: Header,
        size_bytes: int,
        result: Result,
        *,
        encoded: bool,
    ) -> Prepared:
        return Prepared(
            file=file,
            format=format,
            size=header.size,
            size_bytes=size_bytes,
            alpha=header.alpha,
            frames=header.frames,
            encoded=encoded,
            placeholders=dict(result.placeholders),
        )


def _file_of(data: bytes) -> BinaryIO:
    file = open_temporary()
    try:
        with writing_temporary():
            file.write(data)
            file.flush()
    except BaseException:
        close(file)
        raise
    make_old(file)
    return file
