"""Hostile environments for a web worker: system calls that are refused, users, and mounts."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from servers import environment

from flask_images_vips.pool import walls

# The numbers of x86-64.
SOCKET, SENDMSG, RECVMSG, CLONE, FORK, VFORK, EXECVE, PRCTL = 41, 46, 47, 56, 57, 58, 59, 157
CLONE3, LANDLOCK = 435, 444
FLOCK, CHMOD, FCHMODAT, UTIMENSAT = 73, 90, 268, 280
VFORK_FLAG, SET_SECCOMP, AF_UNIX = 0x4000, 22, 1

CHILD = """
import json, logging, os, signal, sys, time
from pathlib import Path
from pool.conditions import *
{before}
from servers import site
from flask_images_vips import resized_img_src
lines = []
class Lines(logging.Handler):
    def emit(self, record):
        lines.append([record.levelname, record.getMessage()])
log = logging.getLogger("flask_images_vips")
log.addHandler(Lines())
log.setLevel(logging.INFO)
app = site({folder!r}, IMAGES_LOCK_TIMEOUT=10, IMAGES_COPIES=False)
client = app.test_client()
statuses = []
def get(width):
    with app.test_request_context():
        url = resized_img_src("a.png", width=width)
    statuses.append(client.get(url).status_code)
{after}
for width in (10, 20, 30):
    get(width)
{then}
print(json.dumps([statuses, lines]))
"""


class Seen(NamedTuple):
    """The statuses of three or more pictures, and the warnings of the package."""

    statuses: list[int]
    warnings: list[str]


def seen(
    folder: Path, before: str = "", after: str = "", then: str = "", command: Sequence[str] = (), **variables: str
) -> Seen:
    """Serve pictures in a new process, which runs *before* any import, *after* the configuration, and *then*."""
    code = CHILD.format(folder=str(folder), before=before, after=after, then=then)
    done = subprocess.run(
        [*command, sys.executable, "-W", "ignore::DeprecationWarning", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment(**variables),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    statuses, lines = json.loads(done.stdout.splitlines()[-1])
    warnings = [message for level, message in lines if level != "INFO"]
    # The folder of the site is open for all users, some of which its tests become.
    return Seen(statuses, [line for line in warnings if not line.startswith("IMAGES_CACHE: other users ")])


def refuse(*rules: tuple[int, int] | tuple[int, int, int]) -> None:
    """Refuse system calls for the rest of this process's life, and of its children's.

    A rule is (number, error), or (number, error, first argument). The first argument of a clone is a set of flags.
    """
    program = [(walls._LOAD, 0, 0, walls._NUMBER_AT)]
    for number, error, *argument in rules:
        refused = (walls._RETURN, 0, 0, walls._ERRNO | error)
        if not argument:
            program += [(walls._EQUAL, 0, 1, number), refused]
            continue
        test = walls._ANY_BIT if number == CLONE else walls._EQUAL
        first, again = (walls._LOAD, 0, 0, walls._FIRST_ARGUMENT_AT), (walls._LOAD, 0, 0, walls._NUMBER_AT)
        program += [(walls._EQUAL, 0, 4, number), first, (test, 0, 1, argument[0]), refused, again]
    code = b"".join(struct.pack("=HBBI", *each) for each in [*program, (walls._RETURN, 0, 0, walls._ALLOW)])

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))

    walls._prctl(walls._SET_NO_NEW_PRIVS, 1)
    walls._prctl(walls._SET_SECCOMP, walls._FILTER, ctypes.byref(Program(len(code) // 8, code)))


def refuse_processes(error: int = errno.EAGAIN) -> None:
    """Refuse new processes, but not new threads."""
    refuse((CLONE3, errno.ENOSYS), (CLONE, error, VFORK_FLAG), (FORK, error), (VFORK, error))


def become(user: int) -> None:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def mounted(*commands: str) -> list[str]:
    """The command that runs another in a mount namespace of its own, after the *commands*.

    In it, an interpreter that lies in root's home can be run by all users.
    """
    steps = ["set -e"]
    top, home, part, *_ = Path(os.path.realpath(sys.executable)).parts
    if home == "root":
        steps += ["mount -t tmpfs none /mnt", "mkdir /mnt/part", f"mount --bind {top}{home}/{part} /mnt/part"]
        steps += [f"mount -t tmpfs -o mode=755 none {top}{home}", f"mkdir {top}{home}/{part}"]
        steps += [f"mount --move /mnt/part {top}{home}/{part}"]
    return ["unshare", "--mount", "sh", "-c", "\n".join([*steps, *commands, 'exec "$@"']), "sh"]


def can_mount() -> bool:
    """Return whether this process may make mount namespaces, as root outside of most containers may."""
    unshare = shutil.which("unshare")
    return bool(unshare) and not subprocess.run([str(unshare), "--mount", "true"], check=False).returncode
