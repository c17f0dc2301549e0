"""Walk over the blocks of a GIF, without decoding any pixel.

Encoders write the data of a frame in blocks of one length, only the last of which is shorter. Blocks of the same length
are passed together, so even a GIF of 100 MB takes few steps. Only a hostile file has very many blocks of different
lengths.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from ..geometry import Box, Size
from .bounded import NotKnown

CLEARED, RESTORED = 2, 3
"""Disposals: what becomes of the part of the screen that a frame has covered, before the next frame is drawn."""

_FRAME, _EXTENSION, _END, _CONTROL = 0x2C, 0x21, 0x3B, 0xF9
_KINDS = (b",", b"!", b";")
_BOX = struct.Struct("<4H")
_START, _ENTRIES = 13, 10  # the blocks begin behind the screen; its flags say how large its table of colours is
_TOGETHER = 64  # blocks of one length that are passed in one step
_SEARCHED = 1 << 12  # bytes of other data that are passed in one step


class UnknownBlock(NotKnown):
    """There is neither a frame nor an extension at the byte *offset*. Some decoders stop here, others search on."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class TooManySteps(NotKnown):
    """Walking over the blocks takes more steps than allowed."""


class Frame(NamedTuple):
    """A frame. It is drawn at *box*, in pixels, which may leave the screen. *clear*: a colour is transparent."""

    box: Box
    disposal: int
    clear: bool

    @property
    def corner(self) -> Size:
        """The screen that the frame needs."""
        return Size(self.box.left + self.box.width, self.box.top + self.box.height)


class Outline:
    """The blocks of a GIF that begins with *data*, and ends with it if *complete*.

    At most *max_steps* are taken. A step passes a frame, an extension, or some blocks of one length. If it *searches*,
    other data between the blocks is passed over.

    Raises IndexError where *data* ends within a block.
    """

    def __init__(self, data: bytes, *, complete: bool, max_steps: int, searches: bool = False) -> None:
        self._data = data
        self._complete = complete
        self._searches = searches
        self._steps_left = max_steps
        self._offset = _START + _table_bytes(data[_ENTRIES])
        self.screen = Size(int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little"))

    def next_frame(self) -> Frame | None:
        """Return the next frame; None if there is no other. The frame's blocks come next.

        Raises:
            UnknownBlock, TooManySteps: See there.
        """
        data, disposal, clear = self._data, 0, False
        while self._offset < len(data) or not self._complete:
            offset = self._offset
            kind = data[offset]
            self._step()
            if kind == _END:
                return None
            if kind == _FRAME:
                self._offset += 11 + _table_bytes(data[offset + 9])
                return Frame(Box(*_BOX.unpack_from(data, offset + 1)), disposal, clear)
            if kind != _EXTENSION:
                self._skip_unknown()
                continue
            if data[offset + 1] == _CONTROL and data[offset + 2]:
                disposal, clear = data[offset + 3] >> 2 & 7, bool(data[offset + 3] & 1)
            self._offset += 2
            self.skip_blocks()
        return None  # decoders do without the mark of the end

    def skip_blocks(self) -> None:
        """Skip the blocks that come next, up to the empty one that ends them.

        Raises:
            TooManySteps: See there.
        """
        data, offset = self._data, self._offset
        while length := data[offset]:
            self._step()
            step = length + 1
            lengths = data[offset : offset + _TOGETHER * step : step]
            offset += step * (len(lengths) - len(lengths.lstrip(lengths[:1])))
        self._offset = offset + 1

    def _skip_unknown(self) -> None:
        """Skip a byte of an unknown block, and others that begin no block either."""
        if not self._searches:
            raise UnknownBlock(self._offset)
        start = self._offset + 1
        end = min(start + _SEARCHED, len(self._data))
        for kind in _KINDS:
            found = self._data.find(kind, start, end)
            end = end if found < 0 else found
        self._offset = end

    def _step(self) -> None:
        self._steps_left -= 1
        if self._steps_left < 0:
            raise TooManySteps


def shows_through(before: Frame | None, frame: Frame, screen: Size) -> bool:
    """Return whether a part of *screen* is clear under *frame*, whatever its colours are.

    *before* is the frame before it, which itself hid everything; None before the first one.
    """
    if before is None:
        return not _covers(frame.box, Box(0, 0, *screen))
    return before.disposal == CLEARED and not _covers(frame.box, before.box)


def _covers(one: Box, other: Box) -> bool:
    return (
        one.left <= other.left
        and one.top <= other.top
        and one.left + one.width >= other.left + other.width
        and one.top + one.height >= other.top + other.height
    )


def _table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
