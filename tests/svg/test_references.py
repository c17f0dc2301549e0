"""How much a small file may draw."""

from __future__ import annotations

import pytest

from flask_images_vips.errors import LimitExceeded
from flask_images_vips.svg.drawing import passed_through

from .vectors import drawing


def check(inside: str) -> None:
    passed_through(drawing(inside).encode(), "a.svg", 1)


def laughs(reference: str, tag: str = "g", count: int = 10) -> str:
    """Elements of which each refers ten times to the one before."""
    return "".join(
        f'<{tag} id="a{number}">{reference.replace("#", f"#a{number - 1}") * 10 if number else "<path/>"}</{tag}>'
        for number in range(count)
    )


@pytest.mark.parametrize(
    "inside",
    [
        laughs('<use href="#"/>'),
        laughs('<use xlink:href="#"/>', "symbol"),
        laughs('<path fill="url(#)"/>', "pattern"),
        laughs('<path style="mask:url(#)"/>', "mask"),
        laughs('<path marker-mid="url(#)"/>', "marker"),
        laughs('<use href="#"/>').replace('href="#a', 'href="#%61'),
        laughs('<path fill="url(#)"/>', "pattern").replace("url(#a", "url(#%61"),
        "<style>"
        + "".join(f".c{n}{{fill:url(#a{n})}}" for n in range(9))
        + "</style>"
        + "".join(f'<pattern id="a{n}">{f"""<path class="x c{n - 1}"/>""" * 10}</pattern>' for n in range(10)),
        "<style>*{fill:url(#a)}</style><pattern id='a'>" + "<path/>" * 500 + "</pattern>" + "<path/>" * 500,
    ],
)
def test_drawings_that_multiply_are_refused(inside: str) -> None:
    with pytest.raises(LimitExceeded, match="the SVG draws"):
        check(inside)


PATH = "M0 0" + "L9 9" * 10


@pytest.mark.parametrize(
    "marker",
    [
        '<marker id="a{0}"><path d="{2}" marker-mid="url(#a{1})"/></marker>',
        '<marker id="a{0}"><g style="marker:url(#a{1})"><path d="{2}"/></g></marker>',
        '<g marker-mid="url(#a{1})"><marker id="a{0}"><path d="{2}"/></marker></g>',
        '<style>.x{0}{{marker-mid:url(#a{1})}}</style><g class="x{0}"><marker id="a{0}"><path d="{2}"/></marker></g>',
        '<path id="p{0}" d="{2}" marker-mid="url(#a{1})"/><marker id="a{0}"><use href="#p{0}"/></marker>',
    ],
)
def test_markers_at_the_points_of_markers_are_counted(marker: str) -> None:
    with pytest.raises(LimitExceeded, match="the SVG draws"):
        check("".join(marker.format(number, number - 1, PATH) for number in range(6)))


@pytest.mark.parametrize("tag", ["mask", "filter"])
def test_a_mask_and_a_filter_cost_as_much_as_many_elements(tag: str) -> None:
    costly = f'<{tag} id="a"/>' + f'<path {tag}="url(#a)"/>' * 1000
    check(costly)
    with pytest.raises(LimitExceeded, match="the SVG draws"):
        check(costly + f'<path {tag}="url(#a)"/>' * 4000)


def test_many_markers_within_many_names_are_refused() -> None:
    names = " ".join(f"c{number}" for number in range(3000))
    with pytest.raises(LimitExceeded, match="markers within"):
        check(f'<g class="{names}">' + "".join(f'<marker id="a{number}"/>' for number in range(100)) + "</g>")


def test_many_arrows_are_fine() -> None:
    check(
        "<style>path{marker-end:url(#a)} .b{marker-end:url(#b)}</style>"
        + "".join(f'<marker id="{name}"><path d="M0 0L9 5L0 9z"/><path/></marker>' for name in "abcdefgh")
        + f'<path class="b" d="{PATH * 9}"/>' * 300
    )


def test_style_sheets_that_refer_everywhere_are_refused() -> None:
    rules = "".join(f"g{{fill:url(#a{number})}}" for number in range(3000))
    with pytest.raises(LimitExceeded, match="style sheets of the SVG refer"):
        check(f"<style>{rules}</style>" + "".join(f'<g id="a{number}"/>' for number in range(3000)))


def test_long_chains_are_refused() -> None:
    chain = "".join(f'<g id="a{number}"><use href="#a{number - 1}"/></g>' for number in range(34))
    check(chain.replace('<use href="#a30"/>', ""))
    with pytest.raises(LimitExceeded, match="refer 33 times to each other in turn"):
        check(chain)


def test_what_refers_to_itself_is_passed_as_browsers_draw_nothing() -> None:
    check('<g id="a"><use href="#a"/><use href="#b"/></g><g id="b"><use href="#a"/></g><path fill="url(#none)"/>')
    check('<g id="a"><g id="a"><use href="#a"/></g></g>')


def test_many_uses_of_one_symbol_are_fine() -> None:
    check('<symbol id="a">' + "<path/>" * 20 + "</symbol>" + '<use href="#a"/>' * 2000)


def test_many_styled_shapes_are_fine() -> None:
    check(
        "<style>"
        + "".join(f".c{n}{{fill:url(#a{n})}}" for n in range(50))
        + "</style>"
        + "".join(f'<linearGradient id="a{n}"><stop/><stop/></linearGradient>' for n in range(50))
        + "".join(f'<path class="c{n % 50}"/>' for n in range(2000))
    )
