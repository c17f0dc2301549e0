"""What tests of the pool share: pools of their own, their processes, and how they end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from flask_images_vips.pool.client import Pool
from flask_images_vips.pool.outcome import Budget, Done
from flask_images_vips.pool.place import place
from flask_images_vips.rendering.request import Request, Work

PATIENCE_SECONDS = 30


def processes(folder: Path) -> list[int]:
    """The nursery and the renderers of the pool in *folder*, the nursery first."""
    found = []
    for entry in os.listdir("/proc"):
        with suppress(OSError):
            command = Path("/proc", entry, "cmdline").read_bytes() if entry.isdecimal() else b""  # none of a zombie
            if b"pool.nursery" in command and str(folder).encode() in command:
                found.append(int(entry))
    return sorted(found, key=lambda pid: (parent_of(pid) in found, pid))


def parent_of(pid: int) -> int:
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def busy_renderers(runtime: Path) -> set[int]:
    """Renderers that have used a quarter of a second of CPU."""
    busy = set()
    for process in processes(runtime)[1:]:
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[11]) + int(fields[12]) > 25:
            busy.add(process)
    return busy


def until(happened: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def pool(folder: Path, count: int = 2, memory: int = 768_000_000, patience: float = PATIENCE_SECONDS) -> Pool:
    """A pool in *folder*, which is not started yet."""
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    return Pool(place(), count, memory, patience)


def header(pool: Pool, path: Path, seconds: float = 10) -> Done:
    request = Request(work=Work.HEADER, settings={})
    return run(pool, request, path, seconds=seconds)


def run(pool: Pool, request: Request, *paths: Path, seconds: float = 10, yields: bool = False) -> Done:
    descriptors = [os.open(path, os.O_RDONLY) for path in paths]
    try:
        return pool.run(request, descriptors, "a name", since=time.monotonic(), budget=Budget(seconds), yields=yields)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
