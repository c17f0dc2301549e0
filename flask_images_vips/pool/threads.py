"""Run requests in the calling thread, if there are no renderers.

This protects less: a decoder that hangs, crashes or takes all memory does so in the web worker. Only one thread of a
process renders at a time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext

from ..config.keys import Config
from ..engines.choice import Engines
from ..errors import Busy
from ..headers.scans import check_scans
from ..rendering.job import Job
from ..rendering.quality import Deadline
from ..rendering.request import Request, Work
from .outcome import Budget, Done
from .turns import Turns


class InThread:
    """Runs requests in the calling thread, which waits for its turn."""

    def __init__(self, config: Config, turns: Turns, engines: Engines | None = None) -> None:
        self.config = config
        self.turns = turns
        self.engines = engines or Engines(config)

    def run(
        self, request: Request, descriptors: Sequence[int], ref: str, *, since: float, budget: Budget, yields: bool
    ) -> Done:
        """See `Pool.run`.

        Raises:
            Busy: If its turn does not come in time, or if the work is too much for a web worker.
            LimitExceeded: If a source is a JPEG of very many scans.
            ImagesError: See `Job.run`.
        """
        if request.work is Work.AUTO:
            raise Busy("only renderers compare pictures, because that takes much time and memory")
        # Headers are cheap to read, and pages wait for them.
        with nullcontext() if request.work is Work.HEADER else self.turns.take(since, yields=yields):
            begin, before = time.monotonic(), time.thread_time()
            try:
                for descriptor in descriptors:
                    check_scans(descriptor)  # nothing would end their decoder
                result = Job(request, descriptors, self.config, self.engines, Deadline(budget.left)).run()
                return Done(result, time.monotonic() - begin, time.thread_time() - before)
            finally:
                budget.spent += time.monotonic() - begin
