"""Draw the results: one plot for each benchmark, each as a light and a dark PNG."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.contenders import BARE, FULL, LIMIT, OURS, PILLOW
from bench.measure import Spread, ratio, spread
from bench.results import Results
from bench.servers import PACKAGE, RIVALS
from bench.tables_of_growth import hit_ratio, need_of
from bench.workload import LARGE

Draw = Callable[[Results, dict[str, str]], Figure | None]

_THEMES = {
    "": {"ink": "#1f2933", "faint": "#6b7785", "grid": "#e2e6ea", "paper": "#ffffff", "ours": "#0b6e4f"}
    | {"second": "#7fc8a9", "other": "#9aa5b1", "slow": "#c8553d", "limit": "#d9dee3", "third": "#3f7cac"},
    "-dark": {"ink": "#e6eaee", "faint": "#9aa5b1", "grid": "#2c343c", "paper": "#15191d", "ours": "#3ecf9a"}
    | {"second": "#1f7a5a", "other": "#7b8794", "slow": "#e07a5f", "limit": "#3a444e", "third": "#6aa9d8"},
}


def draw_all(
    results: Results,
    folder: Path,
    names: Mapping[str, str] | None = None,
    *,
    width: float | None = None,
    dpi: int = 110,
    transparent: bool = False,
) -> dict[str, str]:
    """Draw the plots of all *results* into *folder*. Returns a caption for each plot, by its name.

    With *names*, only these plots are drawn, into files of other names. *width* is in inches.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}
    for name, (draw, caption) in PLOTS.items():
        if names is not None and name not in names:
            continue
        file = names[name] if names else name
        for suffix, theme in _THEMES.items():
            with mpl.rc_context(cast("Any", _style(theme))):
                figure = draw(results, theme)
                if figure is None:
                    continue
                if width:
                    figure.set_figwidth(width)
                path = folder / f"{file}{suffix}.png"
                figure.savefig(path, dpi=dpi, transparent=transparent, metadata={"Software": None})
                plt.close(figure)
                drawn[name] = caption
    return drawn


def _style(theme: dict[str, str]) -> dict[str, Any]:
    ink = dict.fromkeys(("text.color", "axes.labelcolor", "ytick.color"), theme["ink"])
    paper = dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), theme["paper"])
    return {
        **ink,
        **paper,
        "xtick.color": theme["faint"],
        "axes.edgecolor": theme["grid"],
        "grid.color": theme["grid"],
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "font.size": 9,
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
        "ytick.major.size": 0,
    }


def _colour(name: str, theme: dict[str, str]) -> str:
    own = {OURS: "ours", PILLOW: "second", BARE: "other", FULL: "slow", LIMIT: "limit"}
    if name.startswith("this package") or any(what in name for what in ("a hit", "front door", "X-Accel")):
        return theme["ours"]
    return theme[own.get(name, "third" if name.startswith(RIVALS) else "other")]


def _bars(
    axes: Axes, rows: list[tuple[str, Spread]], theme: dict[str, str], unit: str, colours: list[str] | None = None
) -> None:
    """Draw horizontal bars with their spreads and medians."""
    places = np.arange(len(rows))[::-1]
    values = [found.median for _, found in rows]
    errors = [[found.median - found.least for _, found in rows], [found.most - found.median for _, found in rows]]
    given = colours or [_colour(name, theme) for name, _ in rows]
    axes.barh(places, values, 0.7, color=given, xerr=errors, error_kw={"ecolor": theme["faint"], "elinewidth": 1})
    axes.set_yticks(places, [name for name, _ in rows])
    most = max(found.most for _, found in rows)
    for place, (_, found) in zip(places, rows, strict=True):
        text = Spread(found.median, found.median, found.median, 1).text()
        axes.text(found.most + most * 0.015, place, text, va="center", color=theme["ink"], fontsize=8)
    axes.set_xlim(0, most * 1.14)
    axes.set_xlabel(unit, loc="left", fontsize=8, color=theme["faint"])
    axes.grid(axis="x")


def _cases(results: Results, part: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = results.get(part, {}).get("cases", [])
    return cases


def _panels(count: int, rows_each: int, across: int = 2) -> tuple[Figure, Iterator[Axes]]:
    down = -(-count // across)
    figure, grid = plt.subplots(down, across, figsize=(9.6, down * (0.75 + 0.27 * rows_each)), squeeze=False)
    for empty in list(grid.flat)[count:]:
        empty.set_axis_off()
    return figure, iter(grid.flat)


def engines(results: Results, theme: dict[str, str]) -> Figure | None:
    cases = _cases(results, "engines")
    if not cases:
        return None
    figure, panels = _panels(len(cases), 5)
    for case, axes in zip(cases, panels, strict=False):
        rows = [(name, spread(row["cpu_ms"])) for name, row in case["contenders"].items()]
        _bars(axes, rows, theme, "CPU ms")
        axes.set_title(case["case"])
    return figure


def headline(results: Results, theme: dict[str, str]) -> Figure | None:
    """One thumbnail beside the usual ways to make it in Flask, and a site's traffic beside other servers."""
    cases = {case["picture"]: case["contenders"] for case in reversed(_cases(results, "engines"))}
    loads = {case["load"]: case for case in _cases(results, "mixed")}
    if LARGE.name not in cases or "all requests" not in loads:
        return None
    figure, (alone, traffic) = plt.subplots(1, 2, figsize=(7.6, 1.9))
    names = {OURS: "this package", BARE: "bare pyvips", FULL: "Flask-Images' way"}
    rows = [(label, spread(cases[LARGE.name][name]["cpu_ms"])) for name, label in names.items()]
    _bars(alone, rows, theme, "CPU milliseconds; shorter is better", [theme[own] for own in ("ours", "other", "slow")])
    alone.set_title("A thumbnail of a 24 Mpx photograph")
    served = {name: row for name, row in loads["all requests"]["contenders"].items() if name in (PACKAGE, *RIVALS)}
    rows = sorted(((name, spread(row["cpu_s"])) for name, row in served.items()), key=lambda row: row[1].median)
    _bars(traffic, rows, theme, "CPU seconds; shorter is better")
    traffic.set_title(f"A site's first {loads['all requests']['requests']} requests")
    return figure


def densities(results: Results, theme: dict[str, str]) -> Figure | None:
    data = results.get("engines", {})
    bits = {picture["name"]: picture["bits_per_pixel"] for picture in data.get("pictures", [])}
    points = sorted((bits[case["picture"]], case["contenders"]) for case in data.get("densities", []))
    if len(points) < 2:
        return None
    figure, axes = plt.subplots(figsize=(7.2, 3.6))
    for other, colour, label in ((OURS, "ours", "reached by vips"), (LIMIT, "faint", "reachable: the limit")):
        gains = [ratio(rows[FULL]["cpu_ms"], rows[other]["cpu_ms"]) for _, rows in points]
        where, middle = [place for place, _ in points], [gain.median for gain in gains]
        axes.plot(where, middle, marker="o", color=theme[colour], label=label, linestyle="-" if other == OURS else "--")
        axes.fill_between(
            where, [gain.least for gain in gains], [gain.most for gain in gains], color=theme[colour], alpha=0.15, lw=0
        )
    axes.axhline(4, color=theme["slow"], lw=1)
    axes.text(points[-1][0], 4.05, "goal: 4", color=theme["slow"], ha="right", fontsize=8)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("bits per pixel of the JPEG")
    axes.set_title("CPU of a full decode ÷ ours: one 6 Mpx photograph, saved at several qualities")
    axes.grid()
    axes.legend()
    return figure


def cold(results: Results, theme: dict[str, str]) -> Figure | None:
    cases = _cases(results, "cold")
    if not cases:
        return None
    figure, panels = _panels(len(cases), 7)
    for case, axes in zip(cases, panels, strict=False):
        _bars(
            axes,
            [(n, spread(row["per_second"])) for n, row in case["contenders"].items()],
            theme,
            "requests per second",
        )
        axes.set_title(case["picture"])
    return figure


def mixed(results: Results, theme: dict[str, str]) -> Figure | None:
    cases = _cases(results, "mixed")
    if not cases:
        return None
    figure, panels = _panels(len(cases), 6)
    for case, axes in zip(cases, panels, strict=False):
        rows = [(name, spread(row["cpu_s"])) for name, row in case["contenders"].items()]
        _bars(axes, rows, theme, "CPU seconds; shorter is better")
        axes.set_title(f"{case['load'].capitalize()}, {case['requests']:,}".replace(" url ", " URL "))
    return figure


def warm(results: Results, theme: dict[str, str]) -> Figure | None:
    found = results.get("warm", {}).get("servers", {}).get("contenders", {})
    if not found:
        return None
    python = {name: row for name, row in found.items() if not name.startswith("nginx") or "Accel" in name}
    door = {name: row for name, row in found.items() if name not in python}
    figure, axes = plt.subplots(
        1 + bool(door), 1, figsize=(9.6, 3.6), squeeze=False, height_ratios=[len(python), len(door)][: 1 + bool(door)]
    )
    for panel, rows, title in zip(
        axes.flat, (python, door), ("Python answers, or permits the answer", "nginx answers alone"), strict=False
    ):
        _bars(panel, [(name, spread(row["cpu_us"])) for name, row in rows.items()], theme, "CPU µs per request")
        panel.set_title(title)
    return figure


def stampede(results: Results, theme: dict[str, str]) -> Figure | None:
    data = results.get("stampede")
    if not data:
        return None
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 2.2))
    for panel, column, unit in zip(
        axes, ("renders", "wall_ms"), ("CPU, in units of one request alone", "ms until all were answered"), strict=True
    ):
        _bars(panel, [(name, spread(row[column])) for name, row in data["contenders"].items()], theme, unit)
        panel.set_title(f"{data['crowd']} requests for one new picture")
    return figure


def memory(results: Results, theme: dict[str, str]) -> Figure | None:
    data = results.get("memory")
    if not data:
        return None
    figure, (peaks, growth) = plt.subplots(1, 2, figsize=(9.6, 2.6))
    _bars(peaks, [(name, spread(row["peak_mb"])) for name, row in data["contenders"].items()], theme, "MB, peak")
    peaks.set_title(f"{data['clients']} clients, {data['picture']}")
    growth.plot(data["growth"]["renders"], data["growth"]["memory_mb"], color=theme["ours"], marker="o", ms=3)
    growth.set_ylim(bottom=0)
    growth.set_title("One process and its renderers, rendering for a long time")
    growth.set_xlabel("renders")
    growth.set_ylabel("MB")
    growth.grid()
    return figure


def quality(results: Results, theme: dict[str, str]) -> Figure | None:
    curves = results.get("quality", {}).get("curves", [])
    if not curves:
        return None
    figure, axes = plt.subplots(figsize=(7.2, 3.6))
    for format, colour in (("jpeg", "slow"), ("webp", "third"), ("avif", "ours")):
        for contender, style in ((OURS, "-"), (PILLOW, ":")):
            of_curve = [point for point in curves if (point["format"], point["contender"]) == (format, contender)]
            qualities = sorted({point["quality"] for point in of_curve})
            means = [
                (np.mean([point["bytes"] for point in at]) / 1000, np.mean([point["ssim"] for point in at]))
                for at in ([point for point in of_curve if point["quality"] == quality] for quality in qualities)
            ]
            axes.plot(
                *zip(*means, strict=True), style, marker="o", ms=3, color=theme[colour], label=f"{format}, {contender}"
            )
    axes.set_xlabel("kB, mean of the photographs")
    axes.set_ylabel("SSIM against the reference")
    axes.set_title("What bytes buy: 400×300 at several qualities")
    axes.grid()
    axes.legend(ncols=3)
    return figure


def scale(results: Results, theme: dict[str, str]) -> Figure | None:
    curves = [point for point in results.get("quality", {}).get("curves", []) if "ssimulacra2" in point]
    if not curves:
        return None
    figure, axes = plt.subplots(figsize=(7.2, 3.6))
    for format, colour in (("jpeg", "slow"), ("webp", "third"), ("avif", "ours")):
        of_curve = [point for point in curves if (point["format"], point["contender"]) == (format, OURS)]
        qualities = sorted({point["quality"] for point in of_curve})
        means = [
            np.mean([point["ssimulacra2"] for point in of_curve if point["quality"] == quality])
            for quality in qualities
        ]
        axes.plot(qualities, means, marker="o", ms=3, color=theme[colour], label=format)
    axes.set_xlabel("quality")
    axes.set_ylabel("SSIMULACRA2")
    axes.set_title("What a quality looks like: 400×300, mean of the photographs")
    axes.grid()
    axes.legend()
    return figure


def growing(results: Results, theme: dict[str, str]) -> Figure | None:
    data = results.get("growing")
    if not data:
        return None
    figure, (hits, cores) = plt.subplots(1, 2, figsize=(9.6, 3.2))
    shares = [100 * row["share"] for row in data["disks"]]
    for name, colour, label in (("hashed", "ours", "each URL to one host"), ("any", "slow", "any host for any URL")):
        found = [100 * hit_ratio(row[name]) for row in data["disks"]]
        hits.plot(shares, found, marker="o", color=theme[colour], label=label)
    hits.set_ylim(0, 100)
    hits.set_xlabel("all disks together, % of all renditions")
    hits.set_title("Requests that the disks answer, %")
    sizes = [size["pictures"] for size in data["sizes"]]
    for name, colour, label in (("alone", "ours", "without a CDN"), ("cdn", "third", "behind a CDN")):
        needs = [need_of(data, size[name]["counts"]).cores for size in data["sizes"]]
        cores.plot(sizes, needs, marker="o", color=theme[colour], label=label)
    tags = [need_of(data, size["alone"]["counts"]).page_cores for size in data["sizes"]]
    cores.plot(sizes, tags, "--", marker="o", color=theme["faint"], label="the tags of pages")
    cores.set_xscale("log")
    cores.set_yscale("log")
    cores.set_xlabel("pictures a day")
    cores.set_title("Cores in the busiest hour")
    for axes in (hits, cores):
        axes.grid()
        axes.legend()
    return figure


PLOTS: dict[str, tuple[Draw, str]] = {
    "headline": (
        headline,
        "CPU of one thumbnail, and of a site's traffic that starts with an empty cache; shorter is better.",
    ),
    "engines": (engines, "CPU of one rendition by each engine, with its spread; shorter is better."),
    "densities": (
        densities,
        "The more bits per pixel a JPEG has, the more of the work is reading them. No engine can skip that part.",
    ),
    "cold": (cold, "First renditions per second by each server; longer is better."),
    "mixed": (
        mixed,
        "CPU of a site's traffic, starting with an empty cache: all requests, and each URL once; shorter is better.",
    ),
    "warm": (warm, "CPU of a hit, of all the server's processes; shorter is better."),
    "stampede": (stampede, "Many clients that request one new picture at once; shorter is better."),
    "memory": (memory, "Peak memory of all the server's processes, and the growth of one process; shorter is better."),
    "quality": (quality, "Nearness to the reference and bytes; up and to the left is better."),
    "growing": (growing, "What the disks of all hosts answer, and the cores that a site needs; simulated."),
    "scale": (scale, "How good a quality looks in each format; the nearer the lines are, the better."),
}
