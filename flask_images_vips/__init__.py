"""Resizes images on the fly inside a Flask application: a drop-in for Flask-Images, by libvips."""

from .compat import ImageSize, modes
from .extension import Images
from .templating import resized_img_attrs, resized_img_size, resized_img_src, resized_img_tag
from .transforms import Transform

__all__ = [
    "ImageSize",
    "Images",
    "Transform",
    "modes",
    "resized_img_attrs",
    "resized_img_size",
    "resized_img_src",
    "resized_img_tag",
]
