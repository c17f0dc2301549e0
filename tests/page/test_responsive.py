"""Which renditions a page offers, by layout."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from flask_images_vips.geometry import Size, plan
from flask_images_vips.options.options import Options
from flask_images_vips.options.values import Edges, Mode
from flask_images_vips.page.responsive import LADDER, Layout, Limits, candidates, fitted, sizes, widths, within_source

ANY = Limits(10**9, 10**9, 10**18)


sides = st.one_of(st.none(), st.integers(1, 3000))


def test_each_layout_offers_its_widths() -> None:
    assert widths(Layout.FIXED, 300) == [300, 600]
    assert widths(Layout.CONSTRAINED, 400) == [400, 800, 640, 750]
    assert widths(Layout.FULL, 400) == list(LADDER)


def test_each_layout_says_how_wide_it_will_be() -> None:
    assert sizes(Layout.CONSTRAINED, 400) == "(min-width: 400px) 400px, 100vw"
    assert sizes(Layout.FULL, 400) == "100vw"


def test_the_sources_own_width_takes_the_place_of_what_is_wider() -> None:
    found = candidates(Size(1000, 500), Options(width=600), (600, 1200, 640, 750, 5000), ANY)
    assert [each.size.width for each in found] == [600, 640, 750, 1000]
    enlarged = candidates(Size(1000, 500), Options(width=600, enlarge=True), (600, 1200), ANY)
    assert [each.size for each in enlarged] == [(600, 300), (1200, 600)]


def test_a_padded_picture_that_cannot_grow_is_offered_once() -> None:
    found = candidates(Size(100, 50), Options(width=400, height=300, mode=Mode.PAD), (400, 800, 200), ANY)
    assert [each.size for each in found] == [(400, 300)]


def test_what_is_over_a_limit_is_not_offered() -> None:
    options = Options(width=600, enlarge=True)
    found = candidates(Size(1000, 500), options, (600, 9000), Limits(8192, 8192, 25_000_000))
    assert [each.size.width for each in found] == [600]


@given(
    image=st.builds(Size, st.integers(1, 4000), st.integers(1, 4000)),
    width=sides,
    height=sides,
    mode=st.sampled_from(Mode),
    enlarge=st.booleans(),
    wanted=st.lists(st.integers(1, 9000), min_size=1, max_size=8),
)
def test_every_candidate_is_as_wide_as_it_says_no_larger_than_the_source_and_of_one_shape(
    image: Size, width: int | None, height: int | None, mode: Mode, enlarge: bool, wanted: list[int]
) -> None:
    options = within_source(image, Options(width=width, height=height, mode=mode, enlarge=enlarge))
    shown = plan(image, options).canvas
    found = candidates(image, options, tuple(wanted), ANY)
    assert found
    for each in found:
        asked = Options(width=each.width, height=each.height, mode=mode, enlarge=enlarge)
        geometry = plan(image, asked)
        assert geometry.canvas == each.size
        if not enlarge:
            assert geometry.scaled.width <= image.width
            assert geometry.scaled.height <= image.height
        # The same shape, but for whole pixels: either side is at most 2 off what the other one gives.
        exact = Fraction(each.size.width * shown.height, shown.width)
        across = Fraction(each.size.height * shown.width, shown.height)
        slack = 2 + 2 * max(1, Fraction(each.size.width, shown.width), Fraction(each.size.height, shown.height))
        assert abs(each.size.height - exact) <= slack or abs(each.size.width - across) <= slack
    assert [each.size.width for each in found] == sorted({each.size.width for each in found})


def test_a_picture_is_shown_at_the_size_of_its_settled_options() -> None:
    asked = Options(width=300, aspect=Fraction(1), mode=Mode.CROP, padding=Edges(5, 5, 5, 5))
    options, shown = fitted(Size(200, 100), asked)
    assert options == within_source(Size(200, 100), asked)
    assert (options.width, options.height, options.aspect) == (200, 100, None)
    assert shown == (210, 110)
