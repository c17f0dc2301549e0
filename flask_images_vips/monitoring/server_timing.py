"""Add the header ``Server-Timing`` to images, which browsers show beside each request (W3C Server Timing)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .. import phases
from ..events import Events
from ..phases import Timeline

if TYPE_CHECKING:
    from flask import Response

    from ..serving.hit import Hit


def add_server_timing(events: Events) -> None:
    """Add the header to all images, from now on. The requests must be `Events.timed`."""
    events.served.append(_served)


def _served(hit: Hit, response: Response, cached: bool) -> None:
    timeline = phases.current()
    if timeline is not None:
        response.headers.add("Server-Timing", server_timing(timeline, cached=cached))


def server_timing(timeline: Timeline, *, cached: bool) -> str:
    """Return the value of the header: whether the image was *cached*, and the milliseconds of each phase."""
    seconds = [*timeline.seconds_by_name().items(), ("total", time.monotonic() - timeline.begin)]
    durations = (f"{name};dur={1000 * each:.2f}" for name, each in seconds)
    return ", ".join([f"cache;desc={'hit' if cached else 'miss'}", *durations])
