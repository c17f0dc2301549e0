"""What do several measurements of one thing say? A median that never goes without its spread.

This module does no I/O.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of *count* measurements, and how far they lie apart."""

    median: float
    least: float
    most: float
    count: int

    def text(self, digits: int | None = None) -> str:
        """``23.7 (22.6–29.9)``, in three significant digits, or *digits* decimal places."""
        places = _places(self.median) if digits is None else digits
        middle, least, most = (f"{value:,.{places}f}" for value in (self.median, self.least, self.most))
        return middle if self.count == 1 else f"{middle} ({least}–{most})"


def spread(values: Sequence[float]) -> Spread:
    """The spread of *values*.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("nothing was measured")
    return Spread(statistics.median(values), min(values), max(values), len(values))


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Spread:
    """How many times the second are the first: round by round, since a round's two met the same disturbances.

    Raises:
        ValueError: they are not of the same rounds.
    """
    if len(numerators) != len(denominators):
        raise ValueError(f"{len(numerators)} and {len(denominators)} rounds cannot be compared")
    return spread([one / other for one, other in zip(numerators, denominators, strict=True)])


def percentile(values: Sequence[float], share: float) -> float:
    """The least of *values* that *share* (0 to 1) of them do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _places(value: float) -> int:
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
