"""Finding the image calls in all templates of a site: those that are known, and those that are not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, render_template

from flask_images_vips import resized_img_src
from flask_images_vips.operating.warming.calls import TemplateCalls
from flask_images_vips.operating.warming.wanted import label, urls_in
from operating.warming.conftest import SITE

KNOWN = {
    "blog/templates/blog/index.html:3": ["p038.jpg?w=330"],
    "blog/templates/blog/index.html:6": ["p039.jpg?w=340"],
    "blog/templates/blog/post.html:3": ["p033.jpg?w=300"],
    "blog/templates/blog/post.html:4": ["p034.jpg?w=310"],
    "blog/templates/blog/post.html:6": ["p036.jpg?w=320"],
    "shop/templates/shop/list.html:4": ["p031.jpg?w=270", "p032.jpg?w=280"],
    "shop/templates/shop/product.html:4": ["p029.jpg?w=250"],
    "shop/templates/shop/product.html:5": ["p030.jpg?q=60&w=520"],
    "templates/about.html:5": ["p005.jpg?w=140"],
    "templates/about.html:7": ["p015.jpg?h=150&m=crop&w=150"],
    "templates/home.html:3": ["p011.jpg?w=110", "p011.jpg?w=220"],
    "templates/home.html:6": [f"p013.jpg?{f}w={w}" for f in ("", "f=avif&", "f=webp&") for w in (120, 240)],
    "templates/layouts/base.html:3": [f"p001.jpg?w={w}" for w in (640, 750, 828, 960, 1000)],
    "templates/layouts/base.html:6": ["p002.jpg?w=20"],
    "templates/layouts/two_columns.html:4": ["p003.jpg?w=30"],
    "templates/macros/media.html:1": ["p004.jpg?h=40&m=crop&w=40"],
    "templates/macros/media.html:3": ["p014.jpg?w=130", *(f"p0{n}.jpg?h=60&m=crop&w=60" for n in (16, 17))],
    "templates/mail/welcome.html:1": ["p027.jpg?w=230"],
    "templates/partials/footer.html:1": ["p006.jpg?w=70", "p010.jpg?w=70"],
    "templates/partials/gallery.html:4": ["p009.jpg?w=100"],
    "templates/partials/hero.html:1": ["p012.jpg?w=90"],
    "templates/partials/partners.html:1": ["p007.jpg?h=80", "p008.jpg?h=80"],
    "templates/profile.html:4": ["p018.jpg?h=160&w=160", "p018.jpg?h=80&w=80"],
    "templates/profile.html:5": ["p019.jpg?w=170"],
    "templates/sale.html:3": ["p021.jpg?w=180", "p022.jpg?w=190"],
    "templates/sale.html:6": ["p023.jpg?h=150&m=crop&w=200"],
    "templates/sale.html:7": ["p024.jpg?w=200"],
    "templates/search.html:5": ["p025.jpg?w=210"],
    "templates/search.html:6": ["p026.jpg?w=220"],
}

IN_MACRO = "(called in templates/macros/cards.html:2 from templates/team.html:7)"
UNKNOWN = {
    "blog/templates/blog/index.html:3": "post is in a loop, and posts is set when the page is rendered "
    "(called in blog/templates/blog/index.html:4)",
    "blog/templates/blog/index.html:6": "unseen is set when the page is rendered",
    "blog/templates/blog/post.html:5": "options is set when the page is rendered",
    "shop/templates/shop/list.html:6": "product is in a loop, and products is set when the page is rendered",
    "shop/templates/shop/product.html:3": "product is set when the page is rendered",
    "templates/feed.xml:1": "entry is in a loop, and entries is set when the page is rendered",
    "templates/macros/media.html:3": f"person is in a loop, and staff is set when the page is rendered {IN_MACRO}",
    "templates/macros/media.html:6": "name is set when the page is rendered",
    "templates/partials/footer.html:1": "badge is set when the page is rendered",
    "templates/partials/gallery.html:2": "picture is in a loop, and gallery is set when the page is rendered",
    "templates/profile.html:5": "user is set when the page is rendered",
    "templates/profile.html:6": "user is set when the page is rendered",
    "templates/search.html:4": "result is in a loop, and results is set when the page is rendered",
}


def by_place(calls: TemplateCalls) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for wanted in calls.wanted:
        found.setdefault(wanted.origin, []).append(label(wanted.url))
    return {place: sorted(labels) for place, labels in found.items()}


def test_every_known_call_is_found_and_every_other_call_is_reported(make_site: Callable[..., Flask]) -> None:
    calls = TemplateCalls(make_site())
    assert by_place(calls) == {place: sorted(labels) for place, labels in KNOWN.items()}
    assert {call.place: call.reason for call in calls.unknown} == UNKNOWN
    assert {(each.ref, each.kind) for each in calls.placeholders} == {("p013.jpg", "lqip"), ("p037.jpg", "color")}
    assert calls.problems == []


def test_no_call_in_the_sources_is_overlooked(make_site: Callable[..., Flask]) -> None:
    sources = [path.read_text() for path in SITE.rglob("*") if path.suffix in (".html", ".xml")]
    assert len(sources) == 20
    written = re.compile(r"resized_\w+\(|url_for\('images|\|thumb")
    sizes = sum(source.count("resized_img_size(") for source in sources)
    count = sum(len(written.findall(source)) for source in sources) - sizes
    calls = TemplateCalls(make_site())
    assert calls.count == count
    places = {call.place for call in calls.unknown} | KNOWN.keys()
    named = {
        f"{path.relative_to(SITE)}:{number}"
        for path in SITE.rglob("*")
        if path.suffix in (".html", ".xml")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if written.search(line.replace("resized_img_size(", ""))
    }
    assert named == places | {"blog/templates/blog/post.html:7"}  # a placeholder, which has no URL


# Pages, with data that the templates do not know. Rendering them shows which URLs they contain.
PAGES: dict[str, dict[str, Any]] = {
    "home.html": {"gettext": str},
    "about.html": {},
    "team.html": {"staff": []},
    "profile.html": {"user": {"premium": True, "width": 7}},
    "sale.html": {},
    "search.html": {"results": [], "query": "cat"},
    "mail/welcome.html": {},
    "shop/list.html": {"products": []},
    "blog/index.html": {"posts": [{"public": True, "cover": "p040.jpg"}]},
}


def test_what_rendered_pages_contain_was_found_before(make_site: Callable[..., Flask]) -> None:
    app = make_site()
    found = {wanted.url.canonical for wanted in TemplateCalls(app).wanted}
    data = {"p020.jpg", "p040.jpg"}  # whose width or path is data
    for page, names in PAGES.items():
        with app.test_request_context():
            text = render_template(page, **names)
        shown = {f"{path}?{query.decode()}" for path, query in urls_in(text, "/imgsizer")}
        assert shown, page
        assert {url for url in shown - found if url.partition("?")[0] not in data} == set(), page


def site_of(tmp_path: Path, make_app: Callable[..., Flask], *unnamed: str, **templates: str) -> Flask:
    folder = tmp_path / "templates"
    folder.mkdir()
    for name, source in [*enumerate(unnamed), *templates.items()]:
        (folder / f"{name}.html").write_text(source)
    return make_app()


# Templates, and their URLs: the first letter of the path, and the width.
EXPRESSIONS = {
    "{{ src('a.jpg', width=3) if wide else src('b.jpg', width=4) }}": ["a3", "b4"],
    "{{ src('a.jpg' if wide else 'b.jpg', width=3) }}": ["a3", "b3"],
    "{{ src('b.jpg' if false else 'a.jpg', width=3) }}": ["a3"],
    "{% if x %}{% set w = 1 %}{% elif y %}{% set w = 2 %}{% endif %}{{ src('a.jpg', width=w or 3) }}": [
        "a1",
        "a2",
        "a3",
    ],
    "{% if true %}{% set w = 1 %}{% else %}{% set w = 2 %}{% endif %}{{ src('a.jpg', width=w) }}": ["a1"],
    "{% for w in range(1, 4) if w != 2 %}{{ src('a.jpg', width=w) }}{% endfor %}": ["a1", "a3"],
    "{% for n, w in [('a', 1), ('b', 2)] %}{{ src(n ~ '.jpg', width=w) }}{% endfor %}": ["a1", "b2"],
    "{% for w in (5, 6) %}{% if loop.first %}{{ src('a.jpg', width=w) }}{% endif %}{% endfor %}": ["a5"],
    "{% set tag = resized_img_tag %}{{ tag('a.jpg', width=3, alt=name, onclick=x) }}": ["a3"],
    "{{ resized_img_tag(path='a.jpg', width=3, class_=kind, data_id=item.id, style=s) }}": ["a3"],
    "{{ src(['a', 'b'][0] + '.jpg', width={'w': 4}.w) }}": ["a4"],
    "{{ src('{}.jpg'.format('a'), **dict(width=3)) }}": ["a3"],
    "{% macro m() %}{{ varargs[0]|safe and src(varargs[1], **kwargs) }}{% endmacro %}{{ m('x', 'a.jpg', width=3) }}": [
        "a3"
    ],
    "{% macro m(n) %}{% if n %}{{ src('a.jpg', width=n) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}": [
        "a1",
        "a2",
        "a3",
    ],
    "{% autoescape false %}{{ src('a.jpg', width=3) }}{% endautoescape %}": ["a3"],
    "{{ url_for('images', filename='a.jpg', width=3) }}{{ url_for('static', filename='a.jpg') }}": ["a3"],
    "{{ resized_img_attrs('a.jpg', 2, width=3).src }}": ["a6"],
}

# Templates with a call that is known only for some elements of a list.
PARTLY = {
    "{% for name in [hero, 'a.jpg'] %}{{ src(name, width=3) }}{% endfor %}": ["a3"],
    "{% for name, w in [('a.jpg', 3), ('b.jpg', wide)] %}{{ src(name, width=w) }}{% endfor %}": ["a3"],
    "{% for name, w in {'a.jpg': 3, 'b.jpg': wide}.items() %}{{ src(name, width=w) }}{% endfor %}": ["a3"],
}

# Templates, and the beginning of the reason why their call is not known.
NOT_KNOWN = {
    "{{ resized_img_src(picture(), width=3) }}": "picture() is called when the page is rendered",
    "{{ resized_img_src(g.picture) }}": "g is set when the page is rendered",
    "{{ resized_img_src('a.jpg', *sizes) }}": "sizes is set when the page is rendered",
    "{{ resized_img_tag('a.jpg', width=3, placeholder=kind) }}": "kind is set when the page is rendered",
    "{% set ns = namespace(w=1) %}{{ resized_img_src('a.jpg', width=ns.w) }}": "namespace() is called",
    "{% import name as m %}{{ m.x() }}{{ resized_img_src(m.path) }}": "it is not known which template",
}


def test_expressions_are_evaluated_as_far_as_they_are_known(tmp_path: Path, make_app: Any, draw: Any) -> None:
    draw("a.jpg")
    draw("b.jpg")
    app = site_of(tmp_path, make_app, *EXPRESSIONS, *PARTLY)
    app.jinja_env.globals["src"] = resized_img_src  # a shorter name
    calls = TemplateCalls(app)
    found: dict[str, list[str]] = {}
    for each in calls.wanted:
        template = (tmp_path / each.origin.rpartition(":")[0]).read_text()
        found.setdefault(template, []).append(re.sub(r"\.jpg\?(?:q=60&)?w=", "", label(each.url)))
    assert {template: sorted(urls) for template, urls in found.items()} == EXPRESSIONS | PARTLY
    assert {call.source for call in calls.unknown} == PARTLY.keys()
    assert calls.problems == []


def test_a_call_that_is_not_known_is_reported_with_the_reason(tmp_path: Path, make_app: Any) -> None:
    calls = TemplateCalls(site_of(tmp_path, make_app, *NOT_KNOWN))
    found = {call.source: call.reason for call in calls.unknown}
    assert found.keys() == NOT_KNOWN.keys()
    assert all(reason.startswith(NOT_KNOWN[source]) for source, reason in found.items()), found
    assert not calls.wanted


def test_templates_that_include_each_other_are_followed_a_few_times(tmp_path: Path, make_app: Any) -> None:
    loop = "{{ resized_img_src('a.jpg', width=3) }}{% include 'other.html' %}"
    back = "{{ resized_img_src('b.jpg', width=3) }}{% include 'page.html' %}"
    calls = TemplateCalls(site_of(tmp_path, make_app, page=loop, other=back))
    assert sorted(wanted.url.ref for wanted in calls.wanted) == ["a.jpg", "b.jpg"]


def test_a_broken_template_and_an_unknown_preset_are_problems(tmp_path: Path, make_app: Any) -> None:
    app = site_of(
        tmp_path,
        make_app,
        broken="\n{{ resized_img_src( }}",
        other="{% end",
        typo="{{ resized_img_src('a.jpg', preset='x') }}",
    )
    found = {problem.origin: problem.reason for problem in TemplateCalls(app).problems}
    assert found.keys() == {"templates/broken.html:2", "templates/typo.html:1"}
    assert "expected one of IMAGES_PRESETS" in found["templates/typo.html:1"]


def test_following_templates_logs_nothing(tmp_path: Path, make_app: Any, caplog: pytest.LogCaptureFixture) -> None:
    app = site_of(tmp_path, make_app, page="{{ resized_img_tag('gone.jpg', width=3, layout='odd') }}")
    TemplateCalls(app)
    assert [record for record in caplog.records if "gone" in record.getMessage()] == []


def test_a_call_that_fails_in_any_way_is_a_problem_and_the_others_are_made(tmp_path: Path, make_app: Any) -> None:
    class Odd:
        def __fspath__(self) -> str:
            raise LookupError("no path")

    app = site_of(
        tmp_path,
        make_app,
        large="{{ resized_img_src('a.jpg', width=10 ** 30) }}",
        odd="{{ resized_img_src('a.jpg'|odd, width=3) }}",
        right="{{ resized_img_src('b.jpg', width=3) }}",
    )
    app.jinja_env.filters["odd"] = lambda value: Odd()
    calls = TemplateCalls(app)
    found = {problem.origin: problem.reason for problem in calls.problems}
    assert found.keys() == {"templates/large.html:1", "templates/odd.html:1"}
    assert "expected a whole number of pixels" in found["templates/large.html:1"]
    assert found["templates/odd.html:1"] == "the call fails: LookupError: no path"
    assert [wanted.url.ref for wanted in calls.wanted] == ["b.jpg"]


def test_a_list_that_contains_itself_is_not_known(tmp_path: Path, make_app: Any) -> None:
    app = site_of(tmp_path, make_app, "{{ resized_img_src(endless, width=3) }}")
    endless: list[object] = []
    endless.append(endless)
    app.jinja_env.globals["endless"] = endless
    assert [call.reason for call in TemplateCalls(app).unknown] == ["it contains itself"]


def test_templates_that_lead_too_deep_are_problems_and_the_others_are_followed(tmp_path: Path, make_app: Any) -> None:
    nested = "{% if a %}" * 90 + "{% include 'page.html' %}" + "{% endif %}" * 90
    source = "{{ resized_img_src('a.jpg', width=3) }}"
    app = site_of(tmp_path, make_app, page=nested, start="{% include 'page.html' %}", other=source)
    calls = TemplateCalls(app)
    assert [wanted.url.ref for wanted in calls.wanted] == ["a.jpg"]
    assert {problem.origin for problem in calls.problems} >= {"templates/start.html"}
    assert "lead too deep" in calls.problems[0].reason


def test_endless_loops_end_with_a_problem(tmp_path: Path, make_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_images_vips.operating.warming.calls._MOST_CALLS", 5)
    nested = "{% for a in many %}{% for b in many %}{{ resized_img_src('a.jpg', width=a * 9 + b + 1) }}"
    app = site_of(tmp_path, make_app, nested + "{% endfor %}{% endfor %}")
    app.jinja_env.globals["many"] = list(range(100_000))
    calls = TemplateCalls(app)
    assert len(calls.wanted) == 5
    assert "too much to follow" in calls.problems[0].reason
