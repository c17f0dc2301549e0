"""Count what nginx serves by itself, by the times at which it read the files of the cache.

Behind the front door, the application is asked for an image only once. But reading a file sets its access time. So each
file that was read since the last look counts as asked for once more. Its access time is then set back before its change
time, as eviction does to spare a file. Otherwise, the usual mount option ``relatime`` would not set it again for a day.
"""

from __future__ import annotations

import contextlib
import os
import time
from functools import partial

from ..cache.eviction import CLOCK_MARGIN_NS
from ..rendition import source_folder
from .counts import Asked, Counts
from .journal import Journal

_SECOND_NS = 1_000_000_000


def journal_of(folder: str, *, front_door: bool) -> Journal:
    """Return the journal in the cache *folder*. With a *front_door*, it counts what nginx serves too."""
    return Journal(folder, partial(count_sightings, folder)) if front_door else Journal(folder)


def look_at_files(folder: str, *, front_door: bool) -> None:
    """Count what nginx has sent until now, if there is a *front_door* and a record in the cache *folder*.

    Raises:
        TimeoutError, OSError: As `Journal.compact`.
    """
    journal = journal_of(folder, front_door=front_door)
    if front_door and os.path.isdir(journal.folder):
        journal.compact()


def count_sightings(folder: str, counts: Counts) -> None:
    """Add to *counts* what was read in the cache *folder* since the last look."""
    for ref, source in counts.sources.items():
        own = source_folder(ref)
        for asked in source.asked.values():
            if asked.file:
                with contextlib.suppress(OSError):  # evicted, or rendered by another version
                    _look_at(os.path.join(folder, own[:2], own, asked.file), asked)


def _look_at(path: str, asked: Asked) -> None:
    status = os.lstat(path)
    seen = status.st_atime_ns // _SECOND_NS
    if status.st_atime_ns > status.st_ctime_ns and seen > asked.seen:
        asked.count += 1
        asked.seen = seen
        os.utime(path, ns=(time.time_ns() - CLOCK_MARGIN_NS, status.st_mtime_ns))
