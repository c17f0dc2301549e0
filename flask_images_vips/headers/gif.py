"""Read the header of a GIF: its screen and first frame, and the other frames if the file is small."""

from __future__ import annotations

from ..geometry import Size
from .bounded import BoundedFile, NotKnown
from .header import FileHeader

_FRAME, _EXTENSION, _END, _CONTROL = 0x2C, 0x21, 0x3B, 0xF9
_START, _ENTRIES = 13, 10  # the blocks begin behind the screen; its flags say how large its table of colours is
_MAX_BYTES = 60_000
_MAX_BLOCKS = 4000
_BLOCKS_A_SERIES = 8  # a frame or an extension takes as long as so many blocks

# libvips takes these for the size of the screen that the GIF was drawn on, and the first frame for the size.
_SCREENS = {(640, 480), (640, 512), (800, 600), (1024, 768), (1280, 1024), (1600, 1200)}
_MAX_SCREEN = 2048


def read(file: BoundedFile) -> FileHeader:
    """Return the header of a GIF.

    If the file is too large to look at all of its frames, *frames* is None. *alpha* is None then, too, unless the first
    frame has it.

    Raises:
        UnreadableSource: If its header is broken, or the file ends within its first frame.
        NotKnown: If the first frame is too far from the start, or if decoders differ about the size.
    """
    # A block has at most 255 bytes, so the end of a large file cannot be reached without reading most of it.
    data = file.read(0, max(_START, min(file.size, _MAX_BYTES)))
    complete = len(data) == file.size
    outline = _Outline(data, complete)
    try:
        first = outline.next_frame()
    except IndexError:
        if complete:
            raise file.broken("a GIF that ends before its first frame") from None
        raise NotKnown from None
    if first is None:
        raise file.broken("a GIF without a frame")
    screen = outline.screen
    size = Size(max(screen.width, first.width), max(screen.height, first.height))
    guessed = not screen.pixels or max(screen) > _MAX_SCREEN or screen in _SCREENS
    if not size.pixels or (guessed and size != first):
        raise NotKnown
    frames = 0
    try:
        frame: Size | None = first
        while frame is not None:
            outline.skip_blocks()
            frames += 1
            frame = outline.next_frame()
    except (IndexError, NotKnown) as error:
        if complete and not frames and isinstance(error, IndexError):
            raise file.broken("a GIF that ends within its first frame") from None
        return FileHeader(size, "gif", frames=None, alpha=outline.alpha or None, whole=True)
    return FileHeader(size, "gif", frames=frames, alpha=outline.alpha, whole=True)


class _Outline:
    """The blocks of a GIF that begins with *data*, and ends with it if *complete*.

    Raises IndexError where *data* ends within a block.
    """

    def __init__(self, data: bytes, complete: bool) -> None:
        self._data = data
        self._complete = complete
        self._offset = _START + _table_bytes(data[_ENTRIES])
        self._blocks = 0
        self.screen = Size(int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little"))
        self.alpha = False

    def next_frame(self) -> Size | None:
        """Return the right bottom corner of the next frame; None if there is no other. The frame's blocks come next."""
        data = self._data
        while self._offset < len(data) or not self._complete:
            offset = self._offset
            kind = data[offset]
            if kind == _END:
                return None
            if kind == _FRAME:
                self._offset += 11 + _table_bytes(data[offset + 9])
                left, top, width, height = (
                    int.from_bytes(data[at : at + 2], "little") for at in range(offset + 1, offset + 9, 2)
                )
                return Size(left + width, top + height)
            if kind != _EXTENSION:
                raise NotKnown  # some decoders stop here, some look for the next block
            if data[offset + 1] == _CONTROL and data[offset + 2] and data[offset + 3] & 1:
                self.alpha = True
            self._offset += 2
            self.skip_blocks()
        return None  # decoders do without the mark of the end

    def skip_blocks(self) -> None:
        """Skip the blocks that come next, up to the empty one that ends them."""
        data, offset, blocks = self._data, self._offset, self._blocks + _BLOCKS_A_SERIES
        while length := data[offset]:
            offset += 1 + length
            blocks += 1
            if blocks > _MAX_BLOCKS:
                break
        if blocks > _MAX_BLOCKS:
            raise NotKnown
        self._offset, self._blocks = offset + 1, blocks


def _table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
