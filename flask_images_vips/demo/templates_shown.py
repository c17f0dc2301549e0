"""Show the code of a template that the playground itself uses, so that what people copy is what runs."""

from __future__ import annotations

from pathlib import Path

_TEMPLATES = Path(__file__).with_name("templates")


def template_source(name: str) -> str:
    return (_TEMPLATES / name).read_text("utf-8").strip()
