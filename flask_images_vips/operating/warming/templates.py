"""Load and parse all templates of an application, those of its blueprints included."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flask import Flask
from jinja2 import Environment, nodes

from ..template_files import UnreadableTemplate, read_template

_REFERENCES = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A parsed template. *file* is its path, relative to the application's root path if it is below that."""

    name: str
    file: str
    source: str
    tree: nodes.Template

    def line(self, number: int) -> str:
        """Return the line with this *number*, which counts from 1, without spaces at its ends."""
        lines = self.source.splitlines()
        return lines[number - 1].strip() if 0 < number <= len(lines) else ""


@dataclass(frozen=True, slots=True)
class Broken:
    """A template that cannot be parsed, with the place of the fault and the reason."""

    place: str
    source: str
    reason: str


class Templates:
    """The templates that *app* can render by name.

    Raises:
        TypeError: If its loader cannot list them.
    """

    def __init__(self, app: Flask) -> None:
        self.environment: Environment = app.jinja_env
        self._root = app.root_path
        self._found: dict[str, Template] = {}
        self.broken: list[Broken] = []
        for name in sorted(self.environment.list_templates()):
            self._load(name)

    def __iter__(self) -> Iterator[Template]:
        return iter(self._found.values())

    def __len__(self) -> int:
        return len(self._found)

    def get(self, names: object) -> Template | None:
        """Return the template called *names*, or the first that exists if that is a list. None if there is none."""
        for name in [names] if isinstance(names, str) else names if isinstance(names, Iterable) else []:
            if name in self._found:
                return self._found[name]
        return None

    def pages(self) -> list[Template]:
        """Return the templates that no other template names: those of whole pages."""
        named: set[Template | None] = set()
        for template in self:
            for reference in template.tree.find_all(_REFERENCES):
                target: nodes.Expr = reference.template  # type: ignore[attr-defined]
                parts = [target, *target.find_all(nodes.Const)]
                named |= {self.get(part.value) for part in parts if isinstance(part, nodes.Const)}
        return [template for template in self if template not in named]

    def _load(self, name: str) -> None:
        loader = self.environment.loader
        assert loader is not None
        try:
            found = read_template(self.environment, loader, name)
        except UnreadableTemplate as error:
            if error.source:  # otherwise it is a file of another kind in the folder
                self.broken.append(Broken(self._relative(error.place), error.source, error.reason))
            return
        file = self._relative(found.path) if found.path else name
        self._found[name] = Template(name, file, found.source, found.tree)

    def _relative(self, path: str) -> str:
        relative = os.path.relpath(path, self._root)
        return path if relative.startswith(os.pardir) else relative
