"""Walk over the blocks of a GIF, without decoding any pixel.

Encoders write the data of a frame in blocks of one length, only the last of which is shorter. Blocks of the same length
are passed together, so even a GIF of 100 MB takes few steps. Only a hostile file has very many blocks of different
lengths.
"""

from __future__ import annotations

from typing import NamedTuple

from ..geometry import Box, Size
from .bounded import NotKnown

CLEARED, RESTORED = 2, 3
"""Disposals: what becomes of the part of the screen that a frame has covered, before the next frame is drawn."""

_FRAME, _EXTENSION, _END, _CONTROL = 0x2C, 0x21, 0x3B, 0xF9
_START, _ENTRIES = 13, 10  # the blocks begin behind the screen; its flags say how large its table of colours is
_TOGETHER = 64  # blocks of one length that are passed at once


class UnknownBlock(NotKnown):
    """There is neither a frame nor an extension at the byte *offset*. Some decoders stop here, others search on."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class TooManySteps(NotKnown):
    """There are more frames, extensions and series of blocks than allowed."""


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

    Each frame, each extension and each series of blocks of one length is a step. At most *max_steps* are made.

    Raises IndexError where *data* ends within a block.
    """

    def __init__(self, data: bytes, *, complete: bool, max_steps: int) -> None:
        self._data = data
        self._complete = complete
        self._max_steps = max_steps
        self._offset = _START + _table_bytes(data[_ENTRIES])
        self._steps = 0
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
            if kind == _END:
                return None
            if kind == _FRAME:
                self._offset += 11 + _table_bytes(data[offset + 9])
                box = Box(*(int.from_bytes(data[at : at + 2], "little") for at in range(offset + 1, offset + 9, 2)))
                return Frame(box, disposal, clear)
            if kind != _EXTENSION:
                raise UnknownBlock(offset)
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
        self._step()
        while length := data[offset]:
            self._step()
            series = data[offset : offset + _TOGETHER * (length + 1) : length + 1]
            offset += (length + 1) * (len(series) - len(series.lstrip(series[:1])))
        self._offset = offset + 1

    def skip_byte(self) -> None:
        """Skip one byte of an unknown block.

        Raises:
            TooManySteps: See there.
        """
        self._offset += 1
        self._step()

    def _step(self) -> None:
        self._steps += 1
        if self._steps > self._max_steps:
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
