"""Find the number of each encoder that looks like JPEG of a certain quality. `engines.encoder_settings` has the result.

Each picture is scaled down, and encoded as JPEG at several qualities and by each encoder at several numbers. All files
are scored against the scaled picture by SSIMULACRA2 and by SSIM. For each quality, the number with the same score is
interpolated. The result is the median of the pictures, separately for photographs and for flat pictures.
"""

from __future__ import annotations

import functools
import io
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from bench.measure import Run
from bench.tables import Table

QUALITIES = (10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95)
NUMBERS = (3, 12, 24, 36, 46, 56, 66, 76, 86, 94, 100)
SIDE = 300  # pixels, of photographs
DRAWING = 400, 300
JPEG: dict[str, Any] = {"optimize_coding": True}
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg small": (
        ".jpg",
        {"interlace": True, "trellis_quant": True, "overshoot_deringing": True, "quant_table": 3},
    ),
    "webp": (".webp", {"effort": 2}),
    "webp small": (".webp", {"effort": 4, "smart_subsample": True}),
    "avif 4:2:0": (".avif", {"effort": 0, "subsample_mode": "on"}),
    "avif 4:2:0, effort 1": (".avif", {"effort": 1, "subsample_mode": "on"}),
    "avif 4:4:4": (".avif", {"effort": 0, "subsample_mode": "off"}),
    "avif 4:4:4, effort 1": (".avif", {"effort": 1, "subsample_mode": "off"}),
    "avif 4:4:4, effort 2": (".avif", {"effort": 2, "subsample_mode": "off"}),
}
METRICS = "ssimulacra2", "ssim"
LEAST_SIDE = 256  # pixels of a picture that SSIMULACRA2 halves five times


def measure(run: Run, photographs: Sequence[Path]) -> list[dict[str, Any]]:
    """Return a row for each encoder, content and quality: the median number, and its 10th and 90th percentile."""
    found: dict[tuple[str, str, int], list[list[float]]] = defaultdict(list)
    for name, picture in _pictures(photographs, run.quick):
        content = "flat" if _is_flat(picture) else "photographs"
        scores = functools.partial(_scores, picture)
        wanted = [scores(".jpg", {**JPEG, "Q": quality}) for quality in QUALITIES]
        for encoder in list(ENCODERS)[:: run.pick(1, 4)]:
            suffix, settings = ENCODERS[encoder]
            curve = [scores(suffix, {**settings, "Q": number}) for number in NUMBERS]
            for quality, score in zip(QUALITIES, wanted, strict=True):
                found[encoder, content, quality].append(_numbers_at(score, curve))
        run.on_step(name)
    return [_row(*key, numbers) for key, numbers in found.items()]


def _row(encoder: str, content: str, quality: int, numbers: list[list[float]]) -> dict[str, Any]:
    low, median, high = np.percentile([each[0] for each in numbers], (10, 50, 90))
    return {
        "encoder": encoder,
        "content": content,
        "quality": quality,
        "number": round(float(median), 1),
        "p10": round(float(low), 1),
        "p90": round(float(high), 1),
        "by_ssim": round(float(np.median([each[1] for each in numbers])), 1),
        "of_pictures": [round(each[0], 1) for each in numbers],
    }


def _numbers_at(score: Sequence[float], curve: Sequence[Sequence[float]]) -> list[float]:
    """Return the number at which *curve* has *score*, for each metric. 101 means that no number reaches it."""
    numbers = []
    for wanted, values in zip(score, zip(*curve, strict=True), strict=True):
        rising = np.maximum.accumulate(values)
        numbers.append(float(np.interp(wanted, rising, NUMBERS)) if wanted <= rising[-1] else 101.0)
    return numbers


def _scores(picture: Image.Image, suffix: str, settings: dict[str, Any]) -> tuple[float, float]:
    import pyvips
    from skimage.metrics import structural_similarity

    data = pyvips.Image.new_from_array(np.asarray(picture)).write_to_buffer(suffix, keep=0, **settings)
    with Image.open(io.BytesIO(data)) as file:
        made = file.convert("RGB")
    return ssimulacra2(picture, made), float(
        structural_similarity(np.asarray(picture), np.asarray(made), channel_axis=2, data_range=255)
    )


def ssimulacra2(reference: Image.Image, made: Image.Image) -> float:
    """Return the SSIMULACRA2 score of *made*: 90 cannot be told from *reference*, 70 is high quality, 50 medium.

    The metric halves pictures five times, and leaves out the steps at which a side has less than 8 pixels. Its weights
    then belong to other steps than those that are left, which may change a score by 15. So sides of less than
    `LEAST_SIDE` pixels are continued by their mirror image.
    """
    from ssimulacra2 import compute_ssimulacra2

    files = [io.BytesIO(), io.BytesIO()]
    for file, picture in zip(files, (reference, made), strict=True):
        _mirrored(picture).save(file, "png", compress_level=0)
        file.seek(0)
    return float(compute_ssimulacra2(*files))


def _mirrored(picture: Image.Image) -> Image.Image:
    """Return *picture* with its mirror image to the right and below, as far as `LEAST_SIDE` needs it."""
    more = [max(0, LEAST_SIDE - side) for side in picture.size]
    if not any(more):
        return picture
    return Image.fromarray(np.pad(np.asarray(picture), ((0, more[1]), (0, more[0]), (0, 0)), mode="symmetric"))


def _is_flat(picture: Image.Image) -> bool:
    from flask_images_vips.engines.pillow.writer import is_flat

    return is_flat(picture)


def _pictures(photographs: Sequence[Path], quick: bool) -> Iterator[tuple[str, Image.Image]]:
    for path in photographs[: 1 if quick else None]:
        with Image.open(path) as file:
            picture = file.convert("RGB")
        picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        yield path.name, picture
    for draw in DRAWINGS[: 1 if quick else None]:
        yield draw.__name__, draw()


def chart() -> Image.Image:
    """A chart with lines, bars and labels."""
    picture = Image.new("RGB", DRAWING, "white")
    pen = ImageDraw.Draw(picture)
    for number, height in enumerate((60, 140, 90, 200, 170, 120)):
        pen.rectangle((40 + 55 * number, 260 - height, 80 + 55 * number, 260), fill=f"hsl({60 * number}, 70%, 50%)")
        pen.text((45 + 55 * number, 265), f"Q{number + 1}", "black", font_size=14)
    for level in range(60, 261, 40):
        pen.line((30, level, 380, level), fill=(200, 200, 200))
    pen.line([(60 + 55 * n, 230 - 30 * n + 25 * (n % 2)) for n in range(6)], fill="navy", width=2)
    return picture


def screen() -> Image.Image:
    """A window of a program with text."""
    picture = Image.new("RGB", DRAWING, (236, 239, 244))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, 400, 28), fill=(46, 52, 64))
    pen.text((10, 6), "Invoices – 2026", "white", font_size=14)
    pen.rectangle((0, 28, 90, 300), fill=(216, 222, 233))
    for row in range(12):
        pen.text((8, 40 + 20 * row), f"Folder {row}", (59, 66, 82), font_size=12)
        pen.text(
            (110, 40 + 20 * row), f"{1000 + 37 * row}   Smith & Sons   {12.5 * row:.2f} EUR", "black", font_size=12
        )
    pen.rounded_rectangle((290, 260, 380, 288), 6, fill=(94, 129, 172))
    pen.text((312, 266), "Send", "white", font_size=14)
    return picture


def logo() -> Image.Image:
    """Shapes in a few colours, with smooth edges."""
    picture = Image.new("RGB", (1600, 1200), "#fdf6e3")
    pen = ImageDraw.Draw(picture)
    pen.ellipse((150, 200, 950, 1000), fill="#dc322f")
    pen.polygon([(800, 1050), (1500, 1050), (1150, 250)], fill="#268bd2")
    pen.ellipse((400, 450, 700, 750), fill="#fdf6e3")
    pen.text((300, 60), "Northern Lights", "#073642", font_size=130)
    return picture.resize(DRAWING, Image.Resampling.LANCZOS)


def page() -> Image.Image:
    """A page of small text."""
    picture = Image.new("RGB", DRAWING, "white")
    pen = ImageDraw.Draw(picture)
    words = [
        "the",
        "quick",
        "brown",
        "fox",
        "jumps",
        "over",
        "a",
        "lazy",
        "dog",
        "while",
        "seven",
        "wizards",
        "brew",
        "odd",
        "potions",
    ]
    for row in range(20):
        pen.text((12, 8 + 14 * row), " ".join(words[(row + n) % len(words)] for n in range(11)), "black", font_size=10)
    return picture


DRAWINGS: tuple[Callable[[], Image.Image], ...] = (chart, screen, logo, page)


def tables(rows: Sequence[dict[str, Any]]) -> list[Table]:
    """Return a table of the numbers by quality, for each content."""
    result = []
    for content in dict.fromkeys(row["content"] for row in rows):
        of_content = [row for row in rows if row["content"] == content]
        encoders = list(dict.fromkeys(row["encoder"] for row in of_content))
        numbers = {(row["encoder"], row["quality"]): row for row in of_content}
        lines = [
            (
                str(quality),
                *(
                    f"{(row := numbers[encoder, quality])['number']:g} ({row['p10']:g}–{row['p90']:g})"
                    for encoder in encoders
                ),
            )
            for quality in dict.fromkeys(row["quality"] for row in of_content)
        ]
        note = (
            f"Numbers of the encoders that look like JPEG at this quality, by SSIMULACRA2: median of "
            f"{len(of_content[0]['of_pictures'])} pictures ({content}) (10th to 90th percentile). "
            "101: no number reaches it."
        )
        result.append(Table(("quality", *encoders), lines, note))
    return result
