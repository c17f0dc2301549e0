"""Find what imports Flask-Images in the files of a site, and write the diff that makes it import this package."""

from __future__ import annotations

import ast
import difflib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import flask_images_vips

from ..compat import NOT_CALLED
from .standing_in import MODULES

_MODULES = {*MODULES, "flask.ext.images"}
_SKIPPED = {"node_modules", "site-packages", "__pycache__", "venv", "env", "build", "dist"}
_REQUIREMENTS = re.compile(
    r"requirements.*\.(txt|in)|constraints.*\.txt|pyproject\.toml|setup\.(py|cfg)|environment\.ya?ml"
)
_REQUIRED = re.compile(
    r"(?i)(?<![\w.-])flask[-_]images(?![\w.-])(?:\s*(?:==|[<>~!]=?)\s*[\w.*]+)?(?:\s*,\s*[<>~!]=?\s*[\w.*]+)*"
)
_MENTIONED = re.compile(r"[\"']flask_images[.\"']|import flask_images\.")
_NAME = re.compile(r"(?<![\w.])flask_images(?![\w.])")
_REQUIREMENT = "flask-images-vips[binary]"
_LARGEST_FILE = 1_000_000  # bytes


@dataclass(slots=True)
class Edits:
    """The lines to change, by file, and what a person has to look at."""

    folder: Path
    changed: dict[Path, tuple[list[str], list[str]]] = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)

    def diff(self) -> str:
        """Return a unified diff, for ``patch -p1`` in the folder."""
        parts = []
        for path, (before, after) in sorted(self.changed.items()):
            name = path.relative_to(self.folder).as_posix()
            for line in difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", n=2):
                parts.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
        return "".join(parts)


def find_edits(folder: Path) -> Edits:
    """Return the edits to make in the Python files and the lists of requirements below *folder*."""
    edits = Edits(folder)
    for path in _files(folder):
        try:
            with open(path, encoding="utf-8", newline="") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError):
            continue
        before = text.splitlines(keepends=True)
        after = list(before)
        if path.suffix == ".py":
            _edit_python(path, text, after, edits)
        if _REQUIREMENTS.fullmatch(path.name):
            _edit_requirements(path, after, edits)
        if after != before:
            edits.changed[path] = before, after
    return edits


def _files(folder: Path) -> Iterator[Path]:
    """Yield the Python files and the lists of requirements below *folder*, without environments and hidden folders."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if name not in _SKIPPED
            and not name.startswith(".")
            and not os.path.exists(os.path.join(root, name, "pyvenv.cfg"))
        )
        for name in sorted(names):
            path = Path(root, name)
            wanted = path.suffix == ".py" or _REQUIREMENTS.fullmatch(name)
            if wanted and path.is_file() and path.stat().st_size <= _LARGEST_FILE:
                yield path


def _edit_python(path: Path, text: str, lines: list[str], edits: Edits) -> None:
    if "flask_images" not in text and "flask.ext.images" not in text and "resized_img_tag" not in text:
        return
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        edits.notes.append(
            (f"{path}:{getattr(error, 'lineno', 1)}", "This file is no valid Python, so it is not read.")
        )
        return
    edited: set[int] = set()
    for node in ast.walk(tree):
        where = f"{path}:{getattr(node, 'lineno', 1)}"
        if isinstance(node, ast.ImportFrom) and node.module in _MODULES and not node.level:
            edited.update(range(node.lineno - 1, node.end_lineno or node.lineno))
            line = lines[node.lineno - 1]
            lines[node.lineno - 1] = line.replace(f"from {node.module} ", "from flask_images_vips ", 1)
            edits.notes += [(where, note) for note in _unknown_names(node)]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == "flask_images":
                    edited.add(node.lineno - 1)
                    new = "flask_images_vips" if alias.asname else "flask_images_vips as flask_images"
                    lines[node.lineno - 1] = _NAME.sub(new, lines[node.lineno - 1], count=1)
        elif isinstance(node, ast.ClassDef):
            edits.notes += [(where, note) for note in _overridden(node)]
        elif isinstance(node, (ast.BinOp, ast.Attribute)) and (note := _changed_tag(node)):
            edits.notes.append((where, note))
    _note_mentions(path, lines, edited, edits)


def _unknown_names(node: ast.ImportFrom) -> Iterator[str]:
    if str(node.module).endswith(".modes"):
        yield "The modes are attributes of `modes`: write `from flask_images_vips import modes`, and modes.CROP."
        return
    for alias in node.names:
        if alias.name != "*" and alias.name not in flask_images_vips.__all__:
            yield f"flask_images_vips has no public name {alias.name}."


def _overridden(node: ast.ClassDef) -> Iterator[str]:
    if any(ast.unparse(base).rpartition(".")[2] == "Images" for base in node.bases):
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name in NOT_CALLED:
                yield f"{node.name}.{method.name} is never called. Instead, {NOT_CALLED[method.name]}."


def _changed_tag(node: ast.BinOp | ast.Attribute) -> str:
    """Return what changes a tag in Python code, or an empty string."""
    if isinstance(node, ast.Attribute):
        return _MARKUP if _is_tag(node.value) and node.attr in ("replace", "join", "format") else ""
    return _MARKUP if isinstance(node.op, ast.Add) and (_is_tag(node.left) or _is_tag(node.right)) else ""


_MARKUP = (
    "resized_img_tag returns Markup, which escapes strings that are joined to it or put into it. Pass attributes as "
    "keywords, such as alt='A cat', or set IMAGES_MARKUP = False."
)


def _is_tag(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "resized_img_tag"


def _note_mentions(path: Path, lines: list[str], edited: set[int], edits: Edits) -> None:
    """Note the other lines that name a module of Flask-Images, such as one that a test patches."""
    for number, line in enumerate(lines):
        if number not in edited and _MENTIONED.search(line):
            edits.notes.append((f"{path}:{number + 1}", f"This line names a module of Flask-Images: {line.strip()}"))


def _edit_requirements(path: Path, lines: list[str], edits: Edits) -> None:
    for number, line in enumerate(lines):
        found = _REQUIRED.search(line)
        if found is None:
            continue
        if line[found.end() :].lstrip().startswith("=") or "import" in line:
            if "import" not in line:
                note = f"Replace this requirement by {_REQUIREMENT}, in the syntax of your tool: {line.strip()}"
                edits.notes.append((f"{path}:{number + 1}", note))
            continue
        lines[number] = line[: found.start()] + _REQUIREMENT + line[found.end() :]
