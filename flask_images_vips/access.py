"""Decide who may see an image, by the application's callback, and which caches may store the response."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final, Literal

from werkzeug.wrappers import Response

from .errors import NotAuthorized
from .options.options import Options
from .urls import ImageUrl

logger = logging.getLogger("flask_images_vips")


class Public(Enum):
    """The type of `PUBLIC`."""

    PUBLIC = "public"

    def __repr__(self) -> str:
        return self.name


PUBLIC: Final = Public.PUBLIC
"""The callback's answer for an image that everybody may see."""

Callback = Callable[[str, Options], bool | Public | Coroutine[Any, Any, bool | Public]]
"""The type of the callback that `Images.authorize` registers: a function or a coroutine function."""

# Always true, but never meant as an answer: a missing "await" or "()", a generator function, a view's response.
_NOT_ANSWERS = (Awaitable, Iterator, AsyncIterator, FunctionType, MethodType, BuiltinFunctionType, Response)


Privacy = Literal["public", "private", "no-store"]
"""Who may store a response: every cache, only the visitor's browser, or nobody."""

EnsureSync = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Turns a coroutine function into a function, as `Flask.ensure_sync` does."""


class Authorizer:
    """An application's callback. Answers that it should not return are refused, and logged once."""

    def __init__(self, callback: Callback) -> None:
        self.callback = callback
        self._warned = False

    @property
    def name(self) -> str:
        """The callback's qualified name, for people and for telling callbacks apart in every process."""
        named = self.callback if hasattr(self.callback, "__qualname__") else type(self.callback)
        return f"{named.__module__}.{named.__qualname__}"

    def permit(self, url: ImageUrl, ensure_sync: EnsureSync) -> Privacy:
        """Ask the callback about every source that the picture of *url* shows. The strictest answer counts.

        Raises:
            NotAuthorized: If the current visitor may not see one of them.
        """
        # A list, not a generator: a private source does not spare the others the question.
        private = [self._is_private(ref, url.options, ensure_sync) for ref in url.refs]
        return "private" if any(private) else "public"

    def _is_private(self, ref: str, options: Options, ensure_sync: EnsureSync) -> bool:
        """Whether the source *ref* is for this visitor only, rather than for everybody.

        Raises:
            NotAuthorized: If the callback does not allow it, or returns something that is not an answer.
        """
        answer: object = ensure_sync(self.callback)(ref, options)
        if answer is PUBLIC:
            return False
        # The class that an object claims, not its type: a LocalProxy has all of these methods.
        if answer is None or issubclass(answer.__class__, _NOT_ANSWERS):
            self._warn(ref, answer)
        elif answer:
            return True
        raise NotAuthorized(f"{ref!r}: refused by the application")

    def _warn(self, ref: str, answer: object) -> None:
        if isinstance(answer, Coroutine):
            answer.close()  # or Python warns that it was never awaited
        if self._warned:
            return
        self._warned = True
        returned = "None" if answer is None else f"a {type(answer).__name__}"
        logger.warning(
            "The authorize callback %s returned %s for %r, so the image is refused. It must return True (this visitor "
            "may see it), False (refuse) or Images.PUBLIC (everybody may see it). This is logged once.",
            *(self.name, returned, ref),
        )
