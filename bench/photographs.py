"""Camera-like photographs: real ones, enlarged with grain, since thumbnails are made of large files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

PHOTOGRAPHS = Path(__file__).parent.parent / "flask_images_vips" / "demo" / "static" / "photos"
SOURCE = PHOTOGRAPHS / "earth.jpg"
_GRAIN = 5.0  # standard deviation, in levels of 255, as a camera at a middling sensitivity shows


def enlarged(size: tuple[int, int], photograph: Path = SOURCE, grain: float = _GRAIN) -> Image.Image:
    """The photograph at *size* (width, height) pixels, with grain. Equal at every call."""
    with Image.open(photograph) as source:
        picture = source.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    pixels = np.asarray(picture, dtype=np.float32)  # (height, width, bands)
    noise = np.random.default_rng(1).standard_normal(pixels.shape, dtype=np.float32)
    return Image.fromarray((pixels + grain * noise).clip(0, 255).astype(np.uint8))


def cut_out(size: tuple[int, int], photograph: Path, grain: float = _GRAIN) -> Image.Image:
    """A photograph that has alpha at *size* pixels: grain where it shows, nothing where it is clear."""
    with Image.open(photograph) as source:
        alpha = source.convert("RGBA").getchannel("A").resize(size, Image.Resampling.BICUBIC)
    picture = enlarged(size, photograph, grain)
    picture.putalpha(alpha)
    clear = Image.new("RGBA", size)
    clear.paste(picture, mask=alpha.point(lambda level: 255 if level else 0))
    return clear
