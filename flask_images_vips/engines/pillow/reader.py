"""Open a source with Pillow."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from PIL import Image, UnidentifiedImageError

from ...errors import ImagesError, LimitExceeded, UnreadableSource, UnsupportedSource
from ...geometry import ORIENTATIONS, Turn
from ..engine import overtime

_ORIENTATION = 0x0112
_MOST_READS = 2_000_000  # as many as a GIF of 256 MB takes


@dataclass(frozen=True, slots=True)
class Reader:
    """Opens sources. The fields are the arguments of `PillowEngine`."""

    inputs: Sequence[str]
    auto_orient: bool
    timeout: float

    @contextmanager
    def open(self, descriptor: int, ref: str) -> Iterator[tuple[Image.Image, Turn]]:
        """A block with the image, of which only the header is read yet, and the turn that makes it upright.

        Raises:
            UnsupportedSource: If the file is not an image, or of a format that is not in use.
            UnreadableSource: If Pillow fails within the block: the image is broken.
            LimitExceeded: If reading takes longer than the timeout.
        """
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            with (
                _CountedReader(_TimedFile(os.dup(descriptor), self.timeout)) as file,
                # The formats are listed: otherwise Pillow starts Ghostscript for an EPS that is named cat.jpg.
                Image.open(file, formats=[name.upper() for name in self.inputs]) as image,
            ):
                yield image, self._upright(image)
        except (ImagesError, MemoryError):
            raise
        except UnidentifiedImageError as error:
            reason = f"Pillow does not recognise it as {', '.join(self.inputs).upper()}; SVG is for libvips alone"
            raise UnsupportedSource(ref, reason) from error
        except Exception as error:  # Pillow's parsers raise anything
            raise UnreadableSource(ref, f"{type(error).__name__}: {error}"[:300]) from error

    def _upright(self, image: Image.Image) -> Turn:
        # The method of the base class: PNG's own decodes the pixels, to look for EXIF behind them.
        upright = ORIENTATIONS.get(Image.Image.getexif(image).get(_ORIENTATION, 1), Turn())
        if image.format == "TIFF":
            # Pillow turns TIFFs itself, and reports the upright size. So this can only turn it back.
            return Turn() if self.auto_orient else upright.back
        if image.format == "AVIF":
            return upright  # the rotation is part of the format, whatever EXIF says
        return upright if self.auto_orient else Turn()


class _TimedFile(io.FileIO):
    """A file that refuses to be read after *limit* seconds. Stops Pillow's parsers, and decoders fed in pieces."""

    def __init__(self, descriptor: int, limit: float) -> None:
        super().__init__(descriptor)
        self.limit = limit
        self.begin = time.monotonic()

    def readinto(self, buffer: Any) -> int | None:
        if (seconds := time.monotonic() - self.begin) > self.limit:
            raise overtime(seconds, self.limit)
        return super().readinto(buffer)


class _CountedReader(io.BufferedReader):
    """A file that refuses to be read more than `_MOST_READS` times. Pillow's GIF parser reads twice per block."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > _MOST_READS:
            raise LimitExceeded("the file takes {:,} reads or more", self.reads, _MOST_READS, set_by="this package")
        return super().read(size)
