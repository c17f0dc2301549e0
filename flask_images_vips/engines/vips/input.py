"""Give libvips a source, either to map into memory or to read piece by piece."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...system_errors import is_passing
from .load import pyvips

_FAILED = -1

_refused: dict[int, OSError] = {}
"""Errors of the system that soon pass, by the descriptor of the file that could not be read."""


def input_of(descriptor: int, *, maps_files: bool) -> pyvips.Source:
    """Return what libvips reads the file at *descriptor* from.

    With *maps_files*, libvips may map the file. If the file is then truncated while it is decoded, the kernel kills the
    process by SIGBUS. Without, libvips calls back into Python for each piece, so whoever holds an image that is made
    from the source must hold the source as well: see `hold`.
    """
    if maps_files:
        os.lseek(descriptor, 0, os.SEEK_SET)
        return pyvips.Source.new_from_descriptor(descriptor)
    file = CallbackFile(descriptor)
    source = pyvips.SourceCustom()
    source.signal_connect("read", file.read)
    source.signal_connect("seek", file.seek)
    return source


def copy_of(descriptor: int) -> pyvips.Source:
    """Return a source of what the file at *descriptor* contains now.

    Some builds of libheif, such as that of Debian 12, abort the process if a file becomes shorter while they read it.
    """
    return pyvips.Source.new_from_memory(os.pread(descriptor, os.fstat(descriptor).st_size, 0))


def hold(image: pyvips.Image, source: pyvips.Source) -> None:
    """Keep *source* alive as long as *image*, and all images that are computed from it."""
    image._references.append(source)  # as pyvips' own `Image.new_from_source` does


@contextmanager
def reading(descriptor: int) -> Iterator[None]:
    """Raise an OSError if the file could not be read during the block, whatever libvips has made of that.

    libvips does not pass on the errors of callbacks. It may even go on, as if the file ended there.
    """
    _refused.pop(descriptor, None)
    try:
        yield
    finally:
        error = _refused.pop(descriptor, None)
        if error is not None:
            raise error


class CallbackFile:
    """The callbacks of a source. The position of the descriptor is neither used nor changed.

    Each ends by a return value, because libvips cannot pass on an exception.
    """

    __slots__ = ("_descriptor", "_position", "_size")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0
        # libvips asks for the size once and relies on it, so a file that grows must seem to end where it did.
        self._size = os.fstat(descriptor).st_size

    def read(self, buffer: Any) -> int:
        """Fill *buffer*. Return the number of bytes: 0 at the end of the file, also if it has become shorter."""
        piece = memoryview(buffer)[: max(0, self._size - self._position)]
        try:
            count = os.preadv(self._descriptor, [piece], self._position) if piece else 0
        except OSError as error:
            if is_passing(error):
                _refused[self._descriptor] = error
            return _FAILED
        self._position += count
        return count

    def seek(self, offset: int, whence: int) -> int:
        """Move as `io.IOBase.seek` does, and return the new position."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}.get(whence, 0)
        if start + offset < 0:
            return _FAILED
        self._position = start + offset
        return self._position
