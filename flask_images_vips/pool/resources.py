"""Find how many processors and how much memory this process may use, by its affinity, control groups and host."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import suppress

_CGROUPS = "/sys/fs/cgroup"
MAX_MEMORY = 768_000_000
MIN_MEMORY = 300_000_000
_THREADS = 4  # of a render, besides one for each processor


def renderers(wanted: int | None, memory: int | None) -> tuple[int, int]:
    """Return the number of renderers, and the number of bytes that each may allocate.

    *wanted* and *memory* are the configured values. None means that the host decides.
    """
    count = wanted or processors()
    share = memory_bytes() // 2
    if memory is None:
        count = max(1, min(count, share // MIN_MEMORY))
    return count, memory or min(MAX_MEMORY, share // count)


def processors() -> int:
    """Return the number of processors that this process may use. A part of one, in a control group, is rounded up."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
    for line in _limits("cpu.max"):
        with suppress(ValueError):  # "max" is no number
            quota, period = map(int, line.split())
            count = min(count, math.ceil(quota / period))
    return max(1, count)


def memory_bytes() -> int:
    """Return the number of bytes of memory that this process and its children may use together."""
    most = 2 * MAX_MEMORY  # if the system does not tell
    with suppress(AttributeError, ValueError, OSError):
        most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for line in _limits("memory.max"):
        with suppress(ValueError):
            most = min(most, int(line))
    return most


def has_threads() -> bool:
    """Return whether this user may start the threads that a render needs. Without them, libvips fails or crashes."""
    over = threading.Event()
    try:
        for _ in range(_THREADS + processors()):
            threading.Thread(target=over.wait, daemon=True).start()
    except RuntimeError:
        return False
    finally:
        over.set()
    return True


def _limits(name: str) -> Iterator[str]:
    """Yield the content of the file *name* in this process's control group and in its parents. Reads cgroup v2."""
    parts = [part for part in _own_group().split("/") if part not in ("", "..")]
    for length in range(len(parts), -1, -1):
        with suppress(OSError, ValueError), open(os.path.join(_CGROUPS, *parts[:length], name)) as limit:
            yield limit.read().strip()


def _own_group() -> str:
    with suppress(OSError), open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            if line.startswith("0::"):
                return line[3:].strip()
    return "/"
