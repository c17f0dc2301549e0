"""Run requests in the calling thread, if there are no renderers.

This protects less: a decoder that hangs, crashes or takes all memory does so in the web worker. Only one thread of a
process renders at a time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext

from ..cache.slots import Slots
from ..config.keys import Config
from ..engines.choice import Engines, make_engines
from ..headers.scans import check_scans
from ..rendering.job import Job
from ..rendering.quality import Deadline
from ..rendering.request import Request, Work
from .outcome import Done


class InThread:
    """Runs requests in the calling thread, with one of the *slots* of this host."""

    def __init__(self, config: Config, slots: Slots, engines: Engines | None = None) -> None:
        self.config = config
        self.slots = slots
        self.engines = engines or make_engines(config, maps_files=False)

    def run(
        self, request: Request, descriptors: Sequence[int], ref: str, *, since: float, seconds: float, yields: bool
    ) -> Done:
        """See `Pool.run`.

        Raises:
            Busy: If no slot is free in time.
            LimitExceeded: If a source is a JPEG of very many scans.
            ImagesError: See `Job.run`.
        """
        # Headers are cheap to read, and pages wait for them.
        with nullcontext() if request.work is Work.HEADER else self.slots.hold(1, since):
            begin = time.monotonic()
            for descriptor in descriptors:
                check_scans(descriptor)  # nothing would end their decoder
            result = Job(request, descriptors, self.config, self.engines, Deadline(seconds)).run()
            return Done(result, time.monotonic() - begin)
