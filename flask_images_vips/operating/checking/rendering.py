"""Check where images are rendered, behind which walls, and with how much memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from ...pool.resources import memory_bytes, processors, renderers
from .finding import Finding, error, ok, warning
from .site import Site

_MOST_ARENAS = 4
_MEGABYTE = 1_000_000


def place(site: Site) -> Iterator[Finding]:
    """Find out why images are rendered in the web worker, if they are."""
    own = site.pipeline.producer.renderers
    if site.config.max_renders == 0:
        yield warning(
            "renderers",
            "IMAGES_MAX_RENDERS = 0: images are rendered in the web worker. A file that hangs or crashes a decoder, or "
            "takes all memory, does so in the worker.",
            "Remove IMAGES_MAX_RENDERS, or set it to a number.",
        )
    elif own.without_pool:
        yield warning(
            "renderers",
            "Images are rendered in the web worker, without protection against files that hang or crash a decoder: "
            f"{own.without_pool}.",
            "Set XDG_RUNTIME_DIR or RUNTIME_DIRECTORY to a folder of this user, or see 'Where renderers run' in "
            "docs/deploying/servers.md.",
        )
    else:
        yield ok("renderers", f"{own.count} at the same time, in processes of their own")


def walls(site: Site) -> Iterator[Finding]:
    """Find walls around renderers that this kernel lacks."""
    if sys.platform != "linux" or site.config.max_renders == 0 or site.pipeline.producer.renderers.without_pool:
        return
    from ...pool.walls import STOPPED_BY, missing  # noqa: PLC0415  (needs Linux)

    lacking = missing()
    for wall in lacking:
        yield warning(
            "walls",
            f"This kernel has no {wall}, so a file that takes over a decoder could {STOPPED_BY[wall]}.",
            "Use Linux 5.13 or newer, and a container runtime that allows Landlock and seccomp filters.",
        )
    if not lacking:
        yield ok("walls", f"{' and '.join(STOPPED_BY)} are around renderers")


def memory(site: Site) -> Iterator[Finding]:
    """Find renderers that together may take more memory than there is, or that are fewer for lack of it."""
    if site.config.max_renders == 0:
        return
    count, each = renderers(site.config.max_renders, site.config.render_memory)
    whole, wanted = memory_bytes(), site.config.max_renders or processors()
    found = f"{count} renderers of {each // _MEGABYTE} MB, in {whole // _MEGABYTE} MB"
    if count * each > whole:
        yield error(
            "memory",
            f"{found}: together they may take more than there is. The system then kills processes, maybe the server.",
            "Lower IMAGES_RENDER_MEMORY or IMAGES_MAX_RENDERS.",
        )
    elif count < wanted:
        yield warning(
            "memory",
            f"{found}: fewer than the {wanted} that its processors could keep busy, because each needs 300 MB.",
            "Give this host or container more memory.",
        )
    else:
        yield ok("memory", found)


def arenas(site: Site) -> Iterator[Finding]:
    """Find settings of glibc with which it keeps memory that is no longer needed."""
    own = os.environ.get("MALLOC_ARENA_MAX", "")
    in_worker = site.config.max_renders == 0 or site.pipeline.producer.renderers.without_pool is not None
    given = [worker.arenas for worker in site.workers] or [own]
    if not sys.platform.startswith("linux") or not _is_glibc():
        return
    unlimited = [value for value in given if not value.isdecimal() or int(value) > _MOST_ARENAS]
    if in_worker and unlimited:
        yield warning(
            "malloc-arenas",
            "Images are rendered in the threads of the web worker, and glibc keeps memory for each thread: "
            f"MALLOC_ARENA_MAX is {unlimited[0] or 'not set'}.",
            "Set MALLOC_ARENA_MAX=2 in the environment of the web workers.",
        )
    elif any(unlimited):
        yield warning(
            "malloc-arenas",
            f"MALLOC_ARENA_MAX = {next(filter(None, unlimited))} is passed on to renderers, which then "
            "keep more memory.",
            "Set MALLOC_ARENA_MAX=2, or remove it: renderers run with 2 by themselves.",
        )
    else:
        yield ok("malloc-arenas", f"{given[0] or '2 in renderers'}")


def _is_glibc() -> bool:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") is not None
    except (AttributeError, ValueError, OSError):
        return False
