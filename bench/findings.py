"""Which goals are met, and where do we lose? Read from the results alone; reasons are figures, too.

This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.statistics import Spread, ratio, spread

Results = dict[str, dict[str, Any]]

OURS, PILLOW, BARE, FULL, LIMIT = "vips", "pillow", "bare pyvips", "full decode", "the limit"
PACKAGE, SERVED, RIVALS = "this package", "this package, no copies", ("thumbor", "ipx", "imgproxy")
NOTICEABLE = 1.10
"""Less of a difference is not called a loss where no goal says so: it is within what rounds differ by."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that was to be reached: *found* is None where it was not measured."""

    name: str
    wanted: str
    found: Spread | None
    met: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Loss:
    """Something at which another is better: *times* is how many times as good it is."""

    where: str
    to: str
    ours: str
    theirs: str
    times: float
    reason: str


def _goal(name: str, limit: float, found: Spread | None, reason: str, *, at_least: bool) -> Goal:
    met = found is not None and (found.median >= limit if at_least else found.median <= limit)
    return Goal(name, f"{'≥' if at_least else '≤'} {limit:g}", found, met, "" if met or found is None else reason)


def goals(results: Results) -> list[Goal]:
    return [*_engine_goals(results), *_hit_goals(results), *_cold_goals(results)]


# Engines.


def engine_cases(results: Results) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = results.get("engines", {}).get("cases", [])
    return cases


def _cpu(case: dict[str, Any], name: str) -> list[float]:
    cpu: list[float] = case["contenders"].get(name, {}).get("cpu_ms", [])
    return cpu


def _engine_goals(results: Results) -> Iterator[Goal]:
    by_name = {case["case"]: case for case in engine_cases(results)}
    for picture, gain in (("6 Mpx JPEG, upload", 4), ("6 Mpx JPEG, camera", 4), ("24 Mpx JPEG, camera", 3.5)):
        case = by_name.get(f"{picture}, fit 400×300")
        found = ratio(_cpu(case, FULL), _cpu(case, OURS)) if case else None
        reason = why_no_more_gain(case, bits_of(results, picture)) if case else ""
        yield _goal(f"CPU of a full decode ÷ ours, {picture}", gain, found, reason, at_least=True)
    for picture in ("6 Mpx JPEG, upload", "6 Mpx JPEG, camera", "24 Mpx JPEG, camera", "3 Mpx PNG, cut out"):
        case = by_name.get(f"{picture}, fit 400×300")
        found = ratio(_cpu(case, OURS), _cpu(case, BARE)) if case else None
        yield _goal(
            f"CPU of ours ÷ bare pyvips, {picture}",
            1.1,
            found,
            "opening by descriptor, reading the header once more, planning and checking cost the rest",
            at_least=False,
        )


def bits_of(results: Results, picture: str) -> float | None:
    """The bits a pixel of the file of *picture*."""
    for part in ("engines", "cold"):
        for one in results.get(part, {}).get("pictures", []):
            if one["name"] == picture:
                return float(one["bits_per_pixel"])
    return None


def why_no_more_gain(case: dict[str, Any], bits: float | None) -> str:
    full, ours, limit = (spread(_cpu(case, name)).median for name in (FULL, OURS, LIMIT))
    held = f"The file holds {bits:.1f} bits a pixel. " if bits else ""
    return (
        f"{held}Decoding it at a fraction of its size and encoding alone, the limit, take {limit:.1f} of our "
        f"{ours:.1f} ms, so nothing that makes a picture can gain more than {full / limit:.1f}."
    )


# Hits.


def hits(results: Results) -> dict[str, Any]:
    found: dict[str, Any] = results.get("warm", {}).get("servers", {}).get("contenders", {})
    return found


def _hit_goals(results: Results) -> Iterator[Goal]:
    found = hits(results)

    def against(one: str, other: str) -> Spread | None:
        both = one in found and other in found
        return ratio(found[one]["cpu_us"], found[other]["cpu_us"]) if both else None

    for kind in ("sync", "gthread"):
        share = against(f"{kind}: an empty view", f"{kind}: send_from_directory")
        reason = (
            f"An empty view, which is gunicorn and Flask alone, already costs {share.median:.2f} of it."
            if share
            else ""
        )
        name = f"CPU of a hit ÷ send_from_directory, gunicorn {kind}"
        hit = against(f"{kind}: a hit", f"{kind}: send_from_directory")
        yield _goal(name, 0.75, hit, reason, at_least=False)
        early = against(f"{kind}: a hit, IMAGES_EARLY_HITS", f"{kind}: send_from_directory")
        yield _goal(f"{name}, IMAGES_EARLY_HITS", 0.75, early, reason, at_least=False)
    door = against("nginx: the front door", "nginx: a static file")
    reason = "nginx matches the URL, then follows a link to the rendition."
    yield _goal("CPU of the front door ÷ nginx' static file", 1.5, door, reason, at_least=False)


# First renditions over HTTP.


def cold_cases(results: Results) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = results.get("cold", {}).get("cases", [])
    return cases


def best_rival(case: dict[str, Any]) -> str | None:
    """Whichever of the other servers that were there made most of *case* in a second."""
    there = {name: row for name, row in case["contenders"].items() if name in RIVALS}
    return max(there, key=lambda name: spread(there[name]["per_second"]).median, default=None)


def _cold_goals(results: Results) -> Iterator[Goal]:
    by_picture = {case["picture"]: case for case in cold_cases(results)}
    wanted = (("6 Mpx JPEG, upload", 0.9), ("6 Mpx JPEG, camera", 0.9), ("24 Mpx JPEG, camera", 0.9))
    for picture, least in (*wanted, ("3 Mpx PNG, cut out", 2.0)):
        case = by_picture.get(picture)
        rival = best_rival(case) if case else None
        found, reason, to = None, "", "the best other"
        if case and rival and SERVED in case["contenders"]:
            ours, theirs = case["contenders"][SERVED], case["contenders"][rival]
            found = ratio(ours["per_second"], theirs["per_second"])
            to = f"{rival} (SSIM {ours['ssim']:.3f} to {theirs['ssim']:.3f})"
            reason = why_slower(case, rival)
        yield _goal(f"First renditions a second, {picture}, ours ÷ {to}", least, found, reason, at_least=True)


def why_slower(case: dict[str, Any], rival: str) -> str:
    """What of a request's CPU is libvips', and what the serving of this package."""
    rows = case["contenders"]
    ours, theirs = (spread(rows[name]["cpu_ms"]).median for name in (SERVED, rival))
    text = f"A request costs {ours:.1f} ms of CPU here and {theirs:.1f} ms there"
    if BARE in rows:
        bare = spread(rows[BARE]["cpu_ms"]).median
        text += f"; a view around bare pyvips, which checks and keeps nothing, costs {bare:.1f} ms"
    sizes = f"{rows[SERVED]['bytes']:,} and {rows[rival]['bytes']:,} bytes"
    return f"{text}. The answers have {sizes}, at SSIM {rows[SERVED]['ssim']:.3f} and {rows[rival]['ssim']:.3f}."


# Traffic.


def mixed_cases(results: Results) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = results.get("mixed", {}).get("cases", [])
    return cases


# Losses.


def losses(results: Results) -> list[Loss]:
    """Everything measured at which another that makes the picture too is noticeably better, the worst first."""
    kinds = (_engine_losses, _cold_losses, _mixed_losses, _memory_losses, _hit_losses)
    return sorted((loss for kind in kinds for loss in kind(results)), key=lambda loss: -loss.times)


def _engine_losses(results: Results) -> Iterator[Loss]:
    for case in engine_cases(results):
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


def _cold_losses(results: Results) -> Iterator[Loss]:
    for case in cold_cases(results):
        rival = best_rival(case)
        if rival is None or SERVED not in case["contenders"]:
            continue
        ours, theirs = (case["contenders"][name]["per_second"] for name in (SERVED, rival))
        times = ratio(theirs, ours)
        if times.median > 1.03:
            where = f"first renditions: {case['picture']}"
            texts = f"{spread(ours).text()}/s", f"{spread(theirs).text()}/s"
            yield Loss(where, rival, *texts, times.median, why_slower(case, rival))


def _mixed_losses(results: Results) -> Iterator[Loss]:
    for case in mixed_cases(results):
        rival, rows = best_rival(case), case["contenders"]
        if rival is None:
            continue
        ours, theirs = rows[PACKAGE], rows[rival]
        times = ratio(theirs["per_second"], ours["per_second"])
        if times.median > NOTICEABLE:
            cpu, disk = ([spread(row[what]).median for row in (ours, theirs)] for what in ("cpu_s", "disk_mb"))
            reason = f"All took {cpu[0]:.1f} s of CPU here and {cpu[1]:.1f} s there, and left {disk[0]:.0f} and "
            reason += f"{disk[1]:.0f} MB, of ours {spread(ours['copies_mb']).median:.0f} MB copies for sizes to come."
            texts = f"{spread(ours['per_second']).text()}/s", f"{spread(theirs['per_second']).text()}/s"
            yield Loss(f"mixed traffic: {case['load']}", rival, *texts, times.median, reason)


def _memory_losses(results: Results) -> Iterator[Loss]:
    rows = results.get("memory", {}).get("contenders", {})
    if PACKAGE not in rows:
        return
    ours = rows[PACKAGE]
    for name, theirs in rows.items():
        times = ratio(ours["peak_mb"], theirs["peak_mb"]).median
        if name in RIVALS and times > NOTICEABLE:
            texts = f"{spread(ours['peak_mb']).text(0)} MB", f"{spread(theirs['peak_mb']).text(0)} MB"
            idle = [spread(row["idle_mb"]).median for row in (ours, theirs)]
            grown = [spread(row["peak_mb"]).median - before for row, before in zip((ours, theirs), idle, strict=True)]
            reason = (
                f"Idle, all processes hold {idle[0]:.0f} and {idle[1]:.0f} MB; rendering adds {grown[0]:.0f} and "
                f"{grown[1]:.0f} MB. Ours are workers of a whole Flask application."
            )
            yield Loss(f"peak memory: {results['memory']['picture']}", name, *texts, times, reason)


def _hit_losses(results: Results) -> Iterator[Loss]:
    found = hits(results)
    there, ours = found.get("thumbor: a kept rendition"), found.get("sync: a hit")
    if there and ours:
        times = ratio(ours["cpu_us"], there["cpu_us"])
        if times.median > NOTICEABLE:
            texts = f"{spread(ours['cpu_us']).text(0)} µs", f"{spread(there['cpu_us']).text(0)} µs"
            yield Loss(
                "a hit in Python", "thumbor", *texts, times.median, "gunicorn's sync workers close each connection."
            )
