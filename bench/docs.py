"""Which tables and plots of the documentation come from the stored results, and how are they written?

A page marks the place of a table: ``<!-- traffic -->`` … ``<!-- /traffic -->``. ``python -m bench report --docs``
writes what stands between, and the plots in docs/pictures/.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from PIL import Image

from bench.parts import cold, engines, mixed, module_of, warm
from bench.report import environment, loss_table, missed_table
from bench.results import ROOT, Results
from bench.tables import Table
from bench.tables_of_growth import all_tables, assumptions, summary

DOCS = ROOT / "docs"
BENCHMARK = DOCS / "inside" / "benchmark.md"
GROWING = DOCS / "deploying" / "growing.md"
ON_GROWING = ("fleet", "hosts", "growing")
"""The parts whose results that page shows."""
PLOTS = {"headline": "benchmark", "mixed": "benchmark-traffic", "warm": "benchmark-hits", "scale": "benchmark-looks"}
"""The plots of the documentation, by their names in ``bench.plots``, and their names in docs/pictures/."""

_RANGE = re.compile(r" \(([\d.,]+)–([\d.,]+)\)")


def write(results: Results, docs: Path = DOCS) -> None:
    """Write the tables of *results* into the pages below *docs*, and its plots into their folder of pictures.

    Raises:
        ValueError: If no page has a place for one of the tables.
    """
    from bench.plots import draw_all

    for page in sorted(docs.rglob("*.md")):
        text = page.read_text("utf-8")
        made = with_tables(text, page.relative_to(docs), results)
        if made != text:
            page.write_text(made, "utf-8")
    draw_all(results, docs / "pictures", names=PLOTS, width=7.6, dpi=200, transparent=True)
    for name in PLOTS.values():
        for path in (docs / "pictures").glob(f"{name}*.png"):
            shrink(path)


def shrink(path: Path) -> None:
    """Write the picture at *path* with a palette: a plot has few colours."""
    with Image.open(path) as plot:
        small = plot.convert("RGBA").quantize(64, Image.Quantize.FASTOCTREE)
    small.save(path, optimize=True)


def with_tables(text: str, page: Path, results: Results) -> str:
    """Return the *text* of *page*, a path relative to docs, with the tables of *results* between its markers."""
    own = {BENCHMARK: of_benchmark, GROWING: of_growth}.get(DOCS / page)
    for marker, content in (own(results) if own else {}).items():
        text = _between(text, marker, content)
    for marker, content in anywhere(results, page).items():
        if f"<!-- {marker} -->" in text:
            text = _between(text, marker, content)
    return text


def of_benchmark(results: Results) -> dict[str, str]:
    """Return the tables and sentences of docs/inside/benchmark.md, by their markers."""
    shown = {part: data for part, data in results.items() if part not in ON_GROWING}
    parts = {"machine": "\n\n".join(environment(shown))}
    if "engines" in results:
        parts["engines"] = narrow(engines.engine_table(results["engines"], short=True))
    if "cold" in results:
        parts["cold"] = narrow(turned(cold.cold_summary(results["cold"])))
    if "mixed" in results:
        parts["mixed"] = narrow(mixed.table(results["mixed"], short=True))
    if {"engines", "cold", "mixed"} & results.keys():
        missed, losses = missed_table(results), loss_table(results)
        parts["missed"] = missed.markdown() if missed.rows else "No goal was missed."
        parts["losses"] = losses.markdown() if losses.rows else "Nowhere in these results."
    return parts


def turned(table: Table) -> Table:
    """Return *table* with its columns as rows."""
    head, *rows = zip(table.head, *table.rows, strict=True)
    return Table(("contender", *head[1:]), rows, table.note)


def narrow(table: Table) -> str:
    """Return *table* as Markdown, with the least and the greatest of all rounds on a line of their own."""
    rows = [[_RANGE.sub(r"<br>(\1–&NoBreak;\2)", cell).replace("), ", ")<br>") for cell in row] for row in table.rows]
    return Table(table.head, rows, table.note).markdown()


def of_growth(results: Results) -> dict[str, str]:
    """Return the tables and sentences of docs/deploying/growing.md, by their markers."""
    parts = {}
    shown = [part for part in ("fleet", "hosts") if part in results]
    if shown:
        tables = [table.markdown() for part in shown for table in module_of(part).tables(results[part])]
        parts["fleet"] = "\n\n".join(tables)
    if "growing" in results:
        data = results["growing"]
        parts |= {name: table.markdown() for name, table in all_tables(data).items()}
        parts |= {"summary": summary(data), "assumptions": assumptions(data)}
    if parts:
        parts["machine"] = "\n\n".join(environment({part: results[part] for part in ON_GROWING if part in results}))
    return parts


def anywhere(results: Results, page: Path) -> dict[str, str]:
    """Return the tables that a page of any name may have, by their markers."""
    link = os.path.relpath(BENCHMARK.relative_to(DOCS), page.parent)
    parts = {}
    if "warm" in results:
        data = results["warm"]
        lead = f"What a warm hit costs, on the machine of the [benchmark]({link}) (`python -m bench warm`)."
        tables = [table.markdown() for table in warm.tables(data)]
        parts["traffic"] = "\n\n".join([lead, warm.note(data), *tables])
    if "burst" in results:
        lead = f"What a burst costs, on the machine of the [benchmark]({link}) (`python -m bench burst`)."
        tables = [table.markdown() for table in module_of("burst").tables(results["burst"])]
        parts["burst"] = "\n\n".join([lead, *tables])
    if "page" in results:
        parts["page"] = "\n\n".join(table.markdown() for table in module_of("page").tables(results["page"]))
    return parts


def _between(text: str, marker: str, content: str) -> str:
    found = re.compile(rf"<!-- {marker} -->\n(.*?\n)?<!-- /{marker} -->", re.DOTALL)
    if not found.search(text):
        raise ValueError(f"the page has no <!-- {marker} --> … <!-- /{marker} -->")
    return found.sub(lambda _: f"<!-- {marker} -->\n{content}\n<!-- /{marker} -->", text)
