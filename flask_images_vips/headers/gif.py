"""Read the header of a GIF: its screen and first frame, and the other frames if the file is small."""

from __future__ import annotations

from ..geometry import Size
from .bounded import BoundedFile, NotKnown
from .gif_outline import Frame, Outline, shows_through
from .header import FileHeader

_START = 13  # the bytes of the screen
_MAX_BYTES = 60_000
_MAX_STEPS = 1000

# libvips takes these for the size of the screen that the GIF was drawn on, and the first frame for the size.
_SCREENS = {(640, 480), (640, 512), (800, 600), (1024, 768), (1280, 1024), (1600, 1200)}
_MAX_SCREEN = 2048


def read(file: BoundedFile) -> FileHeader:
    """Return the header of a GIF.

    If the file is too large to look at all of its frames, *frames* is None. *alpha* is None then, too, unless the first
    frame has it, or leaves a part of the screen clear.

    Raises:
        UnreadableSource: If its header is broken, or the file ends within its first frame.
        NotKnown: If the first frame is too far from the start, or if decoders differ about the size.
    """
    # A block has at most 255 bytes, so the end of a large file cannot be reached without reading most of it.
    data = file.read(0, max(_START, min(file.size, _MAX_BYTES)))
    complete = len(data) == file.size
    outline = Outline(data, complete=complete, max_steps=_MAX_STEPS)
    try:
        first = outline.next_frame()
    except IndexError:
        if complete:
            raise file.broken("a GIF that ends before its first frame") from None
        raise NotKnown from None
    if first is None:
        raise file.broken("a GIF without a frame")
    screen = outline.screen
    size = Size(max(screen.width, first.corner.width), max(screen.height, first.corner.height))
    guessed = not screen.pixels or max(screen) > _MAX_SCREEN or screen in _SCREENS
    if not size.pixels or (guessed and size != first.corner):
        raise NotKnown
    frames, alpha = 0, False
    try:
        before: Frame | None = None
        frame: Frame | None = first
        while frame is not None:
            alpha = alpha or frame.clear or shows_through(before, frame, size)
            outline.skip_blocks()
            frames += 1
            before, frame = frame, outline.next_frame()
    except (IndexError, NotKnown) as error:
        if complete and not frames and isinstance(error, IndexError):
            raise file.broken("a GIF that ends within its first frame") from None
        return FileHeader(size, "gif", frames=None, alpha=alpha or None, whole=True)
    return FileHeader(size, "gif", frames=frames, alpha=alpha, whole=True)
