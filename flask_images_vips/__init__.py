"""Resize images on the fly in a Flask application, with libvips. A drop-in replacement for Flask-Images."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .access import PUBLIC, Public
    from .compat import Transform, modes
    from .extension import Images
    from .formats import raw
    from .monitoring.prometheus import ImagesCollector
    from .page.helpers import (
        resized_img_attrs,
        resized_img_hint,
        resized_img_json_ld,
        resized_img_placeholder,
        resized_img_preload,
        resized_img_size,
        resized_img_src,
        resized_img_srcset,
        resized_img_tag,
        resized_picture_tag,
    )
    from .page.size import ImageSize
    from .rights.files import read_rights
    from .rights.record import Rights
    from .signals import image_failed, image_rendered, image_served
    from .tenants import Quota

_MODULES = {
    "PUBLIC": ".access",
    "ImageSize": ".page.size",
    "Images": ".extension",
    "ImagesCollector": ".monitoring.prometheus",
    "Public": ".access",
    "Quota": ".tenants",
    "Rights": ".rights.record",
    "Transform": ".compat",
    "image_failed": ".signals",
    "image_rendered": ".signals",
    "image_served": ".signals",
    "modes": ".compat",
    "raw": ".formats",
    "read_rights": ".rights.files",
    "resized_img_attrs": ".page.helpers",
    "resized_img_hint": ".page.helpers",
    "resized_img_json_ld": ".page.helpers",
    "resized_img_placeholder": ".page.helpers",
    "resized_img_preload": ".page.helpers",
    "resized_img_size": ".page.helpers",
    "resized_img_src": ".page.helpers",
    "resized_img_srcset": ".page.helpers",
    "resized_img_tag": ".page.helpers",
    "resized_picture_tag": ".page.helpers",
}

__all__ = [
    "PUBLIC",
    "ImageSize",
    "Images",
    "ImagesCollector",
    "Public",
    "Quota",
    "Rights",
    "Transform",
    "image_failed",
    "image_rendered",
    "image_served",
    "modes",
    "raw",
    "read_rights",
    "resized_img_attrs",
    "resized_img_hint",
    "resized_img_json_ld",
    "resized_img_placeholder",
    "resized_img_preload",
    "resized_img_size",
    "resized_img_src",
    "resized_img_srcset",
    "resized_img_tag",
    "resized_picture_tag",
]


def __dir__() -> list[str]:
    """Add the public names that are not imported yet."""
    return [*{*globals(), *__all__}]


def __getattr__(name: str) -> Any:
    """Import a public name on first use. Renderers import this package too, and must not import Flask."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name], __name__), name)
    return value
