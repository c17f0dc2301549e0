"""Evaluate the expressions of a template, as far as they are known before a page is rendered.

Nothing of the site is called, apart from filters and tests of Jinja and from methods of strings, lists and dicts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, TypeVar

from jinja2 import Environment, nodes
from jinja2.nodes import EvalContext

from .scope import Choice, NotKnown, Scope, Unknown, check_known

T = TypeVar("T")

_PLAIN = (str, int, float, bool, type(None), list, tuple, dict)
"""Types of globals whose value does not depend on a request. Subclasses count, proxies do not."""

_METHODS = frozenset(
    (
        *("format", "join", "replace", "lower", "upper", "title", "capitalize", "strip", "lstrip", "rstrip"),
        *("removeprefix", "removesuffix", "split", "get", "items", "keys", "values", "copy"),
    )
)
"""Methods of strings, lists and dicts that are called."""

_FALLBACKS = ("default", "d")
_MOST_POSSIBILITIES = 64  # of one call
_MOST_ITEMS = 1000  # of a range


class Picks:
    """Which of several possible values is taken, by the choice. The first one, until `advance` is called."""

    def __init__(self) -> None:
        self._taken: dict[Hashable, tuple[int, int]] = {}

    def of(self, choice: Hashable, count: int) -> int:
        """Return the index that is taken of the *count* values of *choice*."""
        return self._taken.setdefault(choice, (0, count))[0]

    def advance(self) -> bool:
        """Take the next combination. Returns False after the last one."""
        while self._taken:
            choice, (index, count) = self._taken.popitem()  # the last one: choices before it may decide whether it is
            if index + 1 < count:
                self._taken[choice] = index + 1, count
                return True
        return False


def possibilities(evaluate: Callable[[Picks], T]) -> Iterator[T | NotKnown]:
    """Yield the result of *evaluate* for each combination of choices, or the error that it raises."""
    picks = Picks()
    for _ in range(_MOST_POSSIBILITIES):
        try:
            yield evaluate(picks)
        except NotKnown as error:
            yield error
        if not picks.advance():
            return


class Evaluator:
    """Evaluates expressions of the template *name* with the names in *scope*.

    *functions* are the globals that may stand for themselves, by name.
    """

    def __init__(
        self, environment: Environment, name: str, scope: Scope, functions: Mapping[str, object], picks: Picks
    ) -> None:
        self._environment = environment
        self._context = EvalContext(environment, name)
        self._scope = scope
        self._functions = functions
        self._picks = picks
        self._by_kind: list[tuple[Any, Callable[[Any], object]]] = [
            (nodes.Name, lambda each: self._named(each.name)),
            (nodes.Call, self._called),
            (nodes.CondExpr, self._conditional),
            (nodes.Dict, self._dict),
            (nodes.Filter, self._filtered),
            (nodes.List | nodes.Tuple, self._sequence),
            (nodes.Or, lambda each: self._first(each, each.left, each.right)),
        ]

    def value(self, node: nodes.Node) -> Any:
        """Return the value of the expression *node*.

        Raises:
            NotKnown: If it depends on something that is not known.
        """
        try:
            return self._chosen(self._evaluated(node))
        except NotKnown:
            raise
        except Exception as error:  # nodes.Impossible, or an error of the expression itself
            raise NotKnown("it has no constant value") from error

    def perhaps(self, node: nodes.Node) -> object:
        """Return the value of the expression *node*, or an `Unknown`."""
        try:
            return self.value(node)
        except NotKnown as error:
            return Unknown(str(error))

    def _evaluated(self, node: nodes.Node) -> object:
        """Return the value of the expression *node*. It may have elements that are not known.

        Raises:
            NotKnown: If the whole is not known.
        """
        for kind, evaluate in self._by_kind:
            if isinstance(node, kind):
                return evaluate(node)
        return self._constant(node)

    def _constant(self, node: nodes.Node) -> object:
        return self._settled(node).as_const(self._context)

    def _sequence(self, node: nodes.List | nodes.Tuple) -> object:
        return [self.perhaps(each) for each in node.items]  # a loop may run over those that are known

    def _dict(self, node: nodes.Dict) -> object:
        return {self._evaluated(each.key): self.perhaps(each.value) for each in node.items}

    def _filtered(self, node: nodes.Filter) -> object:
        if node.name in _FALLBACKS and node.node is not None and node.args:
            return self._first(node, node.node, node.args[0], node)
        return self._constant(node)

    def _settled(self, node: nodes.Node) -> Any:
        """Return a copy of *node* whose parts are constants."""
        clone, partly = copy.copy(node), isinstance(node, (nodes.Getitem, nodes.Getattr))
        for field, part in node.iter_fields():
            if isinstance(part, nodes.Node):
                setattr(clone, field, self._part(part, partly=partly))
            elif isinstance(part, list):
                parts = [self._part(each) if isinstance(each, nodes.Node) else each for each in part]
                setattr(clone, field, parts)
        return clone

    def _part(self, node: nodes.Node, *, partly: bool = False) -> Any:
        """Return the constant *node*. With *partly*, it may have elements that are not known."""
        if not isinstance(node, nodes.Expr):  # a pair or an operand, which has a value only within its node
            return self._settled(node)
        value = self._evaluated(node)
        if not partly:
            check_known(value)
        return nodes.Const(value)

    def _named(self, name: str) -> object:
        if name in self._scope:
            return self._chosen(self._scope[name])
        if name in self._functions:
            return self._functions[name]
        found = self._environment.globals.get(name)
        if name in self._environment.globals and issubclass(type(found), _PLAIN):
            return found
        raise NotKnown(f"{name} is set when the page is rendered")

    def _chosen(self, value: object) -> object:
        while isinstance(value, Choice):
            value = value.values[self._picks.of(value, len(value.values))]
        if isinstance(value, Unknown):
            raise NotKnown(value.reason)
        return value

    def _conditional(self, node: nodes.CondExpr) -> object:
        try:
            holds = bool(self.value(node.test))
        except NotKnown:
            holds = not self._picks.of(id(node), 2)
        if not holds and node.expr2 is None:
            return self._environment.undefined()
        return self._evaluated(node.expr1 if holds else node.expr2 or node.expr1)

    def _first(self, node: nodes.Node, value: nodes.Node, fallback: nodes.Node, whole: nodes.Node | None = None) -> Any:
        """Return *value*, or *fallback* if that is false. If *value* is not known, either is possible.

        If *value* is known and *whole* is given, return the value of *whole*.
        """
        try:
            found = self.value(value)
        except NotKnown:
            if self._picks.of(id(node), 2):
                return self._evaluated(fallback)
            raise
        if whole is not None:
            return self._constant(whole)
        return found or self._evaluated(fallback)

    def _called(self, node: nodes.Call) -> object:
        method = self._callable(node.node)
        arguments, keywords = self.arguments(node)
        try:
            found = method(*arguments, **keywords)
        except Exception as error:
            raise NotKnown(f"it cannot be called: {error}") from error
        if isinstance(found, range) and len(found) > _MOST_ITEMS:
            raise NotKnown("it is too long")
        return found

    def _callable(self, node: nodes.Node) -> Callable[..., object]:
        """Return the function or method *node*, if calling it has no effect besides its result."""
        if isinstance(node, nodes.Getattr):
            owner = self.value(node.node)
            if issubclass(type(owner), _PLAIN) and node.attr in _METHODS and hasattr(owner, node.attr):
                method: Callable[..., object] = getattr(owner, node.attr)
                return method
        if isinstance(node, nodes.Name) and node.name not in self._scope:
            if node.name == "range":
                return range
            if node.name == "dict":
                return dict
        raise NotKnown(f"{_label(node)}() is called when the page is rendered")

    def arguments(self, node: nodes.Call | nodes.Filter) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments of the call *node*. Each is a value.

        Raises:
            NotKnown: If one of them is not known.
        """
        arguments, keywords = self.given(node)
        check_known([arguments, keywords])
        return arguments, keywords

    def given(self, node: nodes.Call | nodes.Filter) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments of the call *node*. Each is a value or an `Unknown`.

        Raises:
            NotKnown: If it is not known which arguments there are, as in ``f(**options)``.
        """
        arguments = [self.perhaps(each) for each in node.args]
        keywords: dict[str, Any] = {str(each.key): self.perhaps(each.value) for each in node.kwargs}
        if node.dyn_args is not None:
            arguments += self.value(node.dyn_args)
        if node.dyn_kwargs is not None:
            keywords.update(self.value(node.dyn_kwargs))
        return arguments, keywords


def _label(node: nodes.Node) -> str:
    if isinstance(node, nodes.Name):
        return node.name
    return f"{_label(node.node)}.{node.attr}" if isinstance(node, nodes.Getattr) else "a function"
