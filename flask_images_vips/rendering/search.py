"""Find the lowest quality at which a rendition looks good enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from ..formats import PNG
from ..options.options import DEFAULTS
from ..rendition import Rendition
from .quality import Deadline
from .scores import NoScore, Reference

LOWEST = 30
"""Lower qualities are not tried: the metric was made for pictures that look better."""

_MOST_TRIES = 5
_NEAR = 2  # steps of quality that are not worth another try
_MARGIN = 0.3  # points above the target to aim at
_SPARE = 1.2  # a try may take longer than those before
_POINTS_PER_STEP = 0.4  # of the score, per step of quality from 45 to 75: a first guess


class Found(NamedTuple):
    """The lowest *quality* found that reaches the target, and its *score*. It is not *final* if the time was over."""

    quality: int
    score: float
    final: bool = True


def good_enough(
    rendition: Rendition, target: float, deadline: Deadline, encode: Callable[[Rendition], bytes]
) -> tuple[Rendition, Found | None, str]:
    """Return *rendition* at the lowest quality found that scores at least *target*, but at most at its own.

    *encode* returns the file of a rendition, without a limit of bytes. If it is not certain that no lower quality would
    do, nothing was found, and the reason is returned.
    """
    options = rendition.options
    exact = replace(options, lossless=True, max_bytes=None, progressive=False, depth=DEFAULTS["depth"])

    def at(quality: int) -> Rendition:
        return replace(rendition, options=replace(options, quality=quality))

    assert isinstance(options.quality, int)  # requests have no other
    try:
        ground = None if rendition.format.alpha else options.background[:3]
        reference = Reference(encode(replace(rendition, options=exact, format=PNG)), ground)
        found = lowest(options.quality, target, lambda quality: encode(at(quality)), reference.score, deadline)
    except NoScore as error:
        return rendition, None, str(error)
    if not found.final:
        return at(found.quality), None, "there was no time to try lower qualities"
    return at(found.quality), found, ""


def lowest(
    highest: int,
    target: float,
    render: Callable[[int], bytes],
    score: Callable[[bytes], float],
    deadline: Deadline,
) -> Found:
    """Return the lowest quality, up to *highest*, whose file scores at least *target*.

    If *highest* itself does not, it is returned. Once the *deadline* is too near for another try, the best found so
    far is returned.
    """
    longest = 0.0

    def at(quality: int) -> Found:
        nonlocal longest
        begin = time.monotonic()
        found = Found(quality, score(render(quality)))
        longest = max(longest, time.monotonic() - begin)
        return found

    best = at(highest)
    low, below, missed = LOWEST - 1, None, 0
    for _ in range(_MOST_TRIES - 1):
        if best.score < target or best.quality - low <= _NEAR:
            break
        if deadline.left < _SPARE * longest:
            return best._replace(final=False)
        tried = at(_guess(low, best, target, below, missed))
        if tried.score >= target:
            best, missed = tried, 0
        else:
            low, below, missed = tried.quality, tried, missed + 1
    return best


def _guess(low: int, best: Found, target: float, below: Found | None, missed: int) -> int:
    """Return the quality to try next, between *low* and that of *best*, by the scores on both sides.

    *missed* is how many tries in a row scored less than *target*.
    """
    slope = _POINTS_PER_STEP
    if below is not None and best.score > below.score:
        slope = (best.score - below.score) / (best.quality - below.quality)
    guessed = best.quality - int((best.score - target - _MARGIN) / slope)
    if missed > 1:  # scores are no straight line, so a guess may fall short again and again
        guessed = (low + best.quality) // 2
    return max(low + 1, min(best.quality - 1, guessed))
