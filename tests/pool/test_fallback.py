"""Where renderers cannot run, the web worker renders, and one line says why."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from pool.conditions import can_mount, mounted, seen
from pool.shared import processes

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the filters are for x86-64")
WEAKER = "Images are rendered in the web worker, without protection against hostile files"
USER = 54_321  # has no entry in /etc/passwd
namespaces = pytest.mark.skipif(not can_mount(), reason="this process may not make mount namespaces")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of a site with a picture, which every user may use."""
    with tempfile.TemporaryDirectory(prefix="images-site-") as name:
        folder = Path(name)
        (folder / "static").mkdir()
        Image.new("RGB", (64, 48)).save(folder / "static" / "a.png")
        for each in (folder, *folder.rglob("*")):
            each.chmod(0o777 if each.is_dir() else 0o666)
        yield folder


REFUSED = {
    "no processes": ("refuse_processes(errno.EAGAIN)", "Resource temporarily unavailable"),
    "no memory for processes": ("refuse_processes(errno.ENOMEM)", "Cannot allocate memory"),
    "no programs": ("sys.executable and refuse((EXECVE, errno.EPERM))", "Operation not permitted"),
    "no Unix sockets": ("refuse((SOCKET, errno.EPERM, AF_UNIX))", "Operation not permitted"),
    "no descriptors in messages": ("refuse((SENDMSG, errno.EPERM))", "Operation not permitted"),
    "no messages are received": ("refuse((RECVMSG, errno.EPERM))", "renderers end before they begin"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_where_the_system_refuses_the_worker_renders(runtime: Path, folder: Path, name: str) -> None:
    before, reason = REFUSED[name]
    statuses, warnings = seen(folder, before)
    assert statuses == [200] * 3
    assert [line for line in warnings if not (line.startswith(WEAKER) and reason in line)] == []
    assert len(warnings) == 1
