"""Look every minute, on one process of a host, for what other hosts have forgotten.

So a host learns of it also if it hears no message: because the site has no Redis, or because the host that has
forgotten something could not reach it. Nothing is sent before the first minute has passed.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable
from contextlib import suppress

from .cache.per_process import ProcessThread

logger = logging.getLogger("flask_images_vips")

ROUND_SECONDS = 60.0

_random = random.SystemRandom()  # the application may have seeded the one of the module


class Learner:
    """Calls *learn* every minute. The time of the file *turns* tells when a process of this host has last done so."""

    def __init__(self, learn: Callable[[], object], turns: str) -> None:
        self._learn = learn
        self._turns = turns
        self._thread = ProcessThread("flask-images-vips-learner", self._run)

    def start(self) -> None:
        """Start the thread of this process. Later calls do nothing."""
        self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(ROUND_SECONDS * _random.uniform(1, 1.5))
            try:
                if self._is_my_turn():
                    self._learn()
            except Exception:
                logger.exception("what other hosts have forgotten could not be looked for")

    def _is_my_turn(self) -> bool:
        """Return whether no process of this host has looked within a minute."""
        with suppress(OSError):
            if 0 <= time.time() - os.stat(self._turns).st_mtime < ROUND_SECONDS:
                return False
        with suppress(OSError):  # then every process looks
            os.close(os.open(self._turns, os.O_WRONLY | os.O_CREAT, 0o600))
            os.utime(self._turns)
        return True
