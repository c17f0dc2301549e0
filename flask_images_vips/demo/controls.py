"""Which control does each option have? Derived from the declarations, so that a new option appears by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..options.options import DECLARED

_LONGEST = 600  # characters


def read_options(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the options in *fields*. Unknown names and empty fields are omitted."""
    options: dict[str, Any] = {}
    for name in DECLARED:
        text = fields.get(name, "").strip()[:_LONGEST]
        if text:
            options[name] = int(text) if text.isascii() and text.isdigit() else text
    return options
