"""Nearness to the reference has known values for known pictures."""

from __future__ import annotations

import numpy as np
import pytest

from bench import workload
from bench.contenders import CONTENDERS, FULL
from bench.parts import quality
from bench.workload import CROP, FIT, PAD, SHARPEN, Case
from benchmarks.conftest import SMALL


def test_nearness_is_held_by_value() -> None:
    pytest.importorskip("skimage")
    black, grey = np.zeros((16, 16, 3)), np.full((16, 16, 3), 25.5)
    assert quality.psnr(black, grey) == pytest.approx(20)
    assert quality.psnr(grey, grey) == 99
    assert quality.ssim(grey, grey) == pytest.approx(1)
    assert quality.ssim(black, grey) < 0.1


def test_the_reference_is_the_full_decode_before_its_encoder() -> None:
    pytest.importorskip("skimage")
    path = workload.write([SMALL])[SMALL.name]
    for operation in (FIT, CROP, PAD, SHARPEN):
        case = Case(SMALL, operation, "png")
        found = quality.compared(CONTENDERS[FULL].make()(path, case), path, case)
        assert (found["ssim"], found["psnr"]) == (1, 99)
