"""Define a finding: what a check says about one thing, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How bad a finding is. A warning is something that works, but may not as its developer expects."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. *name* is the same in every version, *cure* is empty if nothing is wrong."""

    level: Level
    name: str
    message: str
    cure: str = ""


def ok(name: str, message: str) -> Finding:
    return Finding(Level.OK, name, message)


def warning(name: str, message: str, cure: str) -> Finding:
    return Finding(Level.WARNING, name, message, cure)


def error(name: str, message: str, cure: str) -> Finding:
    return Finding(Level.ERROR, name, message, cure)
