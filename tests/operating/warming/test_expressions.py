"""Choices that are made when a page is rendered: each combination is possible."""

from __future__ import annotations

from itertools import product

import pytest
from jinja2 import Environment, StrictUndefined, Undefined

from flask_images_vips.operating.warming.expressions import Evaluator, Picks, possibilities
from flask_images_vips.operating.warming.scope import Choice, NotKnown, Scope, Unknown, either


def values(source: str, **names: object) -> list[object]:
    """The possible values of an expression. One that is not known is None."""
    environment, scope = Environment(), Scope()
    scope.own.update(names)
    node = environment.parse("{{ " + source + " }}").body[0].nodes[0]  # type: ignore[attr-defined]
    found = possibilities(lambda picks: Evaluator(environment, "page", scope, {}, picks).value(node))
    return [None if isinstance(each, NotKnown) else each for each in found]


def test_each_combination_of_choices_is_possible_once() -> None:
    def evaluate(picks: Picks) -> tuple[int, ...]:
        return picks.of("a", 2), picks.of("b", 3), picks.of("a", 2)

    assert list(possibilities(evaluate)) == [(a, b, a) for a, b in product(range(2), range(3))]


def test_choices_may_depend_on_earlier_ones() -> None:
    def evaluate(picks: Picks) -> tuple[int, ...]:
        first = picks.of("a", 2)
        return (first, picks.of("b", 2)) if first else (first,)

    assert list(possibilities(evaluate)) == [(0,), (1, 0), (1, 1)]


def test_very_many_combinations_are_cut_off() -> None:
    assert len([*possibilities(lambda picks: [picks.of(number, 2) for number in range(20)])]) == 64


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a", [1, 2]),
        ("a + a", [2, 4]),
        ("a + b", [11, 21, 12, 22]),
        ("unknown", [None]),
        ("[a, 3][0]", [1, 2]),
        ("[unknown, 3][1]", [3]),
        ("[unknown, 3]|join", [None]),
        ("{'k': unknown, 'n': 3}.n", [3]),
        ("{'k': unknown}.k", [None]),
        ("kept[0]", [5]),
        ("kept|length", [None]),
        ("kept[1]", [None]),
        ("x or 3", [None, 3]),
        ("0 or 3", [3]),
        ("7 or x", [7]),
        ("x|default(4)", [None, 4]),
        ("nothing|default(4)", [4]),
        ("5|default(4)", [5]),
        ("a if x else b", [1, 2, 10, 20]),
        ("a if 1 is odd else x", [1, 2]),
        ("'-'.join(['p', 'q'])", ["p-q"]),
        ("{'k': 1}.get('k')", [1]),
        ("range(2)|list", [[0, 1]]),
        ("range(100000)", [None]),
        ("'x'.encode()", [None]),
        ("1 / 0", [None]),
        ("{[1]: 2}", [None]),
        ("strict or 3", [None]),
        ("1 if strict else 2", [None]),
        ("x.y.z", [None]),
    ],
)
def test_an_expression_has_all_its_possible_values(source: str, expected: list[object]) -> None:
    names = {"a": Choice((1, 2)), "b": Choice((10, 20)), "unknown": Unknown("why"), "kept": [5, Unknown("why")]}
    assert values(source, **names, nothing=Undefined(name="nothing"), strict=StrictUndefined()) == expected


def test_equal_values_are_one_choice_and_choices_do_not_nest() -> None:
    assert either(["a", "a"]) == "a"
    found = either([1, Choice((1, True)), 2])
    assert isinstance(found, Choice)
    assert found.values == (1, True, 2)
