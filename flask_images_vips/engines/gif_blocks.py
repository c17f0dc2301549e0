"""Walk over the blocks of a GIF (GIF89a), without decoding them.

Encoders write the data of a frame in blocks of one length, only the last of which is shorter. Blocks of the same length
are passed together, so even a GIF of 100 MB takes few steps. Only a hostile file has very many blocks of different
lengths.
"""

from __future__ import annotations

import os

from ..errors import LimitExceeded

MAX_STEPS = 60_000
"""The number of frames, extensions, and series of blocks of one length that are read of a file at most.

Each takes half a microsecond. The 10,000 frames that a file may have take four or five each.
"""

_FRAME, _EXTENSION = 0x2C, 0x21
_START, _ENTRIES = 13, 10  # the blocks begin behind the screen; its flags say how large its table of colours is
_PIECE = 1 << 18
_TOGETHER = 64  # blocks of one length that are passed at once


class OtherBlock(Exception):
    """At *offset*, there is neither a frame nor an extension. The mark of the end is such a block, too."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class Blocks:
    """The blocks of the GIF open at *descriptor*, whose position is neither used nor changed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._piece, self._start = b"", 0
        self._steps = 0
        self._offset = 0

    def skip_frame(self) -> None:
        """Go behind the next frame, or the first one.

        Raises:
            OtherBlock: If there is no other frame.
            EOFError: If the file ends within the frame, or before it.
            LimitExceeded: If the file has more than `MAX_STEPS`.
        """
        if not self._offset:
            self._offset = _START + _table_bytes(self._byte(_ENTRIES))
        while True:
            kind = self._byte(self._offset)
            self._step()
            if kind == _FRAME:
                self._offset += 11 + _table_bytes(self._byte(self._offset + 9))
            elif kind == _EXTENSION:
                self._offset += 2
            else:
                raise OtherBlock(self._offset)
            self._skip_data()
            if kind == _FRAME:
                return

    def _skip_data(self) -> None:
        """Go behind the empty block that ends the data."""
        while length := self._byte(self._offset):
            self._step()
            at, step = self._offset - self._start, length + 1
            lengths = self._piece[at : at + _TOGETHER * step : step]
            self._offset += step * (len(lengths) - len(lengths.lstrip(lengths[:1])))
        self._offset += 1

    def _byte(self, offset: int) -> int:
        if not 0 <= offset - self._start < len(self._piece):
            self._piece, self._start = os.pread(self._descriptor, _PIECE, offset), offset
            if not self._piece:
                raise EOFError
        return self._piece[offset - self._start]

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            what = "the GIF has at least {:,} frames, extensions and blocks of different lengths"
            raise LimitExceeded(what, self._steps, MAX_STEPS, set_by="this package")


def _table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
