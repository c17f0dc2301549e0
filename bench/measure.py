"""What did it cost? CPU and memory by the kernel's account, contenders in turns, and whether anybody disturbed.

Linux: the clocks of other processes and the peak of a process' memory are read from its kernel.
"""

from __future__ import annotations

import ctypes
import io
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

import psutil
from PIL import Image

from bench.workload import Case

T = TypeVar("T")

DISTURBED = 0.10
"""The share of all processors' time that others may take in a round, before it is repeated."""


class WrongAnswer(Exception):
    """A contender that answers with an error, or with another picture than the one asked for, is not fast."""


def check(contender: str, data: bytes, size: tuple[int, int], format: str) -> None:
    """See that *data* is a picture of *format* and *size*, (width, height); renderers round one side as they like.

    Raises:
        WrongAnswer: it is not.
    """
    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()  # or half a picture would do
            found, kind = picture.size, (picture.format or "").lower()
    except OSError as error:
        raise WrongAnswer(f"{contender}: {len(data)} bytes that are no picture ({error})") from error
    if kind != format:
        raise WrongAnswer(f"{contender}: a picture in {kind}, not in {format}")
    if any(abs(one - wanted) > 1 for one, wanted in zip(found, size, strict=True)):
        raise WrongAnswer(f"{contender}: a picture of {found[0]}×{found[1]}, not of {size[0]}×{size[1]}")


# The kernel's account.


def cpu_seconds(pid: int) -> float:
    """What the process *pid* has used of the processors, with all its threads, those that ended too."""
    with suppress(OSError):  # the clock of a process, see clock_getcpuclockid(3)
        return time.clock_gettime((~pid << 3) | 2)
    return 0.0


class Tree:
    """A server's process, or several that answer together, and all below."""

    def __init__(self, *roots: int) -> None:
        self.roots = [psutil.Process(root) for root in roots]

    def processes(self) -> list[psutil.Process]:
        return [process for root in self.roots for process in (root, *root.children(recursive=True))]

    def pids(self) -> list[int]:
        return [process.pid for process in self.processes()]

    def cpu_seconds(self) -> float:
        return sum(cpu_seconds(pid) for pid in self.pids())

    def reset_peaks(self) -> None:
        for pid in self.pids():
            reset_peak(pid)

    def peak_mb(self) -> float:
        """The sum of the processes' peaks: an upper bound of what they held together."""
        return sum(peak_mb(pid) for pid in self.pids())


def peak_mb(pid: int) -> float:
    """The most memory that the process *pid* held since it began, or since `reset_peak`."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    return 0.0


def reset_peak(pid: int) -> None:
    with suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


# Who else was there.


class Watch:
    """What share of all processors' time others took between ``with`` and now: whatever is not of our own tree."""

    share = 0.0

    def __enter__(self) -> Watch:
        self._begin, self._busy, self._own = time.monotonic(), _busy_seconds(), _own_seconds()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        there = (time.monotonic() - self._begin) * (os.cpu_count() or 1)
        foreign = (_busy_seconds() - self._busy) - (_own_seconds() - self._own)
        # The kernel counts in steps of 10 ms: a shorter time says nothing.
        self.share = max(0.0, foreign / there) if there > 0.2 else 0.0


def _busy_seconds() -> float:
    """All processors' time in processes, or stolen, since the machine started. Interrupts may be our own packets'."""
    first = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    user, nice, system, _idle, _wait, _irq, _softirq, steal = (int(ticks) for ticks in first[:8])
    return (user + nice + system + steal) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """That of this process, its living children and theirs, and of those that have ended."""
    total = 0.0
    here = psutil.Process()
    for process in (here, *here.children(recursive=True)):
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += cpu_seconds(process.pid) + times.children_user + times.children_system
    return total


def adopt_orphans() -> None:
    """Let processes whose parent ends before them become this one's, so that what they used counts as its own.

    Some servers end without waiting for their workers: see PR_SET_CHILD_SUBREAPER, prctl(2).
    """
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


# In turns.


@dataclass
class Rounds(Generic[T]):
    """What each contender gave in each round; how many rounds others disturbed all the same, and the worst of them."""

    samples: dict[str, list[T]] = field(default_factory=dict)
    disturbed: int = 0
    foreign_share: float = 0.0

    def noted(self) -> dict[str, Any]:
        return {"disturbed": self.disturbed, "foreign_share": round(self.foreign_share, 3)}


def interleaved(
    measures: Mapping[str, Callable[[], T]],
    rounds: int,
    watch: Callable[[], Watch] = Watch,
    spare: int | None = None,
) -> Rounds[T]:
    """Each of *measures* once a round, in another order each time.

    A round that was disturbed is repeated; after *spare* repetitions, by default as many as there are *rounds*, it
    counts, and is noted.
    """
    result: Rounds[T] = Rounds({name: [] for name in measures})
    names = list(measures)
    spare = rounds if spare is None else spare
    done = 0
    while done < rounds:
        turned = names[done % len(names) :] + names[: done % len(names)]
        with watch() as disturbance:
            given = {name: measures[name]() for name in turned}
        if disturbance.share > DISTURBED and spare:
            spare -= 1
            continue
        for name, sample in given.items():
            result.samples[name].append(sample)
        result.disturbed += disturbance.share > DISTURBED
        result.foreign_share = max(result.foreign_share, disturbance.share)
        done += 1
    return result


# Renderers, each in a process of its own.


@dataclass(frozen=True, slots=True)
class Sample:
    cpu_ms: float
    wall_ms: float
    data: bytes


class Worker:
    """One contender in a fresh process, so that its memory and its CPU are its alone."""

    def __init__(self, contender: str) -> None:
        self.contender = contender
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(contender, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def render(self, path: Path, case: Case) -> Sample:
        """One rendition, checked.

        Raises:
            WrongAnswer: the contender failed, or made another picture than the one asked for.
        """
        sample: Sample = self._ask((path, case))
        check(self.contender, sample.data, case.size, case.output)
        return sample

    def peak_mb(self) -> float:
        """The most memory that this process held since the last call of this."""
        peak: float = self._ask("peak")
        return peak

    def _ask(self, what: object) -> Any:
        self._pipe.send(what)
        try:
            answer = self._pipe.recv()
        except EOFError:
            raise WrongAnswer(f"{self.contender}: its process died") from None
        if isinstance(answer, Exception):
            raise WrongAnswer(f"{self.contender}: {type(answer).__name__}: {answer}") from answer
        return answer

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._process.join(5)
        self._process.kill()


def _serve(contender: str, pipe: Any) -> None:
    """Run in the worker: answers what `Worker` asks, until it goes."""
    from bench.contenders import CONTENDERS

    try:
        render = CONTENDERS[contender].make()
    except Exception as error:
        pipe.send(RuntimeError(f"cannot be made: {error}"))
        return
    while True:
        try:
            what = pipe.recv()
        except EOFError:
            return
        if what == "peak":
            pipe.send(peak_mb(os.getpid()))
            reset_peak(os.getpid())
            continue
        try:
            cpu, wall = time.process_time(), time.perf_counter()
            data = render(*what)
            pipe.send(Sample(1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - wall), data))
        except Exception as error:
            pipe.send(RuntimeError(f"{type(error).__name__}: {error}"))


def rounded(values: Iterable[float], digits: int = 3) -> list[float]:
    return [round(value, digits) for value in values]
