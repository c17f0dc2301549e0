"""Name the photographs of the playground: their files, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph in ``static/photos``. ``ATTRIBUTION.md`` there lists the authors.

    *focal* is the position of its subject, as fractions of the upright picture's width and height.
    """

    file: str
    alt: str
    focal: tuple[float, float] = (0.5, 0.5)

    @property
    def path(self) -> str:
        """The path below ``IMAGES_PATH``."""
        return f"photos/{self.file}"


PHOTOS = {
    photo.file: photo
    for photo in (
        Photo("coffee.jpg", "A cup of espresso on a wooden table", (0.45, 0.5)),
        Photo("cat.jpg", "The face of a tabby cat", (0.5, 0.42)),
        Photo("rocket.jpg", "A rocket on its launch pad at dusk", (0.5, 0.55)),
        Photo("canyon.jpg", "A boat in a canyon of the Colorado River, 1871", (0.47, 0.75)),
        Photo("flower.jpg", "The flower head of a wild leek, about 1928", (0.5, 0.3)),
        Photo("earth.jpg", "The whole Earth as a map, seen by satellites", (0.5, 0.4)),
        Photo("cup.png", "A cup of espresso, cut out of its background"),
    )
}
"""The photographs, by the names of their files. The first one is shown first."""
