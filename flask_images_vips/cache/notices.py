"""Log what the file system of a cache refuses, each kind once.

A refused call costs no more than it was made for. Without modes, times, locks or counts, entries are still stored. Only
an entry that cannot be written is lost to the cache.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from ..system_errors import cause

logger = logging.getLogger("flask_images_vips")


class Loss(Enum):
    """What a cache can do without: the refusal, and what follows for images. The cache is named in between."""

    PRIVATE_MODES = "Modes cannot be set", "other users may be able to read them"
    OPEN_MODES = "Modes cannot be set", "a server in front may be unable to read them"
    READ_ONLY = "Files cannot be made read-only", "each process may recompress them again"
    TIMES = "Times cannot be set", "they are dated by their rendering"
    SYNC = "Files cannot be synced", "a crash of the host may leave incomplete ones"
    LOCKS = "Locks cannot be used", "several processes may render the same one at once"
    COUNTS = "Sizes cannot be counted", "they may exceed the size limit"


class Notices:
    """The warnings about the cache in *folder*, and in folders within it.

    Each warning is logged once, because a full disk, for example, would cause it at every write.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._said: dict[object, object] = {}
        self._lost: dict[Loss, str] = {}

    def warn(self, participle: str, error: OSError) -> None:
        """Log that nothing can be stored because of *error*, once per reason.

        *participle*, for example "written", completes "The image cache in … cannot be …".
        """
        reason = cause(error)
        self.say(f"The image cache in {self._folder} cannot be {participle} ({reason}). Continuing without it.", reason)

    def say(self, message: str, kind: object = "") -> None:
        """Log *message*, unless another message of the same *kind* has been logged."""
        if self._is_first(kind):
            logger.warning("%s", message)

    @contextmanager
    def losing(self, *losses: Loss) -> Iterator[None]:
        """Ignore an OSError of the block, which is the reason for *losses*."""
        try:
            yield
        except OSError as error:
            for loss in losses:
                self.lose(loss, error)

    def lose(self, loss: Loss, error: OSError) -> None:
        """Note that *error* is the reason for *loss*. It is logged when something has been stored in spite of it.

        A missing file is no refusal. Whatever needs the file reports it.
        """
        if not isinstance(error, FileNotFoundError):
            self._lost.setdefault(loss, cause(error))

    def stored(self) -> None:
        """Log the losses, now that something has been stored: one line for all that have the same reason."""
        new = [loss for loss in tuple(self._lost) if self._is_first(loss)]
        for reason in dict.fromkeys(self._lost[loss] for loss in new):
            refusals, consequences = zip(*(loss.value for loss in new if self._lost[loss] == reason), strict=True)
            first, *others = refusals
            refused = " and ".join([first, *(other[0].lower() + other[1:] for other in others)])
            logger.warning(
                "%s in the image cache at %s (%s). Images are still cached, but %s.",
                refused,
                self._folder,
                reason,
                ", and ".join(consequences),
            )

    def _is_first(self, kind: object) -> bool:
        """Note that a message of this *kind* is logged. Returns whether it is the first one, for one thread only."""
        mine = object()
        return self._said.setdefault(kind, mine) is mine
