"""Equal looks are found by interpolation, and the drawings count as flat."""

from __future__ import annotations

import pytest
from PIL import Image, ImageOps

from bench import scale
from bench.workload import PHOTOGRAPHS
from flask_images_vips.engines.pillow.writer import is_flat


def test_the_number_with_the_same_score_is_interpolated() -> None:
    curve = [(10.0 * index, index / 10) for index in range(len(scale.NUMBERS))]
    first, second = scale.NUMBERS[2:4]
    assert scale._numbers_at((25, 0.2), curve) == [pytest.approx((first + second) / 2), pytest.approx(first)]
    assert scale._numbers_at((1000, 0.1), curve)[0] == 101  # none reaches it


def test_small_pictures_are_scored_with_their_mirror_image() -> None:
    small = Image.effect_noise((300, 100), 60).convert("RGB")
    mirrored = scale._mirrored(small)
    assert mirrored.size == (300, scale.LEAST_SIDE)
    assert mirrored.crop((0, 0, 300, 100)).tobytes() == small.tobytes()
    assert mirrored.crop((0, 100, 300, 200)).tobytes() == ImageOps.flip(small).tobytes()
    large = small.resize((300, scale.LEAST_SIDE))
    assert scale._mirrored(large) is large


def test_a_score_hardly_depends_on_the_height() -> None:
    pytest.importorskip("ssimulacra2")
    with Image.open(PHOTOGRAPHS / "coffee.jpg") as file:
        picture = file.convert("RGB").reduce(2)
    scores = [scale._scores(picture.crop((0, 0, 280, height)), ".jpg", {"Q": 75})[0] for height in (280, 224)]
    assert scores[1] == pytest.approx(scores[0], abs=4)


def test_drawings_are_flat() -> None:
    assert all(is_flat(draw()) for draw in scale.DRAWINGS)


def test_each_content_has_a_table() -> None:
    row = {"encoder": "webp", "quality": 75, "number": 77, "p10": 71, "p90": 83, "by_ssim": 82, "of_pictures": [77]}
    tables = scale.tables([{**row, "content": content} for content in ("photographs", "flat")])
    assert [table.rows for table in tables] == [[("75", "77 (71–83)")]] * 2
    assert all("10th to 90th percentile" in table.text() for table in tables)
