"""Find the calls for images in the templates of a site, with what is constant in them, and what is done to a tag."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from flask.templating import DispatchingJinjaLoader
from jinja2 import BaseLoader, nodes

from ..template_files import UnreadableTemplate, read_template

_HELPERS = ("resized_img_src", "resized_img_size", "resized_img_attrs", "resized_img_tag")
_HARMLESS = {"safe", "e", "escape", "forceescape", "d", "default", "trim", "indent"}
_ENDINGS = (".html", ".htm", ".xhtml", ".xml", ".svg", ".txt", ".jinja", ".jinja2", ".j2")


class _NotKnown:
    def __repr__(self) -> str:
        return "…"


NOT_KNOWN: Any = _NotKnown()
"""Stands for a value that a template computes."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call for an image. *where* is the file and the line.

    *function* is the name of the helper, or ``url_for``. *path* and the values of *keywords* are `NOT_KNOWN` unless
    they are constant, and so is the name ``**`` of keywords that the template unpacks. *changed_by* says what changes
    the tag, if something does.
    """

    where: str
    function: str
    path: Any = NOT_KNOWN
    keywords: dict[str, Any] = field(default_factory=dict)
    changed_by: str = ""

    @property
    def is_known(self) -> bool:
        """Whether all keywords are constant."""
        return NOT_KNOWN not in self.keywords.values()

    @property
    def text(self) -> str:
        arguments = [repr(self.path), *(f"{name}={value!r}" for name, value in self.keywords.items())]
        return f"{self.function}({', '.join(arguments)})"


class Templates:
    """The templates of *app* and its blueprints. *endpoint* is that of images.

    *unreadable* collects the templates that cannot be parsed, each with the reason.
    """

    def __init__(self, app: Flask, endpoint: str) -> None:
        self._app = app
        self._endpoint = endpoint
        self.count = 0
        self.unreadable: list[str] = []

    def calls(self) -> Iterator[Call]:
        """Yield the calls for images of each template, in the order of their lines."""
        seen = set()
        for loader, name in self._names():
            try:
                read = read_template(self._app.jinja_env, loader, name)
            except UnreadableTemplate as error:
                self.unreadable.append(str(error))
                continue
            if read.path is not None and read.path in seen:
                continue
            seen.add(read.path)
            self.count += 1
            found = list(self._within(read.tree, read.path or name, []))
            yield from sorted(found, key=lambda call: int(call.where.rpartition(":")[2]))

    def _names(self) -> Iterator[tuple[BaseLoader, str]]:
        own = self._app.jinja_env.loader
        loaders = [own]
        if isinstance(own, DispatchingJinjaLoader):  # otherwise the site has set another one
            loaders = [self._app.jinja_loader, *(each.jinja_loader for each in self._app.iter_blueprints())]
        for loader in loaders:
            if loader is None:
                continue
            try:
                names = loader.list_templates()
            except TypeError as error:  # of a loader that finds templates by name only
                self.unreadable.append(f"the templates cannot be listed: {error}")
                continue
            yield from ((loader, name) for name in names if name.endswith(_ENDINGS))

    def _within(self, node: nodes.Node, file_name: str, above: list[nodes.Node]) -> Iterator[Call]:
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name):
            call = self._call(node, node.node.name, f"{file_name}:{node.lineno}", above)
            if call is not None:
                yield call
        for child in node.iter_child_nodes():
            yield from self._within(child, file_name, [*above, node])

    def _call(self, node: nodes.Call, name: str, where: str, above: list[nodes.Node]) -> Call | None:
        positional = [_constant(argument) for argument in node.args]
        keywords = {each.key: _constant(each.value) for each in node.kwargs}
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            keywords["**"] = NOT_KNOWN
        if name in _HELPERS:
            names = ("hidpi", "width", "height", "enlarge")
            keywords.update(zip(names, positional[1:], strict=False))
            path = positional[0] if positional else keywords.pop("filename", keywords.pop("path", NOT_KNOWN))
            changed_by = _changed_by(above) if name == "resized_img_tag" else ""
            return Call(where, name, path, keywords, changed_by)
        endpoint = positional[0] if positional else keywords.get("endpoint")
        base, _, mode = endpoint.partition(".") if isinstance(endpoint, str) else ("", "", "")
        if name != "url_for" or base != self._endpoint:
            return None
        if mode:
            keywords["mode"] = mode
        return Call(where, name, keywords.pop("filename", NOT_KNOWN), keywords)


def _constant(node: nodes.Expr) -> Any:
    """Return the value of *node*, or `NOT_KNOWN`. Only what needs no variable is constant."""
    try:
        return node.as_const()
    except nodes.Impossible:
        return NOT_KNOWN


def _changed_by(above: list[nodes.Node]) -> str:
    """Return what changes the tag below the nodes *above*, from the outermost to the innermost, or an empty string."""
    for node in reversed(above):
        if isinstance(node, nodes.Filter):
            if node.name not in _HARMLESS:
                return f"the filter {node.name}"
        elif isinstance(node, (nodes.Concat, nodes.Add, nodes.Mod)):
            return "joining it with another string"
        elif not isinstance(node, nodes.Expr):
            break
        elif isinstance(node, nodes.Call):
            return ""  # an argument of a macro or function
    return ""
