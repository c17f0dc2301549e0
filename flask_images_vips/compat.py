"""Keep the names that only users of Flask-Images need: `modes`, `Transform`, and methods of `Images`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import NotFound

from .cache.default_folder import default_folder
from .config.compat import Default
from .config.keys import read_key
from .errors import InvalidPath, SourceNotFound
from .formats import by_name
from .geometry import Size, lay_out, region
from .options import transforms
from .options.options import Options, write_query
from .options.values import Mode
from .page.size import ImageSize
from .serving import views
from .sources.object_file import ObjectSource
from .urls import checked_path

if TYPE_CHECKING:
    from flask import Flask, Response
    from PIL import Image

    from .pipeline import Pipeline


logger = logging.getLogger("flask_images_vips")


class modes:  # noqa: N801  (a module in Flask-Images)
    """The names of the modes."""

    FIT = Mode.FIT.value
    CROP = Mode.CROP.value
    PAD = Mode.PAD.value
    RESHAPE = Mode.RESHAPE.value
    ALL = (FIT, CROP, PAD, RESHAPE)


class Transform(list[Any]):
    """A PIL transform of a picture of one size: the kind, the output size and the coefficients, in pixels."""

    parse = staticmethod(transforms.Transform.parse)

    def __init__(self, spec: Iterable[Any], image_size: tuple[int, int] | None = None) -> None:
        """Convert *spec*, such as ``['EXTENT', 0, 0, 0, 0, '50%', '50%']``, for a picture of *image_size* in pixels.

        Raises:
            InvalidOption: If *spec* is invalid. This is a ValueError.
            ValueError: If *spec* is relative to the size of the picture, and that is not given.
        """
        given = list(spec)
        parsed = self.parse(transforms.Transform.write(given) or "")
        if image_size is None and parsed.relative:
            raise ValueError(f"Transform({given!r}): expected image_size too, because the values are relative to it")
        size = image_size or (1, 1)
        super().__init__([given[0], *parsed.size(size), *parsed.data(size)])

    @property
    def size(self) -> tuple[int, int]:
        """The (width, height) of the transformed picture in pixels."""
        return self[1], self[2]

    @property
    def flag(self) -> int:
        """PIL's number of the kind."""
        from PIL import Image  # noqa: PLC0415  (slow to import)

        return Image.Transform[str(self[0]).upper()]

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the PIL *image*, transformed."""
        from PIL import Image  # noqa: PLC0415  (slow to import)

        return image.transform(self.size, Image.Transform(self.flag), self[3:], Image.Resampling.BILINEAR)


def put_defaults(app: Flask) -> None:
    """Put the defaults of those keys that Flask-Images has into the configuration of *app*."""
    for key in ("IMAGES_URL", "IMAGES_NAME", "IMAGES_PATH", "IMAGES_MAX_AGE"):
        default = read_key(key, {})
        app.config.setdefault(key, list(default) if isinstance(default, tuple) else default)
    app.config.setdefault("IMAGES_CACHE", Default(default_folder(app.root_path)))


ORIGINALS: dict[str, Any] = {}
"""The methods of `Images` that Flask-Images called by name, so that a subclass or a patch could replace them."""

NOT_CALLED = {
    "find_img": "add the folders to IMAGES_PATH",
    "resize": "use options of the URL, such as mode, region and watermark",
    "post_process": "use options of the URL, such as sharpen, blur and contrast",
}
"""Those that this package never calls, and what to do instead. Images are rendered in other processes."""


class LegacyMethods:
    """Methods of Flask-Images' ``Images`` that sites may call on ``app.extensions['images']``."""

    def overriding(self, name: str) -> Callable[..., Any] | None:
        """Return the method called *name* if a subclass or a patch has replaced it, otherwise None."""
        is_own = name not in vars(self) and getattr(type(self), name) is ORIGINALS[name]
        return None if is_own else getattr(self, name)

    def warn_of_overriding(self) -> None:
        """Log the overridden methods that are never called."""
        found = [name for name in NOT_CALLED if self.overriding(name)]
        if found:
            logger.warning(
                "%s overrides %s, which Flask-Images called to make an image, but this package does not call. %s.",
                type(self).__qualname__,
                " and ".join(found),
                "; ".join(f"Instead of {name}, {NOT_CALLED[name]}" for name in found),
            )

    if TYPE_CHECKING:

        @property
        def pipeline(self) -> Pipeline: ...

    def find_img(self, local_path: str | os.PathLike[str]) -> str | None:
        """Return the absolute path of the source *local_path*, or None if it does not exist.

        An object of a store is fetched first. Its path is that of a file in the cache, which has no extension.
        """
        try:
            source = self.pipeline.sources.local.find(checked_path(local_path))
            if isinstance(source, ObjectSource):
                with self.pipeline.limits.open(source):
                    pass
            return source.path
        except (SourceNotFound, InvalidPath):
            return None

    def calculate_size(self, path: str | os.PathLike[str], **keywords: Any) -> ImageSize:
        """Return the size at which the source *path*, below ``IMAGES_PATH``, is rendered.

        *keywords* are passed to `ImageSize`, so ``enlarge`` is True by default.

        Raises:
            NotFound: If the source does not exist.
        """
        pipeline = self.pipeline
        try:
            source = pipeline.sources.local.here(checked_path(path))
            own = pipeline.facts.header(source).size
        except (SourceNotFound, InvalidPath):
            raise NotFound from None
        return ImageSize(source.path, image_width=own.width, image_height=own.height, **keywords)

    def resize(self, image: Image.Image, background: str | None = None, **keywords: Any) -> Image.Image:
        """Return a PIL *image* rendered with the options *keywords*. ``enlarge`` is True by default.

        Raises:
            InvalidOption: If an option has an invalid value.
        """
        from .engines.pillow.steps import finish, leaves_clear, resized  # noqa: PLC0415  (slow to import)
        from .engines.pillow.trim import trim_box  # noqa: PLC0415

        query = write_query({"enlarge": True, **keywords, "background": background})
        options = Options.parse(query)
        own = Size(*image.size)
        trimmed = trim_box(image, region(own, options), options.trim) if options.trim else None
        geometry = lay_out(own, options, trimmed=trimmed)
        return finish(resized(image, options, geometry, clear=leaves_clear(image)), options, by_name("png"), geometry)

    def post_process(self, image: Image.Image, sharpen: Any = None) -> Image.Image:
        """Return a PIL *image*, sharpened if *sharpen* (radius in pixels, percent, threshold) is given.

        Raises:
            InvalidOption: If *sharpen* has an invalid value.
        """
        from .engines.pillow.steps import finish  # noqa: PLC0415  (slow to import)

        options = Options.parse(write_query({"sharpen": sharpen}))
        return finish(image, options, by_name("png"), lay_out(Size(*image.size), options))

    def handle_request(self, path: str) -> Response:
        """Return the response to the current request for the image at *path*.

        Raises:
            HTTPException: If the image is refused, such as NotFound.
        """
        return views.serve(path)


ORIGINALS.update((name, getattr(LegacyMethods, name)) for name in ("calculate_size", "handle_request", *NOT_CALLED))
