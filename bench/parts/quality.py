"""Measure how near renditions are to the reference, by SSIM and PSNR, and how the quality option trades it for bytes.

Then find which numbers of the encoders look the same: see `bench.scale`.

The reference is the source, fully decoded, scaled by Pillow's LANCZOS and not encoded.
"""

from __future__ import annotations

import io
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench import scale, workload
from bench.contenders import BARE, CONTENDERS, FULL, OURS, PILLOW, Worker, scaled
from bench.measure import Run
from bench.tables import Table
from bench.workload import (
    AVIF,
    CAMERA,
    CROP,
    CUT_OUT,
    FIT,
    FIT_LARGE,
    LARGE,
    PAD,
    SHARPEN,
    UPLOAD,
    WEBP,
    Case,
    Picture,
    write,
)

PHOTOGRAPHS = ("coffee.jpg", "cat.jpg", "earth.jpg", "canyon.jpg")
QUALITIES = (40, 50, 60, 70, 75, 80, 85, 90)
CURVES = ("jpeg", "webp", "avif")

Pixels = NDArray[np.float64]


def pixels_of(data: bytes) -> Pixels:
    """Return the pixels in *data* as (height, width, 3), 0 to 255, on black if they have alpha."""
    with Image.open(io.BytesIO(data)) as picture:
        if picture.mode in ("RGBA", "LA", "P"):
            ground = Image.new("RGBA", picture.size, (0, 0, 0, 255))
            ground.alpha_composite(picture.convert("RGBA"))
            return np.asarray(ground.convert("RGB"), dtype=np.float64)
        return np.asarray(picture.convert("RGB"), dtype=np.float64)


def ssim(one: Pixels, other: Pixels) -> float:
    """Return the structural similarity of two pictures of equal size, which is 1 if they are the same."""
    from skimage.metrics import structural_similarity

    return float(structural_similarity(one, other, channel_axis=2, data_range=255))


def psnr(one: Pixels, other: Pixels) -> float:
    """Return the peak signal-to-noise ratio of two pictures of equal size in dB, at most 99."""
    error = float(((one - other) ** 2).mean())
    return min(99.0, float(10 * np.log10(255**2 / error))) if error else 99.0


def reference(path: Path, case: Case, size: tuple[int, int]) -> bytes:
    """Return the reference for *case*, made by a full decode, as a PNG of *size*.

    *size* is that of the contender's rendition, because contenders may differ by a pixel.
    """
    from PIL import ImageFilter

    asked = case.operation
    with Image.open(path) as source:
        picture: Image.Image = source if source.mode in ("RGB", "RGBA") else source.convert("RGB")
        if asked.transform:
            kind, width, height, numbers = asked.transform
            picture = picture.transform((width, height), Image.Transform[kind], numbers, Image.Resampling.BILINEAR)
        whole = size if asked.mode == "fit" else scaled(picture.size, case)
        picture = picture.resize(whole, Image.Resampling.LANCZOS)
    if whole != size:
        left, top = ((own - wanted) // 2 for own, wanted in zip(whole, size, strict=True))
        canvas = Image.new("RGB", size)
        canvas.paste(picture, (-left, -top))
        picture = canvas
    if asked.sharpen:
        picture = picture.filter(ImageFilter.UnsharpMask(*asked.sharpen))
    file = io.BytesIO()
    picture.save(file, "png", compress_level=1)
    return file.getvalue()


def compared(data: bytes, path: Path, case: Case) -> dict[str, float]:
    """Return the SSIM and PSNR of *data* to the reference of *case*, and its bytes."""
    with Image.open(io.BytesIO(data)) as picture:
        size = picture.size
    found, wanted = pixels_of(data), pixels_of(reference(path, case, size))
    return {"ssim": round(ssim(found, wanted), 4), "psnr": round(psnr(found, wanted), 2), "bytes": len(data)}


def cases(quick: bool) -> list[Case]:
    if quick:
        return [Case(CAMERA), Case(CUT_OUT)]
    several = [Case(_of_photograph(photo)) for photo in PHOTOGRAPHS[1:]]
    rest = [Case(CAMERA, operation) for operation in (FIT, CROP, PAD, SHARPEN)]
    return [*rest, *several, Case(UPLOAD), Case(LARGE), Case(LARGE, FIT_LARGE), Case(CUT_OUT), Case(WEBP), Case(AVIF)]


def _of_photograph(photo: str) -> Picture:
    return replace(CAMERA, name=f"6 Mpx JPEG of {photo}", photograph=photo)


def measure(run: Run) -> dict[str, Any]:
    """Measure each contender in each case, and the two engines of this package at several qualities."""
    rows = []
    with Worker(OURS) as ours, Worker(PILLOW) as pillow, Worker(BARE) as bare, Worker(FULL) as full:
        for case in cases(run.quick):
            found = {
                worker.contender: _compared_by(worker, case)
                for worker in (ours, pillow, bare, full)
                if CONTENDERS[worker.contender].able(case)
            }
            rows.append({"case": case.name, "contenders": found})
            run.on_step(case.name)
        curves = []
        for photo in PHOTOGRAPHS[: run.pick(len(PHOTOGRAPHS), 1)]:
            for format, quality in itertools.product(CURVES, QUALITIES[:: run.pick(1, 3)]):
                case = Case(_of_photograph(photo), FIT, format, quality)
                of_case = {"photograph": photo, "format": format, "quality": quality}
                curves += [
                    {"contender": worker.contender, **of_case, **_scored_by(worker, case)} for worker in (ours, pillow)
                ]
            run.on_step(photo)
    photographs = [file for file in sorted(workload.PHOTOGRAPHS.iterdir()) if file.suffix in (".jpg", ".png")]
    return {"cases": rows, "curves": curves, "scale": scale.measure(run, photographs)}


def _compared_by(worker: Worker, case: Case) -> dict[str, float]:
    path = write([case.picture])[case.picture.name]
    return compared(worker.render(path, case).data, path, case)


def _scored_by(worker: Worker, case: Case) -> dict[str, float]:
    path = write([case.picture])[case.picture.name]
    data = worker.render(path, case).data
    with Image.open(io.BytesIO(data)) as file:
        made = file.convert("RGB")
    with Image.open(io.BytesIO(reference(path, case, made.size))) as wanted:
        score = scale.ssimulacra2(wanted.convert("RGB"), made)
    return {**compared(data, path, case), "ssimulacra2": round(score, 2)}


def tables(data: dict[str, Any]) -> list[Table]:
    cases = data["cases"]
    names = list(dict.fromkeys(name for case in cases for name in case["contenders"]))
    rows = []
    for case in cases:
        found = case["contenders"]
        texts = (
            f"{found[name]['ssim']:.4f} · {found[name]['psnr']:.1f} dB · {found[name]['bytes']:,}"
            if name in found
            else "–"
            for name in names
        )
        rows.append((case["case"], *texts))
    note = (
        "SSIM, PSNR and bytes of the rendition. The reference is the source, fully decoded, scaled by LANCZOS and not "
        "encoded, so most of the distance is the encoder's. The figures never change, so they have no spread."
    )
    return [Table(("case", *names), rows, note), *scale.tables(data.get("scale", []))]
