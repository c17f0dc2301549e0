"""Read ``IMAGES_BY_VISITOR``: how the request for a page changes the images in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import did_you_mean
from .checks import is_number, wrong


class ByVisitor(NamedTuple):
    """How the request for a page changes its images, for a *share* of the visitors.

    *save_data* is the quality for visitors who send ``Save-Data: on``, or None for no change. With *accept*, the format
    is one that the request lists in ``Accept``. If *share* is less than 1, both arms are counted.
    """

    save_data: int | None = None
    accept: bool = False
    share: float = 1.0

    @property
    def compares(self) -> bool:
        """Whether visitors are divided into two arms."""
        return self.share < 1


def by_visitor(name: str, value: Any) -> ByVisitor | None:
    """Return the checked *value* of the key *name*. None or an empty dictionary changes nothing."""
    if not value:
        return None
    if not isinstance(value, Mapping):
        raise wrong(name, value, "a dictionary, such as {'save_data': 40, 'accept': True, 'share': 0.1}, or None")
    unknown = [each for each in value if each not in ByVisitor._fields]
    if unknown:
        hint = did_you_mean(unknown[0], ByVisitor._fields)
        raise wrong(name, value, f"only {', '.join(ByVisitor._fields)}; {unknown[0]!r} is none of these{hint}")
    read = ByVisitor(**value)
    if read.save_data is not None and not (type(read.save_data) is int and 1 <= read.save_data <= 100):
        raise wrong(name, value, "a quality from 1 to 100 as save_data, or None")
    if not isinstance(read.accept, bool):
        raise wrong(name, value, "True or False as accept")
    if not is_number(read.share) or not 0 < read.share <= 1:
        raise wrong(name, value, "a share above 0 and up to 1 as share")
    return read if read.accept or read.save_data is not None else None
