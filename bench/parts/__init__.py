"""The benchmarks, one module each.

Each module has ``measure(run)``, which returns the figures as JSON, and ``tables(data)``, which shows them.
Some also have ``goals(data)``, ``losses(data)``, or ``note(data)`` for a note on all tables.
"""

from __future__ import annotations

import importlib
from typing import Any

PARTS = {
    "engines": "one rendition by each engine: CPU, memory, bytes",
    "cold": "first renditions per second, by each server",
    "mixed": "a site's traffic, starting with an empty cache, by each server",
    "warm": "the cost of a cache hit, in the application and by each server",
    "stampede": "many clients that request the same new picture at once",
    "burst": "many new pictures at once, and the waits for a cached one meanwhile",
    "fairness": "the waits of two servers of one host, one of them with more threads",
    "memory": "the peak memory of each server under large photographs, and growth",
    "quality": "SSIM and PSNR against the reference, and bytes",
    "looks": "whether all formats look alike at the default quality, and which one is the smallest",
    "page": "the markup of a page of pictures, against reading their headers",
    "copies": "the cost and gain of reduced copies, sets and encoder efforts",
    "bound": "the cost of keeping the cache below its cap, and its hit ratio",
    "fleet": "what an object store and Redis behind a host cost: a hit, a render, a fetch from the store",
    "hosts": "many clients that request the same new pictures of two hosts at once",
    "growing": "what a site needs from a million to a billion pictures a day, simulated with measured costs",
    "soak": "the memory of a process that renders for a long time",
}


def module_of(part: str) -> Any:
    """Import and return the module of *part*.

    It is imported only here, because every worker process imports this file, and its memory is measured.
    """
    return importlib.import_module(f"bench.parts.{part}")
