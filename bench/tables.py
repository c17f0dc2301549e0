"""Show results as tables, and judge them as goals and losses. No I/O here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from bench.measure import Spread, rounded


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a *head*; in each row, the first cell is a label."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def text(self) -> str:
        """Return the table for a terminal, with aligned columns."""
        lines = [tuple(self.head), *map(tuple, self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        aligned = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
        return "\n".join([*aligned, *filter(None, [self.note.strip()])])

    def markdown(self) -> str:
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        text = "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
        return text + (f"\n\n{self.note.strip()}" if self.note else "")

    def html(self) -> str:
        head = "".join(f"<th>{escape(cell)}</th>" for cell in self.head)
        body = "".join(f"<tr>{_cell(label)}{''.join(map(_figure, rest))}</tr>" for label, *rest in self.rows)
        note = f'<p class="note">{escape(self.note)}</p>' if self.note else ""
        return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}'


def _cell(text: str, kind: str = "") -> str:
    return f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"


def _figure(text: str) -> str:
    """Return the cell of a figure: a state is coloured, and a number is not wrapped."""
    if kind := {"met": "met", "not met": "lost", "not measured": "open"}.get(text):
        return f'<td class="{kind}"><span>{escape(text)}</span></td>'
    return _cell(text, "number" if text[:1].isdigit() else "")


_MOST_DISTURBED = 30  # percent
_CPU_COUNTS = "So compare the CPU time: the requests per second depend on how much was left for each server. "


def disturbance(noted: dict[str, Any], rounds: int) -> str:
    """Return a sentence on the disturbed rounds among all *rounds*, or nothing if there are none."""
    if not noted.get("disturbed"):
        return ""
    share = 100 * noted["foreign_share"]
    return f"Disturbed: in {noted['disturbed']} of {rounds} rounds others took up to {share:.0f} % of the processors. "


def disturbances(all_cases: Sequence[dict[str, Any]]) -> str:
    """Return a sentence on the disturbed ones of *all_cases*, or nothing if there are none."""
    hit = [case for case in all_cases if case["disturbed"]]
    if not hit:
        return ""
    worst = 100 * max(case["foreign_share"] for case in hit)
    names = (
        "all of these"
        if len(hit) == len(all_cases) > 1
        else ", ".join(case.get("case") or case.get("picture") or case["load"] for case in hit)
    )
    text = f"Disturbed: others took up to {worst:.0f} % of the processors in {names}. "
    return text + (_CPU_COUNTS if worst > _MOST_DISTURBED else "")


def skipped(data: dict[str, Any]) -> str:
    """Return sentences on what was left out of *data*, and why."""
    return " ".join(f"{line.rstrip('.')}." for line in data.get("skipped", []))


def columns(samples: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    """Return the samples of all rounds, column by column, as they are stored."""
    return {column: rounded(sample[column] for sample in samples) for column in samples[0]}


def bits_of(data: dict[str, Any], picture: str) -> float | None:
    """Return the bits per pixel of the file of *picture*, which *data* states, or None."""
    found = (one["bits_per_pixel"] for one in data.get("pictures", []) if one["name"] == picture)
    return next(map(float, found), None)


# Goals and losses.

NOTICEABLE = 1.10
"""A rival that is better by less than this is not called a loss: rounds differ by as much."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure to reach. *found* is None if it was not measured; *reason* says why a goal is missed."""

    name: str
    wanted: str
    found: Spread | None
    met: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Loss:
    """A measurement in which the rival *to* is better, by the factor *times*."""

    where: str
    to: str
    ours: str
    theirs: str
    times: float
    reason: str


def goal(name: str, limit: float, found: Spread | None, reason: str, *, at_least: bool) -> Goal:
    """Return a goal, which is met if the median of *found* reaches *limit*."""
    met = found is not None and (found.median >= limit if at_least else found.median <= limit)
    return Goal(name, f"{'≥' if at_least else '≤'} {limit:g}", found, met, "" if met or found is None else reason)
