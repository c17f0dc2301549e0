"""What exists only because Flask-Images had it: the class ImageSize, the constants in modes, methods of Images."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import NotFound

from .errors import SourceNotFound
from .formats import by_name
from .geometry import Box, Geometry, Size, lay_out, needs_enlarging, region, transformed
from .options.options import Options, write_query
from .options.values import Mode
from .serving import views

if TYPE_CHECKING:
    from flask import Response
    from PIL import Image

    from .pipeline import Pipeline


class modes:  # noqa: N801  (a module in Flask-Images)
    """The names of the modes."""

    FIT = Mode.FIT.value
    CROP = Mode.CROP.value
    PAD = Mode.PAD.value
    RESHAPE = Mode.RESHAPE.value
    ALL = (FIT, CROP, PAD, RESHAPE)


class ImageSize:
    """The size at which an image is rendered.

    ``width`` and ``height`` are the result's; ``image_width`` and ``image_height`` the source's, after any
    transform; ``op_width`` and ``op_height`` what it is scaled to before `crop` or `pad`, else None;
    ``needs_enlarge`` whether the size asked for is beyond the source's own, or None where no size was asked for.
    All in pixels, upright.
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
        """The source is the file *path*, a PIL *image*, or *image_width* and *image_height*.

        Raises:
            InvalidOption: a value that cannot be rendered.
            UnreadableSource: *path* is no image.
            TypeError: no source.
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
        """The size of an upright source of size *own*, rendered with *options*; *trimmed* is what a trim leaves."""
        size = cls.__new__(cls)
        size.path = size.image = None
        size._plan(own, options, trimmed)
        return size

    def _plan(self, own: Size, options: Options, trimmed: Box | None = None) -> None:
        start, geometry, needs_enlarge = _planned(own, options, trimmed)
        self.mode, self.transform, self.enlarge = options.mode, options.transform, options.enlarge
        self.req_width, self.req_height = options.width, options.height
        self.image_width, self.image_height = start
        self.width, self.height = geometry.final
        if options.width or options.height:
            self.needs_enlarge = needs_enlarge
        settled = options.settled()
        if settled.width and settled.height and options.mode is not Mode.RESHAPE:
            self.op_width, self.op_height = geometry.scaled

    def __repr__(self) -> str:
        return f"<ImageSize {self.width}x{self.height} of {self.image_width}x{self.image_height}>"


@lru_cache(1024)
def _planned(own: Size, options: Options, trimmed: Box | None) -> tuple[Size, Geometry, bool]:
    start = transformed(own, options, trimmed)
    return start, lay_out(own, options, trimmed=trimmed), needs_enlarging(start, options)


class LegacyMethods:
    """Methods of Images that sites may call on ``app.extensions['images']``."""

    if TYPE_CHECKING:

        @property
        def pipeline(self) -> Pipeline: ...

    def find_img(self, local_path: str) -> str | None:
        """The absolute path of the source that *local_path* names, or None."""
        try:
            return self.pipeline.sources.local.find(local_path.strip("/")).path
        except SourceNotFound:
            return None

    def calculate_size(self, path: str, **keywords: Any) -> ImageSize:
        """The size at which *path*, below ``IMAGES_PATH``, is rendered; ``enlarge`` is True by default.

        Raises:
            NotFound: there is no such source.
        """
        pipeline = self.pipeline
        try:
            own = pipeline.facts.header(pipeline.sources.local.find(path.strip("/"))).size
        except SourceNotFound:
            raise NotFound from None
        return ImageSize(image_width=own.width, image_height=own.height, **keywords)

    def resize(self, image: Image.Image, background: str | None = None, **keywords: Any) -> Image.Image:
        """*image*, of PIL, rendered as *keywords* say; ``enlarge`` is True by default."""
        from .engines.pillow.steps import finish, resized  # noqa: PLC0415  (slow to import)
        from .engines.pillow.trim import trim_box  # noqa: PLC0415

        query = write_query({"enlarge": True, **keywords, "background": background})
        options = Options.parse(query)
        own = Size(*image.size)
        trimmed = trim_box(image, region(own, options), options.trim) if options.trim else None
        geometry = lay_out(own, options, trimmed=trimmed)
        return finish(resized(image, options, geometry), options, by_name("png"), geometry)

    def post_process(self, image: Image.Image, sharpen: Any = None) -> Image.Image:
        """*image*, of PIL, sharpened."""
        from .engines.pillow.steps import finish  # noqa: PLC0415

        options = Options.parse(write_query({"sharpen": sharpen}))
        return finish(image, options, by_name("png"), lay_out(Size(*image.size), options))

    def handle_request(self, path: str) -> Response:
        """Answer the current request for *path*."""
        return views.serve(path)


def _file_size(path: str | os.PathLike[str]) -> Size:
    from .engines.pillow.engine import PillowEngine  # noqa: PLC0415

    with open(path, "rb") as file:
        return PillowEngine().header(file.fileno(), os.fspath(path)).size
