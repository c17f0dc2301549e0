"""Which code blocks does the documentation have, and which test runs each of them?

``test_blocks.py`` runs every block by its language. A test that runs a block itself says so, and the block is then left
to it::

    @runs("docs/guides/uploads.md", "python")            # all blocks of this language on the page
    @runs("docs/guides/formats.md", "$ flask images")    # the blocks that begin with this text
    def test_the_examples_run() -> None: ...
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from conftest import ROOT, TESTS

Test = TypeVar("Test", bound=Callable[..., object])

_FENCE = re.compile(r"(?P<indent> *)(?P<fence>`{3,}|~{3,}) *(?P<info>[^`]*)$")
_HIDDEN_FENCE = re.compile(r" *(?:>|[-*+]|\d+[.)]) *(?:`{3}|~{3})")
_CODE_DIRECTIVE = re.compile(r"\{code(?:-block)?\} *(\S+)")
_NAMED_FILE = re.compile(r"(?:#|\{#|//|--) *([\w./-]+\.\w+) *(?:#\})?$")
_OTHER_NAMES = {
    "py": "python",
    "html+jinja": "jinja",
    "jinja2": "jinja",
    "bash": "sh",
    "shell": "sh",
    "Caddyfile": "caddyfile",
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page. *page* is the path from the repository's root, *line* that of the fence."""

    page: str
    line: int
    language: str
    code: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line} ({self.language or 'no language'})"

    @property
    def file(self) -> str:
        """The name of the file that the block is, which its first line says in a comment, or an empty string."""
        found = _NAMED_FILE.match(self.code.partition("\n")[0].strip())
        return found[1] if found else ""


@dataclass(frozen=True)
class Claim:
    """What a test says of itself: it runs the blocks of *page* that *selector* selects."""

    page: str
    selector: str
    test: str

    def selects(self, block: Block) -> bool:
        same_start = len(self.selector) > 1 and block.code.startswith(self.selector)
        return block.page == self.page and (block.language == self.selector or same_start)


def runs(page: str, *selectors: str) -> Callable[[Test], Test]:
    """Say that a test runs blocks of *page*: those of a language, or those that begin with a text.

    The arguments are literals, or names of strings in the module: `claims` reads them from the source of the tests.
    """
    assert page
    assert selectors
    return lambda test: test


def pages() -> list[str]:
    """The README and all pages of docs/, as paths from the repository's root."""
    found = [path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts]
    return ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in found)]


@cache
def blocks_of(page: str) -> tuple[Block, ...]:
    """All fenced blocks of *page*, without the directives of MyST, whose content is prose."""
    return tuple(_blocks(page, (ROOT / page).read_text("utf-8").splitlines()))


def _blocks(page: str, lines: list[str], before: int = 0) -> Iterator[Block]:
    """The blocks in *lines*, which follow *before* other lines of the page."""
    position = 0
    while position < len(lines):
        opening = _FENCE.match(lines[position])
        position += 1
        if opening is None:
            assert not _HIDDEN_FENCE.match(lines[position - 1]), (
                f"{page}:{before + position}: begin a fence on a line of its own, or no test sees it"
            )
            continue
        begin = position
        closing = re.compile(rf" *{opening['fence'][0]}{{{len(opening['fence'])},}} *$")
        while position < len(lines) and not closing.match(lines[position]):
            position += 1
        language = _language(opening["info"])
        if language is None:  # a directive, with blocks inside of it
            yield from _blocks(page, lines[begin:position], before + begin)
        else:
            code = textwrap.dedent("\n".join(lines[begin:position])) + "\n"
            yield Block(page, before + begin, language, code)
        position += 1


def _language(info: str) -> str | None:
    """The language of a fence with *info* after it. None for a directive that is not code."""
    directive = _CODE_DIRECTIVE.match(info)
    name = directive[1] if directive else (info.split() or [""])[0]
    return None if name.startswith("{") else _OTHER_NAMES.get(name, name)


@cache
def claims() -> tuple[Claim, ...]:
    """All that tests claim by `runs`."""
    return tuple(claim for path in sorted(TESTS.rglob("test_*.py")) for claim in _claims_of(path))


def _claims_of(path: Path) -> Iterator[Claim]:
    text = path.read_text("utf-8")
    if "\n@runs(" not in text:
        return
    names: dict[str, str] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names |= {ast.unparse(target): str(node.value.value) for target in node.targets}
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "runs":
                    page, *selectors = (_argument(argument, names) for argument in decorator.args)
                    test = f"{path.relative_to(TESTS)}::{node.name}"
                    yield from (Claim(page, selector, test) for selector in selectors)


def _argument(node: ast.expr, names: dict[str, str]) -> str:
    """The value of an argument of `runs`: a literal, or the name of a string that the module defines."""
    return names[node.id] if isinstance(node, ast.Name) else str(ast.literal_eval(node))


def unclaimed(page: str) -> list[Block]:
    """The blocks of *page* that no test claims."""
    own = [claim for claim in claims() if claim.page == page]
    return [block for block in blocks_of(page) if not any(claim.selects(block) for claim in own)]
