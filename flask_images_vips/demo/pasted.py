"""Read a call of a helper, an image URL or a page of the playground that somebody pastes, to set the controls by it."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from flask import url_for
from werkzeug.datastructures import MultiDict

from ..options.options import DECLARED
from ..state import current_images
from ..urls import claimed_ref
from .choice import is_known
from .controls import controls, read_options, text_of
from .photos import PHOTOS

_LONGEST = 8000  # characters
_HELPERS = ("resized_img", "resized_picture", "url_for")
_NAMES_IN_JINJA = {"true": True, "false": False, "none": None}
_LONG_NAMES = {declared.short: name for name, declared in DECLARED.items()}
_SOURCE = re.compile(r"""<img\b[^>]*?\ssrc=(["'])(.*?)\1""", re.DOTALL)
_UNKNOWN = "This is neither a call such as resized_img_src('photos/cat.jpg', width=300), nor the URL of a picture."


class Unreadable(ValueError):
    """Says in a sentence why a pasted text cannot be read."""


def read(text: str, photo: str) -> tuple[dict[str, str], str]:
    """Return the query of the playground for the pasted *text*, and a note about it, which may be empty.

    The *photo* stays if the text names one that is not here. The signature of a URL does not matter, because the
    playground signs its own.

    Raises:
        Unreadable: If *text* is neither a call nor a URL, or has values that only its own page knows.
    """
    if len(text) > _LONGEST:
        raise Unreadable(f"This has more than {_LONGEST:,} characters.")
    text = text.strip()
    tag = _SOURCE.search(text)
    text = html.unescape(tag[2]) if tag is not None else text
    is_url = text.startswith(("/", "http:", "https:")) or "(" not in text
    path, fields = _of_url(text) if is_url else _of_call(text)
    named, note = next((known.file for known in PHOTOS.values() if known.path == path), path), ""
    if not is_known(named):
        named, note = photo, f"{path[:80]} is not here, so this applies to the picture that is shown." if path else ""
    options = read_options(MultiDict(fields))
    return {"photo": named, **{name: text_of(value) for name, value in options.items()}}, note


def _of_url(text: str) -> tuple[str, Mapping[str, str]]:
    """Return the path of the picture of a URL, and its options by their long names."""
    try:
        parts = urlsplit(text)
        query = dict(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise Unreadable(_UNKNOWN) from None
    if parts.path == url_for("index") and query:
        return query.get("photo", ""), query
    _, prefix, path = parts.path.partition(f"{current_images().url}/")
    if not prefix:
        raise Unreadable(_UNKNOWN)
    long = {_LONG_NAMES.get(name, name): value for name, value in query.items()}
    flags = {name: value or "0" for name, value in long.items() if name in DECLARED and DECLARED[name].is_flag}
    return claimed_ref(unquote(path), query), {**long, **flags}


def _of_call(text: str) -> tuple[str, Mapping[str, str]]:
    """Return the path of the picture of a call in Jinja or in Python, and its options. Nothing is evaluated."""
    code = re.sub(r"^\{\{-?|-?\}\}$", "", text).strip()
    try:
        call = ast.parse(code, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise Unreadable(f"{_UNKNOWN} Copy it from the first bracket to the last.") from None
    name = call.func.id if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else ""
    if not isinstance(call, ast.Call) or not name.startswith(_HELPERS) or not (call.args or call.keywords):
        raise Unreadable(_UNKNOWN)
    if any(each.arg is None for each in call.keywords):
        raise Unreadable("Arguments after ** cannot be read here.")
    given = {
        each.arg: _value(each.arg, each.value, code) for each in call.keywords if each.arg in (*DECLARED, "filename")
    }
    first = _value("the first argument", call.args[0], code) if call.args else ""
    if name == "url_for":
        _, _, mode = str(first).partition(".")
        given, first = {"mode": mode or None, **given}, given.pop("filename", "")
    found = controls(None)
    return str(first).strip("/"), {
        key: found[key].show(value) for key, value in given.items() if key in found and value is not None
    }


def _value(name: str | None, node: ast.expr, code: str) -> Any:
    """Return the plain value of the argument *name*, which is *node* of *code*.

    Raises:
        Unreadable: If it is anything else, such as a variable.
    """
    if isinstance(node, ast.Name) and node.id in _NAMES_IN_JINJA:
        return _NAMES_IN_JINJA[node.id]
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        written = ast.get_source_segment(code, node) or "not"
        raise Unreadable(f"Only plain values can be read, but {name} is {written[:60]}.") from None
    return tuple(value) if isinstance(value, list) else value
