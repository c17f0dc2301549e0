"""Which renditions a page offers, and the HTML that says so."""

from __future__ import annotations

import base64
import html
import io
import re
import socket
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import html5lib
import pytest
from conftest import fetch, gradient
from flask import Flask, render_template_string
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from PIL import Image
from test_readme import environment, get

from flask_images_vips import (
    resized_img_attrs,
    resized_img_hint,
    resized_img_placeholder,
    resized_img_preload,
    resized_img_src,
    resized_img_srcset,
    resized_img_tag,
    resized_picture_tag,
)
from flask_images_vips.geometry import Size, plan
from flask_images_vips.options.options import Options
from flask_images_vips.options.values import Mode
from flask_images_vips.page.responsive import LADDER, Layout, Limits, candidates, settled, sizes, widths

ANY = Limits(10**9, 10**9, 10**18)

sides = st.one_of(st.none(), st.integers(1, 3000))


@pytest.fixture
def page(app: Flask, draw: Any) -> Any:
    """A request of an application that has wide.jpg, of 1600×800 pixels, and small.png, of 64×48."""
    draw("wide.jpg", (1600, 800))
    draw("small.png", (64, 48))
    draw("clear.png", (64, 48), "RGBA")
    with app.test_request_context():
        yield app


def offered(srcset: str) -> list[str]:
    """The descriptors of a ``srcset``."""
    return [candidate.split(" ")[1] for candidate in srcset.split(", ")]


# Values.


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
    options = settled(image, Options(width=width, height=height, mode=mode, enlarge=enlarge))
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


# HTML.


@pytest.mark.usefixtures("page")
def test_without_a_layout_the_tag_is_what_it_was() -> None:
    assert resized_img_tag("wide.jpg", width=400, sizes="50vw", loading="lazy") == Markup(
        f'<img data-original-height="800" data-original-width="1600" height="200" loading="lazy" sizes="50vw" '
        f'src="{html.escape(resized_img_src("wide.jpg", width=400))}" width="400"/>'
    )
    assert "srcset" not in resized_img_attrs("wide.jpg", width=400, layout=None, priority=None, placeholder=None)


@pytest.mark.usefixtures("page")
def test_a_constrained_tag() -> None:
    found = resized_img_attrs("wide.jpg", width=700, layout="constrained", alt="A")
    assert offered(found.pop("srcset")) == [
        *("640w", "700w", "750w", "828w", "960w", "1080w", "1280w", "1400w"),
    ]
    assert found == {
        "alt": "A",
        "decoding": "async",
        "fetchpriority": None,
        "height": 350,
        "loading": "lazy",
        "sizes": "auto, (min-width: 700px) 700px, 100vw",
        "src": resized_img_src("wide.jpg", width=700),
        "style": "max-width:100%;height:auto",
        "width": 700,
    }


@pytest.mark.usefixtures("page")
def test_a_fixed_tag_names_densities_that_are_true() -> None:
    assert offered(resized_img_attrs("wide.jpg", width=300, layout="fixed")["srcset"]) == ["1x", "2x"]
    found = resized_img_attrs("wide.jpg", width=1000, height=500, mode="crop", layout="fixed")
    assert offered(found["srcset"]) == ["1x", "1.6x"]
    assert "style" not in found
    assert found.get("sizes") is None
    assert resized_img_attrs("wide.jpg", width=300, layout="fixed", sizes="9px").get("sizes") is None
    assert offered(resized_img_attrs("wide.jpg", width=300, densities=[1, 1.5, 3])["srcset"]) == ["1x", "1.5x", "3x"]


@pytest.mark.usefixtures("page")
def test_a_full_tag_has_the_pictures_own_size_and_a_src_of_middle_width() -> None:
    found = resized_img_attrs("wide.jpg", layout="full")
    assert (found["width"], found["height"], found["sizes"]) == (1600, 800, "auto, 100vw")
    assert offered(found["srcset"]) == ["640w", "750w", "828w", "960w", "1080w", "1280w", "1600w"]
    assert found["src"] == resized_img_src("wide.jpg", width=1280)
    assert found["style"] == "width:100%;height:auto"


@pytest.mark.usefixtures("page")
def test_a_tag_with_priority_is_eager_and_never_sized_by_itself() -> None:
    found = resized_img_attrs("wide.jpg", width=700, priority=True, sizes="50vw")
    assert (found["loading"], found["fetchpriority"], found["sizes"]) == ("eager", "high", "50vw")
    assert resized_img_attrs("wide.jpg", width=700, priority=False)["loading"] == "lazy"
    by_hand = resized_img_attrs("wide.jpg", width=700, layout="constrained", loading="eager")
    assert by_hand["sizes"] == "(min-width: 700px) 700px, 100vw"
    assert resized_img_attrs("wide.jpg", width=700, layout="full", sizes="auto, 9vw")["sizes"] == "auto, 9vw"
    assert resized_img_attrs("wide.jpg", width=700, layout="full", sizes="9vw")["sizes"] == "auto, 9vw"


@pytest.mark.usefixtures("page")
def test_no_candidate_is_wider_than_the_source_unless_it_may_be() -> None:
    assert offered(resized_img_attrs("small.png", width=50, layout="constrained")["srcset"]) == ["50w", "64w"]
    assert offered(resized_img_attrs("small.png", width=500, layout="constrained")["srcset"]) == ["64w"]
    enlarged = resized_img_attrs("small.png", width=500, layout="constrained", enlarge=True)
    assert offered(enlarged["srcset"]) == ["500w", "640w", "750w", "828w", "960w", "1000w"]


def test_no_candidate_is_over_the_limits_of_the_configuration(make_app: Any, draw: Any) -> None:
    draw("wide.jpg", (1600, 800))
    app = make_app(IMAGES_MAX_WIDTH=1000)
    with app.test_request_context():
        assert offered(resized_img_attrs("wide.jpg", layout="full")["srcset"]) == ["640w", "750w", "828w", "960w"]


def test_every_candidate_is_served_in_the_size_that_its_descriptor_says(page: Flask) -> None:
    tags = (
        resized_img_attrs("wide.jpg", width=700, layout="constrained"),
        resized_img_attrs("wide.jpg", width=333, height=500, mode="crop", layout="constrained"),
        resized_img_attrs("wide.jpg", width="300", height="300", mode="fit", layout="full"),
        resized_img_attrs("wide.jpg", height=301, layout="constrained", format="webp"),
        resized_img_attrs("wide.jpg", width=90, layout="constrained", transform="EXTENT,200,50,0,0,50%,50%"),
    )
    for tag in tags:
        for candidate in tag["srcset"].split(", "):
            url, descriptor = candidate.split(" ")
            response = page.test_client().get(url)
            assert response.status_code == 200, response.text
            assert f"{Image.open(io.BytesIO(response.data)).width}w" == descriptor


@pytest.mark.usefixtures("page")
def test_a_srcset_of_ones_own() -> None:
    own = resized_img_attrs("wide.jpg", width=200, widths=[100, 300, 500])
    assert (offered(own["srcset"]), own["src"]) == (["100w", "300w", "500w"], resized_img_src("wide.jpg", width=300))
    by_width = resized_img_srcset("wide.jpg", widths=[400, 800, 9000], mode="crop")
    assert isinstance(by_width, Markup)
    assert offered(by_width) == ["400w", "800w", "1600w"]
    assert offered(resized_img_srcset("wide.jpg", densities=[1, 2], width=200)) == ["1x", "2x"]
    assert offered(resized_img_srcset("wide.jpg", width=200)) == ["200w", "400w"]
    assert f"{html.escape(resized_img_src('wide.jpg', width=400))} 400w" in resized_img_srcset("wide.jpg", [400])
    tag = resized_img_tag("wide.jpg", width=200, srcset=resized_img_srcset("wide.jpg", [400]))
    assert "&amp;amp;" not in tag


@pytest.mark.usefixtures("page")
def test_a_picture_offers_avif_webp_and_what_it_is() -> None:
    picture = parsed(resized_picture_tag("wide.jpg", width=700, alt="A"))
    assert [child.tag for child in picture] == ["source", "source", "img"]
    assert [child.get("type") for child in picture] == ["image/avif", "image/webp", None]
    for child in picture:
        assert (child.get("width"), child.get("height")) == ("700", "350")
        assert child.get("sizes") == "auto, (min-width: 700px) 700px, 100vw"
    assert resized_img_src("wide.jpg", width=640, format="avif") in picture[0].get("srcset")
    (webp, _) = parsed(resized_picture_tag("wide.jpg", width=700, format="avif", formats=["avif", "webp"]))
    assert webp.get("type") == "image/webp"
    assert resized_picture_tag("wide.jpg", formats="avif") == resized_picture_tag("wide.jpg", formats=["avif"])
    with pytest.raises(ValueError, match="jxl"):
        resized_picture_tag("wide.jpg", formats=["jxl"])


@pytest.mark.usefixtures("page")
def test_an_art_directed_picture_has_sources_for_its_media_in_all_formats() -> None:
    narrow = {"media": "(max-width: 600px)", "width": 300, "height": 300, "sizes": "90vw"}
    other = {"media": "print", "path": "small.png", "layout": "fixed", "width": 30, "height": None}
    picture = parsed(
        resized_picture_tag("wide.jpg", width=800, height=200, mode="crop", formats=["avif"], sources=[narrow, other])
    )
    assert [(child.get("media"), child.get("type"), child.get("width"), child.get("height")) for child in picture] == [
        ("(max-width: 600px)", "image/avif", "300", "300"),
        ("(max-width: 600px)", None, "300", "300"),
        ("print", "image/avif", "30", "22"),
        ("print", None, "30", "22"),
        (None, "image/avif", "800", "200"),
        (None, None, "800", "200"),
    ]
    assert [child.get("sizes") for child in picture] == [
        *["auto, 90vw"] * 2,
        *[None] * 2,
        *["auto, (min-width: 800px) 800px, 100vw"] * 2,
    ]
    assert "m=crop" in picture[0].get("srcset")


def test_an_animation_is_not_offered_in_a_format_that_would_stop_it(page: Flask, static: Path) -> None:
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "green", "blue")]
    frames[0].save(static / "moving.gif", save_all=True, append_images=frames[1:])
    assert page.extensions["images"].pipeline.facts.header(find(page, "moving.gif")).frames == 3
    picture = parsed(resized_picture_tag("moving.gif", width=32))
    assert [child.get("type") for child in picture] == ["image/webp", None]


def find(app: Flask, name: str) -> Any:
    return app.extensions["images"].pipeline.sources.local.find(name)


@pytest.mark.usefixtures("page")
def test_placeholders_on_tags() -> None:
    colour = resized_img_placeholder("wide.jpg", "color")
    assert resized_img_attrs("wide.jpg", width=200, placeholder="color")["style"].endswith(f";background:{colour}")
    lqip = resized_img_attrs("wide.jpg", width=200, placeholder="lqip", style="margin:0")["style"]
    assert lqip == (
        f"max-width:100%;height:auto;background:url({resized_img_placeholder('wide.jpg')}) center/100% 100% no-repeat;"
        "margin:0"
    )
    boxed = {"width": 200, "height": 200, "placeholder": "lqip"}
    assert "center/cover" in resized_img_attrs("wide.jpg", mode="crop", **boxed)["style"]
    assert "center/contain" in resized_img_attrs("wide.jpg", mode="pad", **boxed)["style"]
    for kind in ("blurhash", "thumbhash"):
        found = resized_img_attrs("wide.jpg", width=200, placeholder=kind)
        assert found[f"data-{kind}"] == resized_img_placeholder("wide.jpg", kind)
        assert "background" not in found["style"]
    with pytest.raises(ValueError, match="color, lqip, blurhash, thumbhash"):
        resized_img_tag("wide.jpg", placeholder="blur")
    with pytest.raises(ValueError, match="color, lqip, blurhash, thumbhash"):
        resized_img_placeholder("wide.jpg", "blur")
    with pytest.raises(ValueError, match="constrained, fixed, full"):
        resized_img_tag("wide.jpg", layout="wide")


@pytest.mark.usefixtures("page")
def test_nothing_shines_through_a_transparent_picture() -> None:
    assert "background" not in resized_img_attrs("clear.png", width=32, placeholder="lqip")["style"]
    assert "background" in resized_img_attrs("clear.png", width=32, placeholder="lqip", format="jpeg")["style"]


@pytest.mark.usefixtures("page")
def test_with_a_nonce_styles_are_elements_and_without_style_there_are_none() -> None:
    tag = resized_img_tag("wide.jpg", width=200, placeholder="color", nonce='a"b', class_="mine", alt="")
    style, _, image = tag.partition("</style>")
    name, rule = re.fullmatch(r'<style nonce="a&#34;b">\.(resized-[0-9a-f]{12})\{(.*)\}', style).groups()  # type: ignore[union-attr]
    assert rule.startswith("max-width:100%;height:auto;background:#")
    assert f'class="{name} mine"' in image
    assert "style=" not in image
    assert "nonce" not in image
    assert "style" not in str(resized_img_tag("wide.jpg", width=200, layout="full", style=False))


@pytest.mark.usefixtures("page")
def test_all_markup_is_right_with_and_without_autoescape_and_with_safe() -> None:
    calls = (
        "resized_img_tag('wide.jpg', width=200, layout='constrained', alt='\"<&')",
        "resized_picture_tag('wide.jpg', width=200, alt='\"<&')",
        "resized_img_srcset('wide.jpg', [200])",
        "resized_img_preload('wide.jpg', width=200)",
    )
    for call in calls:
        plain = render_template_string(f"{{{{ {call} }}}}")
        assert "&amp;s=" in plain
        assert "&amp;amp;" not in plain
        assert render_template_string(f"{{{{ {call}|safe }}}}") == plain
        assert render_template_string(f"{{% autoescape false %}}{{{{ {call} }}}}{{% endautoescape %}}") == plain


def parsed(markup: str) -> Any:
    """The first element of *markup*, which any deviation from HTML's grammar fails."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    fragment = parser.parse(f"<!doctype html><html><head><title>t</title></head><body>{markup}</body></html>")
    body = fragment.find("body")
    assert [attribute for element in body.iter() for attribute in element.attrib if not attribute.isascii()] == []
    check(body)
    return body[0]


def check(body: Any) -> None:
    """The rules of HTML about images that its grammar does not know."""
    for element in body.iter():
        for name in ("width", "height"):
            assert re.fullmatch(r"[1-9]\d*", element.get(name, "1")), "a whole number of pixels"
        if element.tag == "img":
            assert element.get("src")
        if element.tag == "picture":
            assert [child.tag for child in element] == ["source"] * (len(element) - 1) + ["img"]
            assert all(child.get("media") or child.get("type") for child in element[:-1])
        if element.tag == "source":
            assert element.get("srcset")
            assert "src" not in element.attrib
        srcset = element.get("srcset")
        if srcset:
            found = [re.fullmatch(r"\S*[^\s,](?: ([1-9]\d*w|\d+(?:\.\d+)?x))?", each) for each in srcset.split(", ")]
            assert all(found), srcset
            descriptors = [match[1] or "1x" for match in found if match]
            assert len(set(descriptors)) == len(descriptors), "each once"
            assert len({descriptor[-1] for descriptor in descriptors}) == 1, "all of one kind"
            assert (descriptors[0][-1] == "w") == ("sizes" in element.attrib)
        if element.get("sizes", "").startswith("auto"):
            image = element if element.tag == "img" else next(one for one in body.iter("img"))
            assert image.get("loading") == "lazy"


@pytest.mark.usefixtures("page")
@pytest.mark.parametrize("layout", [None, "constrained", "fixed", "full"])
@pytest.mark.parametrize("name", ["wide.jpg", "small.png", "gone.jpg", "http://example.com/a.jpg"])
@pytest.mark.parametrize("priority", [True, False])
def test_the_html_is_valid_and_its_attributes_are_escaped(layout: str | None, name: str, priority: bool) -> None:
    evil = "\"'><script>alert(1)</script>&amp;"
    keywords = {"width": 300, "alt": evil, "class_": evil, "data_x": evil, "sizes": None, "layout": layout}
    for placeholder in (None, "color", "lqip", "blurhash", "thumbhash"):
        tag = parsed(resized_img_tag(name, priority=priority, placeholder=placeholder, **keywords))
        assert (tag.get("alt"), tag.get("data-x"), tag.get("class")) == (evil,) * 3
        picture = parsed(resized_picture_tag(name, priority=priority, placeholder=placeholder, **keywords))
        assert picture[-1].attrib == tag.attrib
    for attributes in ({"onclick": evil}, {"style": evil}):
        assert parsed(resized_img_tag(name, layout="full", alt="", **attributes)) is not None


@pytest.mark.parametrize("helper", [resized_img_tag, resized_picture_tag, resized_img_preload])
def test_a_missing_picture_leaves_a_valid_tag_and_one_line(page: Flask, helper: Any, caplog: Any) -> None:
    sources = {"sources": [{"media": "print", "width": 100}]} if helper is resized_picture_tag else {}
    tag = str(helper("gone.jpg", width=300, placeholder="lqip", alt="Gone", **sources))
    assert "srcset" not in tag
    assert "height=" not in tag
    assert html.escape(resized_img_src("gone.jpg", width=300)) in tag
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    caplog.clear()
    assert resized_img_placeholder("gone.jpg") is None
    assert len(caplog.records) == 1


# Preloading.


@pytest.mark.usefixtures("page")
def test_a_preload_says_what_the_tag_says() -> None:
    tag = resized_img_attrs("wide.jpg", layout="full", priority=True, sizes="50vw")
    link = parsed_head(resized_img_preload("wide.jpg", layout="full", sizes="50vw", media="screen", alt="x"))
    assert link == {
        "rel": "preload",
        "as": "image",
        "href": tag["src"],
        "imagesrcset": tag["srcset"],
        "imagesizes": "50vw",
        "fetchpriority": "high",
        "media": "screen",
    }
    avif = parsed_head(resized_img_preload("wide.jpg", width=300, layout="fixed", format="avif", nonce="n"))
    assert (avif["type"], avif["nonce"]) == ("image/avif", "n")
    assert "imagesizes" not in avif


def parsed_head(markup: str) -> dict[str, str]:
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    head = parser.parse(f"<!doctype html><html><head><title>t</title>{markup}</head><body></body></html>").find("head")
    found: dict[str, str] = head[1].attrib
    return found


def test_a_hint_is_a_link_header_and_goes_ahead_where_the_server_can(page: Flask) -> None:
    sent: list[tuple[str, str]] = []

    @page.get("/")
    def index() -> str:
        resized_img_hint("wide.jpg", width=300, layout="fixed")
        return str(len(sent))

    plain = page.test_client().get("/")
    assert (plain.text, sent) == ("0", [])
    early = page.test_client().get("/", environ_overrides={"wsgi.early_hints": sent.extend})
    assert early.text == "1"
    assert sent == [("Link", early.headers["Link"])]
    assert plain.headers["Link"] == early.headers["Link"]
    with page.test_request_context():
        one, two = (resized_img_src("wide.jpg", width=width) for width in (300, 600))
    assert plain.headers["Link"] == (
        f'<{one}>; rel=preload; as=image; imagesrcset="{one} 1x, {two} 2x"; fetchpriority="high"'
    )


def test_a_header_holds_no_line_break_and_no_quote_of_a_templates(page: Flask) -> None:
    @page.get("/")
    def index() -> str:
        resized_img_hint("wide.jpg", width=300, layout="full", sizes='a\r\nX: "y" \\ é')
        return ""

    link = page.test_client().get("/").headers["Link"]
    assert 'imagesizes="a X: \\"y\\" \\\\ ?"' in link


def test_gunicorn_sends_the_hint_before_the_view_is_done(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    Image.new("RGB", (64, 48)).save(tmp_path / "static" / "a.jpg")
    (tmp_path / "site.py").write_text("")
    (tmp_path / "hinting.py").write_text(
        "import time\n"
        "from flask import Flask\n"
        "from flask_images_vips import Images, resized_img_hint\n"
        "app = Flask(__name__)\n"
        "app.config.update(SECRET_KEY='s', IMAGES_CACHE='cache')\n"
        "Images(app)\n"
        "@app.get('/')\n"
        "def index():\n"
        "    resized_img_hint('a.jpg', width=32, layout='fixed')\n"
        "    time.sleep(1)\n"
        "    return 'done'\n"
        "@app.get('/up')\n"
        "def up():\n"
        "    return 'up'\n"
    )
    (tmp_path / "site.py").unlink()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "-b", f"127.0.0.1:{port}", "hinting:app"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            assert get(f"http://127.0.0.1:{port}/up") == b"up"
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                first = client.recv(65536)
                rest = b"".join(iter(lambda: client.recv(65536), b""))
        finally:
            server.terminate()
    assert first.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </imgsizer/a.jpg?")
    assert first.endswith(b"\r\n\r\n")
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nLink: </imgsizer/a.jpg?" in rest


# What is shown in place of a picture.


def test_a_fallback_is_shown_in_the_size_asked_for_and_the_status_stays(make_app: Any, draw: Any, static: Path) -> None:
    draw("missing.png", (200, 100))
    (static / "broken.jpg").write_text("no picture")
    app = make_app(IMAGES_FALLBACK="missing.png")
    with app.test_request_context():
        urls = {404: resized_img_src("gone.jpg", width=50), 422: resized_img_src("broken.jpg", width=50)}
    for status, url in urls.items():
        response = app.test_client().get(url)
        assert response.status_code == status
        assert response.headers["Cache-Control"] == "public, max-age=60"
        assert (response.content_type, response.headers["X-Content-Type-Options"]) == ("image/png", "nosniff")
        assert Image.open(io.BytesIO(response.data)).size == (50, 25)
        head = app.test_client().head(url)
        assert (head.status_code, head.content_length, head.data) == (status, len(response.data), b"")
    assert app.test_client().get("/imgsizer/gone.jpg?w=50&s=wrong").content_type.startswith("text/plain")
    assert fetch(app, "missing.png", width=50).size == (50, 25)


def test_a_fallback_that_is_missing_itself_costs_one_more_line(make_app: Any, caplog: Any) -> None:
    app = make_app(IMAGES_FALLBACK="gone.png")
    with app.test_request_context():
        url = resized_img_src("a.jpg", width=50)
    response = app.test_client().get(url)
    assert (response.status_code, response.mimetype) == (404, "text/plain")
    assert "IMAGES_FALLBACK = 'gone.png' cannot be sent" in caplog.text


ASKS_FOR_IMAGES = {"Accept": "image/avif,image/webp,image/*,*/*;q=0.8"}


def test_in_debug_a_missing_picture_is_drawn_with_its_path_and_size(make_app: Any) -> None:
    app = make_app()
    with app.test_request_context():
        url = resized_img_src("<b>&.jpg", width=200, height=100)
        endless = resized_img_src("a.jpg", width=10**9)
    assert app.test_client().get(url, headers=ASKS_FOR_IMAGES).mimetype == "text/plain"
    app.debug = True
    response = app.test_client().get(url, headers=ASKS_FOR_IMAGES)
    assert (response.status_code, response.mimetype, response.headers["Cache-Control"]) == (
        *(404, "image/svg+xml"),
        "no-store",
    )
    assert 'width="200" height="100"' in response.text
    assert "&lt;b&gt;&amp;.jpg" in response.text
    assert "200 × 100, missing" in response.text
    assert 'width="8192"' in app.test_client().get(endless, headers=ASKS_FOR_IMAGES).text
    assert "no such file" in app.test_client().get(url, headers={"Accept": "text/html,image/*"}).text
    app = make_app(IMAGES_PLACEHOLDER_MISSING=False)
    app.debug = True
    assert app.test_client().get(url, headers=ASKS_FOR_IMAGES).mimetype == "text/plain"


@pytest.mark.parametrize(
    "template",
    [
        "{{ resized_img_src('a.png', watermark='http://[x') }}",
        "{{ resized_img_src('a.png', background=(1.0, 2.5, 3)) }}",
        "{{ resized_img_src('a.png', border=()) }}",
        "{{ resized_img_src('a.png', expires=infinite) }}",
        "{{ resized_img_tag('a.png', layout='fixed', width=10, sizes=400) }}",
    ],
)
def test_no_value_of_an_option_ends_a_page(app: Flask, draw: Any, template: str) -> None:
    draw("a.png")
    with app.test_request_context():
        assert "/imgsizer/a.png" in render_template_string(template, infinite=float("inf"))


@pytest.mark.parametrize("wrong", ["widths=400", "widths=['x']", "densities=['2x']", "densities=[0]"])
def test_widths_and_densities_are_lists_of_numbers(app: Flask, draw: Any, wrong: str) -> None:
    draw("a.png")
    with app.test_request_context(), pytest.raises(ValueError, match="expected a list of numbers"):
        render_template_string(f"{{{{ resized_img_tag('a.png', width=10, {wrong}) }}}}")


def test_an_animation_is_offered_in_sizes_that_are_served_and_stands_still_in_its_placeholder(
    make_app: Any, static: Path
) -> None:
    frames = [gradient((400, 300)).rotate(angle) for angle in range(0, 200, 10)]
    frames[0].save(static / "a.gif", save_all=True, append_images=frames[1:])
    app = make_app(IMAGES_MAX_OUTPUT_PIXELS=1_000_000)
    with app.test_request_context():
        page = html.unescape(render_template_string("{{ resized_img_tag('a.gif', width=200, layout='constrained') }}"))
        still = base64.b64decode(resized_img_placeholder("a.gif").partition("base64,")[2])
    urls = set(re.findall(r"/imgsizer/[^ \",]+", page))
    assert {app.test_client().get(url).status_code for url in urls} == {200}
    assert getattr(Image.open(io.BytesIO(still)), "n_frames", 1) == 1
