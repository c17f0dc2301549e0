"""Bound how much an SVG draws: its elements refer to each other, so a small file may draw billions of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from ..errors import LimitExceeded

MAX_DRAWN = 200_000
"""The maximum number of elements that may be drawn, each as often as others refer to it."""
MAX_DEPTH = 32
"""The maximum number of references that may lead from one element to the next."""

_COST = {"mask": 50, "filter": 50}
"""How many elements a mask or a filter counts as, each time it is used: browsers draw its subject apart."""

EVERY = "*"


@dataclass(slots=True)
class _Part:
    """An element that can be referred to, or the whole drawing.

    *elements* counts those in it that are in no smaller part, *parts* are the parts in it, and *uses* counts the
    references to others. *words* counts the names by which a style sheet may select its elements. *points* are at
    least those of its shapes, at each of which a browser may draw a marker.
    """

    elements: int = 0
    parts: list[_Part] = field(default_factory=list)
    uses: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    is_marker: bool = False
    points: int = 0
    drawn: int | None = None
    depth: int = 0


class References:
    """The references within one drawing, to which its elements are added in their order."""

    def __init__(self) -> None:
        self._whole = _Part()
        self._open = [self._whole]
        self._above: list[tuple[list[str], list[str]]] = []  # of each open element, its uses and its words
        self._copied = 0
        self._in_markers: set[int] = set()
        self._points_in_markers = 0
        self._named: dict[str, _Part] = {}

    def begin(self, tag: str, name: str | None, classes: Iterable[str], uses: Iterable[str], points: int = 0) -> None:
        """Add an element with its *name*, if it has one. It refers to the elements *uses*. `end` must follow.

        *points* is at least the number of points of its path.
        """
        part = self._open[-1]
        named, words = [*_names(uses)], [tag, EVERY, *classes, *([name] if name is not None else [])]
        if name is not None and name not in self._named:  # others of the same name are not found
            self._named[name] = _Part()
            part.parts.append(self._named[name])
            part = self._named[name]
            part.is_marker = tag == "marker"
            if part.is_marker:  # its content inherits markers from the elements around it
                for uses_above, words_above in self._above:
                    self._copied += len(uses_above) + len(words_above)
                    _check("the SVG has markers within {:,} names", self._copied, MAX_DRAWN)
                    part.uses.update(uses_above)
                    part.words.update(words_above)
        part.elements += _COST.get(tag, 1)
        part.points += points
        part.uses.update(named)
        part.words.update(words)
        self._open.append(part)
        self._above.append((named, words))

    def end(self) -> None:
        """Note the end of the last element that has begun."""
        self._open.pop()
        self._above.pop()

    def check(self, rules: Iterable[tuple[frozenset[str], list[str]]]) -> None:
        """Check how much the drawing draws. *rules* are those of `css.Styles`.

        Every element that has one of the words in the selector of a rule counts as selected.

        Raises:
            LimitExceeded: If it draws more than `MAX_DRAWN`, or refers more than `MAX_DEPTH` times in turn.
        """
        selected: dict[str, Counter[str]] = {}
        for words, uses in rules:
            for word in words:
                selected.setdefault(word, Counter()).update(_names(uses))
        references = 0
        for part in (self._whole, *self._named.values()):
            for word in part.words.keys() & selected.keys():
                references += len(selected[word])  # each takes time, so they are bounded, too
                _check("the style sheets of the SVG refer {:,} times to its elements", references, MAX_DRAWN)
                for name, count in selected[word].items():
                    part.uses[name] += count * part.words[word]
        self._find_markers()
        self._count()
        _check("the SVG draws {:,} elements", self._whole.drawn or 0, MAX_DRAWN)
        _check("the elements of the SVG refer {:,} times to each other in turn", self._whole.depth, MAX_DEPTH)

    def _find_markers(self) -> None:
        """Find the parts that may be drawn within markers, and their points."""
        waiting = [part for part in self._named.values() if part.is_marker]
        while waiting:
            part = waiting.pop()
            if id(part) not in self._in_markers:
                self._in_markers.add(id(part))
                self._points_in_markers += part.points
                waiting += [other for other, _, _ in self._within(part)]

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
        """Yield the parts that *part* draws, how often, and whether a reference leads there (1) or not (0).

        Within markers, a marker may be drawn at each point, and if it is inherited, at those of all shapes.
        """
        points = max(1, self._points_in_markers) if id(part) in self._in_markers else 1
        for other in part.parts:
            yield other, 1, 0
        for name, times in part.uses.items():
            if (found := self._named.get(name)) is not None:
                yield found, times * points if found.is_marker else times, 1


def _names(uses: Iterable[str]) -> Iterator[str]:
    """Yield the names that browsers may look for: they decode those that are escaped as in URLs."""
    for name in uses:
        yield name
        if "%" in name:
            yield unquote(name)


def _check(what: str, value: int, limit: int) -> None:
    if value > limit:
        raise LimitExceeded(what, value, limit, set_by="this package")
