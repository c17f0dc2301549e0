"""Name the photographs of the playground: their files, what is in them, and the parts worth a closer look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_STATIC = Path(__file__).with_name("static")


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a photograph that is a picture of its own. *box* is the value of the option ``region``."""

    caption: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph in ``static/photos``. ``ATTRIBUTION.md`` there lists the authors.

    *focal* is the position of its subject, as fractions of the upright picture's width and height. *size* is the width
    and the height of the upright picture, in pixels.
    """

    file: str
    alt: str
    focal: tuple[float, float] = (0.5, 0.5)
    size: tuple[int, int] = (0, 0)
    regions: tuple[Region, ...] = ()

    @property
    def path(self) -> str:
        """The path below ``IMAGES_PATH``."""
        return f"photos/{self.file}"

    @property
    def size_bytes(self) -> int:
        return (_STATIC / self.path).stat().st_size


LARGE = (
    Photo(
        "lighthouse.jpg",
        "A lighthouse shines at dusk at the end of a winding stone bridge, with the sea white around its rocks.",
        (0.502, 0.345),
        (5944, 3458),
        (
            Region("The lamp is lit", (0.42, 0.26, 0.2, 0.28)),
            Region("The bridge winds out to sea", (0.39, 0.545, 0.2, 0.25)),
            Region("Worn cobbles", (0.34, 0.8, 0.26, 0.2)),
            Region("Small clouds over the bay", (0.16, 0.28, 0.24, 0.15)),
            Region("Surf like mist", (0.64, 0.52, 0.195, 0.26)),
            Region("Black rocks", (0.6, 0.8, 0.24, 0.2)),
            Region("The cliff under the bridge", (0.26, 0.6, 0.155, 0.24)),
            Region("Skerries", (0.1, 0.65, 0.16, 0.2)),
            Region("White water", (0.84, 0.6, 0.16, 0.34)),
            Region("Eddies in the bay", (0.22, 0.48, 0.19, 0.115)),
            Region("The horizon", (0.64, 0.36, 0.34, 0.14)),
            Region("The far shore", (0, 0.335, 0.155, 0.12)),
            Region("The blue hour", (0, 0, 0.33, 0.27)),
        ),
    ),
    Photo(
        "walruses.jpg",
        "A walrus with long tusks looks at the camera from a sandy beach while others doze beside it.",
        (0.825, 0.39),
        (4579, 2800),
        (
            Region("Face to face", (0.73, 0.23, 0.21, 0.4)),
            Region("Half asleep", (0.03, 0.514, 0.2, 0.3)),
            Region("Deep folds", (0.44, 0.526, 0.2, 0.31)),
            Region("Old scars", (0.205, 0.29, 0.22, 0.24)),
            Region("A broad chest", (0.74, 0.642, 0.25, 0.25)),
            Region("Backs of the herd", (0, 0.29, 0.2, 0.2)),
            Region("Thick skin", (0.235, 0.64, 0.2, 0.21)),
            Region("Sand and kelp", (0.36, 0.865, 0.28, 0.135)),
            Region("A flipper at rest", (0.02, 0.845, 0.32, 0.155)),
            Region("One behind the other", (0.43, 0.37, 0.28, 0.15)),
            Region("A pale sea", (0, 0.06, 0.45, 0.2)),
        ),
    ),
    Photo(
        "staircase.jpg",
        "Curved panels of warm wood wind round a spiral staircase towards a small dark opening.",
        (0.36, 0.395),
        (6000, 4000),
        (
            Region("The eye of the stair", (0.27, 0.33, 0.17, 0.14)),
            Region("A ribbon of wood", (0.2, 0.475, 0.23, 0.22)),
            Region("The bright bowl", (0.44, 0.36, 0.24, 0.28)),
            Region("Seams in the ceiling", (0.3, 0, 0.24, 0.27)),
            Region("Boards in the light", (0.56, 0, 0.2, 0.27)),
            Region("Joints like rays", (0.78, 0.08, 0.22, 0.26)),
            Region("The edge of the shadow", (0.685, 0.42, 0.15, 0.36)),
            Region("Pale panels", (0.84, 0.48, 0.16, 0.28)),
            Region("Light leaves the corner", (0.05, 0.29, 0.2, 0.24)),
            Region("A dark rail", (0.3, 0.68, 0.36, 0.18)),
            Region("Warm grain", (0, 0.03, 0.28, 0.22)),
            Region("Where the light ends", (0.72, 0.8, 0.28, 0.19)),
        ),
    ),
    Photo(
        "lavender.jpg",
        "Spikes of lavender stand in sharp focus before a violet field that fades towards the horizon.",
        (0.56, 0.38),
        (3200, 4000),
        (
            Region("The tallest spike", (0.4, 0.19, 0.285, 0.2)),
            Region("Two in full bloom", (0.42, 0.4, 0.285, 0.27)),
            Region("Neighbours", (0, 0.31, 0.29, 0.31)),
            Region("Standing apart", (0, 0.63, 0.29, 0.28)),
            Region("Leaning into the light", (0.65, 0.47, 0.285, 0.34)),
            Region("Green at the foot", (0.3, 0.69, 0.34, 0.29)),
            Region("A late bloomer", (0.68, 0.83, 0.31, 0.17)),
            Region("Rows to the horizon", (0.3, 0.02, 0.66, 0.15)),
            Region("Violet haze", (0, 0.09, 0.29, 0.21)),
        ),
    ),
    Photo(
        "mountains.jpg",
        "Snowy mountains rise over brown foothills and dark forest under a clear teal sky with a small moon.",
        (0.34, 0.57),
        (4442, 2961),
        (
            Region("Snow on the summit", (0.2, 0.525, 0.21, 0.17)),
            Region("The rock tower", (0.5, 0.52, 0.205, 0.26)),
            Region("The long ridge", (0.71, 0.52, 0.28, 0.165)),
            Region("A brown shoulder", (0, 0.6, 0.205, 0.18)),
            Region("Glacier tongues", (0.71, 0.69, 0.28, 0.12)),
            Region("An old moraine", (0.6, 0.84, 0.26, 0.16)),
            Region("The road in", (0.3, 0.86, 0.28, 0.13)),
            Region("Dark woods", (0, 0.83, 0.29, 0.16)),
            Region("The end of the ice", (0.21, 0.7, 0.24, 0.09)),
            Region("The moon by day", (0.4, 0.36, 0.21, 0.14)),
        ),
    ),
)
"""The photographs of 12 megapixels and more."""

SMALL = (
    Photo("coffee.jpg", "A cup of espresso on a wooden table", (0.45, 0.5), (600, 400)),
    Photo("cat.jpg", "The face of a tabby cat", (0.5, 0.42), (451, 300)),
    Photo("rocket.jpg", "A rocket on its launch pad at dusk", (0.5, 0.55), (640, 427)),
    Photo("canyon.jpg", "A boat in a canyon of the Colorado River, 1871", (0.47, 0.75), (1024, 750)),
    Photo("flower.jpg", "The flower head of a wild leek, about 1928", (0.5, 0.3), (807, 1024)),
    Photo("earth.jpg", "The whole Earth as a map, seen by satellites", (0.5, 0.4), (2048, 1024)),
    Photo("cup.png", "A cup of espresso, cut out of its background", (0.5, 0.5), (409, 374)),
)
"""Small ones. Some have more than pixels: a colour profile, an orientation, transparency."""

PHOTOS = {photo.file: photo for photo in (*LARGE, *SMALL)}
"""All photographs, by the names of their files. The first one is shown first."""
