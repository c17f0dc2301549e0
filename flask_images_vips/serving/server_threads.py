"""Notice when renders take all threads of a web worker, so that its pages and cached images wait for them."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..cache.per_process import PerProcess

logger = logging.getLogger("flask_images_vips")

_ENOUGH = 64  # threads of a worker; measured by `python -m bench burst`


class _Process:
    """The threads of this process of the server, and how many of them render or wait for a renderer."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.threads = server_threads()
        self.taken = 0
        self.said = False


_process = PerProcess(_Process)


@contextmanager
def take_thread() -> Iterator[None]:
    """Count this thread as taken by a render for the block. If that was the last one, log it, once per process."""
    here = _process.get()
    with here.lock:
        here.taken += 1
        is_last = here.taken == here.threads and not here.said
        here.said = here.said or is_last
    if is_last:
        logger.warning(
            "Renders take all threads of this web worker (%d), so its pages and cached images wait for them. "
            "Give each worker more threads, such as %d.",
            here.threads,
            max(_ENOUGH, 2 * here.taken),
        )
    try:
        yield
    finally:
        with here.lock:
            here.taken -= 1


def server_threads() -> int | None:
    """Return how many requests this process of the server handles at the same time. None if the server does not say."""
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None:
        return int(uwsgi.cores)
    settings = gunicorn_settings()
    if gunicorn_worker(settings) in ("sync", "SyncWorker", "gthread", "ThreadWorker"):
        return int(settings.threads)
    waitress = sum(thread.name.startswith("waitress-") for thread in threading.enumerate())
    return waitress or None


def gunicorn_settings() -> Any:
    """Return the settings of gunicorn, if this process is one of its workers; otherwise None."""
    # gunicorn handles its signals in a method of its worker.
    worker = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return getattr(worker, "cfg", None)


def gunicorn_worker(settings: Any) -> str:
    """Return the name of the worker class in the *settings* of gunicorn, such as ``gthread``, or an empty string."""
    return str(getattr(settings, "worker_class_str", "")).rpartition(".")[2]
