"""Let this package stand in for Flask-Images, so that a site can be loaded before its imports are changed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import flask_images_vips

MODULES = ("flask_images", *(f"flask_images.{name}" for name in ("core", "size", "modes", "transform")))
"""The modules of Flask-Images that sites import."""


class _StandIn(ModuleType):
    """A module with the public names of this package. Its ``modes`` has those of the modes too."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []  # so that it counts as a package

    def __getattr__(self, name: str) -> Any:
        if self.__name__.endswith(".modes") and hasattr(flask_images_vips.modes, name):
            return getattr(flask_images_vips.modes, name)
        return getattr(flask_images_vips, name)


@contextmanager
def standing_in() -> Iterator[None]:
    """Import this package wherever the block imports Flask-Images, even if that is installed."""
    before = {name: sys.modules.get(name) for name in MODULES}
    sys.modules.update({name: _StandIn(name) for name in MODULES})
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
