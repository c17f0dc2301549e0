"""Ask the application's function who may use a picture."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ..errors import Busy, InvalidOption, shown
from .record import Rights

logger = logging.getLogger("flask_images_vips")

FindRights = Callable[[str], Rights | None]
"""A function that returns the record of a source, by its path or URL, or None. It may be a coroutine function."""

EnsureSync = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Turns a coroutine function into a function, as `Flask.ensure_sync` does."""

_URLS = "web_statement", "licensor_url"


def ask(find: FindRights, ref: str, ensure_sync: EnsureSync) -> Rights | None:
    """Return what *find* says of the source *ref*.

    Raises:
        InvalidOption: If that is neither a record nor None, or has a URL that is none of the web.
    """
    record: object = ensure_sync(find)(ref)
    if record is None:
        return None
    if not isinstance(record, Rights):
        expected = "Rights(…) or None from the function of images.rights"
        raise InvalidOption(f"rights of {shown(ref)}", record, expected=expected)
    for name in _URLS:
        url = getattr(record, name)
        if url and not url.startswith(("http://", "https://")):
            raise InvalidOption(name, url, expected=f"a URL of {shown(ref)} that begins with https:// or http://")
    return record


def ask_for_file(find: FindRights, ref: str, ensure_sync: EnsureSync) -> Rights | None:
    """Do as `ask`, for a file that is rendered now.

    Raises:
        Busy: If *find* fails, or what it returns is invalid: without its rights, the file must not be stored.
    """
    try:
        return ask(find, ref, ensure_sync)
    except Exception as error:
        logger.exception("The function of images.rights failed for %s. The image is not rendered.", shown(ref))
        raise Busy(f"the function of images.rights failed for {shown(ref)}: {error!r}") from error
