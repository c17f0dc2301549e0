"""What does one first rendition cost each engine? CPU, time, memory, bytes and nearness, case by case."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from bench.contenders import CONTENDERS, FULL, LIMIT, OURS
from bench.measure import Sample, Worker, interleaved, rounded
from bench.quality import compared
from bench.workload import CASES, DENSITIES, QUICK_CASES, Case, described, write

ROUNDS, QUICK_ROUNDS = 11, 3


def run(quick: bool, told: Callable[[str], object]) -> dict[str, Any]:
    """Every case by every contender that can, and the camera's picture at several densities by three of them."""
    asked = QUICK_CASES if quick else CASES
    dense = [Case(picture) for picture in DENSITIES[:: 2 if quick else 1]]
    pictures = list(dict.fromkeys(case.picture for case in (*asked, *dense)))
    rounds = QUICK_ROUNDS if quick else ROUNDS
    told("pictures")
    description = described(pictures)
    rows = []
    for case in asked:
        rows.append(measured(case, list(CONTENDERS), rounds))
        told(case.name)
    densities = []
    for case in dense:
        densities.append(measured(case, [OURS, FULL, LIMIT], rounds))
        told(case.picture.name)
    return {
        "rounds": rounds,
        "contenders": {name: contender.what for name, contender in CONTENDERS.items()},
        "pictures": description,
        "cases": rows,
        "densities": densities,
    }


def measured(case: Case, names: list[str], rounds: int) -> dict[str, Any]:
    """*case* by those of the contenders *names* that can do it, each in a fresh process, in turns."""
    path = write([case.picture])[case.picture.name]
    with ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(name)) for name in names if CONTENDERS[name].able(case)}
        idle = {name: worker.peak_mb() for name, worker in workers.items()}
        for worker in workers.values():
            worker.render(path, case)  # warm: libraries loaded, the file in the page cache
        turns = interleaved({name: partial(worker.render, path, case) for name, worker in workers.items()}, rounds)
        found = {
            name: contender_row(samples, idle[name], workers[name].peak_mb())
            | (compared(samples[0].data, path, case) if name != LIMIT else {"bytes": len(samples[0].data)})
            for name, samples in turns.samples.items()
        }
    return {
        "case": case.name,
        "picture": case.picture.name,
        "output": case.output,
        **turns.noted(),
        "contenders": found,
    }


def contender_row(samples: list[Sample], idle_mb: float, peak_mb: float) -> dict[str, Any]:
    return {
        "cpu_ms": rounded(sample.cpu_ms for sample in samples),
        "wall_ms": rounded(sample.wall_ms for sample in samples),
        "idle_mb": round(idle_mb, 1),
        "peak_mb": round(peak_mb, 1),
    }
