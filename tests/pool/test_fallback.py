"""Where renderers cannot run, the web worker renders, and one line says why."""

from __future__ import annotations

import errno
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import IN_THREAD, gradient
from servers import environment

from flask_images_vips.errors import Busy
from flask_images_vips.sources.local import LocalSources
from pool.conditions import Seen, can_mount, mounted, seen
from pool.shared import busy_renderers, processes, until

pytestmark = [
    pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the filters need x86-64"),
    pytest.mark.skipif(bool(IN_THREAD), reason="there is no pool"),
]
WEAKER = "Images are rendered in the web worker, without protection against hostile files"
USER = 54_321  # has no entry in /etc/passwd
SHM = "mount -t tmpfs -o mode=1777 none /dev/shm"  # a folder for temporary files that ends with the test
namespaces = pytest.mark.skipif(not can_mount(), reason="this process may not make mount namespaces")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of a site with a picture, which every user may use."""
    with tempfile.TemporaryDirectory(prefix="images-site-") as name:
        folder = Path(name)
        (folder / "static").mkdir()
        gradient((640, 480)).save(folder / "static" / "a.png")
        os.utime(folder / "static" / "a.png", (1e9, 1e9))  # not just being written
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


def rendered_in_pool(found: Seen) -> bool:
    return not any(line.startswith(WEAKER) for line in found.warnings)


@pytest.mark.parametrize(
    ("before", "lost"),
    [
        ("refuse((LANDLOCK, errno.ENOSYS))", "without Landlock, it could read and write the files of this user"),
        ("refuse((PRCTL, errno.EINVAL, SET_SECCOMP))", "without seccomp, it could start programs"),
    ],
)
def test_where_a_wall_is_missing_renderers_go_on(runtime: Path, folder: Path, before: str, lost: str) -> None:
    statuses, warnings = seen(folder, before)
    assert statuses == [200] * 3
    assert len(warnings) == 1
    assert "Renderers protect less" in warnings[0]
    assert lost in warnings[0]


@pytest.mark.parametrize("error", ["EPERM", "EACCES", "ENOSYS", "ENOLCK"])
def test_without_modes_times_and_locks_renderers_go_on(runtime: Path, folder: Path, error: str) -> None:
    calls = "FLOCK, CHMOD, FCHMODAT, UTIMENSAT"
    found = seen(folder, f"os.umask(0o077); refuse(*((each, errno.{error}) for each in ({calls})))")
    assert found.statuses == [200] * 3
    assert rendered_in_pool(found), found.warnings
    said = "\n".join(found.warnings).lower()
    assert [said.count(loss) for loss in ("locks cannot be used", "times cannot be set", "cannot be")] == [1, 1, 2]


@namespaces
def test_without_proc_the_worker_renders(runtime: Path, folder: Path) -> None:
    statuses, warnings = seen(folder, command=mounted("umount -l /proc"))
    assert statuses == [200] * 3
    assert len(warnings) == 1
    assert "/proc is not mounted" in warnings[0]


@namespaces
def test_without_a_folder_for_sockets_the_worker_renders(runtime: Path, folder: Path) -> None:
    command = mounted("mount -o remount,bind,ro /", "mount -t tmpfs -o ro none /dev/shm", "cd /")
    variables = {"XDG_RUNTIME_DIR": "/runtime", "RUNTIME_DIRECTORY": str(runtime), "TMPDIR": "/nowhere"}
    statuses, warnings = seen(folder, command=command, **variables)
    assert statuses == [200] * 3
    ours = [line for line in warnings if line.startswith(WEAKER)]
    assert len(ours) == 1
    for reason in (str(runtime), "/runtime", "Read-only file system"):
        assert reason in ours[0]


@namespaces
@pytest.mark.parametrize("used", ["", "get(5)"])
def test_a_user_that_changes_after_the_configuration_has_another_pool(runtime: Path, folder: Path, used: str) -> None:
    found = seen(folder, after=f"{used}\nbecome({USER})", command=mounted(SHM), XDG_RUNTIME_DIR="", TMPDIR="/dev/shm")
    assert set(found.statuses) == {200}
    assert rendered_in_pool(found), found.warnings


@namespaces
def test_a_user_without_home_and_name_has_renderers(runtime: Path, folder: Path) -> None:
    before = f"become({USER}); [os.environ.pop(name, None) for name in ('HOME', 'USER', 'LOGNAME')]"
    found = seen(folder, before, command=mounted(SHM), XDG_RUNTIME_DIR="", TMPDIR="/dev/shm")
    assert found == ([200] * 3, [])


def test_a_process_that_is_forked_after_the_configuration_uses_the_same_pool(runtime: Path, folder: Path) -> None:
    after = "get(5)\nif os.fork():\n    os._exit(os.waitstatus_to_exitcode(os.wait()[1]))"
    assert seen(folder, after=after) == ([200] * 4, [])


WITHOUT_DESCRIPTORS = """
import resource
from pool.shared import busy_renderers, processes, until
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
for free in range({most}):
    taken = []
    for process in processes(Path(os.environ["XDG_RUNTIME_DIR"])) if {ended} else []:
        os.kill(process, signal.SIGKILL)
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        for _ in range(free):
            os.close(taken.pop())
    get(40 + free)
    for each in taken:
        os.close(each)
    get(40 + free)
"""


@pytest.mark.parametrize(("ended", "most"), [(False, 8), (True, 14)])
def test_without_descriptors_the_host_is_busy_and_nothing_is_remembered(
    runtime: Path, folder: Path, ended: bool, most: int
) -> None:
    found = seen(folder, then=WITHOUT_DESCRIPTORS.format(ended=ended, most=most))
    assert set(found.statuses[3::2]) == {200, 503}
    assert set(found.statuses[4::2]) == {200}
    assert rendered_in_pool(found), found.warnings


def test_a_source_on_a_file_system_that_fails_is_busy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = LocalSources([str(folder / "static")]).find("a.png")

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fail)
        with pytest.raises(Busy, match=r"a\.png"):
            source.open().__enter__()


WITHOUT_PROCESSES = """
import threading
from flask_images_vips.state import images_of
taken = []
try:
    while True:
        event = threading.Event()
        thread = threading.Thread(target=event.wait)
        thread.start()
        taken.append((thread, event))
except RuntimeError:
    pass
def free(count):
    for _ in range(count):
        thread, event = taken.pop()
        event.set()
        thread.join()
free({free})
"""
WITH_PROCESSES = """
free(len(taken))
images_of(app).pipeline.producer.renderers._fallback.until = 0  # as if a minute had passed
get(10)
"""


@namespaces
@pytest.mark.parametrize("free", [0, 1, 2, 3, 5, 15])
def test_without_processes_and_threads_the_host_is_busy_and_nothing_is_remembered(
    runtime: Path, folder: Path, free: int
) -> None:
    # The limit counts all processes and threads of a user.
    before = f"import resource\nbecome({USER + free})\nresource.setrlimit(resource.RLIMIT_NPROC, (40, 40))"
    after = WITHOUT_PROCESSES.format(free=free)
    found = seen(folder, before, after, WITH_PROCESSES, mounted(SHM), XDG_RUNTIME_DIR="", TMPDIR="/dev/shm")
    assert set(found.statuses[:3]) == ({503} if free < 15 else {200})
    assert found.statuses[3] == 200


NO_FORKS = """
import resource
from concurrent.futures import ThreadPoolExecutor
from pool.shared import processes
folder = Path(f"/dev/shm/flask-images-{os.geteuid()}-renderers")
nursery, *renderers = processes(folder)
resource.prlimit(nursery, resource.RLIMIT_NPROC, (1, 1))
for renderer in renderers[1:]:
    os.kill(renderer, signal.SIGKILL)
with ThreadPoolExecutor(4) as threads:
    [*threads.map(get, range(40, 60))]
assert processes(folder) == [nursery, *renderers[:1]]
"""


@namespaces
def test_if_no_more_renderers_can_be_forked_requests_wait_for_those_that_there_are(runtime: Path, folder: Path) -> None:
    before = f"become({USER + 100})"  # a user without other pools
    found = seen(folder, before, then=NO_FORKS, command=mounted(SHM), XDG_RUNTIME_DIR="", TMPDIR="/dev/shm")
    assert found == ([200] * 23, [])


SHORT_GRACE = "from flask_images_vips.pool import start; start.GRACE_SECONDS = 0.5"
REMOVED = """
from pool.shared import parent_of, processes, until
runtime = Path(os.environ["XDG_RUNTIME_DIR"])
def nurseries():
    found = processes(runtime)
    return {{each for each in found if parent_of(each) not in found}}
old = nurseries()
for path in [*runtime.rglob({pattern!r})]:
    path.rename(path.with_name("gone"))
get(40)
new = nurseries() - old
until(lambda: nurseries() == new)
time.sleep(1.5)
get(50)
assert nurseries() == new
"""


@pytest.mark.parametrize("pattern", ["flask-images-vips", "*.visitors"])
def test_if_the_sockets_of_a_pool_are_removed_another_one_takes_its_place(
    runtime: Path, folder: Path, pattern: str
) -> None:
    assert seen(folder, SHORT_GRACE, then=REMOVED.format(pattern=pattern)) == ([200] * 5, [])


@pytest.mark.parametrize("kind", ["leases", "background", "lock"])
def test_other_files_of_a_running_pool_may_be_removed(runtime: Path, folder: Path, kind: str) -> None:
    then = f"[path.unlink() for path in Path(os.environ['XDG_RUNTIME_DIR']).rglob('*.{kind}')]\nget(40)"
    assert seen(folder, SHORT_GRACE, then=f"{then}\ntime.sleep(1)\nget(50)") == ([200] * 5, [])


FROZEN = """
import sys
from pool.shared import *
from flask_images_vips.options.options import Options
from flask_images_vips.formats import by_name
mine = pool(Path(sys.argv[1]), count=1)
header(mine, Path(sys.argv[2]))
settings = {"effort": "small"}
request = Request(work=Work.RENDER, settings=settings, options=[Options()], format=by_name("png"), suffix=".png")
print("ready", flush=True)
sys.stdin.readline()
try:
    print(run(mine, request, Path(sys.argv[2]), seconds=float(sys.argv[3])).result.size, flush=True)
except Exception as error:
    print(type(error).__name__, error, flush=True)
print(header(mine, Path(sys.argv[2])).result.header.size, flush=True)
"""


@pytest.mark.parametrize("times", [1, 2])
def test_a_freeze_of_all_processes_is_no_deadline(runtime: Path, draw: Any, times: int) -> None:
    picture, seconds = draw("slow.png", (2000, 1500)), 5
    command = [sys.executable, "-c", FROZEN, str(runtime), str(picture), str(seconds)]
    with subprocess.Popen(
        command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout is not None
        assert client.stdin is not None
        assert client.stdout.readline() == "ready\n"
        client.stdin.write("\n")
        client.stdin.flush()
        for _ in range(times):
            until(lambda: busy_renderers(runtime))
            stopped = [*processes(runtime), client.pid]
            for process in stopped:
                os.kill(process, signal.SIGSTOP)
            time.sleep(seconds + 0.5)
            for process in stopped:
                os.kill(process, signal.SIGCONT)
            until(lambda stopped=stopped: not set(stopped[1:-1]) & set(processes(runtime)))
        answer, after = client.stdout
    expected = "Size(width=2000, height=1500)" if times == 1 else "Busy two renderers of 'a name' were killed"
    assert answer.startswith(expected), answer
    assert after == "Size(width=2000, height=1500)\n"
