"""Bound how much an SVG draws: its elements refer to each other, so a small file may draw billions of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..errors import LimitExceeded

MAX_DRAWN = 200_000
"""The maximum number of elements that may be drawn, each as often as others refer to it."""
MAX_DEPTH = 32
"""The maximum number of references that may lead from one element to the next."""

EVERY = "*"


@dataclass(slots=True)
class _Part:
    """An element that can be referred to, or the whole drawing.

    *elements* counts those in it that are in no smaller part, *parts* are the parts in it, and *uses* counts the
    references to others. *words* counts the names by which a style sheet may select its elements.
    """

    elements: int = 0
    parts: list[_Part] = field(default_factory=list)
    uses: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    drawn: int | None = None
    depth: int = 0


class References:
    """The references within one drawing, to which its elements are added in their order."""

    def __init__(self) -> None:
        self._whole = _Part()
        self._open = [self._whole]
        self._named: dict[str, _Part] = {}

    def begin(self, tag: str, name: str | None, classes: Iterable[str], uses: Iterable[str]) -> None:
        """Add an element with its *name*, if it has one. It refers to the elements *uses*. `end` must follow."""
        part = self._open[-1]
        if name is not None and name not in self._named:  # others of the same name are not found
            self._named[name] = _Part()
            part.parts.append(self._named[name])
            part = self._named[name]
        part.elements += 1
        part.uses.update(uses)
        part.words.update((tag, EVERY, *classes, *([name] if name is not None else [])))
        self._open.append(part)

    def end(self) -> None:
        """Note the end of the last element that has begun."""
        self._open.pop()

    def check(self, rules: Iterable[tuple[frozenset[str], list[str]]]) -> None:
        """Check how much the drawing draws. *rules* are those of `css.Styles`.

        Every element that has one of the words in the selector of a rule counts as selected.

        Raises:
            LimitExceeded: If it draws more than `MAX_DRAWN`, or refers more than `MAX_DEPTH` times in turn.
        """
        selected: dict[str, Counter[str]] = {}
        for words, uses in rules:
            for word in words:
                selected.setdefault(word, Counter()).update(uses)
        references = 0
        for part in (self._whole, *self._named.values()):
            for word in part.words.keys() & selected.keys():
                references += len(selected[word])  # each takes time, so they are bounded, too
                _check("the style sheets of the SVG refer {:,} times to its elements", references, MAX_DRAWN)
                for name, count in selected[word].items():
                    part.uses[name] += count * part.words[word]
        self._count()
        _check("the SVG draws {:,} elements", self._whole.drawn or 0, MAX_DRAWN)
        _check("the elements of the SVG refer {:,} times to each other in turn", self._whole.depth, MAX_DEPTH)

    def _count(self) -> None:
        """Set `drawn` and `depth` of all parts. Parts that refer to themselves are not drawn."""
        begun: set[int] = set()
        waiting = [self._whole]
        while waiting:
            part = waiting[-1]
            if id(part) in begun:
                waiting.pop()
                if part.drawn is None:
                    self._sum(part)
                continue
            begun.add(id(part))
            waiting += [other for other, _, _ in self._within(part) if id(other) not in begun]

    def _sum(self, part: _Part) -> None:
        drawn, depth = part.elements, 0
        for other, times, further in self._within(part):
            if other.drawn is not None:
                drawn += times * other.drawn
                depth = max(depth, other.depth + further)
        part.drawn, part.depth = drawn, depth

    def _within(self, part: _Part) -> Iterator[tuple[_Part, int, int]]:
        """Yield the parts that *part* draws, how often, and whether a reference leads there (1) or not (0)."""
        for other in part.parts:
            yield other, 1, 0
        for name, times in part.uses.items():
            if (found := self._named.get(name)) is not None:
                yield found, times, 1


def _check(what: str, value: int, limit: int) -> None:
    if value > limit:
        raise LimitExceeded(what, value, limit, set_by="this package")
