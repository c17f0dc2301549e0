"""Compute the size at which an image is rendered, without rendering it."""

from __future__ import annotations

from functools import lru_cache

from ..geometry import Box, Geometry, Size, lay_out, needs_enlarging, transformed
from ..options.options import Options
from ..options.values import Mode
from .compat import FlaskImagesSize

_REMEMBERED_PLANS = 1024


class ImageSize(FlaskImagesSize):
    """The size at which an image is rendered, in pixels.

    ``width`` and ``height`` are the size of the result. ``image_width`` and ``image_height`` are the size of the source
    after region, trim, rotation and transform, before it is scaled. ``op_width`` and ``op_height`` are the size that
    the source is scaled to, before ``crop`` or ``pad``. They are None with ``reshape``, and if the options do not set
    both sides. ``needs_enlarge`` is true if the requested size exceeds the source, and None if no size was requested.
    """

    width: int
    height: int
    image_width: int
    image_height: int
    op_width: int | None = None
    op_height: int | None = None
    needs_enlarge: bool | None = None

    @classmethod
    def planned(cls, own: Size, options: Options, trimmed: Box | None = None) -> ImageSize:
        """Return the size of a source rendered with *options*.

        *own* is the size of the upright source, and *trimmed* is the box that remains after trimming it.
        """
        size = cls.__new__(cls)
        size.plan(own, options, trimmed)
        return size

    def plan(self, own: Size, options: Options, trimmed: Box | None = None) -> None:
        """Set the size, as `planned`."""
        start, geometry, needs_enlarge, boxed = _planned(own, options, trimmed)
        self.image_width, self.image_height = start
        self.width, self.height = geometry.final
        if options.width or options.height:
            self.needs_enlarge = needs_enlarge
        if boxed:
            self.op_width, self.op_height = geometry.scaled

    def __repr__(self) -> str:
        return f"<ImageSize {self.width}x{self.height} of {self.image_width}x{self.image_height}>"


@lru_cache(_REMEMBERED_PLANS)
def _planned(own: Size, options: Options, trimmed: Box | None) -> tuple[Size, Geometry, bool, bool]:
    """Return the size before scaling, the geometry, and two flags.

    The first flag is true if the options would enlarge the source. The second is true if the options set both sides, in
    a mode other than ``reshape``.
    """
    start, settled = transformed(own, options, trimmed), options.settled()
    boxed = bool(settled.width and settled.height) and options.mode is not Mode.RESHAPE
    return start, lay_out(own, options, trimmed=trimmed), needs_enlarging(start, options), boxed
