"""Measure one rendition by each engine: CPU time, wall time, memory, bytes and nearness to the reference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from bench.contenders import BARE, CONTENDERS, FULL, LIMIT, OURS, PILLOW, Sample, Worker
from bench.measure import Run, interleaved, ratio, rounded, spread
from bench.parts.quality import compared
from bench.tables import NOTICEABLE, Goal, Loss, Table, bits_of, disturbances, goal
from bench.workload import CASES, DENSITIES, QUICK_CASES, Case, described, write

ROUNDS, QUICK_ROUNDS = 11, 3


def measure(run: Run) -> dict[str, Any]:
    """Measure every case with every contender that can render it, and one photograph at several densities."""
    asked = run.pick(CASES, QUICK_CASES)
    dense = [Case(picture) for picture in DENSITIES[:: run.pick(1, 2)]]
    pictures = list(dict.fromkeys(case.picture for case in (*asked, *dense)))
    rounds = run.rounds_or(ROUNDS, QUICK_ROUNDS)
    description = described(pictures)
    run.on_step("pictures")
    rows = []
    for case in asked:
        rows.append(measured(case, list(CONTENDERS), rounds))
        run.on_step(case.name)
    densities = []
    for case in dense:
        densities.append(measured(case, [OURS, FULL, LIMIT], rounds))
        run.on_step(case.picture.name)
    return {
        "rounds": rounds,
        "contenders": {name: contender.what for name, contender in CONTENDERS.items()},
        "pictures": description,
        "cases": rows,
        "densities": densities,
    }


def measured(case: Case, names: list[str], rounds: int) -> dict[str, Any]:
    """Measure *case* with those of the contenders *names* that can render it, each in a fresh process."""
    path = write([case.picture])[case.picture.name]
    with ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(name)) for name in names if CONTENDERS[name].able(case)}
        idle = {name: worker.peak_mb() for name, worker in workers.items()}
        for worker in workers.values():
            worker.render(path, case)  # loads the libraries, and the file into the page cache
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


# Tables.


def tables(data: dict[str, Any]) -> list[Table]:
    return [engine_table(data), engine_details(data)]


def engine_table(data: dict[str, Any], *, short: bool = False) -> Table:
    """Show the CPU time of each case by each engine; *short* leaves out other sizes and the Pillow engine."""
    cases = [case for case in data["cases"] if not short or case["case"] == f"{case['picture']}, fit 400×300"]
    names = [name for name in (OURS, PILLOW, BARE, FULL, LIMIT) if not short or name != PILLOW]
    rows = []
    for case in cases:
        found = case["contenders"]
        bits = bits_of(data, case["picture"])
        label = case["case"].removesuffix(", fit 400×300") + (f", {bits:.1f} bits a pixel" if bits else "")
        cpu = [spread(found[name]["cpu_ms"]).text() if name in found else "–" for name in names]
        both = (
            ratio(found[one]["cpu_ms"], found[other]["cpu_ms"]).text(2) if one in found and other in found else "–"
            for one, other in ((FULL, OURS), (OURS, BARE))
        )
        rows.append((label, *cpu, *both))
    rounds = data["rounds"]
    note = disturbances(cases) + f"The table above shows CPU ms, median of {rounds} interleaved rounds (least–most)."
    return Table(("picture", *names, "full ÷ vips", "vips ÷ bare"), rows, note)


def engine_details(data: dict[str, Any]) -> Table:
    """Show wall time, memory, bytes and nearness of each case by each engine."""
    rows = []
    for case in data["cases"]:
        label = case["case"]
        for name, row in case["contenders"].items():
            near = (f"{row['ssim']:.4f}", f"{row['psnr']:.1f}") if "ssim" in row else ("–", "–")
            memory = f"{row['peak_mb']:.0f}", f"{row['peak_mb'] - row['idle_mb']:.0f}"
            rows.append((label, name, spread(row["wall_ms"]).text(), *memory, f"{row['bytes']:,}", *near))
            label = ""
    note = "Memory: the peak of a fresh process that renders this alone, and how much of it is over the idle process."
    return Table(("case", "by", "wall ms", "peak MB", "over idle", "bytes", "SSIM", "PSNR, dB"), rows, note)


# Goals and losses.


def _cpu(case: dict[str, Any], name: str) -> list[float]:
    cpu: list[float] = case["contenders"].get(name, {}).get("cpu_ms", [])
    return cpu


def goals(data: dict[str, Any]) -> Iterator[Goal]:
    by_name = {case["case"]: case for case in data.get("cases", [])}
    for picture, gain in (("6 Mpx JPEG, upload", 4), ("6 Mpx JPEG, camera", 4), ("24 Mpx JPEG, camera", 3.5)):
        case = by_name.get(f"{picture}, fit 400×300")
        found = ratio(_cpu(case, FULL), _cpu(case, OURS)) if case else None
        reason = why_no_more_gain(case, bits_of(data, picture)) if case else ""
        yield goal(f"CPU of a full decode ÷ ours, {picture}", gain, found, reason, at_least=True)
    for picture in ("6 Mpx JPEG, upload", "6 Mpx JPEG, camera", "24 Mpx JPEG, camera", "3 Mpx PNG, cut out"):
        case = by_name.get(f"{picture}, fit 400×300")
        found = ratio(_cpu(case, OURS), _cpu(case, BARE)) if case else None
        yield goal(
            f"CPU of ours ÷ bare pyvips, {picture}",
            1.1,
            found,
            "opening by descriptor, reading the header once more, planning and checking cost the rest",
            at_least=False,
        )


def why_no_more_gain(case: dict[str, Any], bits: float | None) -> str:
    full, ours, limit = (spread(_cpu(case, name)).median for name in (FULL, OURS, LIMIT))
    held = f"The file holds {bits:.1f} bits a pixel. " if bits else ""
    return (
        f"{held}Decoding at a reduced size and encoding (the limit) already take {limit:.1f} of our {ours:.1f} ms. "
        f"So even without any other work, the ratio would be only {full / limit:.1f}."
    )


def losses(data: dict[str, Any]) -> Iterator[Loss]:
    for case in data["cases"]:
        ours = _cpu(case, OURS)
        if not ours:
            continue
        rivals = {name: _cpu(case, name) for name in (PILLOW, BARE, FULL) if _cpu(case, name)}
        best = min(rivals, key=lambda name: spread(rivals[name]).median)
        times = ratio(ours, rivals[best])
        if times.median <= NOTICEABLE:
            continue
        rows, limit = case["contenders"], spread(_cpu(case, LIMIT)).median if _cpu(case, LIMIT) else None
        reason = "" if limit is None else _where_the_time_goes(limit, spread(ours).median)
        if "ssim" in rows[OURS] and "ssim" in rows[best]:
            reason += f" SSIM {rows[OURS]['ssim']:.3f} and {rows[best]['ssim']:.3f}, "
            reason += f"{rows[OURS]['bytes']:,} and {rows[best]['bytes']:,} bytes."
        yield Loss(
            f"one rendition: {case['case']}",
            best,
            f"{spread(ours).text()} ms",
            f"{spread(rivals[best]).text()} ms",
            times.median,
            reason.strip(),
        )


def _where_the_time_goes(limit: float, ours: float) -> str:
    if limit >= 0.7 * ours:
        return f"libvips' decoder and encoder alone take {limit:.1f} of our {ours:.1f} ms."
    return f"Decoding and encoding take {limit:.1f} of our {ours:.1f} ms; the rest is the work between."
