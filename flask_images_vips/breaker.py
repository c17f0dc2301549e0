"""Leave a server alone for a while after it has failed, and log that once: a circuit breaker."""

from __future__ import annotations

import math
import time

_QUIET_SECONDS = 60.0  # between two warnings, also if a server fails again and again


class Breaker:
    """What is known of one server: whether it has failed, until when it is left alone, and whether that was logged."""

    def __init__(self) -> None:
        self.away_until = 0.0
        self.has_failed = False
        self._is_told = False
        self._told_at = -math.inf

    @property
    def is_away(self) -> bool:
        """Whether the server has failed, and is not asked yet."""
        return time.monotonic() < self.away_until

    def leave_alone(self, seconds: float) -> None:
        """Count the server as away for *seconds* from now."""
        self.away_until = time.monotonic() + seconds

    def note_failure(self, seconds: float) -> bool:
        """Count the server as away for *seconds*. Returns whether to log that."""
        self.leave_alone(seconds)
        self.has_failed = True
        now = time.monotonic()
        if self._is_told or now < self._told_at + _QUIET_SECONDS:
            return False
        self._is_told, self._told_at = True, now
        return True

    def note_answer(self) -> bool:
        """Count the server as back. Returns whether to log that, because its failure was."""
        was_told, self._is_told = self._is_told, False
        self.has_failed, self.away_until = False, 0.0
        return was_told
