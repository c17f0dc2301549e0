"""Scores of files, by SSIMULACRA2."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from conftest import PHOTOGRAPHS
from PIL import Image, ImageDraw

from flask_images_vips.rendering import scores
from flask_images_vips.rendering.scores import NoScore, Reference


def encoded(picture: Image.Image, format: str, **settings: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **settings)  # type: ignore[arg-type]
    return file.getvalue()


def photograph(size: tuple[int, int]) -> Image.Image:
    with Image.open(PHOTOGRAPHS / "coffee.jpg") as picture:
        return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)


@pytest.fixture(autouse=True)
def installed() -> None:
    pytest.importorskip("ssimulacra2")


def test_the_same_picture_scores_100_and_a_worse_one_less() -> None:
    picture = photograph((200, 133))
    reference = Reference(encoded(picture, "png"))
    assert reference.score(encoded(picture, "png")) == 100
    good, bad = (reference.score(encoded(picture, "jpeg", quality=quality)) for quality in (90, 30))
    assert 100 > good > 75 > bad > 30


def test_a_small_picture_scores_like_a_large_one() -> None:
    """The metric by itself gives this one less than 0, because its sides cannot be halved five times."""
    with Image.open(PHOTOGRAPHS / "earth.jpg") as file:
        picture = file.convert("RGB").resize((200, 100), Image.Resampling.LANCZOS)
    assert 65 < Reference(encoded(picture, "png")).score(encoded(picture, "jpeg", quality=75)) < 85
    tiny = picture.resize((7, 3))
    assert Reference(encoded(tiny, "png")).score(encoded(tiny, "png")) == 100


def test_parts_of_a_large_picture_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = photograph((600, 400))
    file, damaged = encoded(picture, "png"), picture.copy()
    ImageDraw.Draw(damaged).rectangle((560, 360, 599, 399), "red")
    whole = Reference(file).score(encoded(damaged, "png"))
    monkeypatch.setattr(scores, "_MOST_PIXELS", 100_000)
    monkeypatch.setattr(scores, "_PART_SIDE", 256)
    assert Reference(file).score(encoded(damaged, "png")) <= whole


def test_transparent_pixels_count_by_what_shows_through() -> None:
    picture = photograph((200, 133))
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    reference = Reference(encoded(picture, "png"))
    assert reference.score(encoded(picture, "png")) == 100
    opaque = picture.convert("RGB")
    assert reference.score(encoded(opaque, "png")) < 50
    on_red = Reference(encoded(picture, "png"), (255, 0, 0))
    flattened = Image.alpha_composite(Image.new("RGBA", picture.size, "red"), picture).convert("RGB")
    assert on_red.score(encoded(flattened, "png")) == 100


def test_what_cannot_be_compared_has_no_score() -> None:
    reference = Reference(encoded(photograph((200, 133)), "png"))
    with pytest.raises(NoScore, match="cannot be decoded"):
        reference.score(b"no picture")
    with pytest.raises(NoScore, match="has 100×100 pixels, and the picture 200×133"):
        reference.score(encoded(photograph((100, 100)), "png"))


def test_without_the_package_there_is_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ssimulacra2", None)
    with pytest.raises(NoScore):
        Reference(encoded(photograph((20, 20)), "png"))


def test_looking_for_the_package_does_not_import_it(tmp_path: Path) -> None:
    import subprocess

    code = "import sys; from flask_images_vips.rendering import scores; scores.is_installed(); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"ssimulacra2", "numpy", "scipy"}.isdisjoint(run.stdout.split())
