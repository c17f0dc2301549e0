"""Hold what is known of the names of a template before a page is rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import nodes


class NotKnown(Exception):
    """An expression has a value only when the page is rendered. Its argument says why."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The value of a name that is not known, and the *reason*."""

    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The value of a name that has one of several *values*. Which one is decided when the page is rendered."""

    values: tuple[object, ...]


class Scope:
    """The names that a template has set. Those of the *outer* scope are visible too."""

    def __init__(self, outer: Scope | None = None) -> None:
        self.own: dict[str, object] = {}
        self._outer = outer

    def child(self) -> Scope:
        return Scope(self)

    def __contains__(self, name: str) -> bool:
        return name in self.own or (self._outer is not None and name in self._outer)

    def __getitem__(self, name: str) -> object:
        if name in self.own or self._outer is None:
            return self.own[name]
        return self._outer[name]

    def __setitem__(self, name: str, value: object) -> None:
        self.own[name] = value


def check_known(value: object) -> None:
    """Raise `NotKnown` if *value* is an `Unknown`, has one as an element, or contains itself."""
    try:
        _check_known(value)
    except RecursionError:
        raise NotKnown("it contains itself") from None


def _check_known(value: object) -> None:
    if isinstance(value, Unknown):
        raise NotKnown(value.reason)
    if isinstance(value, (list, tuple)):
        for each in value:
            _check_known(each)
    elif isinstance(value, dict):
        for each in value.values():
            _check_known(each)


def bind(target: nodes.Node, value: object, scope: Scope) -> None:
    """Set the names of *target*, a name or a tuple of names, to *value*."""
    if isinstance(target, nodes.Name):
        scope[target.name] = value
    elif isinstance(target, nodes.Tuple):
        parts: list[object] = [value] * len(target.items)
        if isinstance(value, (list, tuple)) and len(value) == len(parts):
            parts = list(value)
        elif not isinstance(value, Unknown):
            parts = [Unknown("it is a part of something that is not known")] * len(parts)
        for each, part in zip(target.items, parts, strict=True):
            bind(each, part, scope)


def either(values: Sequence[object]) -> object:
    """Return the one of *values*, or a `Choice` of several."""
    flat = [each for value in values for each in (value.values if isinstance(value, Choice) else (value,))]
    distinct = [each for index, each in enumerate(flat) if not any(_same(each, other) for other in flat[:index])]
    return distinct[0] if len(distinct) == 1 else Choice(tuple(distinct))


def _same(value: object, other: object) -> bool:
    return value is other or (type(value) is type(other) and value == other)


def truth(values: Sequence[object]) -> bool | None:
    """Return whether all of *values* are true or all are false, or None if that is not known."""
    if any(isinstance(value, Unknown) for value in values):
        return None
    try:
        found = {bool(value) for value in values}
    except Exception:  # such as StrictUndefined
        return None
    return found.pop() if len(found) == 1 else None
