"""Find facts that pages have asked for, in the background.

A page must be fast, so it is written without the facts that need the pixels of a source, see `pixel_facts`. A renderer
finds them only if no visitor waits, so that visitors rarely wait for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable
from typing import NamedTuple

from .background_thread import BackgroundThread
from .cache.per_process import PerProcess
from .errors import Busy, ImagesError

logger = logging.getLogger("flask_images_vips")

DELAY_SECONDS = 20.0  # from a page to the search for its facts: visitors load its pictures meanwhile
_MOST_FACTS = 1000
_TRIES = 5  # to find a fact, before a page has to ask for it again: its picture may be what keeps renderers busy


class _Fact(NamedTuple):
    """A fact to find, not before the monotonic time *due*. It was not found in the *tries* so far."""

    name: Hashable
    find: Callable[[], object]
    due: float
    tries: int = 0


class LateFacts:
    """Finds facts that pages have asked for.

    It waits for `DELAY_SECONDS` first. Visitors load the pictures of a page right after it, and a render that makes a
    picture finds its facts on the way, in any process. Then *find* has nothing to do.
    """

    def __init__(self) -> None:
        self._thread = BackgroundThread("flask-images-vips-facts", self._find, _MOST_FACTS)
        self._pending: PerProcess[set[Hashable]] = PerProcess(set)

    def find(self, name: Hashable, find: Callable[[], object]) -> None:
        """Call *find* in the background, unless a fact of this *name* waits already or too many wait."""
        pending = self._pending.get()
        if name not in pending:
            pending.add(name)
            self._offer(_Fact(name, find, time.monotonic() + DELAY_SECONDS))

    def _offer(self, fact: _Fact) -> None:
        if not self._thread.offer(fact):
            self._pending.get().discard(fact.name)

    def _find(self, fact: _Fact) -> None:
        time.sleep(max(0.0, fact.due - time.monotonic()))
        try:
            fact.find()
        except Busy:
            if fact.tries + 1 < _TRIES:  # others go first
                self._offer(fact._replace(due=time.monotonic() + DELAY_SECONDS, tries=fact.tries + 1))
            else:
                self._pending.get().discard(fact.name)
        except Exception as error:
            self._pending.get().discard(fact.name)
            if not isinstance(error, ImagesError):
                raise
            # The error is remembered, and the next page that asks for the fact logs it.
            logger.info("a fact that a page has asked for cannot be found: %s", error)
        else:
            self._pending.get().discard(fact.name)
