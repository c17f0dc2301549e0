"""Decide who may see an image, and which caches may store the response."""

from __future__ import annotations

from typing import Final, Literal

from ..state import AppImages
from ..urls import ImageUrl

Privacy = Literal["public", "private", "no-store"]
"""Who may store a response: every cache, only the visitor's browser, or nobody."""

PUBLIC: Final[Privacy] = "public"


def permit(url: ImageUrl, images: AppImages) -> Privacy:
    """Ask the application's callback, if there is one, about every source that the picture of *url* shows.

    The picture is private if any of its sources is.

    Raises:
        NotAuthorized: If the current visitor may not see one of them.
    """
    authorizer = images.authorizer
    if authorizer is None:
        return PUBLIC
    # A list, not a generator: a private source does not spare the others the question.
    private = [authorizer.is_private(ref, url.options, images.app.ensure_sync) for ref in url.refs]
    return "private" if any(private) else PUBLIC
