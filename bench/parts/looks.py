"""Measure whether all formats look alike at the default quality, their bytes, and whether ``auto`` sends the best one.

The pictures are the demo's photographs, those in the folder that BENCH_PHOTOGRAPHS names, drawings, and pictures with
alpha. `engines.encoder_settings` was made from others (see `bench.scale`), so this shows how well it fits unseen ones.
"""

from __future__ import annotations

import functools
import io
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from bench import drawings
from bench.measure import Run
from bench.scale import ssimulacra2
from bench.servers import cores
from bench.tables import Table
from bench.workload import PHOTOGRAPHS

WIDTHS = (320, 440, 640, 1280)
MIXED_WIDTH = 640
ENCODED = (("jpeg", "balanced"), ("webp", "balanced"), ("avif", "balanced"), ("avif", "small"), ("jxl", "balanced"))
QUALITIES = {"jpeg": (35, 50, 65, 75, 85, 92), "webp": (30, 50, 65, 75, 82, 89)}
TOO_LARGE = 1.1
GROUNDS = "black", "white"  # which pictures with alpha are shown on: the worse score counts
OVERLAYS = 11  # of the mixed pictures


Draw = Callable[[], Image.Image]


@dataclass(frozen=True)
class Picture:
    """A picture to encode: its *content* is ``photograph``, ``flat``, ``overlay`` or ``alpha``."""

    name: str
    content: str
    load: Draw

    def at(self, width: int) -> Image.Image:
        """Return the picture at *width* pixels, as the reference of all renditions."""
        picture = self.load()
        return picture.resize((width, max(1, round(picture.height * width / picture.width))), Image.Resampling.LANCZOS)


def measure(run: Run) -> dict[str, Any]:
    photographs, flat = _photographs(), _drawings()
    if run.quick:
        photographs, flat = photographs[:1], flat[:1]
    widths = WIDTHS[: run.pick(len(WIDTHS), 1)]
    mixed = [*photographs, *flat, *_overlays(photographs), *_with_alpha()][: run.pick(None, 3)]
    with multiprocessing.get_context("spawn").Pool(len(cores())) as pool:
        rows = []
        sized = functools.partial(_rows, widths)
        for found in pool.imap(sized, [*photographs, *flat]):
            rows += found
            run.on_step(rows[-1]["picture"])
        compared = []
        for one in pool.imap(_compared, mixed):
            compared.append(one)
            run.on_step(f"{one['picture']}, at equal looks")
    return {"rows": rows, "mixed": compared}


# One picture.


def _rows(widths: Sequence[int], picture: Picture) -> list[dict[str, Any]]:
    """Encode *picture* at each of *widths* with the default quality, in each of `ENCODED`."""
    return [row for width in widths for row in _encodings(picture, width)]


def _encodings(picture: Picture, width: int) -> Iterator[dict[str, Any]]:
    pixels = picture.at(width)
    for format, effort in ENCODED:
        begin = time.process_time()
        data = _encoded(pixels, format, effort)
        spent = 1000 * (time.process_time() - begin)
        yield {
            "picture": picture.name,
            "content": picture.content,
            "width": width,
            "format": format if effort == "balanced" else f"{format} {effort}",
            "bytes": len(data),
            "score": round(_score(pixels, data), 2),
            "cpu_ms": round(spent, 1),
        }


def _compared(picture: Picture) -> dict[str, Any]:
    """Compare what ``auto`` sends of *picture* with the other formats that it could send, at the same score.

    The result says by how much each format that it sends is larger than each of the others.
    """
    pixels = picture.at(MIXED_WIDTH)
    plain = "jpeg" if picture.content in ("photograph", "overlay") else "png"
    curves = {
        format: [
            (_score(pixels, data), len(data))
            for quality in QUALITIES[format]
            for data in [_encoded(pixels, format, "balanced", quality)]
        ]
        for format in (("webp", "jpeg") if plain == "jpeg" else ("webp",))
    }
    times = {}
    for sent, others in (("avif", ("webp", plain)), ("webp", (plain,))):
        data = _encoded(pixels, sent)
        score = _score(pixels, data)
        for other in others:
            needed = len(_encoded(pixels, "png")) if other == "png" else _bytes_at(score, curves[other])
            times[f"{sent} ÷ {other}"] = round(len(data) / needed, 3)
    return {"picture": picture.name, "content": picture.content, "times": times}


def _bytes_at(score: float, curve: Sequence[tuple[float, int]]) -> float:
    """Return the bytes at which *curve* has *score*, or infinity if it does not reach it."""
    scores, sizes = zip(*sorted(curve), strict=True)
    if score > scores[-1]:
        return float("inf")
    return float(np.exp(np.interp(score, scores, np.log(sizes))))


def _encoded(picture: Image.Image, format: str, effort: str = "balanced", quality: int = 75) -> bytes:
    """Return *picture* as this package encodes it with libvips."""
    import pyvips

    from flask_images_vips.engines.engine import Spec
    from flask_images_vips.engines.vips import writer
    from flask_images_vips.formats import by_name
    from flask_images_vips.geometry import Geometry, Size
    from flask_images_vips.options.options import Options

    size = Size(*picture.size)
    spec = Spec(Options(quality=quality), by_name(format), Geometry(size, size))
    image = pyvips.Image.new_from_array(np.asarray(picture), interpretation="srgb")
    return writer.encode(image, spec, effort, lambda watched: watched)


def _score(reference: Image.Image, made: bytes) -> float:
    """Return the SSIMULACRA2 score of the file *made*, the worse one of two grounds if *reference* has alpha."""
    import pillow_jxl  # noqa: F401  (lets Pillow open JPEG XL)

    with Image.open(io.BytesIO(made)) as file:
        picture = file.convert(reference.mode)
    if reference.mode != "RGBA":
        return ssimulacra2(reference, picture)
    return min(ssimulacra2(_on(ground, reference), _on(ground, picture)) for ground in GROUNDS)


def _on(colour: str, picture: Image.Image) -> Image.Image:
    ground = Image.new("RGBA", picture.size, colour)
    ground.alpha_composite(picture)
    return ground.convert("RGB")


# The pictures.


def _photographs() -> list[Picture]:
    further = os.environ.get("BENCH_PHOTOGRAPHS")
    folders = [PHOTOGRAPHS, *([Path(further)] if further else [])]
    paths = [
        path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in (".jpg", ".jpeg", ".png")
    ]
    return [
        Picture(path.name, "photograph", functools.partial(_read, path)) for path in paths if path.name != "cup.png"
    ]


def _read(path: Path) -> Image.Image:
    """Return the photograph in *path*, at most twice as wide as the widest rendition."""
    with Image.open(path) as file:
        file.draft("RGB", (2 * WIDTHS[-1], 2 * WIDTHS[-1]))
        return file.convert("RGB")


def _drawings() -> list[Picture]:
    return [Picture(draw.__name__, "flat", draw) for draw in drawings.ALL]


def _overlays(photographs: Sequence[Picture]) -> list[Picture]:
    return [
        Picture(f"{photograph.name} with a caption", "overlay", functools.partial(_captioned, photograph))
        for photograph in photographs[:OVERLAYS]
    ]


def _captioned(photograph: Picture) -> Image.Image:
    picture = photograph.at(MIXED_WIDTH)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, picture.height - 90, picture.width, picture.height), fill="#fdf6e3")
    pen.text((20, picture.height - 70), "Summer sale, now on", "#073642", font_size=40)
    return picture


def _with_alpha() -> list[Picture]:
    """Return a cut-out photograph and drawings, on a clear ground."""
    drawn = [Picture(f"{draw.__name__}, clear", "alpha", functools.partial(_cleared, draw)) for draw in drawings.ALL]
    return [Picture("cup.png", "alpha", _cup), *drawn]


def _cup() -> Image.Image:
    with Image.open(PHOTOGRAPHS / "cup.png") as file:
        return file.convert("RGBA")


def _cleared(draw: Draw) -> Image.Image:
    """Return a drawing whose ground is transparent."""
    picture = draw().convert("RGBA")
    ground = Image.new("RGBA", picture.size, picture.getpixel((0, 0)))  # type: ignore[arg-type]
    same = (np.asarray(picture) == np.asarray(ground)).all(axis=2)
    picture.putalpha(Image.fromarray(np.where(same, 0, 255).astype(np.uint8)))
    return picture


# The table.


def tables(data: dict[str, Any]) -> list[Table]:
    """Return one table, with a line for each thing that is wanted of the formats."""
    if not data:
        return []
    lines = [
        (name, wanted, f"{found:.2f}" if isinstance(found, float) else found)
        for name, wanted, found in _lines(data["rows"], data["mixed"])
    ]
    photographs, flat = (
        len({row["picture"] for row in data["rows"] if row["content"] == kind}) for kind in ("photograph", "flat")
    )
    note = (
        f"{photographs} photographs and {flat} drawings at {', '.join(map(str, WIDTHS))} px wide, encoded by libvips "
        "with quality 75. None of them was used to find the numbers of the encoders. Scores are SSIMULACRA2. The "
        f"formats that `auto` sends are compared at {MIXED_WIDTH} px, and at equal scores."
    )
    return [Table(("equal looks", "wanted", "found"), lines, note)]


def _lines_of_jxl(
    rows: Sequence[dict[str, Any]], by_file: dict[tuple[str, int, str], dict[str, Any]]
) -> Iterator[tuple[str, str, Any]]:
    """Compare JPEG XL with the AVIF that is sent unless it is smaller."""
    for content, name in _PLURAL.items():
        pairs = [
            (row, by_file[row["picture"], row["width"], "avif"])
            for row in rows
            if row["format"] == "jxl" and row["content"] == content
        ]
        if not pairs:  # measured before it was among the formats
            continue
        shares = [jxl["bytes"] / avif["bytes"] for jxl, avif in pairs]
        yield f"JPEG XL ÷ AVIF, bytes, {name}", "", statistics.median(shares)
        yield (
            f"{name} whose JPEG XL is smaller than the AVIF",
            "",
            f"{sum(share < 1 for share in shares)} of {len(shares)}",
        )
        gains = [jxl["score"] - avif["score"] for jxl, avif in pairs]
        yield f"score less AVIF's, median, JPEG XL, {name}", "−1 to 1", statistics.median(gains)
        spent = sum(jxl["cpu_ms"] for jxl, _ in pairs) / sum(avif["cpu_ms"] for _, avif in pairs)
        yield f"JPEG XL ÷ AVIF, CPU of encoding {name}", "", spent


_PLURAL = {"photograph": "photographs", "flat": "drawings"}


def _lines(rows: Sequence[dict[str, Any]], mixed: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str, Any]]:
    by_file = {(row["picture"], row["width"], row["format"]): row for row in rows}

    def pairs(format: str, content: str, widths: Sequence[int] = WIDTHS) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        return [
            (row, by_file[row["picture"], row["width"], "jpeg"])
            for row in rows
            if row["format"] == format and row["content"] == content and row["width"] in widths
        ]

    def shares(format: str, content: str) -> list[float]:
        return [one["bytes"] / jpeg["bytes"] for one, jpeg in pairs(format, content)]

    for content, share in (("photograph", "≤ 0.78"), ("flat", "≤ 0.45")):
        yield f"AVIF ÷ JPEG, bytes, {_PLURAL[content]}", share, statistics.median(shares("avif", content))
    yield (
        "AVIF ÷ JPEG, bytes, photographs, effort small",
        "≤ 0.68",
        statistics.median(shares("avif small", "photograph")),
    )
    for format in ("avif", "webp"):
        of = shares(format, "photograph")
        yield (
            f"photographs whose {format.upper()} is larger",
            "≤ 1 %" if format == "avif" else "",
            f"{sum(share > 1 for share in of)} of {len(of)}",
        )
        for content in ("photograph", "flat"):
            gains = [one["score"] - jpeg["score"] for one, jpeg in pairs(format, content)]
            name = f"{format.upper()}, {_PLURAL[content]}"
            yield f"score less JPEG's, median, {name}", "−1 to 1", statistics.median(gains)
            yield f"lower by more than 4, {name}", "≤ 2 %", f"{sum(gain < -4 for gain in gains)} of {len(gains)}"
        for width in WIDTHS:
            gains = [one["score"] - jpeg["score"] for one, jpeg in pairs(format, "photograph", (width,))]
            if gains:
                yield (
                    f"score less JPEG's, median, {format.upper()}, photographs, {width} px",
                    "",
                    statistics.median(gains),
                )
    yield from _lines_of_jxl(rows, by_file)
    largest = max(row["width"] for row in rows)
    spent = {
        format: sum(
            row["cpu_ms"]
            for row in rows
            if row["format"] == format and row["width"] == largest and row["content"] == "photograph"
        )
        for format in ("webp", "avif")
    }
    yield f"AVIF ÷ WebP, CPU of encoding photographs, {largest} px", "≤ 1.5", spent["avif"] / spent["webp"]
    bad = [row["picture"] for row in mixed if any(times > TOO_LARGE for times in row["times"].values())]
    yield (
        f"mixed pictures of which auto sends more than {TOO_LARGE} × another format",
        "0",
        f"{len(bad)} of {len(mixed)}",
    )
