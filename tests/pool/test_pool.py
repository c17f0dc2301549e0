"""The life of a pool: it starts once, is shared, survives its renderers, and ends when nobody needs it."""

from __future__ import annotations

import io
import os
import posix
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, TESTS
from PIL import Image

from flask_images_vips.errors import Busy, LimitExceeded, UnreadableSource, WaitedTooLong
from flask_images_vips.formats import by_name
from flask_images_vips.options.options import Options
from flask_images_vips.pool import wire
from flask_images_vips.pool.client import Pool
from flask_images_vips.pool.outcome import Crashed
from flask_images_vips.rendering.request import Request, Work
from pool.shared import PATIENCE_SECONDS, busy_renderers, header, parent_of, pool, processes, run, until

GRACE_SECONDS = 1.0


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_images_vips.pool.start.GRACE_SECONDS", GRACE_SECONDS)


RENDER = Request(
    work=Work.RENDER, settings={}, options=[Options.parse({"w": "30"})], format=by_name("png"), suffix=".png"
)


@pytest.fixture
def picture(draw: Any) -> Path:
    path: Path = draw("a.png", (64, 48))
    return path


@pytest.fixture
def slow(draw: Any) -> Path:
    """A picture whose largest AVIF takes long: more pixels would be encoded with less effort."""
    path: Path = draw("slow.png", (2400, 1600))
    return path


SLOW = Request(
    work=Work.RENDER, settings={"effort": "small"}, options=[Options()], format=by_name("avif"), suffix=".png"
)


def end_of(runtime: Path) -> None:
    until(lambda: not processes(runtime), GRACE_SECONDS + PATIENCE_SECONDS)
    assert [path.suffix for path in runtime.rglob("*") if path.is_socket()] == []


def release(pool: Pool) -> None:
    """Give back the lease of this process, as its end does."""
    pool._process.get().lease._close()


def settled(mine: Pool, runtime: Path, picture: Path) -> list[int]:
    """Start the nursery and a renderer that stays. The first one leaves once the nursery has all libraries."""
    header(mine, picture)
    nursery = processes(runtime)[0]
    until(lambda: processes(runtime) == [nursery])
    header(mine, picture)
    until(lambda: len(processes(runtime)) == 2)
    return processes(runtime)


def test_it_starts_with_the_first_request_and_ends_without_leases(runtime: Path, picture: Path) -> None:
    mine = pool(runtime)
    assert processes(runtime) == []
    done = run(mine, RENDER, picture)
    assert done.result.size == (30, 22)
    assert done.result.files[0].startswith(b"\x89PNG")
    assert done.seconds > 0
    assert done.cpu_seconds > 0
    assert done.peak_bytes > 1_000_000
    assert len(processes(runtime)) >= 2
    release(mine)
    end_of(runtime)


def test_lists_of_processes_name_it(runtime: Path, picture: Path) -> None:
    run(pool(runtime), RENDER, picture)
    names = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in processes(runtime)]
    assert names[:2] == ["images-nursery", "images-renderer"]
    assert b"# flask_images_vips: renders images" in Path(f"/proc/{processes(runtime)[0]}/cmdline").read_bytes()


def test_it_lives_as_long_as_a_lease_does(runtime: Path, picture: Path) -> None:
    mine = pool(runtime)
    header(mine, picture)
    nursery = processes(runtime)[0]
    time.sleep(GRACE_SECONDS + 0.5)
    header(mine, picture)
    assert processes(runtime)[0] == nursery
    release(mine)
    end_of(runtime)
    header(mine, picture)  # and starts again
    assert processes(runtime)[0] != nursery


def test_it_lives_on_if_a_lease_comes_soon_after_the_last_one(
    runtime: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_images_vips.pool.start.GRACE_SECONDS", PATIENCE_SECONDS)
    mine = pool(runtime)
    header(mine, picture)
    nursery = processes(runtime)[0]
    for _ in range(2):
        release(mine)
        time.sleep(0.3)
        header(mine, picture)
        assert processes(runtime)[0] == nursery


CLIENT = """
import sys, time
sys.path[:0] = {path!r}
from pathlib import Path
from pool.shared import header, pool
mine = pool(Path({runtime!r}), count={count})
print(header(mine, Path({picture!r})).result.header.size, flush=True)
{then}
"""


def client(runtime: Path, picture: Path, count: int = 2, then: str = "") -> subprocess.Popen[str]:
    values = {"path": [str(ROOT), str(TESTS)], "runtime": str(runtime), "picture": str(picture)}
    code = CLIENT.format(**values, count=count, then=then)
    pipe = subprocess.PIPE  # that of stdin stays open until the client is killed
    return subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_sixteen_processes_that_start_at_once_share_one_pool(runtime: Path, picture: Path) -> None:
    clients = [client(runtime, picture, then="sys.stdin.read()") for _ in range(16)]
    try:
        for each in clients:
            assert each.stdout is not None
            assert each.stdout.readline().strip() == "Size(width=64, height=48)"
        found = processes(runtime)
        assert {parent_of(process) for process in found[1:]} == {found[0]}
    finally:
        for each in clients:
            each.kill()
            each.communicate()
    end_of(runtime)  # also after kill -9


def test_the_largest_wish_of_those_alive_counts(runtime: Path, slow: Path, picture: Path) -> None:
    small = pool(runtime, count=1)
    header(small, picture)
    other = client(runtime, picture, count=3, then="sys.stdin.read()")
    try:
        assert other.stdout is not None
        other.stdout.readline()
        with ThreadPoolExecutor(3) as threads:
            jobs = [threads.submit(run, small, SLOW, slow, seconds=6) for _ in range(3)]
            until(lambda: len(processes(runtime)) == 4)
            assert all(isinstance(job.exception(), LimitExceeded) or job.result() for job in jobs)
    finally:
        other.kill()
        other.communicate()


def test_a_deadline_ends_the_renderer_inside_of_a_call(runtime: Path, slow: Path, picture: Path, caplog: Any) -> None:
    mine = pool(runtime)
    with pytest.raises(LimitExceeded, match="IMAGES_RENDER_TIMEOUT"):
        run(mine, SLOW, slow, seconds=0.2)
    assert "SIGALRM" in caplog.text
    assert header(mine, picture).result.header


def test_an_error_costs_no_renderer(runtime: Path, static: Path, picture: Path) -> None:
    (static / "broken.png").write_bytes(b"no picture")
    mine = pool(runtime, count=1)
    before = settled(mine, runtime, picture)
    with pytest.raises(UnreadableSource):
        run(mine, RENDER, static / "broken.png")
    assert processes(runtime) == before


def test_a_lack_of_memory_is_a_limit(runtime: Path, draw: Any) -> None:
    path = draw("large.png", (5000, 4000))
    request = Request(
        work=Work.RENDER, settings={"engine": "pillow"}, options=[Options()], format=by_name("bmp"), suffix=".png"
    )
    with pytest.raises(LimitExceeded, match="IMAGES_RENDER_MEMORY"):
        run(pool(runtime, memory=50_000_000), request, path)
    assert run(pool(runtime), request, path).result.size == (5000, 4000)


def test_any_number_waits_until_its_time_is_over(runtime: Path, picture: Path) -> None:
    patient = pool(runtime, count=1)
    hasty = Pool(patient.place, 1, 768_000_000, 0.5)
    header(patient, picture)
    stopped = processes(runtime)
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    with ThreadPoolExecutor(100) as threads:
        jobs = [threads.submit(header, patient, picture) for _ in range(80)]
        errors = [threads.submit(header, hasty, picture).exception() for _ in range(2)]
        for process in stopped:
            os.kill(process, signal.SIGCONT)
        assert all(job.result().result.header for job in jobs)
    assert [(type(error), str(error)) for error in errors] == [
        (WaitedTooLong, "waited 0.5 s for a renderer (IMAGES_LOCK_TIMEOUT)")
    ] * 2


def test_a_full_queue_is_waited_for_and_then_busy(
    runtime: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_images_vips.pool.start._longest_queue", lambda: 0)
    mine = Pool(pool(runtime).place, 1, 768_000_000, 1)
    header(pool(runtime, count=1), picture)
    stopped = processes(runtime)
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    with ThreadPoolExecutor(4) as threads:
        jobs = [threads.submit(header, mine, picture) for _ in range(4)]
        assert {type(job.exception()) for job in jobs} == {WaitedTooLong}
        assert any("queue" in str(job.exception()) for job in jobs)
        jobs = [threads.submit(header, Pool(mine.place, 1, 768_000_000, 20), picture) for _ in range(4)]
        time.sleep(0.5)
        for process in stopped:
            os.kill(process, signal.SIGCONT)
        assert all(job.result().result.header for job in jobs)


def test_background_work_takes_no_renderer_of_visitors(runtime: Path, picture: Path, slow: Path) -> None:
    mine = pool(runtime, count=1)
    header(mine, picture)
    with ThreadPoolExecutor(3) as threads:
        jobs = [threads.submit(run, mine, SLOW, slow, seconds=60, yields=True) for _ in range(3)]
        until(lambda: len(processes(runtime)) == 3)  # the nursery, and one renderer of each kind
        assert header(mine, picture).result.header
        assert not any(job.done() for job in jobs)

        def niceness() -> list[int]:
            return sorted(os.getpriority(os.PRIO_PROCESS, process) for process in processes(runtime))

        until(lambda: niceness()[-1] == 19)  # a renderer sets it once it has started
        assert niceness()[0] < 19
        for job in jobs:
            job.result(120)
        assert len(processes(runtime)) <= 3


def test_a_renderer_that_has_grown_leaves(runtime: Path, slow: Path, picture: Path) -> None:
    mine = pool(runtime, count=1)
    header(mine, picture)
    grow = Request(work=Work.RENDER, settings={}, options=[Options()], format=by_name("jpeg"), suffix=".png")
    for _ in range(3):
        run(mine, grow, slow, seconds=30)

    def resident(process: int) -> float:
        with suppress(OSError):
            return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return inf

    until(lambda: len(processes(runtime)) == 2 and max(map(resident, processes(runtime))) < 80_000_000)


@pytest.mark.parametrize(
    ("number", "error", "logged"),
    [
        (signal.SIGSEGV, Crashed, "SIGSEGV"),
        (signal.SIGBUS, Crashed, "SIGBUS"),
        (signal.SIGKILL, Busy, "killed"),  # by somebody else, so the file is not to blame
    ],
)
def test_a_crash_is_tried_once_more(
    runtime: Path, slow: Path, picture: Path, number: signal.Signals, error: type[Exception], logged: str, caplog: Any
) -> None:
    mine = pool(runtime, count=1)
    header(mine, picture)
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(run, mine, SLOW, slow, seconds=60)
        for _ in range(2):
            until(lambda: busy_renderers(runtime))
            (process,) = busy_renderers(runtime)
            os.kill(process, number)
            until(lambda process=process: process not in processes(runtime))  # type: ignore[misc]
        with pytest.raises(error):
            job.result(PATIENCE_SECONDS)
    assert caplog.text.count(f"({logged})") == 2
    assert header(mine, picture).result.header


def test_the_end_of_the_nursery_is_the_end_of_its_renderers_and_another_pool_starts(
    runtime: Path, picture: Path
) -> None:
    mine = pool(runtime)
    header(mine, picture)
    first = processes(runtime)
    os.kill(first[0], signal.SIGKILL)
    assert header(mine, picture).result.header
    until(lambda: not set(first) & set(processes(runtime)))
    assert header(mine, picture).result.header
    release(mine)
    end_of(runtime)


def test_a_forked_child_holds_no_lease_of_its_parent(runtime: Path, picture: Path) -> None:
    mine = pool(runtime)
    header(mine, picture)
    pid = os.fork()
    if not pid:
        time.sleep(GRACE_SECONDS + 10)
        os._exit(0)
    try:
        release(mine)
        until(lambda: not processes(runtime), GRACE_SECONDS + 5)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_child_that_is_forked_during_a_start_keeps_no_listener(
    runtime: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn, children = posix.posix_spawn, []

    def fork_and_spawn(*arguments: Any, **keywords: Any) -> int:
        pid = os.fork()  # as another thread might
        if not pid:
            time.sleep(PATIENCE_SECONDS)
            os._exit(0)
        children.append(pid)
        return spawn(*arguments, **keywords)

    monkeypatch.setattr(posix, "posix_spawn", fork_and_spawn)
    mine = pool(runtime, patience=5)
    try:
        header(mine, picture)
        for process in processes(runtime):
            os.kill(process, signal.SIGKILL)
        assert header(mine, picture).result.header
        assert len(children) == 2
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_a_forked_child_renders_too(runtime: Path, picture: Path) -> None:
    mine = pool(runtime)
    header(mine, picture)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            code = 0 if header(mine, picture).result.header else 2
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0


def test_renderers_know_no_secret_of_the_site(runtime: Path, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "a secret")
    monkeypatch.setenv("DATABASE_URL", "a secret")
    monkeypatch.setenv("VIPS_WARNING", "0")
    header(pool(runtime), picture)
    for process in processes(runtime):
        environment = Path(f"/proc/{process}/environ").read_bytes()
        assert b"secret" not in environment
        assert b"VIPS_WARNING=0" in environment


def test_a_path_that_is_too_long_for_a_socket_is_none_too_long(picture: Path, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir(mode=0o700)
    try:
        mine = pool(folder)
        assert header(mine, picture).result.header
        release(mine)
        end_of(folder)
    finally:
        for process in processes(folder):
            os.kill(process, signal.SIGKILL)


def test_idle_renderers_leave_and_come_back(runtime: Path, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_images_vips.pool.start.IDLE_SECONDS", 0.5)
    mine = pool(runtime)
    header(mine, picture)
    nursery = processes(runtime)[0]
    for _ in range(3):
        until(lambda: processes(runtime) == [nursery])
        assert header(mine, picture).result.header
        assert processes(runtime)[0] == nursery


def test_requests_around_an_idle_end_are_all_answered(
    runtime: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_images_vips.pool.start.GRACE_SECONDS", 0.2)
    mine = pool(runtime)
    for number in range(12):
        assert header(mine, picture).result.header
        release(mine)
        time.sleep(0.15 + 0.01 * number)


@pytest.mark.parametrize("stage", ["waiting", "rendering", "idle"])
def test_kill_of_all_at_each_stage_costs_a_retry_at_most(
    runtime: Path, picture: Path, slow: Path, stage: str, long: Callable[[int, int], int]
) -> None:
    mine = pool(runtime, count=2)
    request, path = (SLOW, slow) if stage == "rendering" else (RENDER, picture)
    for number in range(long(2, 100)):  # a renderer, and the nursery
        header(mine, picture)
        with ThreadPoolExecutor(4) as threads:
            if stage != "idle":
                jobs = [threads.submit(run, mine, request, path, seconds=60) for _ in range(4)]
                time.sleep(0.001 * (number % 20))
            for process in processes(runtime)[:: 1 if number % 2 else -1]:
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                break  # the nursery, or one renderer
            if stage != "idle":
                assert all(job.result(120).result.files[0] for job in jobs)


def test_requests_that_are_none_cost_no_renderer(runtime: Path, picture: Path) -> None:
    mine = pool(runtime, count=1)
    before = settled(mine, runtime, picture)
    with picture.open("rb") as file:
        for fields in ({}, {"seconds": "x"}, {"seconds": 1, "memory": None}, {"seconds": 1e400, "memory": 10**9}):
            with mine.place.connect("visitors", time.monotonic() + 5) as connection, suppress(OSError):
                wire.send(connection, fields, descriptors=[file.fileno()])
                connection.settimeout(5)
                wire.receive(connection)
    assert header(mine, picture).result.header
    assert processes(runtime) == before


def test_a_client_that_sends_slowly_is_dropped(runtime: Path, picture: Path) -> None:
    mine = pool(runtime, count=1)
    header(mine, picture)
    with mine.place.connect("visitors", time.monotonic() + 5) as connection, suppress(OSError):
        for byte in b"FIV1\0\0\1\0" + bytes(8) + b'{"files":[]' + b" " * 200:
            connection.send(bytes([byte]))
            time.sleep(0.05)
        pytest.fail("it was not dropped")
    assert header(mine, picture).result.header


def test_clients_that_have_gone_keep_no_pool_alive(runtime: Path, picture: Path) -> None:
    mine = pool(runtime, count=1)
    _, renderer = settled(mine, runtime, picture)
    os.kill(renderer, signal.SIGSTOP)
    for _ in range(3):
        with mine.place.connect("visitors", time.monotonic() + 5) as connection:
            connection.send(b"half a request")
    release(mine)
    until(lambda: not Path(mine.place.path("visitors")).exists())
    os.kill(renderer, signal.SIGKILL)
    end_of(runtime)


FAKE = """
def decode_jpeg(data, colourspace, *, strict, buffer, min_width, min_height):
    shape = min_height, min_width, 3
    return memoryview(bytes([0, 0, 255]) * min_height * min_width).cast("B", shape)
"""


def test_renderers_decode_with_simplejpeg_once_the_nursery_has_imported_it(
    runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for simplejpeg, whose pictures are blue, shows who decodes."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library/simplejpeg.py").write_text(FAKE)
    monkeypatch.syspath_prepend(tmp_path / "library")
    monkeypatch.delitem(sys.modules, "simplejpeg", raising=False)  # another test may have imported the real one
    Image.new("RGB", (400, 300), "red").save(tmp_path / "a.jpg")
    mine = pool(runtime)

    def is_blue() -> bool:
        (data,) = run(mine, RENDER, tmp_path / "a.jpg").result.files
        red, _, blue = Image.open(io.BytesIO(data)).getpixel((15, 10))
        return blue > red

    assert not is_blue()  # the first picture does not wait for the import
    nursery = processes(runtime)[0]
    until(lambda: processes(runtime) == [nursery])  # the first renderer leaves
    assert is_blue()


def test_the_memory_of_libraries_does_not_count_as_that_of_a_render(
    runtime: Path, tmp_path: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library may reserve memory that it does not use, as numpy's OpenBLAS does."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library/simplejpeg.py").write_text(
        "import mmap\n\nkept = mmap.mmap(-1, 120_000_000, mmap.MAP_PRIVATE)\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "library")
    monkeypatch.delitem(sys.modules, "simplejpeg", raising=False)
    mine = pool(runtime, memory=100_000_000)
    header(mine, picture)
    nursery = processes(runtime)[0]
    until(lambda: processes(runtime) == [nursery])  # renderers that were forked before the import leave
    assert run(mine, RENDER, picture).result.size == (30, 22)
