"""``python -m bench report``: one page of the results that are there, with its plots in it, and the README's tables."""

from __future__ import annotations

import base64
import re
from html import escape
from pathlib import Path

from bench import tables
from bench.findings import Results
from bench.measure import DISTURBED
from bench.results import FOLDER, ROOT, load
from bench.tables import Table

README = ROOT / "README.md"

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
all of them once, in another order each time, and a ratio is the median of the rounds' own ratios. Figures are medians,
with the least and the most of all rounds in brackets.</p>
<p>CPU is the kernel's account of the process, or of the server's whole process tree; the load client's own is stated
beside it. A round in which anybody else took more than {100 * DISTURBED:.0f} % of the processors is measured again, as
many times as there are rounds; what was still disturbed says so. Every answer of a first rendition is decoded and held
against the size and format asked for: a wrong one fails the run.</p>
<p><em>Full decode</em> is what Flask-Images does, written anew: Flask-Images 3.0.2 does not import with current
itsdangerous. <em>Bare pyvips</em> is <code>thumbnail()</code> and <code>write_to_buffer()</code> alone. <em>The
limit</em> decodes, at a fraction of the size where the format can, and encodes a result made before: no picture comes
of it. SSIM and PSNR are those of the encoded answer against the source decoded whole and scaled by LANCZOS.</p>
<p>The photographs are the demo's, in the public domain or CC0, enlarged, with grain. How many bits a pixel a JPEG
holds decides how long anybody needs to decode it: <em>upload</em> is what editors and phones send to a site,
<em>camera</em> what a camera writes at a middling sensitivity.</p>
"""


def write(folder: Path = FOLDER, *, readme: bool = False) -> Path:
    """Write the page and the plots of the results in *folder*, and into the README if asked. The page's path.

    Raises:
        SystemExit: there are no results.
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
    if readme:
        README.write_text(with_tables(README.read_text("utf-8"), results), "utf-8")
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


def page(results: Results, figures: dict[str, str]) -> str:
    """The whole page, which needs nothing beside it. *figures* are plots in HTML, by their names."""
    where = "".join(f'<p class="where">{escape(line)}</p>' for line in tables.environment(results))
    parts = [
        "<h2>Goals</h2>" + tables.goal_table(results).html(),
        "<h2>Where we lose</h2>" + _or_none(tables.loss_table(results), "Nowhere that was measured."),
    ]
    if "engines" in results:
        summary = "<summary>Time, memory, bytes and nearness</summary>"
        details = f"<details>{summary}{tables.engine_details(results).html()}</details>"
        parts.append("<h2>One rendition, by each engine</h2>" + figures.get("engines", ""))
        parts.append(tables.engine_table(results).html() + details + figures.get("densities", ""))
    if "cold" in results:
        parts.append("<h2>First renditions, by each server</h2>" + figures.get("cold", ""))
        parts.append(tables.cold_table(results).html())
    if "mixed" in results:
        parts.append("<h2>A site's traffic, by each server</h2>" + figures.get("mixed", ""))
        parts.append(tables.mixed_table(results).html())
    if "warm" in results:
        parts.append("<h2>Hits</h2>" + figures.get("warm", ""))
        parts.append("".join(table.html() for table in tables.warm_tables(results)))
        note = f"{tables.warm_note(results)} {tables.skipped(results['warm'])}"
        parts.append(f'<p class="note">{escape(note)}</p>')
    for part, title, table in (
        ("stampede", "A crowd for one new picture", tables.stampede_table(results)),
        ("memory", "Memory", tables.memory_table(results)),
        ("quality", "Nearness and bytes", tables.quality_table(results)),
    ):
        if table:
            parts.append(f"<h2>{title}</h2>{figures.get(part, '')}{table.html()}")
    parts.append("<h2>How it was measured</h2>" + _METHOD + tables.contender_table(results).html())
    parts.append(tables.picture_table(results).html())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>flask_images_vips: benchmark</title><style>{_STYLE}</style>"
        f"<h1>flask_images_vips, measured</h1>{where}{''.join(parts)}</html>\n"
    )


def _or_none(table: Table, none: str) -> str:
    return table.html() if table.rows else f"<p>{none}</p>"


def with_tables(text: str, results: Results) -> str:
    """The README's *text* with the tables of what is in *results* between its markers."""
    where = "\n\n".join(tables.environment(results))
    if {"engines", "cold", "mixed"} & results.keys():
        parts = [where]
        if "engines" in results:
            parts.append(tables.engine_table(results, short=True).markdown())
        if "cold" in results:
            parts.append(tables.cold_summary(results).markdown())
        if "mixed" in results:
            parts.append(tables.mixed_table(results, short=True).markdown())
        missed = tables.loss_table(results)
        if missed.rows:
            parts.append("Where others are better, or a goal is missed:\n\n" + missed.markdown())
        text = _between(text, "benchmark", "\n\n".join(parts))
    if "warm" in results:
        lead = "What a warm hit costs, on the machine of the [benchmark](#benchmark) (`python -m bench warm`)."
        parts = [lead, tables.warm_note(results), *(table.markdown() for table in tables.warm_tables(results))]
        text = _between(text, "traffic", "\n\n".join(parts))
    return text


def _between(text: str, marker: str, content: str) -> str:
    found = re.compile(rf"(<!-- {marker} -->\n).*?(\n<!-- /{marker} -->)", re.DOTALL)
    if not found.search(text):
        raise ValueError(f"the README has no <!-- {marker} --> … <!-- /{marker} -->")
    return found.sub(lambda match: match[1] + content + match[2], text)
