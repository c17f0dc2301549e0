"""Lay out what the commands print: tables, sizes and times."""

from __future__ import annotations

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    """Return the lines of a table. A column of numbers is aligned to the right, judged by its last row."""
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = [_is_number(cell) for cell in rows[-1]]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, right, strict=True)
        ]
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines


def _is_number(cell: str) -> bool:
    return cell[:1].isdigit() and not cell.endswith(" ago")


def size(size_bytes: float) -> str:
    """Return a size for reading, such as ``"1.2 MB"``. 1 kB is 1000 bytes."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "bytes" or size_bytes >= 100 else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:,.1f} TB"


def count(number: float) -> str:
    """Return a count for reading. One that has aged may be less than 1."""
    return f"{number:,.0f}" if number >= 0.5 or not number else "0+"


def time_ago(seconds: float) -> str:
    """Return how long ago something was, such as ``"3 hours ago"``."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"


def duration(seconds: float) -> str:
    """Return a duration for reading, in milliseconds or seconds."""
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"
