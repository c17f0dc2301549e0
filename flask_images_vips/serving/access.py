"""Decide who may see an image, and which caches may store the response."""

from __future__ import annotations

from typing import Literal

from ..errors import NotAuthorized
from ..state import Authorizer
from ..urls import ImageUrl

Privacy = Literal["public", "private", "no-store"]
"""Who may store a response: every cache, only the visitor's browser, or nobody."""


def permit(url: ImageUrl, authorizer: Authorizer | None) -> Privacy:
    """Ask the application's *authorizer*, if there is one, whether the current visitor may see *url*.

    Raises:
        NotAuthorized: If the visitor may not see it.
    """
    if authorizer is None:
        return "public"
    allowed = authorizer(url.ref, url.options)
    if allowed is None:
        return "public"
    if not allowed:
        raise NotAuthorized(f"{url.ref!r}: refused by the application")
    return "private"
