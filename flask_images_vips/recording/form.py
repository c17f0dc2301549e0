"""Write counts as one line of JSON, and read such lines again.

Lines may come from another version of this package, and a crash may have damaged them. Fields that are not known are
ignored, and a line of another form counts as missing. This module does no I/O.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from .counts import Asked, Counts, Measure, OfSource, Render

_LIMIT = 1e15
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


def write_line(counts: Counts) -> bytes:
    """Return *counts* as a line of JSON in ASCII."""
    written = {
        "aged_at": round(counts.aged_at, 3),
        "days": {day: [[*measure, round(count, 6)] for measure, count in day_.items()] for day, day_ in _days(counts)},
        "sources": {ref: _written(source) for ref, source in counts.sources.items()},
    }
    return json.dumps(written, separators=(",", ":")).encode() + b"\n"


def read_lines(data: bytes) -> Counts:
    """Return the sum of the lines in *data*."""
    counts = Counts()
    for line in data.splitlines():
        read = read_line(line)
        if read is not None:
            counts.add(read)
            counts.aged_at = max(counts.aged_at, read.aged_at)
    return counts


def read_line(line: bytes) -> Counts | None:
    """Return the counts of one *line*, or None if it is damaged."""
    try:
        fields = json.loads(line)
        days = {_text(day): _read_day(counted) for day, counted in fields["days"].items()}
        sources = {_text(ref): _read_source(source) for ref, source in fields["sources"].items()}
        return Counts(days, sources, _number(fields["aged_at"]))
    except _MALFORMED:
        return None


def _days(counts: Counts) -> Iterable[tuple[str, Counter[Measure]]]:
    return counts.days.items()


def _written(source: OfSource) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if source.renders:
        written |= {"renders": round(source.renders, 3), "cpu_seconds": round(source.cpu_seconds, 6)}
    if source.asked:
        written["asked"] = [
            [*key, round(asked.count, 3), asked.file, asked.seen] for key, asked in source.asked.items()
        ]
    if source.refused:
        written["refused"] = {name: round(count, 3) for name, count in source.refused.items()}
    if source.slowest is not None:
        written["slowest"] = asdict(source.slowest)
    return written


def _read_day(counted: list[list[Any]]) -> Counter[Measure]:
    read: Counter[Measure] = Counter()
    for kind, name, what, count in counted:
        read[Measure(_text(kind), _text(name), _text(what))] = _number(count)  # type: ignore[assignment]
    return read


def _read_source(fields: dict[str, Any]) -> OfSource:
    source = OfSource(_number(fields.get("renders", 0)), _number(fields.get("cpu_seconds", 0)))
    for query, format, count, file, seen in fields.get("asked", ()):
        source.asked[_text(query), _text(format)] = Asked(_number(count), _file_name(file), int(_number(seen)))
    source.refused = Counter({_text(name): _number(count) for name, count in fields.get("refused", {}).items()})
    if "slowest" in fields:
        source.slowest = _read_render(fields["slowest"])
    return source


def _read_render(fields: dict[str, Any]) -> Render:
    numbers = [_number(fields[name]) for name in ("seconds", "waited_seconds", "cpu_seconds")]
    whole = [int(_number(fields[name])) for name in ("size_bytes", "at")]
    texts = [_text(fields[name]) for name in ("format", "options", "engine")]
    return Render(*numbers, *whole, *texts)  # type: ignore[arg-type]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _file_name(value: object) -> str:
    """Return the name of a file in the cache. It is joined to a path, so it must not leave its folder."""
    name = _text(value)
    if "/" in name or "\\" in name or "\0" in name or name in (".", ".."):
        raise ValueError(name)
    return name


def _number(value: object) -> float:
    """Return a number that is so small that sums stay finite, because JSON has no other numbers."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _LIMIT:
        raise TypeError(value)
    return value
