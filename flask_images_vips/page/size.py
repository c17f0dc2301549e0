"""Compute the size at which an image is rendered, without rendering it."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..geometry import Box, Geometry, Size, lay_out, needs_enlarging, transformed
from ..options.options import Options, write_query
from ..options.values import Mode

if TYPE_CHECKING:
    from PIL import Image

_REMEMBERED_PLANS = 1024


class ImageSize:
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

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        image: Image.Image | None = None,
        width: int | None = None,
        height: int | None = None,
        enlarge: bool = True,
        mode: str | None = None,
        transform: Any = None,
        image_width: int | None = None,
        image_height: int | None = None,
    ) -> None:
        """Compute the size for the file at *path*, a PIL *image*, or an image of *image_width* × *image_height* pixels.

        Raises:
            InvalidOption: If an option has an invalid value.
            UnreadableSource: If the file at *path* is not an image.
            TypeError: If no source is given.
        """
        self.path, self.image = path, image
        if image is not None:
            own = Size(*image.size)
        elif image_width and image_height:
            own = Size(image_width, image_height)
        elif path is not None:
            own = _file_size(path)
        else:
            raise TypeError("ImageSize needs a path, an image, or image_width and image_height")
        wanted = {"width": width, "height": height, "enlarge": enlarge, "mode": mode, "transform": transform}
        self._plan(own, Options.parse(write_query(wanted)))

    @classmethod
    def planned(cls, own: Size, options: Options, trimmed: Box | None = None) -> ImageSize:
        """Return the size of a source rendered with *options*.

        *own* is the size of the upright source, and *trimmed* is the box that remains after trimming it.
        """
        size = cls.__new__(cls)
        size.path = size.image = None
        size._plan(own, options, trimmed)
        return size

    def _plan(self, own: Size, options: Options, trimmed: Box | None = None) -> None:
        start, geometry, needs_enlarge, boxed = _planned(own, options, trimmed)
        self.mode, self.transform, self.enlarge = options.mode, options.transform, options.enlarge
        self.req_width, self.req_height = options.width, options.height
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


def _file_size(path: str | os.PathLike[str]) -> Size:
    from ..engines.pillow.engine import PillowEngine  # noqa: PLC0415  (slow to import)

    with open(path, "rb") as file:
        return PillowEngine().header(file.fileno(), os.fspath(path)).size
