"""Run a command in a terminal, and draw what it shows as SVG, with the fonts of the reader's system."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from collections.abc import Iterator, Mapping
from html import escape, unescape
from pathlib import Path

COLUMNS, LINE, CHARACTER, MARGIN, BAR = 100, 18, 7.8, 16, 30
COLOURS = {"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "34": "#79c0ff", "35": "#d2a8ff", "36": "#76e3ea"}
_BACKGROUND, _TEXT, _DIM = "#161b22", "#e6edf3", "#8b949e"
_STYLE = re.compile(r"\x1b\[([0-9;]*)m")
_OTHER = re.compile(r"\x1b\[[0-9;?]*[A-Za-ln-z]")


def run(command: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Run *command* in *folder*, in a terminal of 100 columns. Return what that shows, with its colours."""
    ours, its = pty.openpty()
    os.set_blocking(ours, True)
    with subprocess.Popen(
        ["/bin/sh", "-c", f"stty cols {COLUMNS} rows 60; {command}"],
        cwd=folder, env=dict(environment), stdin=its, stdout=its, stderr=its, start_new_session=True,
    ):  # fmt: skip
        os.close(its)
        shown = b""
        try:
            while part := os.read(ours, 65_536):
                shown += part
        except OSError:  # how Linux says that the other side is closed
            pass
    os.close(ours)
    lines = _OTHER.sub("", shown.decode()).replace("\r\n", "\n").split("\n")
    return "\n".join(line.rpartition("\r")[2].rstrip() for line in lines).rstrip("\n")


def plain(shown: str) -> str:
    """Return *shown* without its colours."""
    return _STYLE.sub("", shown)


def draw(shown: str, title: str) -> str:
    """Return a picture of *shown*. *title* is read aloud in place of it."""
    lines = [(row, bool(number)) for line in shown.split("\n") for number, row in enumerate(_rows(line))]
    width, height = round(COLUMNS * CHARACTER + 2 * MARGIN), BAR + len(lines) * LINE + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" rx="8" fill="{_BACKGROUND}"/>',
        *(f'<circle cx="{18 + 18 * index}" cy="16" r="5" fill="#30363d"/>' for index in range(3)),
        f"<g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" "
        f'font-size="13" fill="{_TEXT}" xml:space="preserve">',
    ]
    for number, (line, goes_on) in enumerate(lines):
        if line:
            kind = ' class="on"' if goes_on else ""
            parts.append(f'<text x="{MARGIN}" y="{BAR + number * LINE + 13}"{kind}>{"".join(_spans(line))}</text>')
    return "\n".join([*parts, "</g></svg>\n"])


def _rows(line: str) -> list[str]:
    """The rows that a *line* takes in the terminal. Only lines without colours are longer than one."""
    if _STYLE.search(line) or len(line) <= COLUMNS:
        return [line]
    return [line[begin : begin + COLUMNS] for begin in range(0, len(line), COLUMNS)]


def _spans(line: str) -> Iterator[str]:
    """The parts of a *line*. Each begins at the place of its column, whatever the width of the reader's font."""
    column, colour, bold = 0, "", False
    for index, part in enumerate(_STYLE.split(line)):
        if index % 2:
            codes = part.split(";")
            colour = next(
                (COLOURS[code] for code in codes if code in COLOURS), "" if codes in (["0"], [""]) else colour
            )
            bold = bold if "1" not in codes and codes not in (["0"], [""]) else "1" in codes
            continue
        for word in re.finditer(r"\S+(?: \S+)*", part):
            yield _span(word[0], column + word.start(), colour, bold)
        column += len(part)


def _span(words: str, column: int, colour: str, bold: bool) -> str:
    look = f' fill="{colour}"' if colour else f' fill="{_DIM}"' if words[:1] in ("$", "→") else ""
    look += ' font-weight="bold"' if bold else ""
    place = f'x="{MARGIN + column * CHARACTER:g}" textLength="{len(words) * CHARACTER:g}"'
    return f"<tspan {place}{look}>{escape(words)}</tspan>"


def read(drawn: str) -> str:
    """Return the text of a picture that `draw` has drawn."""
    lines: dict[int, str] = {}
    last, rows = 0, set()
    for y, goes_on, spans in re.findall(r'<text x="\d+" y="(\d+)"( class="on")?>(.*?)</text>', drawn):
        number = (int(y) - BAR - 13) // LINE
        line = ""
        for x, words in re.findall(r'<tspan x="([\d.]+)"[^>]*>(.*?)</tspan>', spans):
            line = line.ljust(round((float(x) - MARGIN) / CHARACTER)) + unescape(words)
        if goes_on:
            lines[last] = lines[last].ljust(COLUMNS * (number - last)) + line
            rows.add(number)
        else:
            lines[number], last = line, number
    return "\n".join(lines.get(number, "") for number in range(max(lines) + 1) if number not in rows)
