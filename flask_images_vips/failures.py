"""Remember recent errors, so that work that fails is not repeated at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial

from .errors import ImagesError, LimitExceeded, SourceError
from .expiring import Expiring

_AGAIN = "failed a moment ago: "


class Failures:
    """Recent errors by key. Raising a remembered error is cheap; repeating the failed work may take seconds."""

    def __init__(self) -> None:
        self._kept: Expiring[Callable[[], Exception]] = Expiring()

    def add(self, key: Hashable, error: Exception, seconds: float) -> None:
        """Remember that *key* failed with *error*, for some seconds."""
        self._kept.add(key, _again(error), seconds)

    def check(self, key: Hashable) -> None:
        """Raise an error like the one that was added for *key*, if any."""
        again = self._kept.get(key)
        if again is not None:
            raise again()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept


def _again(error: Exception) -> Callable[[], Exception]:
    """Return a function that creates an error like *error*.

    Keeping *error* itself would keep its stack frames alive, and the images in them.
    """
    if isinstance(error, LimitExceeded):
        return partial(LimitExceeded, error.what, error.value, error.limit, set_by=error.set_by)
    if isinstance(error, SourceError):
        return partial(type(error), error.ref, _AGAIN + error.reason.removeprefix(_AGAIN))
    return partial(ImagesError, _AGAIN + str(error).removeprefix(_AGAIN))
