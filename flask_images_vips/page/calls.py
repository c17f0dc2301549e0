"""Prepare the keywords of a template call, and log what is wrong with it and where it is."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from types import FrameType
from typing import Any, ParamSpec, TypeVar

from flask import current_app
from jinja2 import Template, Undefined

from ..options.options import DECLARED

logger = logging.getLogger("flask_images_vips")

P = ParamSpec("P")
T = TypeVar("T")

URL_KEYWORDS = frozenset({"external", "_external", "scheme", "_scheme", "version", "preset", *DECLARED})
"""Keywords that belong to the URL, and never become attributes of a tag."""

LAYOUT_KEYWORDS = ("layout", "priority", "placeholder", "widths", "densities")
"""Keywords that make a tag offer the browser several renditions."""

HIDPI_PREFIX = "hidpi_"

_OPTIONAL = frozenset({*URL_KEYWORDS, *LAYOUT_KEYWORDS, "hidpi", "hi_dpi", "nonce", "formats", "sources"})
_PACKAGE = __name__.partition(".")[0]
_FRAMEWORK = frozenset({"flask", "functools", "jinja2", "werkzeug"})
_NAMES = ("resized_", "build_url", "url_for")
_MAX_REMEMBERED = 1024
_LONGEST_VALUE = 100  # characters of a value in a message

_advised: set[str] = set()


def helper(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that templates call, so that it receives only keywords that are `given`."""

    @wraps(function)
    def call(*arguments: P.args, **keywords: P.kwargs) -> T:
        return function(*arguments, **given(keywords))

    return call


def given(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return *keywords* with None for each option that is not given: an empty string, or undefined in a template.

    Attributes of a tag are not changed, because ``alt=""`` has a meaning.
    """
    return {
        name: defined(value) if name in _OPTIONAL or name.startswith(HIDPI_PREFIX) else value
        for name, value in keywords.items()
    }


def defined(value: Any) -> Any:
    """Return *value*, or None if it is an empty string or undefined.

    Raises:
        UndefinedError: If it is undefined, and the application's templates are strict about that.
    """
    if isinstance(value, Undefined):
        str(value)  # raises the error
        return None
    return None if isinstance(value, str) and not value else value


def warn(message: str, *values: object) -> None:
    """Log a warning about the current call. *values* are formatted into *message*."""
    logger.warning(f"%s: {message}", _call_site(), *values)


def advise(topic: str, message: str) -> None:
    """Log *message* about the current call: in debug mode at each call, otherwise once per process and *topic*."""
    if not current_app.debug:
        if topic in _advised:
            return
        if len(_advised) >= _MAX_REMEMBERED:
            _advised.clear()
        _advised.add(topic)
    warn("%s", message)


def report_invalid(name: str, value: object, expected: str) -> None:
    """Log that the argument *name* of the current call has an invalid *value*, which is ignored: see `advise`."""
    advise(name, f"{name}={_shortened(value)} has no effect: expected {expected}")


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _call_site() -> str:
    """Return the function that is being called, and where: ``resized_img_tag in index.html, line 3``."""
    frame: FrameType | None = sys._getframe()
    name = place = ""
    while frame is not None:
        code, variables = frame.f_code, frame.f_globals
        template: Template | None = variables.get("__jinja_template__")
        if template is not None:
            place = f"{template.name or '<template>'}, line {template.get_corresponding_lineno(frame.f_lineno)}"
            break
        package = str(variables.get("__name__")).partition(".")[0]
        if package == _PACKAGE:
            name = code.co_name if code.co_name.startswith(_NAMES) else name
        elif not place and package not in _FRAMEWORK:
            place = f"{code.co_filename}, line {frame.f_lineno}"
        frame = frame.f_back
    return f"{name} in {place}"
