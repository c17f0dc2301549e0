"""Collect the messages that the package logs from its code, without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from conftest import ROOT

PACKAGE = ROOT / "flask_images_vips"

LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}

# Functions that log a warning, and which argument is its text.
WRAPPERS = {"warn": 0, "say": 0, "_say": 0, "advise": 1, "_warn_once": 0}

# Functions whose sentences are logged as warnings.
SENTENCES = {
    *("odd_keys", "unused_keys", "unusable_folders", "missing_fallback", "own_numbers", "auto_without_scores"),
    *("boxes_for_visitors", "shared_folder", "served_folders"),
    *("outdated", "overwritten"),
}

# Calls that log what another part has written: an error, or one of the sentences above.
PASSED_ON = {
    "cache/notices.py": "say",
    "engines/choice.py": "_warn_once",
    "extension.py": "served_folders",
    "following.py": "NotForgotten",
    "in_front.py": "NotPurged",
    "page/calls.py": "warn",
    "page/links.py": "an error",
    "pool/client.py": "warnings of engines, from a renderer",
    "monitoring/sums.py": "_say",
    "rights/signing.py": "a constant",
    "serving/views.py": "ConfigError, and a constant",
    "startup.py": "SENTENCES",
    "uploads/advice.py": "a constant",
    "uploads/door.py": "NotStored",
    "wiring.py": "SENTENCES",
}


class Logged(NamedTuple):
    """One message: its level, its text with … in place of values, and the module that logs it."""

    level: str
    text: str
    module: str


@cache
def messages() -> list[Logged]:
    """All messages of the package, in the order of the modules."""
    found: dict[Logged, None] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        if module.startswith("operating/"):  # commands print
            continue
        for level, text in _of(ast.parse(path.read_text("utf-8")), module):
            found[Logged(level, text, module)] = None
    return list(found)


def _of(tree: ast.Module, module: str) -> Iterator[tuple[str, str]]:
    constants = _constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_logger(node.func.value):
            level = LEVELS.get(node.func.attr)
            text = _text(node.args[0], constants) if level else None
            if level and text is not None and text.strip("…: "):
                yield level, text
            elif node.func.attr in (*LEVELS, "log"):
                assert module in PASSED_ON, f"{module}, line {node.lineno}: which texts are logged here?"
                yield from _passed_on(module, tree, constants)
        elif isinstance(node, ast.Call) and (name := _name(node.func)) in WRAPPERS and len(node.args) > WRAPPERS[name]:
            text = _text(node.args[WRAPPERS[name]], constants)
            if text and " " in text.strip("…: "):
                yield "warning", f"…: {text}" if module.startswith("page/") else text
        elif isinstance(node, ast.FunctionDef) and node.name in SENTENCES:
            yield from (("warning", text) for text in _sentences(node, constants))


def _sentences(function: ast.FunctionDef, constants: dict[str, str]) -> Iterator[str]:
    """The texts that *function* yields, returns or appends to its result."""
    for node in ast.walk(function):
        value = None
        if isinstance(node, (ast.Yield, ast.Return)):
            value = node.value
        elif isinstance(node, ast.Call) and _name(node.func) == "append":
            value = node.args[0]
        if value is not None and (text := _text(value, constants)):
            yield text


def _passed_on(module: str, tree: ast.Module, constants: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The texts of a module that logs a variable, where these are in the same module."""
    if module == "serving/views.py":
        yield "warning", constants["_USUAL_CAUSE"]
    for node in ast.walk(tree):
        is_message = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if is_message and node.targets[0].id == "message" and (text := _text(node.value, constants)):  # type: ignore[attr-defined]
            yield "error" if module == "rights/signing.py" else "warning", text


def _is_logger(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "logger"


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _constants(tree: ast.Module) -> dict[str, str]:
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and (text := _text(node.value, {})):
            found[node.targets[0].id] = text
    return found


def _text(node: ast.expr, constants: dict[str, str]) -> str | None:
    """The string that *node* stands for, with … in place of each value, or None if it is something else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%(?:\.\d)?[srdfg]", "…", node.value).replace("%%", "%")
    if isinstance(node, ast.Name) and node.id in constants:
        return constants[node.id]
    if isinstance(node, ast.JoinedStr):
        parts = [_part(part, constants) for part in node.values]
        return re.sub(r"…(?:…)+", "…", "".join(parts))
    return None


def _part(part: ast.expr, constants: dict[str, str]) -> str:
    if isinstance(part, ast.FormattedValue):
        return (_text(part.value, constants) if isinstance(part.value, ast.Name) else None) or "…"
    return _text(part, constants) or ""
