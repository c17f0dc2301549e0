"""Read and parse the templates of a site without rendering them, whatever their files contain."""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import BaseLoader, Environment, TemplateNotFound, TemplateSyntaxError, nodes

_DEEPEST = 100  # tags, expressions and their parts within each other; Jinja compiles little more


@dataclass(frozen=True, slots=True)
class Parsed:
    """A template that was parsed. *path* is that of its file, or None if it is in none."""

    source: str
    path: str | None
    tree: nodes.Template


class UnreadableTemplate(Exception):
    """A template cannot be read or parsed. The *place* is its file, and the line if that is known.

    *source* is empty if the template cannot even be read, as a picture in the folder of templates.
    """

    def __init__(self, place: str, reason: str, source: str = "") -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason
        self.source = source


def read_template(environment: Environment, loader: BaseLoader, name: str) -> Parsed:
    """Return the template *name* of *loader*.

    Raises:
        UnreadableTemplate: If it cannot be read or parsed, or is nested so deeply that it cannot be followed.
    """
    try:
        source, path, _ = loader.get_source(environment, name)
    except TemplateNotFound:
        raise UnreadableTemplate(name, "it is not a file that can be read") from None
    except Exception as error:  # of the file, or of a loader of the site
        raise UnreadableTemplate(name, _named(error)) from error
    place = path or name
    try:
        tree = environment.parse(source, name, path)
        if _is_too_deep(tree):
            raise RecursionError
    except TemplateSyntaxError as error:
        raise UnreadableTemplate(f"{place}:{error.lineno}", error.message or "it cannot be parsed", source) from None
    except RecursionError:
        raise UnreadableTemplate(place, "its tags or expressions are nested too deeply", source) from None
    except Exception as error:  # of an extension
        raise UnreadableTemplate(place, _named(error), source) from error
    return Parsed(source, path, tree)


def _is_too_deep(tree: nodes.Node) -> bool:
    level: list[nodes.Node] = [tree]
    for _ in range(_DEEPEST):
        level = [child for node in level for child in node.iter_child_nodes()]
        if not level:
            return False
    return True


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
