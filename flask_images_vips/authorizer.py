"""Interpret the answers of an application's callback that decides who may see an image."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final

from werkzeug.wrappers import Response

from .errors import NotAuthorized
from .options.options import Options

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

    def is_private(
        self, ref: str, options: Options, ensure_sync: Callable[[Callable[..., Any]], Callable[..., Any]]
    ) -> bool:
        """Whether the source *ref* is for this visitor only, rather than for everybody.

        *ensure_sync* is the application's, for callbacks that are coroutine functions.

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
