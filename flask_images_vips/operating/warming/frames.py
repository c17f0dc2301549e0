"""Define what surrounds a statement of a template: blocks, macros, imported modules, and the calls in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import nodes

from .scope import Scope
from .templates import Template

BlockAt = tuple[Template, nodes.Block]
"""A block, and the template that it is in."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What surrounds a statement: its *template*, the *blocks* of the page, each from the most derived template on, and
    the names of the page. *above* are the blocks that ``super()`` stands for, and *via* the places of the macro calls
    that led here."""

    template: Template
    blocks: Mapping[str, tuple[BlockAt, ...]]
    top: Scope
    above: tuple[BlockAt, ...] = ()
    via: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Macro:
    """A macro, or the body of a ``{% call %}``, with the place where it was defined."""

    node: nodes.Macro | nodes.CallBlock
    frame: Frame
    scope: Scope


class Module:
    """An imported template, whose *names* are read as those of a dict, because attributes would hide some of them."""

    __slots__ = ("_names",)

    def __init__(self, names: Scope) -> None:
        self._names = names

    def __getitem__(self, name: str) -> object:
        return self._names.own[name]

    def get(self, name: str, default: object) -> object:
        return self._names.own.get(name, default)


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A call of *function*, a global or a filter, at one place of a template. A filter gets its value first."""

    function: object
    node: nodes.Call | nodes.Filter
    frame: Frame
    scope: Scope
