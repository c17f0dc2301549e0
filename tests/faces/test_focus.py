"""The point of the faces in a picture."""

from __future__ import annotations

import pytest

from flask_images_vips.faces.focus import Face, focus


def test_one_face_is_the_middle() -> None:
    assert focus([Face(0.2, 0.4, 0.2, 0.2, 0.9)]) == pytest.approx((0.3, 0.5))


def test_of_two_faces_the_larger_one_counts_more() -> None:
    point = focus([Face(0.0, 0.4, 0.2, 0.2, 0.9), Face(0.8, 0.4, 0.1, 0.2, 0.9)])
    assert point is not None
    assert point[0] == pytest.approx((0.1 * 2 + 0.85) / 3, abs=1e-4)


def test_a_small_face_in_the_background_does_not_count() -> None:
    assert focus([Face(0.2, 0.4, 0.2, 0.2, 0.9), Face(0.9, 0.9, 0.05, 0.05, 0.9)]) == pytest.approx((0.3, 0.5))


def test_there_is_no_point_without_faces() -> None:
    assert focus([]) is None


def test_a_face_at_the_edge_has_a_point_in_the_picture() -> None:
    assert focus([Face(0.95, -0.2, 0.3, 0.3, 0.9)]) == (1, 0)
