"""Measure the phases of a request for an image: how long it waits, renders and stores.

The phases are `lookup`, `fetch`, `lock`, `queue`, `render`, `encode` and `store`, see `Name`. They are measured only
within `recorded`, so a hit whose phases nobody wants to know costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from .events import Rendered

Name = Literal["lookup", "fetch", "lock", "queue", "render", "encode", "store"]
"""The name of a phase.

- ``lookup``: everything before the others. The URL is verified, and its source and rendition are looked up.
- ``fetch``: a source is fetched from its server or its object store, or an image that another host has made.
- ``lock``: the request waits for another request or process that makes the same image.
- ``queue``: it waits until a renderer is free.
- ``render``: the renderer works.
- ``encode``: the part of ``render`` in which pixels are made: decoding, resizing and encoding are one stream.
- ``store``: the file is written to the cache, and to the object store that hosts share.
"""


class Phase(NamedTuple):
    """One phase, from *begin* to *end*. The times are those of `time.monotonic`, in seconds."""

    name: Name
    begin: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.begin


class Timeline:
    """What has happened since *begin*: the *phases*, in the order of their ends, and the renditions *rendered*.

    *vain_seconds* is the time that renderers worked for an image that could not be rendered. *refused_tenant* is the
    tenant whose quota was used up, if that kept an image from being rendered.
    """

    __slots__ = ("begin", "phases", "refused_tenant", "rendered", "vain_seconds")

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self.phases: list[Phase] = []
        self.rendered: list[Rendered] = []
        self.vain_seconds = 0.0
        self.refused_tenant: str | None = None

    def with_lookup(self) -> list[Phase]:
        """Return the phases, after the ``lookup`` that precedes the first of them, or that lasts until now."""
        end = min((phase.begin for phase in self.phases), default=time.monotonic())
        return [Phase("lookup", self.begin, end), *self.phases]

    def seconds_by_name(self) -> dict[Name, float]:
        """Return the total of each phase, ``lookup`` included."""
        totals: dict[Name, float] = {}
        for phase in self.with_lookup():
            totals[phase.name] = totals.get(phase.name, 0.0) + phase.seconds
        return totals


_current: ContextVar[Timeline | None] = ContextVar("flask_images_vips_timeline", default=None)


def current() -> Timeline | None:
    """Return the timeline of the block of `recorded` that runs, or None."""
    return _current.get()


@contextmanager
def recorded() -> Iterator[Timeline]:
    """Record the phases of the block. Within a block that is already recorded, they belong to its timeline."""
    timeline = _current.get()
    if timeline is not None:
        yield timeline
        return
    timeline = Timeline()
    token = _current.set(timeline)
    try:
        yield timeline
    finally:
        _current.reset(token)


def add(name: Name, begin: float, end: float) -> None:
    """Record the phase *name*, if phases are recorded."""
    timeline = _current.get()
    if timeline is not None:
        timeline.phases.append(Phase(name, begin, end))


def start(name: Name) -> Callable[[], None]:
    """Start the phase *name*, and return the function that ends it. Further calls of that function do nothing."""
    begin, ended = time.monotonic(), False

    def end() -> None:
        nonlocal ended
        if not ended:
            ended = True
            add(name, begin, time.monotonic())

    return end


@contextmanager
def phase(name: Name) -> Iterator[None]:
    """Record the block as the phase *name*."""
    end = start(name)
    try:
        yield
    finally:
        end()
