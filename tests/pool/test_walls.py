"""Behind its walls a renderer opens nothing, connects to nothing, starts nothing and signals nobody."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT

from flask_images_vips.pool import walls

pytestmark = pytest.mark.skipif(bool(walls.missing()), reason=f"this kernel lacks {walls.missing()}")

NOBODY = 65_534
USERS = [None, NOBODY] if hasattr(os, "geteuid") and os.geteuid() == 0 else [None]

# Each is run as a renderer that is told to: what it prints is what it could do.
ATTEMPTS = {
    "read": "open('/etc/passwd').read()",
    "read the site": "open({site!r}).read()",
    "list": "os.listdir('/')",
    "write": "open({folder!r} + '/new', 'w')",
    "remove": "os.unlink({site!r})",
    "tcp": "socket.socket(socket.AF_INET).connect(('127.0.0.1', {port}))",
    "udp": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))",
    "unix": "socket.socket(socket.AF_UNIX).connect({unix!r})",
    "inherited": "inherited.connect({unix!r})",
    "pair": "socket.socketpair()",
    "execute": "os.execv(sys.executable, [sys.executable, '-c', ''])",
    "fork": "os.fork() or os._exit(0)",
    "spawn": "os.posix_spawn(sys.executable, [sys.executable, '-c', ''], dict())",
    "signal": "os.kill(os.getppid(), 0)",
    "signal all": "os.kill(-1, 0)",
    "ptrace": "check(libc.ptrace(0, 0, 0, 0))",
    "memory of others": "open('/proc/' + str(os.getppid()) + '/mem', 'rb')",
    "environment of others": "open('/proc/' + str(os.getppid()) + '/environ', 'rb').read(1)",
    "more memory": "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)",
    "io_uring": "check(libc.syscall(425, 8, bytes(120)))",
    "new namespace": "check(libc.unshare(0x10000000))",
    "mode": "os.chmod({site!r}, 0o644)",
    "mode of an open file": "os.fchmod(0, 0o666)",
    "owner": "os.chown({site!r}, -1, -1)",
    "time": "os.utime({site!r})",
    "time of an open file": "os.utime(0)",
    "attribute": "os.setxattr({site!r}, 'user.a', b'')",
    "cut": "os.truncate({site!r}, 0)",
    "priority": "os.setpriority(os.PRIO_PROCESS, 0, 1)",
    "processors": "os.sched_setaffinity(os.getppid(), {{0}})",
    "shared memory": "check(libc.shmget(0, 100, 0o1600))",
    "clone3": "check(libc.syscall(435, bytes(88), 88))",
}
HARMLESS = ("read", "read the site", "list", "write", "remove", "tcp", "udp", "unix", "inherited", "pair", "signal")
TOLD = """
import ctypes, os, resource, socket, sys, threading
sys.path.insert(0, {root!r})
from flask_images_vips.pool import walls
libc = ctypes.CDLL(None, use_errno=True)
def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
inherited = socket.socket(socket.AF_UNIX)
{before}
try:
    {attempt}
except OSError as error:
    print("refused", error.errno)
else:
    print("done")
"""


FENCED = "walls.raise_all()"
DROPPED = f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})"


def told(attempt: str, user: int | None = None, fence: str = FENCED) -> str:
    """What a process of *user* prints that makes an *attempt* behind a *fence*."""
    before = fence if user is None else f"{DROPPED}; {fence}"
    code = TOLD.format(root=str(ROOT), attempt=attempt, before=before)
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip() or done.stderr[-500:]


@pytest.fixture
def attempt() -> Iterator[Callable[[str], str]]:
    """Returns an attempt's code, about files and sockets that exist and that everybody may use."""
    with (
        tempfile.TemporaryDirectory(prefix="images-") as folder,
        socket.socket(socket.AF_UNIX) as listener,
        socket.create_server(("127.0.0.1", 0)) as tcp,
    ):
        os.chmod(folder, 0o777)
        site, unix = Path(folder, "site.txt"), Path(folder, "socket")
        site.write_text("a secret")
        listener.bind(str(unix))
        listener.listen()
        unix.chmod(0o777)
        values = {"site": str(site), "folder": folder, "unix": str(unix), "port": tcp.getsockname()[1]}
        yield lambda name: ATTEMPTS[name].format(**values)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("name", ATTEMPTS)
def test_an_attempt_is_refused(attempt: Callable[[str], str], name: str, user: int | None) -> None:
    answer = told(attempt(name), user)
    assert answer.startswith("refused"), answer


@pytest.mark.parametrize("name", HARMLESS)
def test_without_walls_the_same_attempt_succeeds(attempt: Callable[[str], str], name: str) -> None:
    assert told(attempt(name), fence="") == "done"


@pytest.mark.parametrize("user", USERS)
def test_what_a_renderer_needs_is_not_refused(user: int | None) -> None:
    needed = "thread = threading.Thread(target=int); thread.start(); thread.join(); os.pipe()"
    if user is None:  # another user may not be able to read the tests' own libraries
        needed = f"import PIL.Image, PIL.ImageCms, PIL.AvifImagePlugin; {needed}"
    assert told(needed, user) == "done"


def test_a_renderer_may_still_abort() -> None:
    code = TOLD.format(root=str(ROOT), attempt="os.abort()", before=FENCED)
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, timeout=30, check=False)
    assert done.returncode == -signal.SIGABRT


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_of_the_filter_stays_inside_it(machine: str) -> None:
    program = walls._filter(machine)
    for number, (code, if_true, if_false, _) in enumerate(program):
        if code in (walls._EQUAL, walls._AT_LEAST, walls._ANY_BIT):
            assert max(number + 1 + if_true, number + 1 + if_false) < len(program)
    assert program[-1][0] == walls._RETURN
    assert len(program) < 4096


def test_memory_is_bound_and_may_be_bound_anew() -> None:
    attempt = (
        "walls.bound_memory(100_000_000)\n    try:\n        bytearray(200_000_000)\n    except MemoryError:\n"
        "        walls.bound_memory(400_000_000)\n        bytearray(200_000_000)\n    else:\n        raise OSError(0)"
    )
    assert told(attempt) == "done"
