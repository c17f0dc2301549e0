"""Accept what templates and code written for Flask-Images pass to the helpers and to `ImageSize`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from werkzeug.exceptions import NotFound

from ..errors import InvalidPath
from ..geometry import Box, Size, transformed
from ..options.options import DECLARED, Options, write_query
from ..options.parsing import ParseError
from ..state import current_images

if TYPE_CHECKING:
    from PIL import Image

P = ParamSpec("P")
R = TypeVar("R")

_WITHOUT_SIZE = frozenset({"background", "cache", "format", "quality", "sharpen"})
"""Options of Flask-Images that do not affect the size. `ImageSize` does not check them."""

_APPEARANCE = {
    DECLARED[name].short: name
    for name in "rotate flip trim aspect gravity focal dpr padding border radius brightness contrast saturation".split()  # noqa: SIM905
}
"""The long names of options that Flask-Images did not have, and that only change the look of a picture.

Options that may hide something, such as ``region``, ``blur`` and ``expires``, are not among them: they are not ignored.
"""
_REMEMBERED_VALUES = 1024

_OF_SOURCE = ("image_width", "image_height", "op_width", "op_height", "needs_enlarge")
"""Attributes that depend on the size of the source."""


def overriding(name: str) -> Callable[..., Any] | None:
    """Return the method called *name* of the application's `Images`, if the site has replaced it, otherwise None."""
    method: Callable[..., Any] | None = current_images().app.extensions["images"].overriding(name)
    return method


def as_in_flask_images(*names: str, method: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a helper be called as in Flask-Images.

    Its first argument may also be called ``path``, and the keywords *names* may follow it by position. If the site has
    replaced *method* of `Images`, the helper only calls that.
    """

    def decorate(helper: Callable[P, R]) -> Callable[P, R]:
        @wraps(helper)
        def call(*arguments: Any, **keywords: Any) -> R:
            if len(arguments) == 1 and method is None:  # the usual call needs none of the following
                return helper(*arguments, **keywords)
            if not arguments and "path" in keywords and "filename" not in keywords:
                keywords["filename"] = keywords.pop("path")
            further = dict(zip(names, arguments[1:], strict=False))
            if further.keys() & keywords.keys() or len(arguments) > 1 + len(names):
                return helper(*arguments, **keywords)  # raises a TypeError
            own = overriding(method) if method else None
            if own is not None and (arguments or "filename" in keywords):
                with suppress(InvalidPath, NotFound):  # reported by the helper
                    name = arguments[0] if arguments else keywords["filename"]
                    others = {key: value for key, value in keywords.items() if key != "filename"}
                    answer: R = own(name, **further, **others)
                    return answer
            return helper(*arguments[:1], **further, **keywords)

        return call

    return decorate


def without_effect(query: dict[str, str]) -> dict[str, str]:
    """Rename those options of `_APPEARANCE` in *query* that have an invalid value to their long names, and return it.

    Long names have no effect. So a page shows its pictures as before if it passes on, for example, ``rotate='auto'``,
    which Flask-Images put into the URL and ignored.
    """
    if _APPEARANCE.keys().isdisjoint(query):
        return query
    names = {short: name for short, name in _APPEARANCE.items() if short in query}
    for short, name in names.items():
        if query[short] and not _is_valid(name, query[short]):
            query[name] = query.pop(short)
    return query


@lru_cache(_REMEMBERED_VALUES)
def _is_valid(name: str, value: str) -> bool:
    with suppress(ParseError):
        DECLARED[name].parse(value)
        return True
    return False


def whole_sides(options: Mapping[str, Any]) -> dict[str, int]:
    """Return those of width and height that are whole numbers but written with a point, such as 100.0, as integers."""
    sides = ("width", options.get("width")), ("height", options.get("height"))
    return {name: int(side) for name, side in sides if isinstance(side, float) and side.is_integer()}


class FlaskImagesSize:
    """The constructor of `ImageSize`, and those of its attributes that only sites from Flask-Images need.

    ``path``, ``mode``, ``transform`` and ``sharpen`` are what was passed, and so are ``req_width`` and ``req_height``.
    All other keywords become attributes of the same name.
    """

    if TYPE_CHECKING:

        def plan(self, own: Size, options: Options, trimmed: Box | None = None) -> None: ...

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        image: Image.Image | None = None,
        width: float | None = None,
        height: float | None = None,
        enlarge: bool = True,
        mode: str | None = None,
        transform: Any = None,
        sharpen: Any = None,
        _shortcut: bool = False,
        *,
        image_width: int | None = None,
        image_height: int | None = None,
        **others: Any,
    ) -> None:
        """Compute the size for the file at *path*, a PIL *image*, or an image of *image_width* × *image_height* pixels.

        None of them is needed if *transform* has an output size in pixels. Without them, its percentages refer to
        *width* and *height*. The keywords *others* may be any options. With *_shortcut*, the size of the source is not
        looked up if the result does not depend on it.

        Raises:
            InvalidOption: If an option that affects the size has an invalid value.
            UnreadableSource: If the file at *path* is not an image.
            TypeError: If no source is given.
        """
        wanted = {"width": width, "height": height, "enlarge": enlarge, "mode": mode, "transform": transform}
        self.describe(path, others | wanted | {"sharpen": sharpen}, image)
        given = {name: value for name, value in others.items() if name not in _WITHOUT_SIZE}
        options = Options.parse(without_effect(write_query(given | wanted)))
        if _shortcut and width and height and enlarge and mode in (None, "reshape", "crop"):
            self.plan(Size(int(width), int(height)), options)
            vars(self).update(dict.fromkeys(_OF_SOURCE))
            return
        if image is not None:
            own = Size(*image.size)
        elif image_width and image_height:
            own = Size(image_width, image_height)
        elif path is not None:
            own = _file_size(path)
        else:
            own = Size(int(width or 0), int(height or 0))
            if options.transform is None or 0 in transformed(own, options):
                raise TypeError("ImageSize needs a path, an image, or image_width and image_height")
        self.plan(own, options)

    def describe(
        self, path: str | os.PathLike[str] | None, keywords: Mapping[str, Any], image: Image.Image | None = None
    ) -> None:
        """Set the attributes that hold what was passed. Attributes that hold the computed size are not replaced."""
        self.__dict__ = {**keywords, **self.__dict__}
        self.path, self._image = path, image
        self.req_width, self.req_height = keywords.get("width"), keywords.get("height")
        self.enlarge = bool(keywords.get("enlarge"))
        self.mode, self.transform, self.sharpen = (keywords.get(name) for name in ("mode", "transform", "sharpen"))

    @property
    def image(self) -> Image.Image | None:
        """The PIL image that was passed, or the file at `path`, which is opened when this is first read."""
        if self._image is None and self.path is not None:
            from PIL import Image  # noqa: PLC0415  (slow to import)

            self._image = Image.open(self.path)
        return self._image


def _file_size(path: str | os.PathLike[str]) -> Size:
    from ..engines.pillow.engine import PillowEngine  # noqa: PLC0415  (slow to import)

    with open(path, "rb") as file:
        return PillowEngine().header(file.fileno(), os.fspath(path)).size
