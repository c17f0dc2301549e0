"""Decide who may see an image, by the application's callback, and which caches may store the response."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from enum import Enum
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Literal

from .errors import NotAuthorized, shown
from .options.options import Options
from .urls import ImageUrl

logger = logging.getLogger("flask_images_vips")


class Public(Enum):
    """The type of `PUBLIC`."""

    PUBLIC = "public"

    def __repr__(self) -> str:
        return self.name


PUBLIC: Final = Public.PUBLIC
"""The value that the callback returns for an image that everybody may see."""

Callback = Callable[[str, Options], bool | Public | Coroutine[Any, Any, bool | Public]]
"""The type of the callback that `Images.authorize` registers: a function or a coroutine function."""

Privacy = Literal["public", "private", "no-store"]
"""Who may store a response: every cache, only the visitor's browser, or nobody."""

EnsureSync = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Turns a coroutine function into a function, as `Flask.ensure_sync` does."""


class Authorizer:
    """Asks an application's callback who may see an image.

    If the callback returns an invalid value, the image is refused, and a warning is logged once.
    """

    def __init__(self, callback: Callback) -> None:
        self.callback = callback
        self._warned = False

    @property
    def name(self) -> str:
        """The callback's qualified name. It is used in log messages, and identifies the callback across processes."""
        named = self._named()
        return f"{named.__module__}.{named.__qualname__}"

    @property
    def fingerprint(self) -> str:
        """The callback's name and a digest of the file that defines it, which changes with the callback's code."""
        file = getattr(sys.modules.get(self._named().__module__), "__file__", None)
        code = b""
        if file is not None:
            with suppress(OSError):
                code = Path(file).read_bytes()
        return f"{self.name} {blake2b(code, digest_size=16).hexdigest()}"

    def _named(self) -> Any:
        """Return the function that the callback calls, or its class if it is another object."""
        function = getattr(self.callback, "func", self.callback)  # of a partial
        return function if hasattr(function, "__qualname__") else type(function)

    def permit(self, url: ImageUrl, ensure_sync: EnsureSync) -> Privacy:
        """Ask the callback about every source that the picture of *url* shows, and return the strictest answer.

        Raises:
            NotAuthorized: If the current visitor may not see one of them.
        """
        # Use a list, so that the callback is asked about every source: any() on a generator would stop at the first
        # private one.
        private = [self._is_private(ref, url.options, ensure_sync) for ref in url.refs]
        return "private" if any(private) else "public"

    def _is_private(self, ref: str, options: Options, ensure_sync: EnsureSync) -> bool:
        """Return whether the source *ref* is for this visitor only, rather than for everybody.

        Raises:
            NotAuthorized: If the callback does not allow it, or returns an invalid value.
        """
        answer: object = ensure_sync(self.callback)(ref, options)
        if answer is PUBLIC:
            return False
        # A truthy object is not enough: a response, a coroutine, a tuple of a text and a status, and the user object of
        # a visitor who is not logged in are all truthy, and are returned by mistake.
        if _is_boolean(answer):
            if answer:
                return True
        elif answer is None or answer is NotImplemented or answer:
            self._warn(ref, answer)
        raise NotAuthorized(f"the authorize callback {self.name} refused {shown(ref)}")

    def _warn(self, ref: str, answer: object) -> None:
        if isinstance(answer, Coroutine):
            answer.close()  # otherwise Python warns that it was never awaited
        if self._warned:
            return
        self._warned = True
        returned = "None" if answer is None else f"a {type(answer).__name__}"
        logger.warning(
            "The authorize callback %s returned %s for %s, so the image is refused. It must return True (this visitor "
            "may see it), False (refuse) or Images.PUBLIC (everybody may see it). This is logged once.",
            *(self.name, returned, shown(ref)),
        )


def _is_boolean(answer: object) -> bool:
    """Return whether *answer* is a bool. A NumPy bool and a proxy of a bool count too."""
    kind = answer.__class__  # rather than type(): a LocalProxy has the class of the object that it stands for
    return kind is bool or (kind.__module__, kind.__name__) in (("numpy", "bool"), ("numpy", "bool_"))
