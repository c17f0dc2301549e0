"""Which photograph has a visitor chosen: one of the playground, or an upload?"""

from __future__ import annotations

from dataclasses import dataclass

from flask import request
from werkzeug.exceptions import NotFound

from .missing import GONE
from .photos import PHOTOS, Photo
from .uploads import uploaded


@dataclass(frozen=True, slots=True)
class Own(Photo):
    """A picture that somebody has uploaded. *file* is its path."""

    @property
    def path(self) -> str:
        return self.file


def own() -> dict[str, Photo]:
    """Return the uploads, by their paths."""
    return {each.path: Own(each.path, "Your picture") for each in uploaded()}


def named() -> Photo | None:
    """Return the photograph that the request names, or None if there is no such photograph."""
    name = request.values.get("photo", "")
    return PHOTOS.get(name) or own().get(name)


def chosen(otherwise: Photo) -> Photo:
    """Return the photograph that the request names; if it names none, the newest upload; or else *otherwise*.

    Raises:
        NotFound: If the request names a photograph that does not exist.
    """
    if request.values.get("photo"):
        photo = named()
        if photo is None:
            raise NotFound(GONE)
        return photo
    return next(iter(own().values()), otherwise)


def is_known(photo: str) -> bool:
    """Return whether *photo* is a photograph of the playground or an upload that is kept."""
    return photo in PHOTOS or photo in own()


def largest() -> Photo:
    """Return the photograph with the most pixels."""
    return max(PHOTOS.values(), key=lambda photo: photo.size[0] * photo.size[1])
