"""Write one page of the stored results, with its plots."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Any

from bench.measure import DISTURBED
from bench.parts import cold, engines, fleet, hosts, memory, mixed, module_of, warm
from bench.results import FOLDER, Results, load
from bench.tables import Goal, Loss, Table, skipped

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2933; --faint: #5f6b78; --paper: #fff; --line: #e2e6ea; --met: #0b6e4f;
  --lost: #b3402a; --soft: #f5f7f8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaee; --faint: #9aa5b1; --paper: #15191d; --line: #2c343c;
  --met: #3ecf9a; --lost: #f0917b; --soft: #1b2026; } }
body { margin: 0 auto; max-width: 78rem; padding: 2rem 1.25rem 5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem; } h2 { font-size: 1.2rem; margin: 3rem 0 .5rem; }
p { max-width: 46rem; margin: .5rem 0; } .note, .where { color: var(--faint); font-size: .87rem; }
.wide { overflow-x: auto; margin: 1rem 0 .4rem; }
table { border-collapse: collapse; width: 100%; font-size: .84rem; }
th { text-align: left; font-weight: 600; color: var(--faint); vertical-align: bottom; }
th, td { padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:has(td:first-child:empty) td:first-child { border-color: transparent; }
td:first-child { min-width: 10rem; } td:nth-child(2) { white-space: nowrap; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
td span { border-radius: 1em; padding: .05rem .6rem; font-size: .78rem; font-weight: 600; white-space: nowrap;
  background: var(--soft); color: var(--faint); }
td.met span { color: var(--met); } td.lost span { color: var(--lost); }
img { max-width: 100%; height: auto; margin: 1rem 0 0; } figure { margin: 0; }
figcaption { color: var(--faint); font-size: .87rem; } details { margin: 1rem 0; } summary { cursor: pointer; }
"""

_METHOD = f"""
<p>Every contender gets the same files, the same sizes and the same quality. Contenders take turns: each round measures
all of them once, in a different order each time, and a ratio is the median of the rounds' own ratios. Figures are
medians, with the least and the greatest of all rounds in brackets.</p>
<p>CPU time is that of the process, or of all processes of the server, as the kernel counts it; the CPU time of the load
client is stated beside it. A round in which other processes used more than {100 * DISTURBED:.0f} % of the processors is
measured again. At most as many rounds are repeated as are measured; the tables say how many of the measured rounds were
disturbed. Every first rendition is decoded and must have the requested size and format, or the run fails.</p>
<p><em>Full decode</em> does the same work as Flask-Images. It is rewritten, because Flask-Images 3.0.2 cannot be
imported with current itsdangerous. <em>Bare pyvips</em> is <code>thumbnail()</code> and <code>write_to_buffer()</code>
alone. <em>The limit</em> decodes with libvips, at reduced size if the format allows it, and encodes a result made
earlier. The work in between is left out. For AVIF, this package takes less time than that, because it decodes with
Pillow. SSIM and PSNR compare the encoded rendition with the source, fully decoded and scaled by LANCZOS.</p>
<p>The photographs are the demo's, in the public domain or CC0, enlarged, with grain. The time to decode a JPEG depends
on its bits per pixel: <em>upload</em> is a file that editors and phones send to a site, <em>camera</em> one that a
camera writes at medium sensitivity.</p>
"""

_TITLES = {
    "stampede": "Many clients for one new picture",
    "burst": "Many new pictures at once",
    "fairness": "Two servers of one host",
    "memory": "Memory",
    "quality": "Nearness and bytes",
    "looks": "Equal looks",
    "page": "Markup",
    "copies": "Copies, sets and efforts",
    "bound": "The cap of the cache",
    "fleet": "Several hosts",
    "hosts": "A crowd at two hosts",
    "growing": "A growing site",
    "soak": "Growth",
}


def write(folder: Path = FOLDER, *, docs: bool = False) -> Path:
    """Write the page and the plots of the results in *folder*. Returns the page.

    With *docs*, the tables and plots of the documentation are written too.

    Raises:
        SystemExit: If there are no results.
    """
    results = load(folder)
    if not results:
        raise SystemExit(f"No results in {folder}: run python -m bench all, or one of its parts, first.")
    from bench.plots import draw_all

    captions = draw_all(results, folder / "plots")
    path = folder / "report.html"
    path.write_text(
        page(results, {name: _figure(folder / "plots", name, text) for name, text in captions.items()}), "utf-8"
    )
    if docs:
        from bench.docs import write as write_docs

        write_docs(results)
    return path


def _figure(folder: Path, name: str, caption: str) -> str:
    light, dark = (
        "data:image/png;base64," + base64.b64encode((folder / f"{name}{suffix}.png").read_bytes()).decode()
        for suffix in ("", "-dark")
    )
    return (
        f'<figure><picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{escape(caption)}"></picture><figcaption>{escape(caption)}</figcaption></figure>'
    )


def environment(results: Results) -> list[str]:
    """Return sentences about the machine, the versions and the date, which may differ between benchmarks."""
    machines: dict[str, list[str]] = {}
    revisions: dict[str, list[str]] = {}
    for part, data in results.items():
        here = data["environment"]
        machine = here["machine"]
        versions = ", ".join(f"{name} {version}" for name, version in here["versions"].items() if version)
        text = (
            f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gb']} GB, {machine['system']} "
            f"{machine['architecture']}. {versions}."
        )
        machines.setdefault(text, []).append(part)
        revisions.setdefault(f"Revision {here['revision']}, {here['date'][:10]}.", []).append(part)
    lines = [
        text if len(texts) == 1 else f"{', '.join(parts)}: {text}"
        for texts in (machines, revisions)
        for text, parts in texts.items()
    ]
    quick = [part for part, data in results.items() if data.get("quick")]
    return lines + ([f"A quick run, for a first impression: {', '.join(quick)}."] if quick else [])


def goals(results: Results) -> list[Goal]:
    """Return all goals, also of benchmarks without results."""
    judged = {"engines": engines, "warm": warm, "cold": cold, "fleet": fleet, "hosts": hosts}
    return [goal for part, module in judged.items() for goal in module.goals(results.get(part, {}))]


def losses(results: Results) -> list[Loss]:
    """Return every measurement in which a contender that makes the same picture is noticeably better, worst first."""
    judged = {"engines": engines, "cold": cold, "mixed": mixed, "memory": memory, "warm": warm}
    found = (loss for part, module in judged.items() if part in results for loss in module.losses(results[part]))
    return sorted(found, key=lambda loss: -loss.times)


def goal_table(results: Results) -> Table:
    rows = []
    for goal in goals(results):
        state = "not measured" if goal.found is None else "met" if goal.met else "not met"
        rows.append((goal.name, goal.wanted, goal.found.text(2) if goal.found else "–", state))
    return Table(("goal", "wanted", "found", ""), rows)


def missed_table(results: Results) -> Table:
    rows = [
        (goal.name, goal.wanted, goal.found.text(2), goal.reason)
        for goal in goals(results)
        if goal.found and not goal.met
    ]
    return Table(("missed goal", "wanted", "found", "why"), rows)


def loss_table(results: Results) -> Table:
    rows = [(loss.where, loss.to, loss.ours, loss.theirs, f"{loss.times:.2f}", loss.reason) for loss in losses(results)]
    return Table(("what", "who is better", "ours", "theirs", "factor", "why"), rows)


def contender_table(results: Results) -> Table:
    engines = results.get("engines", {}).get("contenders", {})
    first, traffic = (results.get(part, {}).get("servers", {}) for part in ("cold", "mixed"))
    served = first | traffic | first  # the notes of `cold` win
    return Table(
        ("contender", "what it is"), [*engines.items(), *((f"{name}, served", note) for name, note in served.items())]
    )


def picture_table(results: Results) -> Table:
    seen: dict[str, dict[str, Any]] = {}
    for part in ("engines", "cold", "mixed"):
        for picture in results.get(part, {}).get("pictures", []):
            seen.setdefault(picture["name"], picture)
    rows = [
        (
            name,
            f"{picture['size'][0]} × {picture['size'][1]}",
            f"{picture['bytes'] / 1e6:.2f} MB",
            f"{picture['bits_per_pixel']:.2f}",
            picture["photograph"],
            ", ".join(f"{key} {value:g}" for key, value in picture["saved"].items()),
        )
        for name, picture in seen.items()
    ]
    return Table(("picture", "pixels", "bytes", "bits a pixel", "photograph", "made with"), rows)


def page(results: Results, figures: dict[str, str]) -> str:
    """Return a page that needs no other files. *figures* are plots as HTML, by their names."""
    where = "".join(f'<p class="where">{escape(line)}</p>' for line in environment(results))
    parts = [
        "<h2>Goals</h2>" + goal_table(results).html(),
        "<h2>Missed goals</h2>" + _or_none(missed_table(results), "None in these results."),
        "<h2>Where others are better</h2>" + _or_none(loss_table(results), "Nowhere in these results."),
    ]
    if "engines" in results:
        summary = "<summary>Time, memory, bytes and nearness</summary>"
        details = f"<details>{summary}{engines.engine_details(results['engines']).html()}</details>"
        parts.append("<h2>One rendition, by each engine</h2>" + figures.get("engines", ""))
        parts.append(engines.engine_table(results["engines"]).html() + details + figures.get("densities", ""))
    if "cold" in results:
        parts.append("<h2>First renditions, by each server</h2>" + figures.get("cold", ""))
        parts.append(cold.cold_table(results["cold"]).html())
    if "mixed" in results:
        parts.append("<h2>A site's traffic, by each server</h2>" + figures.get("mixed", ""))
        parts.append(mixed.table(results["mixed"]).html())
    if "warm" in results:
        parts.append("<h2>Hits</h2>" + figures.get("warm", ""))
        parts.append("".join(table.html() for table in warm.tables(results["warm"])))
        note = f"{warm.note(results['warm'])} {skipped(results['warm'])}"
        parts.append(f'<p class="note">{escape(note)}</p>')
    for part, title in _TITLES.items():
        if part in results:
            shown = "".join(table.html() for table in module_of(part).tables(results[part]))
            parts.append(f"<h2>{title}</h2>{figures.get(part, '')}{shown}")
    parts.append("<h2>How it was measured</h2>" + _METHOD + contender_table(results).html())
    parts.append(picture_table(results).html())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>flask_images_vips: benchmark</title><style>{_STYLE}</style>"
        f"<h1>flask_images_vips, measured</h1>{where}{''.join(parts)}</html>\n"
    )


def _or_none(table: Table, none: str) -> str:
    return table.html() if table.rows else f"<p>{none}</p>"
