"""Each kind of finding: a page that has it, and a page that nearly has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import cached_files
from flask import render_template_string
from PIL import Image
from servers import site

from flask_images_vips.audit.files import Files
from flask_images_vips.audit.findings import KINDS, Report, Rules, examine
from flask_images_vips.state import images_of

Look = Callable[..., Report]


@pytest.fixture(scope="module")
def look(tmp_path_factory: pytest.TempPathFactory) -> Look:
    """A function that examines the page of a template, which has `wide.jpg` of 3000×2000 pixels and `small.jpg`."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "static").mkdir()
    Image.new("RGB", (3000, 2000)).save(folder / "static" / "wide.jpg")
    Image.new("RGB", (600, 400)).save(folder / "static" / "small.jpg")
    app = site(folder)

    def look(template: str, rules: Rules | None = None, page: str = "http://localhost/", root: str = "") -> Report:
        with app.test_request_context(base_url=page):
            html = render_template_string(template)
            return examine(html, Files(images_of(app), page, root), rules)

    return look


def kinds(report: Report) -> list[str]:
    return [finding.kind for finding in report.findings]


RIGHT = [
    "{{ resized_img_tag('wide.jpg', width=300) }}",
    "{{ resized_img_tag('wide.jpg', width=300, hidpi=2) }}",
    "{{ resized_img_tag('wide.jpg', width=300, height=300, mode='crop', transform='EXTENT,0,0,0,0,50%,50%') }}",
    "{{ resized_img_tag('wide.jpg', width=200, height=200, mode='pad', padding=5) }}",
    "{{ resized_img_tag('wide.jpg', width=900, priority=True) }}",
    "{{ resized_img_tag('wide.jpg', layout='full', priority=True) }}",
    "{{ resized_img_tag('wide.jpg', width=280, layout='fixed') }}",
    "{{ resized_img_tag('wide.jpg', width=250, densities=[1, 2, 3]) }}",
    "{{ resized_picture_tag('wide.jpg', width=800, priority=True) }}",
    "{{ resized_picture_tag('wide.jpg', width=800, height=400, mode='crop', priority=True, "
    "sources=[{'media': '(max-width: 600px)', 'width': 400, 'height': 400}]) }}",
    "<img src='{{ url_for('static', filename='small.jpg') }}' width=600 height=400>",
    "<img src='https://elsewhere.example/a.jpg' width=10 height=10>",
    "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>",
    "<img alt='no source'>",
    "<img src='https://elsewhere.example/count.gif' style='display: none'><img src='/static/small.jpg' hidden>",
    "<img src='/static/small.jpg' style='width: 10px; height: 10px'>",
    "<img src='/static/small.jpg' width=600 style='aspect-ratio: 3 / 2'>",
    "<p style=\"background: url('{{ resized_img_src('wide.jpg', width=9) }}')\"></p>",
    "no image",
]


@pytest.mark.parametrize("template", RIGHT)
def test_right_pages_have_no_findings(look: Look, template: str) -> None:
    assert look(template).findings == []


WRONG = [
    ("missing", "no such file in IMAGES_PATH", "{{ resized_img_tag('gone.jpg', width=300, height=200) }}"),
    ("missing", "expected", "{{ resized_img_tag('wide.jpg', width=300, height=200, quality='high') }}"),
    ("missing", "not signed", "<img src='/imgsizer/wide.jpg?w=10' width=10 height=7>"),
    ("missing", "signature is wrong", "<img src='/imgsizer/wide.jpg?w=10&s=x' width=10 height=7>"),
    ("missing", "no such URL", "<img src='/wide.jpg' width=10 height=7>"),
    ("missing", "invalid", "<img src='//[/a.jpg' width=10 height=10>"),
    ("missing", "no such file in", "<img src='/static/gone.jpg' width=10 height=7>"),
    ("missing", "no such file", "<p style=\"background: url('/static/gone.jpg')\"></p>"),
    ("missing", "no such file", "<link rel=icon href='/static/gone.ico'>"),
    ("missing", "1 of its other", "<img src='/static/a' srcset='/static/b 2x' width=10 height=7>"),
    ("missing", "expired", "{{ resized_img_tag('wide.jpg', width=30, expires=1) }}"),
    ("missing", "25,000,000", "{{ resized_img_tag('wide.jpg', width=8000, height=4000, enlarge=True) }}"),
    ("dimensions", "no width and height", "<img src='{{ resized_img_src('wide.jpg', width=300) }}'>"),
    ("dimensions", "no height", "<img src='{{ resized_img_src('wide.jpg', width=300) }}' width=300>"),
    ("dimensions", "no height", "<img src='https://elsewhere.example/a.jpg' width=300 height=auto>"),
    ("shape", "300×200", "<img src='{{ resized_img_src('wide.jpg', width=300) }}' width=300 height=300>"),
    ("large", "3000×2000", "<img src='{{ url_for('static', filename='wide.jpg') }}' width=300 height=200>"),
    ("large", "900×600", "<img src='{{ resized_img_src('wide.jpg', width=900) }}' width=300 height=200>"),
    ("box", "320 px at density 2", "{{ resized_img_tag('wide.jpg', width=2000) }}"),
    (
        "box",
        "says 1200 px",
        "{{ resized_img_tag('wide.jpg', width=1200, layout='fixed', widths=[600, 1200], priority=True) }}",
    ),
    ("box", "widths=", "{{ resized_img_tag('wide.jpg', layout='full', sizes='20vw', priority=True) }}"),
    ("box", "instead of densities", "{{ resized_img_tag('wide.jpg', width=1500, densities=[1, 2], loading='eager') }}"),
    ("lazy", "priority=True", "{{ resized_img_tag('wide.jpg', width=900, layout='constrained') }}"),
    ("lazy", "contradict", "{{ resized_img_tag('wide.jpg', width=90, priority=True, loading='lazy') }}"),
    (
        "lazy",
        "preloaded",
        "{{ resized_img_preload('wide.jpg', width=90) }}{{ resized_img_tag('wide.jpg', width=90, layout='fixed') }}",
    ),
]


@pytest.mark.parametrize(("kind", "said", "template"), WRONG)
def test_wrong_pages_have_one_finding(look: Look, kind: str, said: str, template: str) -> None:
    report = look(f"\n\n{template}")
    assert [*dict.fromkeys(kinds(report))] == [kind], report.findings
    assert said in str(report.findings[0])
    assert str(report.findings[0]).startswith("line 3, ")


def test_all_kinds_are_tested_and_described() -> None:
    assert {kind for kind, _, _ in WRONG} == {*KINDS}


def test_a_lazy_image_below_much_text_or_after_a_large_one_is_right(look: Look) -> None:
    tag = "{{ resized_img_tag('wide.jpg', width=900, layout='constrained') }}"
    first = "{{ resized_img_tag('small.jpg', width=400, priority=True) }}"
    assert kinds(look(f"<p>{'word ' * 300}</p>{tag}")) == []
    assert kinds(look(first + tag)) == []
    assert kinds(look(first + tag, Rules(eager=2))) == ["lazy"]


def test_the_rules_say_what_is_too_large(look: Look) -> None:
    template = "<img src='{{ resized_img_src('wide.jpg', width=900) }}' width=300 height=200>"
    assert kinds(look(template, Rules(most=3))) == []
    assert kinds(look(template, Rules(most=2))) == ["large"]


def test_an_icon_may_have_more_pixels(look: Look) -> None:
    assert kinds(look("<img src='{{ resized_img_src('wide.jpg', width=120) }}' width=30 height=20>")) == []


def test_a_box_that_is_not_understood_is_not_judged(look: Look) -> None:
    sources = "srcset='{{ resized_img_src('wide.jpg', width=900) }} 900w'"
    assert kinds(look(f"<img {sources} sizes='30vmax' width=300 height=200>")) == []
    assert kinds(look(f"<img {sources} sizes='300px' width=300 height=200>")) == ["box"]
    media = f"<source media='(orientation: portrait)' {sources} sizes='30px'>"
    image = "<img src='{{ resized_img_src('wide.jpg', width=300) }}' width=300 height=200>"
    assert kinds(look(f"<picture>{media}{image}</picture>")) == []


def test_a_page_below_a_prefix_and_urls_with_the_host_are_of_this_application(look: Look) -> None:
    template = "<img src='{{ resized_img_src('gone.jpg', external=True) }}' width=3 height=2>"
    assert kinds(look(template, page="https://site.example/shop/", root="/shop")) == ["missing"]
    other = look("<img src='/elsewhere/a.jpg' width=3 height=2>", page="https://site.example/shop/", root="/shop")
    assert kinds(other) == []


def test_a_remote_source_is_not_fetched(look: Look, refused_connections: list[object]) -> None:
    assert kinds(look("{{ resized_img_tag('https://img.example.com/a.jpg', width=30, height=20) }}")) == []
    assert refused_connections == []


def test_a_trim_that_is_not_known_yet_is_not_judged(look: Look) -> None:
    assert kinds(look("<img src='{{ resized_img_src('small.jpg', trim=10) }}' width=30 height=30>")) == []


def test_nothing_is_rendered(make_app: Any, draw: Any, tmp_path: Any) -> None:
    draw("wide.jpg", (900, 600))
    app = make_app()
    with app.test_request_context():
        html = render_template_string("{{ resized_picture_tag('wide.jpg', width=600) }}")
        assert examine(html, Files(images_of(app), "http://localhost/", "")).images
    assert [path.name for path in cached_files(tmp_path / "cache")] == []
