"""Pictures, sizes and popularity are the same in every run."""

from __future__ import annotations

import numpy as np
from PIL import Image

from bench import workload
from bench.workload import Picture
from benchmarks.conftest import SMALL


def test_sizes_are_those_of_the_package() -> None:
    from flask_images_vips.geometry import Size, plan
    from flask_images_vips.options.options import Options
    from flask_images_vips.options.values import Mode

    for picture in workload.PICTURES:
        for width, height in ((400, 300), (300, 400), (97, 1000)):
            options = Options(width=width, height=height, mode=Mode.FIT)
            assert workload.fit(picture.size, (width, height)) == plan(Size(*picture.size), options).canvas


def test_a_picture_is_kept_between_runs_and_made_anew_when_its_recipe_changes() -> None:
    first = workload.write([SMALL])[SMALL.name]
    at = first.stat().st_mtime_ns
    assert workload.write([SMALL])[SMALL.name].stat().st_mtime_ns == at
    other = Picture(SMALL.name, SMALL.file, SMALL.size, grain=1, save=SMALL.save)
    assert workload.write([other])[SMALL.name] != first


def test_a_cut_out_is_clear_around_and_grainy_within() -> None:
    picture = Picture("cut out", "cut.png", (409, 374), "cup.png")
    with Image.open(workload.write([picture])[picture.name]) as image:
        pixels = np.asarray(image)
    assert pixels.shape == (374, 409, 4)
    assert not pixels[pixels[..., 3] == 0].any()
    assert {0, 255} <= set(np.unique(pixels[..., 3]))
