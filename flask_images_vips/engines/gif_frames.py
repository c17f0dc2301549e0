"""Judge a GIF by its frames, and find the parts of its screen that are clear.

Browsers show a part that no frame covers as clear, and so a part that is cleared after a frame. Both libraries paint
them in a colour instead, unless a frame has a transparent one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

from ..errors import LimitExceeded, UnreadableSource
from ..geometry import Box, Size
from ..headers.gif_outline import CLEARED, RESTORED, Frame, Outline, TooManySteps, UnknownBlock, shows_through

MAX_FRAMES = 10_000
"""The maximum number of frames of a GIF or WebP, and of pages of a TIFF."""
MAX_STEPS = 60_000
"""The maximum number of steps to walk over a GIF, see `Outline`. Each takes half a microsecond.

A file of 100 MB takes less than 10,000, and a frame takes four or five.
"""
# Of the part of the screen that all frames need together. Decoders hold it, or decode all pixels of a frame although
# most lie outside of the screen.
_MAX_PIXELS = 2**26

Mask = TypeVar("Mask")


def check_gif(descriptor: int, ref: str, frames: int) -> None:
    """Refuse a GIF if one of its first *frames* frames is incomplete (GIF89a).

    Without this check, libnsgif would silently fill the missing part of a frame with the frame before it.

    Raises:
        UnreadableSource: If the file ends too early, or has unknown blocks between the frames.
        LimitExceeded: If it takes more than `MAX_STEPS`.
    """
    outline = _outline(descriptor)
    try:
        for _ in range(frames):
            if outline.next_frame() is None:
                raise IndexError
            outline.skip_blocks()
    except UnknownBlock as error:
        raise UnreadableSource(ref, f"a GIF with an unknown block at byte {error.offset}") from None
    except IndexError:
        raise UnreadableSource(ref, "a GIF that ends within a frame") from None
    except TooManySteps:
        raise _too_many_steps() from None


def frames_of(descriptor: int, most: int) -> list[Frame]:
    """Return the first *most* frames of the GIF at *descriptor*, as far as it is not broken.

    Raises:
        LimitExceeded: If it takes more than `MAX_STEPS`.
    """
    found: list[Frame] = []
    try:
        outline = _outline(descriptor, searches=True)  # Pillow looks for frames behind other data, too
        while len(found) < most and (frame := outline.next_frame()) is not None:
            found.append(frame)
            if len(found) < most:
                outline.skip_blocks()
    except IndexError:
        pass  # the file ends there: the library reports that
    except TooManySteps:
        raise _too_many_steps() from None
    return found


def check_sizes(frames: Sequence[Frame]) -> None:
    """Refuse *frames* that leave their screen far.

    Raises:
        LimitExceeded: If they do.
    """
    if frames:
        first = frames[0].corner.pixels  # the limits of sources count it
        right = max(frame.box.left + frame.box.width for frame in frames)
        needed = right * max(frame.box.top + frame.box.height for frame in frames)
        if needed > max(first, _MAX_PIXELS):
            what = "the frames of the GIF cover {:,} pixels"
            raise LimitExceeded(what, needed, _MAX_PIXELS, set_by="this package")


def is_clear(frames: Sequence[Frame], screen: Size) -> bool:
    """Return whether a part of *screen* may be clear under one of *frames*, whatever its colours are."""
    return bool(frames) and any(
        shows_through(before, frame, screen) for before, frame in [(None, frames[0]), *pairwise(frames)]
    )


def is_clear_gif(descriptor: int, screen: Size) -> bool:
    """Return whether a part of *screen* may be clear under a frame of the GIF at *descriptor*.

    Raises:
        LimitExceeded: If it takes more than `MAX_STEPS`.
    """
    return is_clear(frames_of(descriptor, MAX_FRAMES), screen)


def masks(frames: Sequence[Frame], blank: Mask, paint: Callable[[Mask, Box, bool], Mask]) -> Iterator[Mask]:
    """Yield for each of *frames* a mask of the pixels that it or a frame before it covers.

    *blank* is the mask of a clear screen. *paint* returns a mask in which a box is covered, or clear.
    """
    mask = blank
    for frame in frames:
        before, mask = mask, paint(mask, frame.box, True)
        yield mask
        if frame.disposal == CLEARED:
            mask = paint(mask, frame.box, False)
        elif frame.disposal == RESTORED:
            mask = before


def _outline(descriptor: int, *, searches: bool = False) -> Outline:
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    return Outline(data, complete=True, max_steps=MAX_STEPS, searches=searches)


def _too_many_steps() -> LimitExceeded:
    what = "the GIF has {:,} or more frames, extensions and series of blocks of one length"
    return LimitExceeded(what, MAX_STEPS + 1, MAX_STEPS, set_by="this package")
