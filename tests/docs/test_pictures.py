"""The pictures of the documentation are drawn by the package, small, and shown by a page.

``python tests/docs/test_pictures.py`` writes them again, or those that are named.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

if not __package__:  # as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import ROOT

from docs.drawing import DRAWINGS, Site, turning_earth

PICTURES = ROOT / "docs" / "pictures"
TURNING = PICTURES / "turning.webp"
MOST_BYTES, MOST_IN_TOTAL = 80_000, 1_000_000
_QUALITY = {"additions": 74, "cuts": 74, "effects": 72, "options": 48, "formats": 90, "qualities": 90}
_NEEDS = {"faces": ("skimage", "cv2"), "placeholders": ("blurhash",)}


def likeness(kept: Image.Image, drawn: Image.Image) -> float:
    """The peak signal-to-noise ratio of both, in decibels."""
    assert kept.size == drawn.size
    pixels = (np.asarray(image.convert("RGB"), float) for image in (kept, drawn))
    return float(10 * np.log10(255**2 / max(1e-9, (np.subtract(*pixels) ** 2).mean())))


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_picture_is_drawn_by_the_package(name: str, tmp_path: Path) -> None:
    for module in _NEEDS.get(name, ()):
        pytest.importorskip(module)
    with Image.open(PICTURES / f"{name}.jpg") as kept:
        assert likeness(kept, DRAWINGS[name](Site(tmp_path))) > 28, f"run: python tests/docs/test_pictures.py {name}"


def test_the_earth_turns(tmp_path: Path) -> None:
    with Image.open(TURNING) as kept, Image.open(io.BytesIO(turning_earth(Site(tmp_path)))) as drawn:
        assert getattr(kept, "n_frames", 1) == getattr(drawn, "n_frames", 1) == 16
        pairs = zip(ImageSequence.Iterator(kept), ImageSequence.Iterator(drawn), strict=True)
        assert all(likeness(*pair) > 28 for pair in pairs)


def test_as_a_gif_the_earth_has_three_times_as_many_bytes(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "guides" / "animations.md").read_text("utf-8")
    assert "As a GIF, it has three times as many bytes" in page
    assert 2.5 < len(turning_earth(Site(tmp_path), format="gif")) / TURNING.stat().st_size < 3.5


def test_the_pictures_are_small_and_each_is_shown_by_a_page() -> None:
    files = [*(PICTURES / f"{name}.jpg" for name in DRAWINGS), TURNING]
    assert max(file.stat().st_size for file in files) < MOST_BYTES
    assert sum(file.stat().st_size for file in files) < MOST_IN_TOTAL
    pages = "".join(page.read_text("utf-8") for page in (ROOT / "docs").rglob("*.md"))
    assert [file.name for file in files if f"pictures/{file.name}" not in pages] == []


def write(names: list[str]) -> None:
    for name in names or [*DRAWINGS, "turning"]:
        with tempfile.TemporaryDirectory() as folder:
            site = Site(Path(folder))
            if name == "turning":
                TURNING.write_bytes(turning_earth(site))
                continue
            file = PICTURES / f"{name}.jpg"
            DRAWINGS[name](site).save(file, quality=_QUALITY.get(name, 84), optimize=True)
        print(file.name, f"{file.stat().st_size:,}")


if __name__ == "__main__":
    write(sys.argv[1:])
