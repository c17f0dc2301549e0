"""What is asked for how often? A few things most of the time: Zipf's law, and what a cache can make of it.

This module does no I/O.
"""

from __future__ import annotations

import itertools
import random
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence


def zipf(count: int, exponent: float, seed: int) -> Iterator[int]:
    """Endless requests for *count* things, whose popularity has nothing to do with their number.

    For every *seed* the same things are popular.
    """
    numbers = random.Random(0).sample(range(count), count)
    weights = list(itertools.accumulate(rank**-exponent for rank in range(1, count + 1)))
    chance = random.Random(seed)
    while True:
        yield from chance.choices(numbers, cum_weights=weights, k=1000)


def lru_hits(requests: Sequence[int], sizes: Sequence[int] | Mapping[int, int], cap: int) -> int:
    """How many of *requests* a cache answers that removes what was not asked for the longest."""
    kept: OrderedDict[int, int] = OrderedDict()
    hits = held = 0
    for number in requests:
        if number in kept:
            hits += 1
            kept.move_to_end(number)
        else:
            kept[number] = sizes[number]
            held += sizes[number]
            while held > cap:
                held -= kept.popitem(last=False)[1]
    return hits
