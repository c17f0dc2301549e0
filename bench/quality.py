"""How near are the pictures to the reference? SSIM and PSNR against a full decode, and what the bytes buy.

The reference is the source decoded whole and scaled by Pillow's LANCZOS, before any encoder touched it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.contenders import BARE, CONTENDERS, FULL, OURS, PILLOW, scaled
from bench.measure import Worker
from bench.workload import AVIF, CAMERA, CROP, CUT_OUT, FIT, FIT_LARGE, LARGE, PAD, SHARPEN, UPLOAD, WEBP, Case, write

PHOTOGRAPHS = ("coffee.jpg", "cat.jpg", "earth.jpg", "canyon.jpg")
QUALITIES = (40, 50, 60, 70, 75, 80, 85, 90)
CURVES = ("jpeg", "webp", "avif")

Pixels = NDArray[np.float64]


def pixels_of(data: bytes, size: tuple[int, int] | None = None) -> Pixels:
    """The picture in *data* as (height, width, 3), in front of black; scaled to *size* where it is a pixel off."""
    with Image.open(io.BytesIO(data)) as picture:
        if picture.mode in ("RGBA", "LA", "P"):
            ground = Image.new("RGBA", picture.size, (0, 0, 0, 255))
            ground.alpha_composite(picture.convert("RGBA"))
            return np.asarray(ground.convert("RGB"), dtype=np.float64)
        return np.asarray(picture.convert("RGB"), dtype=np.float64)


def ssim(one: Pixels, other: Pixels) -> float:
    """The structural similarity of two pictures of equal size: 1 for the same."""
    from skimage.metrics import structural_similarity

    return float(structural_similarity(one, other, channel_axis=2, data_range=255))


def psnr(one: Pixels, other: Pixels) -> float:
    """The peak signal-to-noise ratio of two pictures of equal size, in dB, at most 99."""
    error = float(((one - other) ** 2).mean())
    return min(99.0, float(10 * np.log10(255**2 / error))) if error else 99.0


def reference(path: Path, case: Case, size: tuple[int, int]) -> bytes:
    """*case* by a full decode at exactly *size*, losslessly: what a contender that rounds otherwise is held against."""
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
    """How far *data* is from the reference of *case*, and how many bytes it takes."""
    with Image.open(io.BytesIO(data)) as picture:
        size = picture.size
    found, wanted = pixels_of(data), pixels_of(reference(path, case, size))
    return {"ssim": round(ssim(found, wanted), 4), "psnr": round(psnr(found, wanted), 2), "bytes": len(data)}


def cases(quick: bool) -> list[Case]:
    if quick:
        return [Case(CAMERA), Case(CUT_OUT)]
    several = [Case(replace(CAMERA, name=f"6 Mpx JPEG of {photo}", photograph=photo)) for photo in PHOTOGRAPHS[1:]]
    rest = [Case(CAMERA, operation) for operation in (FIT, CROP, PAD, SHARPEN)]
    return [*rest, *several, Case(UPLOAD), Case(LARGE), Case(LARGE, FIT_LARGE), Case(CUT_OUT), Case(WEBP), Case(AVIF)]


def run(quick: bool, told: Callable[[str], object]) -> dict[str, Any]:
    """Each contender's nearness in each case, and each format's over its qualities."""
    asked = cases(quick)
    paths = write([case.picture for case in asked])
    rows = []
    with Worker(OURS) as ours, Worker(PILLOW) as pillow, Worker(BARE) as bare, Worker(FULL) as full:
        workers = {worker.contender: worker for worker in (ours, pillow, bare, full)}
        for case in asked:
            path = paths[case.picture.name]
            found = {
                name: compared(worker.render(path, case).data, path, case)
                for name, worker in workers.items()
                if CONTENDERS[name].able(case)
            }
            rows.append({"case": case.name, "contenders": found})
            told(case.name)
        curves = []
        for photo in PHOTOGRAPHS[: 1 if quick else None]:
            picture = replace(CAMERA, name=f"6 Mpx JPEG of {photo}", photograph=photo)
            path = write([picture])[picture.name]
            for format in CURVES:
                for quality in QUALITIES[:: 3 if quick else 1]:
                    case = Case(picture, FIT, format, quality)
                    for worker in (ours, pillow):
                        point = compared(worker.render(path, case).data, path, case)
                        curves.append(
                            {"contender": worker.contender, "photograph": photo, "format": format, "quality": quality}
                            | point
                        )
            told(photo)
    return {"cases": rows, "curves": curves}
