"""Let the tests of pages leave nothing behind: no modules, as many pages have an ``app.py``, and no levels of logs."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from docs.blocks import blocks_of, pages


@cache
def modules() -> frozenset[str]:
    """The names of the files of Python that pages show."""
    files = {block.file for page in pages() for block in blocks_of(page) if block.language == "python"}
    return frozenset(Path(file).stem for file in files if file)


@pytest.fixture(autouse=True)
def no_module_of_another_page() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture(autouse=True)
def no_level_of_another_page() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in (None, "flask_images_vips")]
    before = [(logger, logger.level, [*logger.handlers]) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


def forget() -> None:
    for name in modules() & sys.modules.keys():
        if not str(getattr(sys.modules[name], "__file__", None)).startswith((sys.prefix, sys.base_prefix)):
            del sys.modules[name]
    importlib.invalidate_caches()
