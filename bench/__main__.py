"""Measure this package against other renderers and image servers, part by part, and report the results.

Each part writes its figures as JSON into the folder of results and prints them. Parts can be run at different times:
``report`` reads all results that exist.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from bench import results
from bench.measure import Run, WrongAnswer, adopt_orphans
from bench.parts import PARTS, module_of

# `memory` includes a shorter soak. The others need an object store and Redis.
ALL = tuple(part for part in PARTS if part not in ("soak", "fleet", "hosts", "growing"))


def main(arguments: list[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    failed = 0
    if given.command != "report":
        parts = ALL if given.command == "all" else (given.command,)
        failed = sum(not run(part, given.quick, given.rounds, given.results) for part in parts)
    if given.command in ("all", "report"):
        from bench.report import write

        print(write(given.results, docs=given.docs))
    return min(failed, 1)


def parser() -> argparse.ArgumentParser:
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument("--results", type=Path, default=argparse.SUPPRESS, help="folder of the results")
    measuring = argparse.ArgumentParser(add_help=False, parents=[folder])
    measuring.add_argument(
        "--quick", action="store_true", help="fewer and shorter measurements, for a first impression"
    )
    measuring.add_argument("--rounds", type=_count, help="number of interleaved rounds, instead of the part's own")
    reporting = argparse.ArgumentParser(add_help=False)
    reporting.add_argument("--docs", action="store_true", help="also write the tables and plots of the documentation")

    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--results", type=Path, default=results.FOLDER, help="folder of the results")
    commands = parser.add_subparsers(dest="command", required=True, metavar="part")
    for part, what in PARTS.items():
        commands.add_parser(part, help=what, parents=[measuring])
    commands.add_parser(
        "all", help="all parts except soak, fleet, hosts and growing, then the report", parents=[measuring, reporting]
    )
    commands.add_parser(
        "report", help="write a page with the plots and tables of the stored results", parents=[folder, reporting]
    )
    return parser


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return count


def run(part: str, quick: bool, rounds: int | None, folder: Path) -> bool:
    """Run *part*, save its results in *folder* and print them. Returns False if it failed."""
    from bench.servers import versions

    adopt_orphans()
    begin = time.monotonic()

    def tell(step: str) -> None:
        print(f"{part}: {step} ({time.monotonic() - begin:.0f} s)", file=sys.stderr, flush=True)

    module = module_of(part)
    try:
        data = module.measure(Run(quick, rounds, tell))
    except (WrongAnswer, RuntimeError) as error:
        print(f"{part} failed: {error}", file=sys.stderr)
        return False
    data["seconds_taken"] = round(time.monotonic() - begin)
    path = results.save(part, data, quick=quick, folder=folder, **versions())
    notes = [module.note(data)] if hasattr(module, "note") else []
    print(*(table.text() for table in module.tables(data)), *notes, path, sep="\n\n", end="\n\n", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
