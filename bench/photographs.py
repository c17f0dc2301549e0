"""Camera-like photographs: real ones, enlarged with grain, since thumbnails are made of large files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SOURCE = Path(__file__).parent.parent / "flask_images_vips" / "demo" / "static" / "photos" / "earth.jpg"
_GRAIN = 5.0  # standard deviation, in levels of 255, as a camera at a middling sensitivity shows


def enlarged(size: tuple[int, int]) -> Image.Image:
    """The photograph at *size* (width, height) pixels, with grain. Equal at every call."""
    with Image.open(SOURCE) as source:
        picture = source.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    pixels = np.asarray(picture, dtype=np.float32)  # (height, width, bands)
    grain = np.random.default_rng(1).normal(0, _GRAIN, pixels.shape)
    return Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8))


def write_all(folder: Path) -> dict[str, Path]:
    """JPEGs of 6 and 24 Mpx and a PNG with alpha of 3 Mpx in *folder*, by what they are."""
    paths = {"6 Mpx JPEG": folder / "6.jpg", "24 Mpx JPEG": folder / "24.jpg", "3 Mpx PNG, alpha": folder / "3.png"}
    for path, size in zip(list(paths.values())[:2], [(3000, 2000), (6000, 4000)], strict=True):
        enlarged(size).save(path, quality=92)
    with_alpha = enlarged((2000, 1500))
    with_alpha.putalpha(with_alpha.convert("L"))
    with_alpha.save(paths["3 Mpx PNG, alpha"])
    return paths
