"""``python -m bench``: measures the package against what it is compared with, part by part, and reports.

Each part keeps its results as JSON in ``bench/results``, so that parts can be run on their own, at a quiet time;
``report`` reads what is there.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import results
from bench.measure import WrongAnswer


@dataclass(frozen=True, slots=True)
class Part:
    """A subcommand that measures: *run* gives its results; *steps* is how often it tells that it got on."""

    run: Callable[[bool, Callable[[str], object]], dict[str, Any]]
    steps: Callable[[bool], int]
    what: str


def _of(module: str, function: str = "run") -> Callable[..., Any]:
    """*function* of *module*, which is imported when it runs: a worker, a fresh process, imports this module again."""

    def call(*arguments: Any) -> Any:
        return getattr(importlib.import_module(f"bench.{module}"), function)(*arguments)

    return call


PARTS = {
    "engines": Part(
        _of("engines"), lambda quick: 10 if quick else 22, "one rendition by each engine: CPU, memory, bytes"
    ),
    "cold": Part(_of("cold"), lambda quick: 2 if quick else 5, "first renditions a second, by each server"),
    "mixed": Part(_of("mixed"), _of("mixed", "steps"), "a site's traffic, from a cold cache on, by each server"),
    "warm": Part(_of("warm"), lambda quick: 2, "the cost of a hit, in the application and by each server"),
    "stampede": Part(
        _of("crowds", "run_stampede"), lambda quick: 2 if quick else 3, "a crowd that wants the same new picture"
    ),
    "memory": Part(
        _of("crowds", "run_memory"), lambda quick: 5, "the peak of each server under large photographs, and growth"
    ),
    "quality": Part(_of("quality"), lambda quick: 3 if quick else 16, "nearness to the reference, and bytes"),
}


def measure(names: list[str], *, quick: bool, folder: Path) -> int:
    """Run the parts *names*, and keep what each gave. The number of those that failed."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from bench.measure import adopt_orphans
    from bench.servers import versions

    adopt_orphans()
    console, failed = Console(stderr=True), 0
    columns = TextColumn("{task.fields[part]:9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, TextColumn("{task.description}"), console=console) as progress:
        for name in names:
            part = PARTS[name]
            task = progress.add_task("", total=part.steps(quick), part=name)
            begin = time.monotonic()

            def told(step: str, task: Any = task) -> None:
                progress.update(task, advance=1, description=step)

            try:
                data = part.run(quick, told)
            except (WrongAnswer, RuntimeError) as error:
                failed += 1
                progress.update(task, description=f"failed: {error}")
                continue
            progress.update(task, completed=part.steps(quick), description="")
            data["seconds_taken"] = round(time.monotonic() - begin)
            results.save(name, data, quick=quick, folder=folder, **versions())
    return failed


PRINTING = {
    "copies": "what reduced copies and the encoders' efforts cost and save",
    "page": "what the markup of a page of pictures costs",
    "bound": "what keeping the cache within its cap costs a write",
    "soak": "whether a process that renders and renders grows",
}
"""Modules that measure one thing by themselves, and print it."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--results", type=Path, default=results.FOLDER, help="folder of the results")
    commands = parser.add_subparsers(dest="command", required=True, metavar="part")
    for name, part in PARTS.items():
        commands.add_parser(name, help=part.what).add_argument("--quick", action="store_true", help="fewer and shorter")
    everything = commands.add_parser("all", help="all of these, and the report")
    everything.add_argument(
        "--quick", action="store_true", help="a few minutes instead of half an hour; for a first look"
    )
    everything.add_argument("--readme", action="store_true", help="put the tables into the README too")
    report = commands.add_parser("report", help="a page, plots and tables of the results that are there")
    report.add_argument("--readme", action="store_true", help="put the tables into the README too")
    for name, what in PRINTING.items():
        commands.add_parser(name, help=f"{what} (prints)", add_help=False)
    given, rest = parser.parse_known_args(arguments)
    if given.command in PRINTING:
        sys.argv = [f"python -m bench {given.command}", *rest]
        importlib.import_module(f"bench.{given.command}").main()
        return 0
    if rest:
        parser.error(f"unknown: {' '.join(rest)}")
    failed = 0
    if given.command != "report":
        names = list(PARTS) if given.command == "all" else [given.command]
        failed = measure(names, quick=given.quick, folder=given.results)
    if given.command in ("all", "report"):
        from bench.report import write

        print(write(given.results, readme=given.readme))
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
