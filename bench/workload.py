"""Make the pictures that are rendered, and say how they are requested.

The pictures are the demo's photographs (public domain or CC0), enlarged and with grain, saved as phones, cameras and
editors save theirs. The time to decode a JPEG depends on its bits per pixel, so every result states them.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import shutil
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PHOTOGRAPHS = Path(__file__).parent.parent / "flask_images_vips" / "demo" / "static" / "photos"
EARTH = PHOTOGRAPHS / "earth.jpg"

REVISION = 3
"""Raise it if pictures are made in a different way: those in the cache folder are then made anew."""


# Pictures.


@dataclass(frozen=True, slots=True)
class Picture:
    """A file to render: *photograph* at *size* (width, height) with *grain*, saved with the encoder settings *save*.

    *grain* is a standard deviation, in levels of 255. A camera at medium sensitivity has about 5.
    """

    name: str
    file: str
    size: tuple[int, int]
    photograph: str = "coffee.jpg"
    grain: float = 5.0
    save: tuple[tuple[str, int], ...] = ()

    @property
    def format(self) -> str:
        suffix = self.file.rpartition(".")[2]
        return "jpeg" if suffix == "jpg" else suffix

    def write(self, path: Path) -> None:
        photograph = PHOTOGRAPHS / self.photograph
        with Image.open(photograph) as source:
            alpha = source.mode == "RGBA"
        picture = (_enlarged_with_alpha if alpha else _enlarged)(self.size, photograph, self.grain)
        if self.format == "gif":
            picture = picture.quantize(dither=Image.Dither.FLOYDSTEINBERG)
        picture.save(path, self.format, **dict(self.save))


def _enlarged(size: tuple[int, int], photograph: Path, grain: float) -> Image.Image:
    """Return *photograph* at *size* pixels with grain, which is the same at every call."""
    with Image.open(photograph) as source:
        picture = source.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    pixels = np.asarray(picture, dtype=np.float32)  # (height, width, bands)
    noise = np.random.default_rng(1).standard_normal(pixels.shape, dtype=np.float32)
    return Image.fromarray((pixels + grain * noise).clip(0, 255).astype(np.uint8))


def _enlarged_with_alpha(size: tuple[int, int], photograph: Path, grain: float) -> Image.Image:
    """Return *photograph* at *size* pixels with its alpha: grain in visible pixels, zeros in transparent ones."""
    with Image.open(photograph) as source:
        alpha = source.convert("RGBA").getchannel("A").resize(size, Image.Resampling.BICUBIC)
    picture = _enlarged(size, photograph, grain)
    picture.putalpha(alpha)
    clear = Image.new("RGBA", size)
    clear.paste(picture, mask=alpha.point(lambda level: 255 if level else 0))
    return clear


UPLOAD = Picture("6 Mpx JPEG, upload", "upload-6.jpg", (3000, 2000), grain=3, save=(("quality", 85),))
CAMERA = Picture("6 Mpx JPEG, camera", "camera-6.jpg", (3000, 2000), save=(("quality", 92),))
LARGE = Picture("24 Mpx JPEG, camera", "camera-24.jpg", (6000, 4000), save=(("quality", 92),))
CUT_OUT = Picture("3 Mpx PNG, cut out", "cut-out-3.png", (1814, 1659), "cup.png")
WEBP = Picture("11 Mpx WebP", "web-11.webp", (4062, 2708), grain=3, save=(("quality", 85), ("method", 2)))
AVIF = Picture("6 Mpx AVIF", "web-6.avif", (3000, 2000), grain=3, save=(("quality", 75), ("speed", 9)))
GIF = Picture("1 Mpx GIF", "web-1.gif", (1224, 816), grain=3)
PICTURES = (UPLOAD, CAMERA, LARGE, CUT_OUT, WEBP, AVIF, GIF)

DENSITIES = tuple(
    Picture(f"6 Mpx JPEG, quality {quality}", f"density-{quality}.jpg", CAMERA.size, save=(("quality", quality),))
    for quality in (60, 75, 85, 90, 96)
)
"""One picture at several bits per pixel, which change how much can be gained."""


# Requests.


@dataclass(frozen=True, slots=True)
class Operation:
    """The options of a request."""

    name: str
    width: int = 400
    height: int = 300
    mode: str = "fit"
    sharpen: tuple[float, int, int] | None = None
    transform: tuple[str, int, int, tuple[int, ...]] | None = None
    """A transform as Pillow has it: kind, output width and height, and coefficients in pixels."""


FIT = Operation("fit 400×300")
FIT_LARGE = Operation("fit 1600×1200", 1600, 1200)
CROP = Operation("crop 300×300", 300, 300, "crop")
PAD = Operation("pad 400×400", 400, 400, "pad")
SHARPEN = Operation("fit and sharpen", sharpen=(0.5, 150, 2))
TRANSFORM = Operation("transform and fit", transform=("EXTENT", 2400, 1600, (300, 200, 2700, 1800)))


@dataclass(frozen=True, slots=True)
class Case:
    """A rendition to measure: a picture, the options, and the format of the result (by default its own)."""

    picture: Picture
    operation: Operation = FIT
    format: str = ""
    quality: int = 75

    @property
    def output(self) -> str:
        return self.format or self.picture.format

    @property
    def name(self) -> str:
        to = f" → {self.format.upper()}" if self.format and self.format != self.picture.format else ""
        return f"{self.picture.name}{to}, {self.operation.name}"

    @property
    def size(self) -> tuple[int, int]:
        """The (width, height) that the rendition must have."""
        operation = self.operation
        if operation.mode != "fit":
            return operation.width, operation.height
        start = operation.transform[1:3] if operation.transform else self.picture.size
        return fit(start, (operation.width, operation.height))


def fit(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """Return *size* scaled down to fit into *box*. The side that does not touch the box is rounded down."""
    (width, height), (box_width, box_height) = size, box
    if width <= box_width and height <= box_height:
        return size
    return min(
        (box_width, max(1, height * box_width // width)),
        (max(1, width * box_height // height), box_height),
    )


QUICK_CASES = (Case(CAMERA), Case(UPLOAD), Case(LARGE), Case(CUT_OUT), Case(CAMERA, CROP), Case(CAMERA, SHARPEN))
CASES = (
    *map(Case, PICTURES),
    Case(LARGE, FIT_LARGE),
    *(Case(CAMERA, operation) for operation in (CROP, PAD, SHARPEN, TRANSFORM)),
    *(Case(CAMERA, FIT, format) for format in ("webp", "avif", "png")),
    Case(CUT_OUT, FIT, "jpeg"),
)


# Popularity.


def zipf(count: int, exponent: float, seed: int) -> Iterator[int]:
    """Yield endless requests for the numbers below *count*, with the popularity of Zipf's law.

    Popularity does not follow the order of the numbers. Each number has the same popularity for every *seed*.
    """
    numbers = random.Random(0).sample(range(count), count)
    weights = list(itertools.accumulate(rank**-exponent for rank in range(1, count + 1)))
    chance = random.Random(seed)
    while True:
        yield from chance.choices(numbers, cum_weights=weights, k=1000)


def lru_hits(requests: Sequence[int], sizes: Sequence[int] | Mapping[int, int], cap: int) -> int:
    """Return the hits among *requests* of a cache of *cap* bytes that removes the least recently used entries."""
    kept: OrderedDict[int, int] = OrderedDict()
    hits = held = 0
    for number in requests:
        if number in kept:
            hits += 1
            kept.move_to_end(number)
        else:
            kept[number] = sizes[number]
            held += sizes[number]
            while held > cap:
                held -= kept.popitem(last=False)[1]
    return hits


# Files.


def cache_folder() -> Path:
    """Return the folder that keeps pictures between runs, and in which thumbor and ipx may be installed."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("BENCH_CACHE") or Path(home) / "flask-images-vips-bench")


def write(pictures: Sequence[Picture], folder: Path | None = None) -> dict[str, Path]:
    """Return the files of *pictures* by name, and make the missing ones, in *folder* or the cache folder."""
    folder = folder or cache_folder() / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for picture in pictures:
        digest = hashlib.sha256(f"{REVISION} {picture}".encode()).hexdigest()[:10]
        path = paths[picture.name] = folder / f"{digest}-{picture.file}"
        if not path.exists():
            partial = path.with_name(f"{os.getpid()}-{path.name}")
            picture.write(partial)
            partial.replace(path)
    return paths


def copy_into(folder: Path, picture: Picture, names: Sequence[str]) -> None:
    """Copy *picture* to each of *names* in *folder*, as a server's originals."""
    path = write([picture])[picture.name]
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(path, folder / name)
        os.utime(folder / name, (1_700_000_000, 1_700_000_000))


def described(pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """Return what results state of *pictures*: their sizes in pixels and bytes, and how they were made."""
    paths = write(pictures)
    return [
        {
            "name": picture.name,
            "photograph": picture.photograph,
            "size": list(picture.size),
            "bytes": (held := paths[picture.name].stat().st_size),
            "bits_per_pixel": round(8 * held / (picture.size[0] * picture.size[1]), 2),
            "saved": {**dict(picture.save), "grain": picture.grain},
        }
        for picture in pictures
    ]
