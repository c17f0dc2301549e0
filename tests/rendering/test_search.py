"""The search for the lowest quality that looks good enough, with scores that the test makes up."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_images_vips.rendering.quality import Deadline
from flask_images_vips.rendering.search import LOWEST, Found, lowest


def searched(per_step: float, offset: float, target: float, highest: int = 75) -> tuple[Found, list[int]]:
    """What is found where each step of quality adds *per_step* points to *offset*, and the qualities tried."""
    tried: list[int] = []

    def render(quality: int) -> bytes:
        tried.append(quality)
        return bytes([quality])

    found = lowest(highest, target, render, lambda data: offset + per_step * data[0], Deadline(inf))
    return found, tried


def test_the_lowest_quality_that_is_good_enough_is_found_in_few_tries() -> None:
    found, tried = searched(0.4, 50, 70)
    assert 50 <= found.quality <= 52
    assert found.score >= 70
    assert len(tried) <= 5


def test_a_picture_that_is_not_good_enough_keeps_its_quality() -> None:
    found, tried = searched(0.4, 30, 70)
    assert (found.quality, tried) == (75, [75])


def test_very_low_qualities_are_not_tried() -> None:
    found, tried = searched(0.1, 80, 70)
    assert LOWEST <= found.quality == min(tried) <= LOWEST + 2
    assert searched(0.4, 80, 70, highest=20)[0].quality == 20


@given(st.floats(0.05, 3), st.floats(-100, 90), st.integers(31, 95), st.integers(LOWEST, 100))
def test_whatever_the_scores_are_the_result_is_good_enough_or_the_highest(
    per_step: float, offset: float, target: int, highest: int
) -> None:
    found, tried = searched(per_step, offset, target, highest)
    assert found.score >= target or found.quality == highest
    assert len(tried) == len(set(tried)) <= 5
    assert all(LOWEST <= quality <= highest for quality in tried)


def test_a_search_without_time_ends_with_what_it_has() -> None:
    found = lowest(75, 70, lambda quality: b"", lambda data: 90.0, Deadline(-1))
    assert found == Found(75, 90.0, final=False)


@pytest.mark.parametrize("scores", [[80, 60, 60, 60, 60], [80, 79, 80, 79, 80], [70, -400, 1000, 0, 0]])
def test_scores_that_jump_end_the_search_too(scores: list[float]) -> None:
    left = iter(scores)
    assert lowest(75, 70, lambda quality: b"", lambda data: next(left), Deadline(inf)).score >= 70
