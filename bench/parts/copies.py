"""Measure the cost and the gain of reduced copies, of sets of renditions, and of the efforts of encoders.

Figures are CPU milliseconds of whole uncached answers in this process. The large JPEG has as many bits per pixel as a
camera's. `bench.parts.mixed` measures the effect of copies on a site's traffic.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench import sites
from bench.contenders import BARE, CONTENDERS, FULL, no_metadata
from bench.measure import Run, cpu_ms, interleaved, ratio, rounded, spread
from bench.parts.quality import Pixels, compared, ssim
from bench.tables import Table
from bench.workload import Case, Operation, Picture, copy_into
from flask_images_vips import resized_img_src, resized_img_srcset
from flask_images_vips.engines.encoder_settings import arguments_of, settings_of
from flask_images_vips.formats import by_name
from flask_images_vips.options.options import Options

ROUNDS, QUICK_ROUNDS = 7, 1
WIDTHS = (320, 480, 640, 960, 1280, 1600)
JPEG_24 = Picture("24 Mpx JPEG", "24.jpg", (6000, 4000), "earth.jpg", save=(("quality", 96),))
JPEG_6 = Picture("6 Mpx JPEG", "6.jpg", (3000, 2000), "earth.jpg", save=(("quality", 92),))
PNG_20 = Picture("20 Mpx PNG", "20.png", (5500, 3660), "earth.jpg", save=(("compress_level", 1),))
WEBP_11 = Picture("11 Mpx WebP", "11.webp", (4096, 2730), "earth.jpg", save=(("quality", 92),))
PICTURES = (JPEG_24, JPEG_6, PNG_20, WEBP_11)
EFFORTS = ("fast", "balanced", "small")
DEFAULT = "libvips' default"
SOURCE, TIFF, JPEG = "source", "copies", "JPEG copies"

Cost = dict[str, list[float]]
"""The CPU milliseconds of each contender, by round."""


class Site:
    """An application in *folder* with a cache of its own, whose cached files can be removed."""

    def __init__(self, folder: Path, cache: str, **config: Any) -> None:
        self.cache = folder / cache
        self.app = sites.package(str(folder), **{"IMAGES_CACHE": cache, "IMAGES_MAX_RENDERS": 0, **config})
        self.client = self.app.test_client()

    def get(self, name: str, width: int, **options: Any) -> bytes:
        with self.app.test_request_context():
            url = resized_img_src(name, width=width, **options)
        answer = self.client.get(url)
        assert answer.status_code == 200, answer.text
        return answer.data

    def get_new(self, name: str, width: int, **options: Any) -> bytes:
        """Return a rendition after removing those that are cached, but not the copies."""
        sites.forget_renditions(self.app, name)
        return self.get(name, width, **options)

    def offer(self, name: str, format: str) -> None:
        """Offer all widths, as a page does, after removing everything that is cached."""
        sites.forget(self.app, name)
        with self.app.test_request_context():
            resized_img_srcset(name, widths=WIDTHS, format=format)


def measure(run: Run) -> dict[str, Any]:
    rounds, pictures = run.rounds_or(ROUNDS, QUICK_ROUNDS), run.pick(PICTURES, (JPEG_6,))
    found: dict[str, Any] = {"rounds": rounds}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for picture in pictures:
            copy_into(folder / "static", picture, [picture.file])
        run.on_step("pictures")
        for part in (later, first, sets):
            found[part.__name__] = [row for picture in pictures for row in part(folder, picture, rounds)]
            run.on_step(part.__name__)
        found["efforts"] = efforts(folder / "static" / pictures[0].file, rounds, run.pick((400, 1600), (400,)))
        run.on_step("efforts")
    return found


def measured(cases: dict[str, Callable[[], object]], rounds: int) -> Cost:
    turns = interleaved({name: partial(cpu_ms, case) for name, case in cases.items()}, rounds)
    return {name: rounded(times) for name, times in turns.samples.items()}


def case_of(picture: Picture, width: int, format: str) -> Case:
    return Case(picture, Operation(f"{width} px", width, picture.size[1]), format)


# Copies.


def later(folder: Path, picture: Picture, rounds: int) -> list[dict[str, Any]]:
    """Measure renditions of a source whose copies exist: from the source, from its copies, and by a full decode."""
    own = {
        SOURCE: Site(folder, "none", IMAGES_COPIES=False),
        TIFF: Site(folder, "tiff"),
        JPEG: Site(folder, "jpeg", IMAGES_COPIES="jpeg"),
    }
    path, full = folder / "static" / picture.file, CONTENDERS[FULL].make()
    for site in own.values():
        site.offer(picture.file, "webp")  # the first of these renditions makes copies for all
        site.get(picture.file, WIDTHS[0], format="webp")
    rows = []
    for width in (400, 800, 1200, 1600):
        cases: dict[str, Callable[[], object]] = {
            name: partial(site.get_new, picture.file, width, format="jpeg") for name, site in own.items()
        }
        cost = measured({**cases, FULL: partial(full, path, case_of(picture, width, "jpeg"))}, rounds)
        lossless = {name: site.get_new(picture.file, width, format="png") for name, site in own.items()}
        near = {name: compared(data, path, case_of(picture, width, "png"))["ssim"] for name, data in lossless.items()}
        rows.append({"picture": picture.name, "width": width, "cpu_ms": cost, "ssim": near})
    return rows


def first(folder: Path, picture: Picture, rounds: int) -> list[dict[str, Any]]:
    """Measure the first rendition of a source, against bare pyvips, which checks and keeps nothing."""
    site, path, bare = Site(folder, "first"), folder / "static" / picture.file, CONTENDERS[BARE].make()
    rows = []
    for width in (400, 1024, 1600):

        def new(width: int = width) -> bytes:
            sites.forget(site.app, picture.file)
            return site.get(picture.file, width, format="jpeg")

        cases: dict[str, Callable[[], object]] = {
            "this package": new,
            BARE: partial(bare, path, case_of(picture, width, "jpeg")),
        }
        cost = measured(cases, rounds)
        copies = any(path.is_file() for path in site.cache.rglob("copies/??/*/*"))
        rows.append({"picture": picture.name, "width": width, "copies": copies, "cpu_ms": cost})
    return rows


# Sets.


def sets(folder: Path, picture: Picture, rounds: int) -> list[dict[str, Any]]:
    """Measure the widths of a ``srcset`` that a page offered, against as many renditions from the source.

    Also measure what the first visitor waits for, who requests the smallest of them.
    """
    separate, offered = Site(folder, "separate", IMAGES_COPIES=False), Site(folder, "set")
    CONTENDERS[BARE].make()  # libvips without threads and operation cache

    def spent(work: Callable[[], object], format: str) -> float:
        for site in (separate, offered):
            site.offer(picture.file, format)
        return cpu_ms(work)

    def all_of(site: Site, format: str) -> None:
        for width in WIDTHS:
            site.get(picture.file, width, format=format)

    rows = []
    for format in ("jpeg", "webp", "avif"):
        cases: dict[str, Callable[[], object]] = {
            "separate": partial(all_of, separate, format),
            "set": partial(all_of, offered, format),
            "memory": partial(decode_once, folder / "static" / picture.file, format),
            "first alone": partial(separate.get, picture.file, WIDTHS[0], format=format),
            "first of set": partial(offered.get, picture.file, WIDTHS[0], format=format),
        }
        turns = interleaved({name: partial(spent, case, format) for name, case in cases.items()}, rounds)
        cost = {name: rounded(times) for name, times in turns.samples.items()}
        rows.append({"picture": picture.name, "format": format, "cpu_ms": cost})
    return rows


def decode_once(path: Path, format: str) -> None:
    """Make all widths from one picture in memory with bare pyvips, which no set can do faster."""
    import pyvips

    whole = pyvips.Image.thumbnail(str(path), 2048).copy_memory()
    save = arguments_of("vips", "balanced", by_name(format), Options(), flat=False)
    for width in WIDTHS:
        whole.thumbnail_image(width).write_to_buffer(f".{format}", **no_metadata(), **save)


# Efforts.


def efforts(path: Path, rounds: int, widths: tuple[int, ...]) -> list[dict[str, Any]]:
    """Measure the encoding alone at each effort, and its bytes at the SSIM that the balanced effort reaches."""
    import pyvips

    rows = []
    for width in widths:
        picture = pyvips.Image.thumbnail(str(path), width).copy_memory()
        exact = picture.numpy().astype(np.float64)
        for format in ("jpeg", "webp", "avif", "png"):
            settings = {effort: settings_of("vips", effort)[format] for effort in EFFORTS}
            if format == "avif":
                settings[DEFAULT] = {}

            def encode(own: dict[str, Any], quality: int = 75, format: str = format, picture: Any = picture) -> bytes:
                options = own if format == "png" else {**own, "Q": quality}
                return bytes(picture.write_to_buffer(f".{format}", **no_metadata(), **options))

            cost = measured({effort: partial(encode, own) for effort, own in settings.items()}, rounds)
            wanted = ssim(decoded(encode(settings["balanced"])), exact)
            size = {
                effort: len(encode(own)) if format == "png" else bytes_at(wanted, partial(encode, own), exact)
                for effort, own in settings.items()
            }
            rows.append({"format": format, "width": width, "cpu_ms": cost, "bytes": size})
    return rows


def decoded(data: bytes) -> Pixels:
    """Return the pixels of *data*, decoded by libvips."""
    import pyvips

    pixels: Pixels = pyvips.Image.new_from_buffer(data, "").numpy()[:, :, :3].astype(np.float64)
    return pixels


def bytes_at(wanted: float, encode: Callable[[int], bytes], exact: Pixels) -> float:
    """Return the bytes at the SSIM *wanted*, interpolated between the qualities around it."""
    points = sorted((ssim(decoded(data), exact), len(data)) for data in map(encode, (69, 72, 75, 78, 81, 84)))
    return round(float(np.interp(wanted, [near for near, _ in points], [size for _, size in points])))


# Tables.


def tables(data: dict[str, Any]) -> list[Table]:
    return [later_table(data), first_table(data), set_table(data), effort_table(data)]


def _cells(cost: Cost, names: tuple[str, ...]) -> list[str]:
    return [spread(cost[name]).text() for name in names]


def _gain(cost: Cost, one: str, other: str) -> str:
    return ratio(cost[one], cost[other]).text(2)


def later_table(data: dict[str, Any]) -> Table:
    names = (SOURCE, TIFF, JPEG, FULL)
    rows = [
        (
            f"{row['picture']}, {row['width']} px",
            *_cells(row["cpu_ms"], names),
            _gain(row["cpu_ms"], SOURCE, TIFF),
            _gain(row["cpu_ms"], FULL, TIFF),
            " · ".join(f"{near:.4f}" for near in row["ssim"].values()),
        )
        for row in data["later"]
    ]
    head = ("later rendition", *(f"{name}, CPU ms" for name in names), "source ÷ copies", "full ÷ copies", "SSIM")
    note = (
        f"Interleaved rounds: {data['rounds']}. SSIM to a full decode, of renditions from the source, the copies and "
        "JPEG copies."
    )
    return Table(head, rows, note)


def first_table(data: dict[str, Any]) -> Table:
    names = ("this package", BARE)
    rows = [
        (
            f"{row['picture']}, {row['width']} px, {'with' if row['copies'] else 'without'} copies",
            *_cells(row["cpu_ms"], names),
            _gain(row["cpu_ms"], *names),
        )
        for row in data["first"]
    ]
    return Table(("first rendition", *(f"{name}, CPU ms" for name in names), "ratio"), rows)


def set_table(data: dict[str, Any]) -> Table:
    names = ("separate", "set", "memory", "first alone", "first of set")
    rows = [
        (
            f"{row['picture']} to {row['format']}",
            *_cells(row["cpu_ms"], names),
            _gain(row["cpu_ms"], "separate", "set"),
            _gain(row["cpu_ms"], "separate", "memory"),
            _gain(row["cpu_ms"], "first of set", "first alone"),
        )
        for row in data["sets"]
    ]
    ratios = ("separate ÷ set", "separate ÷ memory", "first, of set ÷ alone")
    head = (f"a set of {len(WIDTHS)}", *(f"{name}, CPU ms" for name in names), *ratios)
    note = (
        "In memory: by bare pyvips from one decode, with nothing checked or kept. First: the request of the first "
        f"visitor, for the smallest width, {WIDTHS[0]} px."
    )
    return Table(head, rows, note)


def effort_table(data: dict[str, Any]) -> Table:
    rows = [
        (
            f"{row['format']}, {row['width']} px, {effort}",
            spread(times).text(),
            _gain(row["cpu_ms"], effort, "balanced"),
            f"{row['bytes'][effort]:,}",
            f"{100 * (row['bytes'][effort] / row['bytes']['balanced'] - 1):+.1f} %",
        )
        for row in data["efforts"]
        for effort, times in row["cpu_ms"].items()
    ]
    note = "Encoding alone. Bytes at the SSIM of the balanced effort at quality 75; PNG is lossless."
    return Table(("encoder", "CPU ms", "÷ balanced", "bytes", "to balanced"), rows, note)
