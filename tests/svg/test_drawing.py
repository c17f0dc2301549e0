"""An SVG is written anew: what is allowed looks the same, and nothing that runs or fetches is left."""

from __future__ import annotations

import base64
import io
import re

import pytest
from PIL import Image

from flask_images_vips.errors import ImagesError, LimitExceeded, UnreadableSource
from flask_images_vips.svg.drawing import passed_through

from .vectors import HEAD, HEADS, RUN, SVG, attacks, drawing, faults

PIXELS = 1_000_000


def written(text: str | bytes, pixels: int = PIXELS) -> str:
    data = text if isinstance(text, bytes) else text.encode()
    return passed_through(data, "a.svg", pixels)[0].decode()


def inside(text: str, head: str = HEAD) -> str:
    """What is written of *text* in a drawing."""
    found = re.fullmatch(r"<svg [^>]*?(?:/>|>(.*)</svg>)\n", written(drawing(text, head)), re.DOTALL)
    assert found
    return found[1] or ""


def picture(format: str = "PNG", size: tuple[int, int] = (4, 3)) -> str:
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, format)
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize("number", range(len([*attacks()])))
def test_no_attack_leaves_a_script_or_a_reference(number: int) -> None:
    attack = [*attacks()][number]
    try:
        data, _ = passed_through(attack.encode(), "a.svg", PIXELS)
    except UnreadableSource:
        assert "<desc>" in attack or "ENTITY" in attack or "<style>" in attack
        return
    assert faults(data) == []
    assert RUN not in re.sub(r"<(style|title|desc|text)[^>]*>[^<]*", "", data.decode())


def test_the_judge_of_the_attacks_sees_them() -> None:
    assert sum(not faults(text.encode()) for text in attacks() if text not in HEADS and "<?" not in text) <= 6


def test_plain_drawings_stay_as_they_are() -> None:
    for text in (
        '<path d="M1 2h3.5v-4z" fill="#f00" stroke="currentColor" stroke-width="2" stroke-linecap="round"/>',
        '<defs><linearGradient id="a" x1="0" gradientUnits="userSpaceOnUse"><stop offset="1" stop-color="red"/>'
        '</linearGradient></defs><circle cx="5" cy="5" r="4" fill="url(#a)" transform="rotate(45 5 5)"/>',
        '<clipPath id="c"><rect width="9" height="9" rx="2"/></clipPath><g clip-path="url(#c)"><use href="#p"/></g>',
        '<filter id="f" x="0"><feGaussianBlur in="SourceGraphic"/><feMerge><feMergeNode/></feMerge></filter>',
        '<text x="1" y="2" font-family="Arial, sans-serif" xml:space="preserve">a <tspan dx="1">&amp;</tspan> b</text>',
        '<style>.a{fill:#f00;stroke:url(#a)}@media (prefers-color-scheme:dark){.a{fill:#fff}}</style><g class="a"/>',
        '<title>Logo</title><desc>Our "logo" &lt;3</desc><g role="img" aria-label="Logo (dark)"/>',
        '<g><animate attributeName="opacity" values="0;1" dur="0:01" begin="0s;x.end+1s" repeatCount="2"/></g>',
        f'<image width="4" height="3" href="data:image/png;base64,{picture()}"/>',
        '<switch><g systemLanguage="de"/><g/></switch><svg x="1"/><symbol id="s" viewBox="0 0 1 1"/><a><path/></a>',
        '<mask id="m"><path style="mask-type:alpha;fill:rgb(0 0 0 / 50%)"/></mask><path mask="url(#m)"/>',
    ):
        assert inside(text) == text


def test_links_of_old_drawings_keep_their_namespace() -> None:
    head = f'<x:svg xmlns:x="{SVG}" xmlns:l="http://www.w3.org/1999/xlink" viewBox="0 0 1 1">'
    text = written(f'{head}<x:use l:href=" #a "/></x:svg>')
    assert text == (
        f'<svg xmlns="{SVG}" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 1 1">'
        '<use xlink:href="#a"/></svg>\n'
    )


def test_what_editors_note_is_left_out() -> None:
    editors = (
        f'<svg xmlns="{SVG}" xmlns:sodipodi="http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd" '
        'xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" inkscape:version="1.3" enable-background="new">'
    )
    text = (
        '<!-- made by hand --><sodipodi:namedview id="x"><g/></sodipodi:namedview><metadata><g/></metadata>\n  '
        '<path inkscape:label="x" sodipodi:nodetypes="cc" data-name="Layer 1" d="M0 0"/>\n'
    )
    assert inside(text, editors) == '<path d="M0 0"/>'


def test_entities_of_illustrator_are_replaced() -> None:
    text = (
        f'<!DOCTYPE svg [<!ENTITY ns_svg "{SVG}"><!ENTITY st "fill:red">]><svg xmlns="&ns_svg;"><g style="&st;"/></svg>'
    )
    assert written(text) == f'<svg xmlns="{SVG}"><g style="fill:red"/></svg>\n'


def test_pictures_are_checked_and_written_anew() -> None:
    for format, name in (("PNG", "png"), ("JPEG", "jpeg"), ("WEBP", "webp"), ("GIF", "gif")):
        data = picture(format)
        stated = f"<image href='data:image/gif; base64,\n{data[:9]} \n{data[9:]}'/>"
        assert inside(stated) == f'<image href="data:image/{name};base64,{data}"/>'
        escaped = data.rstrip("=").replace("/", "%2F").replace("+", "%2b")  # as browsers accept it
        assert inside(f"<image href='data:image/png;name=a.png;base64,{escaped}'/>") == inside(stated)
    broken = base64.b64encode(base64.b64decode(picture())[:20]).decode()
    for link in (f"data:image/png;base64,{broken}", "data:image/png,x", "data:image/png;base64,*", "data:text/html,x"):
        assert inside(f'<image href="{link}"/>') == "<image/>"


def test_pictures_have_few_pixels_together() -> None:
    image = f'<image href="data:image/png;base64,{picture(size=(30, 20))}"/>'
    assert "base64" in written(drawing(image), 600)
    with pytest.raises(LimitExceeded, match=r"pictures in the SVG have 1,200 pixels; the limit is 1,199 \(IMAGES_MAX"):
        written(drawing(image * 2), 1199)


def test_the_size_is_told() -> None:
    assert passed_through(drawing("").encode(), "a.svg", 1)[1] == (40, 30)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<svg/>", "without a namespace"),
        (f'<g xmlns="{SVG}"/>', "the root element is <g>"),
        (HEAD, "not XML"),
        (drawing("<g>"), "not XML"),
        (f"<!DOCTYPE svg [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>{drawing('<text>&a;</text>')}", "declares entities"),
    ],
)
def test_what_is_no_svg_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UnreadableSource, match=reason):
        written(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (drawing("x" * 1_000_000), "bytes"),
        (drawing("<g/>" * 50_000), "50,001 elements"),
        (drawing("<g " + "".join(f"a{number}='' " for number in range(1001)) + "/>"), "1,001 attributes"),
        (drawing("<g>" * 200 + "</g>" * 200), "201 elements of the SVG are within each other"),
        (drawing("<text>" + "&amp;" * 190_000 + "&gt;" * 1 + "<![CDATA[" + "<" * 40_000 + "]]>" + "</text>"), None),
        (drawing("<text><![CDATA[" + "<" * 600_000 + "]]></text>"), "more than 2,000,000 characters"),
        (drawing("<style>" + "a{fill:red}" * 5001 + "</style>"), "5,001 rules"),
    ],
)
def test_large_drawings_are_refused(text: str, reason: str | None) -> None:
    if reason is None:
        assert written(text)
        return
    with pytest.raises(LimitExceeded, match=reason):
        written(text)


def test_the_deadline_is_looked_at() -> None:
    looks: list[int] = []
    passed_through(drawing("<g/>" * 2500).encode(), "a.svg", 1, lambda: looks.append(1))
    assert len(looks) == 2


def test_no_beginning_of_a_drawing_causes_another_error() -> None:
    whole = drawing(f'<style>.a{{fill:url(#b)}}</style><image href="data:image/png;base64,{picture()}"/>').encode()
    for length in range(len(whole)):
        with pytest.raises(ImagesError):
            passed_through(whole[:length], "a.svg", PIXELS)


def test_what_was_written_is_written_the_same_again() -> None:
    for attack in attacks():
        try:
            once = written(attack)
        except UnreadableSource:
            continue
        assert written(once) == once
