"""Show progress in a terminal, and let commands end cleanly."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def progress(length: int, label: str, *, hidden: bool = False) -> Iterator[Callable[[int], object]]:
    """Show a progress bar with the rate and the time left, if stdout is a terminal. Yields a function to move it.

    With *hidden*, nothing is shown.
    """
    if hidden or not sys.stdout.isatty() or not length:
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
    """Let SIGTERM, which deployments send, do the same as Ctrl-C. Only the main thread gets signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
