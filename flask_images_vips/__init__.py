"""Resize images on the fly in a Flask application, with libvips. A drop-in replacement for Flask-Images."""

from .access import PUBLIC, Public
from .compat import modes
from .extension import Images
from .options.transforms import Transform
from .page.helpers import (
    resized_img_attrs,
    resized_img_hint,
    resized_img_placeholder,
    resized_img_preload,
    resized_img_size,
    resized_img_src,
    resized_img_srcset,
    resized_img_tag,
    resized_picture_tag,
)
from .page.size import ImageSize

__all__ = [
    "PUBLIC",
    "ImageSize",
    "Images",
    "Public",
    "Transform",
    "modes",
    "resized_img_attrs",
    "resized_img_hint",
    "resized_img_placeholder",
    "resized_img_preload",
    "resized_img_size",
    "resized_img_src",
    "resized_img_srcset",
    "resized_img_tag",
    "resized_picture_tag",
]
