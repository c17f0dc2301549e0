"""Show progress in a terminal, and let commands end cleanly."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def progress(length: int, label: str) -> Iterator[Callable[[int], object]]:
    """Show a progress bar with the rate and the time left, if stdout is a terminal. Yields a function to move it."""
    if not sys.stdout.isatty() or not length:
        yield lambda done: None
        return
    begin, shown = time.monotonic(), 0

    def rate(_: object) -> str:
        seconds = time.monotonic() - begin
        return f"{shown / seconds:.1f}/s" if shown and seconds else ""

    with click.progressbar(length=length, label=label, show_pos=True, item_show_func=rate) as bar:

        def move(done: int) -> None:
            nonlocal shown
            step, shown = done - shown, done
            if step:
                bar.update(step, "")

        yield move


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM, which deployments send, do the same as Ctrl-C."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
