"""What is rendered, and to what? Pictures as phones, cameras and editors store them, and the work that is asked for.

The photographs are the demo's (public domain or CC0), enlarged, with grain. How many bits a pixel a JPEG holds decides
how long it takes to decode, whatever does it, so each picture's is stated in every result.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from bench.photographs import PHOTOGRAPHS, cut_out, enlarged

REVISION = 3
"""Raised by hand when a picture is made another way than before."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One file to be rendered: *photograph* at *size* (width, height), with grain, saved with *save*."""

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
        picture = (cut_out if alpha else enlarged)(self.size, photograph, self.grain)
        if self.format == "gif":
            picture = picture.quantize(dither=Image.Dither.FLOYDSTEINBERG)
        picture.save(path, self.format, **dict(self.save))


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
"""One picture at several bits a pixel: why a gain is not one number."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What is asked of a picture, in the words of the options."""

    name: str
    width: int = 400
    height: int = 300
    mode: str = "fit"
    sharpen: tuple[float, int, int] | None = None
    transform: tuple[str, int, int, tuple[int, ...]] | None = None
    """A PIL transform: kind, output size, coefficients, all in pixels."""


FIT = Operation("fit 400×300")
FIT_LARGE = Operation("fit 1600×1200", 1600, 1200)
CROP = Operation("crop 300×300", 300, 300, "crop")
PAD = Operation("pad 400×400", 400, 400, "pad")
SHARPEN = Operation("fit and sharpen", sharpen=(0.5, 150, 2))
TRANSFORM = Operation("transform and fit", transform=("EXTENT", 2400, 1600, (300, 200, 2700, 1800)))


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to be timed: a picture, what is asked of it, and the format of the answer."""

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
        """The (width, height) of the answer; every contender's is held against it."""
        operation = self.operation
        if operation.mode != "fit":
            return operation.width, operation.height
        start = operation.transform[1:3] if operation.transform else self.picture.size
        return fit(start, (operation.width, operation.height))


def fit(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """*size* scaled down into *box*, the free side rounded down."""
    (width, height), (most_wide, most_high) = size, box
    if width <= most_wide and height <= most_high:
        return size
    return min(
        (most_wide, max(1, height * most_wide // width)),
        (max(1, width * most_high // height), most_high),
    )


QUICK_CASES = (Case(CAMERA), Case(UPLOAD), Case(LARGE), Case(CUT_OUT), Case(CAMERA, CROP), Case(CAMERA, SHARPEN))
CASES = (
    *map(Case, PICTURES),
    Case(LARGE, FIT_LARGE),
    *(Case(CAMERA, operation) for operation in (CROP, PAD, SHARPEN, TRANSFORM)),
    *(Case(CAMERA, FIT, format) for format in ("webp", "avif", "png")),
    Case(CUT_OUT, FIT, "jpeg"),
)


def cache_folder() -> Path:
    """Where pictures are kept between runs, and where thumbor and ipx are looked for."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("BENCH_CACHE") or Path(home) / "flask-images-vips-bench")


def write(pictures: Sequence[Picture], folder: Path | None = None) -> dict[str, Path]:
    """The files of *pictures* by their names, made where they are missing, in *folder* or the cache's."""
    folder = folder or cache_folder() / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for picture in pictures:
        recipe = hashlib.sha256(f"{REVISION} {picture}".encode()).hexdigest()[:10]
        path = paths[picture.name] = folder / f"{recipe}-{picture.file}"
        if not path.exists():
            partial = path.with_name(f"{os.getpid()}-{path.name}")
            picture.write(partial)
            partial.replace(path)
    return paths


def copy_into(folder: Path, picture: Picture, names: Sequence[str]) -> None:
    """*picture* under each of *names* in *folder*: a server's originals."""
    path = write([picture])[picture.name]
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(path, folder / name)
        os.utime(folder / name, (1_700_000_000, 1_700_000_000))


def described(pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """What a page says of *pictures*: their sizes as files and in pixels."""
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
