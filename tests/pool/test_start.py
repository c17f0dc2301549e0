"""A process starts the pool, also one in which gevent has replaced functions of Python."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import pytest
from conftest import Start, needs

pytest.importorskip("fcntl")  # a place of renderers needs it

from flask_images_vips.pool.place import Place
from flask_images_vips.pool.start import start


def start_under_gevent() -> None:
    """Start the pool under gevent, on a host so busy that each child ends before its parent goes on."""
    import posix

    spawn = posix.posix_spawn

    def spawn_late(*arguments: Any, **keywords: Any) -> int:
        pid = spawn(*arguments, **keywords)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return pid

    os.posix_spawn = posix.posix_spawn = spawn_late
    import gevent.monkey

    gevent.monkey.patch_all()
    started = gevent.spawn(start, Place())
    started.join(20)
    print(started.dead, started.exception)


@pytest.mark.usefixtures("runtime")
def test_the_pool_starts_under_gevent_although_the_child_ends_at_once(elsewhere: Start) -> None:
    needs("gevent", importlib.util.find_spec("gevent"), "pip install gevent")
    output, errors = elsewhere(start_under_gevent).communicate(60)
    assert (output.split(), errors) == (["True", "None"], "")
