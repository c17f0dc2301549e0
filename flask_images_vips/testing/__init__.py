"""Check the images of your pages in your own tests, with `assert_images_ok`."""

from __future__ import annotations

from .assertions import assert_images_ok

__all__ = ["assert_images_ok"]
