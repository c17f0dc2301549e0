"""Measure CPU time and memory, in interleaved rounds, and summarise the rounds.

Linux only: the CPU clocks of other processes and the peak of their memory are read from its kernel.
"""

from __future__ import annotations

import ctypes
import io
import math
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, NamedTuple, TypeVar

import psutil
from PIL import Image

T = TypeVar("T")

DISTURBED = 0.10
"""A round is disturbed if other processes use more than this share of all processors' time."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a benchmark is to run. *rounds* replaces its own number of rounds; *on_step* is called after each step."""

    quick: bool = False
    rounds: int | None = None
    on_step: Callable[[str], object] = lambda step: None

    def pick(self, full: T, quick: T) -> T:
        """Return *quick* in a quick run, and *full* otherwise."""
        return quick if self.quick else full

    def rounds_or(self, full: int, quick: int) -> int:
        """Return the number of rounds: the one set by the user, or that of this kind of run."""
        return self.rounds or self.pick(full, quick)


class WrongAnswer(Exception):
    """A contender failed, or made another picture than the one asked for."""


def check(contender: str, data: bytes, size: tuple[int, int], format: str) -> None:
    """Check that *data* is a picture of *format* and *size*, (width, height). Each side may be off by one pixel.

    Raises:
        WrongAnswer: If it is not.
    """
    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()  # reading the header alone would accept a truncated file
            found, kind = picture.size, (picture.format or "").lower()
    except OSError as error:
        raise WrongAnswer(f"{contender}: {len(data)} bytes that are no picture ({error})") from error
    if kind != format:
        raise WrongAnswer(f"{contender}: a picture in {kind}, not in {format}")
    if any(abs(one - wanted) > 1 for one, wanted in zip(found, size, strict=True)):
        raise WrongAnswer(f"{contender}: a picture of {found[0]}×{found[1]}, not of {size[0]}×{size[1]}")


# CPU time and memory, as the kernel counts them.


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of the process *pid*, with all its threads, or 0 if it is gone."""
    with suppress(OSError):  # the clock of a process, see clock_getcpuclockid(3)
        return time.clock_gettime((~pid << 3) | 2)
    return 0.0


def peak_mb(pid: int) -> float:
    """Return the peak memory (RSS) of the process *pid* since its start or the last `reset_peak`, in MB."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    return 0.0


def reset_peak(pid: int) -> None:
    """Let `peak_mb` of the process *pid* start anew."""
    with suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


class Held(NamedTuple):
    """The memory of processes in MB, their number, and the number of their file descriptors."""

    memory_mb: float
    processes: int
    descriptors: int


class Tree:
    """One or several processes with all their descendants, and the renderers whose sockets are in *runtime*: a server.

    Renderers are not descendants of the server that starts them.
    """

    def __init__(self, *roots: int, runtime: str = "") -> None:
        self.roots = [psutil.Process(root) for root in roots]
        self.runtime = runtime

    def processes(self) -> list[psutil.Process]:
        descendants = [process for root in self.roots for process in (root, *root.children(recursive=True))]
        return [*descendants, *self._renderers()]

    def _renderers(self) -> list[psutil.Process]:
        """Return the renderers, and the process that forks them."""
        if not self.runtime:
            return []
        found = psutil.process_iter(["cmdline"])
        commands = [(process, " ".join(process.info["cmdline"] or ())) for process in found]
        return [process for process, command in commands if "pool.nursery" in command and self.runtime in command]

    def pids(self) -> list[int]:
        return [process.pid for process in self.processes()]

    def cpu_seconds(self) -> float:
        """Return the CPU seconds of all processes, also of renderers that have ended."""
        ended = 0.0
        for process in self._renderers():
            with suppress(psutil.Error):
                times = process.cpu_times()
                ended += times.children_user + times.children_system
        return ended + sum(cpu_seconds(pid) for pid in self.pids())

    def reset_peaks(self) -> None:
        for pid in self.pids():
            reset_peak(pid)

    def peak_mb(self) -> float:
        """Return the sum of the processes' peaks, an upper bound of the memory that they held together."""
        return sum(peak_mb(pid) for pid in self.pids())

    def held(self) -> Held:
        """Return what the processes hold now. Memory that they share is counted once (PSS)."""
        memory = descriptors = count = 0
        for process in self.processes():
            with suppress(psutil.Error):  # a renderer may just have ended
                memory += process.memory_full_info().pss
                descriptors += process.num_fds()
                count += 1
        return Held(memory / 1e6, count, descriptors)


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants, so that their CPU time counts as our own.

    Some servers end without waiting for their workers. See PR_SET_CHILD_SUBREAPER, prctl(2).
    """
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


# Disturbances by other processes.


class Watch:
    """Measures the share of all processors' time that other processes used inside of the ``with`` block."""

    share = 0.0

    def __enter__(self) -> Watch:
        self._begin, self._busy, self._own = time.monotonic(), _busy_seconds(), _own_seconds()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        available = (time.monotonic() - self._begin) * (os.cpu_count() or 1)
        foreign = (_busy_seconds() - self._busy) - (_own_seconds() - self._own)
        # The kernel counts in steps of 10 ms, which is too coarse for shorter blocks.
        self.share = max(0.0, foreign / available) if available > 0.2 else 0.0


def _busy_seconds() -> float:
    """Return the seconds that all processors were busy since boot.

    Interrupts are left out, because the benchmark's own network traffic causes some of them.
    """
    first = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    user, nice, system, _idle, _wait, _irq, _softirq, steal = (int(ticks) for ticks in first[:8])
    return (user + nice + system + steal) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """Return the CPU time of this process and its descendants, also of those that have ended."""
    total = 0.0
    here = psutil.Process()
    for process in (here, *here.children(recursive=True)):
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += cpu_seconds(process.pid) + times.children_user + times.children_system
    return total


# Interleaved rounds.


@dataclass
class Rounds(Generic[T]):
    """The samples of each contender, one per round.

    *disturbed* is the number of disturbed rounds among them. *foreign_share* is the share of the processors' time that
    other processes used in the worst round.
    """

    samples: dict[str, list[T]] = field(default_factory=dict)
    disturbed: int = 0
    foreign_share: float = 0.0

    def noted(self) -> dict[str, Any]:
        """Return the disturbances as they are stored with results."""
        return {"disturbed": self.disturbed, "foreign_share": round(self.foreign_share, 3)}


def interleaved(
    measures: Mapping[str, Callable[[], T]],
    rounds: int,
    watch: Callable[[], Watch] = Watch,
    spare: int | None = None,
) -> Rounds[T]:
    """Call each of *measures* once per round, in a different order each time.

    Disturbed rounds are repeated, in total at most *spare* times (by default *rounds*). After that, they are kept, and
    counted in the result.
    """
    result: Rounds[T] = Rounds({name: [] for name in measures})
    names = list(measures)
    spare = rounds if spare is None else spare
    done = 0
    while done < rounds:
        turned = names[done % len(names) :] + names[: done % len(names)]
        with watch() as disturbance:
            found = {name: measures[name]() for name in turned}
        if disturbance.share > DISTURBED and spare:
            spare -= 1
            continue
        for name, sample in found.items():
            result.samples[name].append(sample)
        result.disturbed += disturbance.share > DISTURBED
        result.foreign_share = max(result.foreign_share, disturbance.share)
        done += 1
    return result


def cpu_ms(work: Callable[[], object]) -> float:
    """Call *work* and return the CPU milliseconds that this process spent on it."""
    begin = time.process_time()
    work()
    return 1000 * (time.process_time() - begin)


def rounded(values: Iterable[float], digits: int = 3) -> list[float]:
    return [round(value, digits) for value in values]


# Medians, which are always shown with their spread.


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of *count* measurements, and the least and the greatest of them."""

    median: float
    least: float
    most: float
    count: int

    def text(self, digits: int | None = None) -> str:
        """Return ``23.7 (22.6–29.9)``, in three significant digits, or with *digits* decimal places."""
        places = _places(self.median) if digits is None else digits
        middle, least, most = (f"{value:,.{places}f}" for value in (self.median, self.least, self.most))
        return middle if self.count == 1 else f"{middle} ({least}–{most})"


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of *values*.

    Raises:
        ValueError: If there are no values.
    """
    if not values:
        raise ValueError("nothing was measured")
    return Spread(statistics.median(values), min(values), max(values), len(values))


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Spread:
    """Return the spread of the ratios of each round, whose two measurements met the same disturbances.

    Raises:
        ValueError: If the numbers of rounds differ.
    """
    if len(numerators) != len(denominators):
        raise ValueError(f"{len(numerators)} and {len(denominators)} rounds cannot be compared")
    return spread([one / other for one, other in zip(numerators, denominators, strict=True)])


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least of *values* that *share* (0 to 1) of them do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _places(value: float) -> int:
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
