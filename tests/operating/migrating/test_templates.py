"""The calls in templates: where they are, what is constant in them, and what changes a tag."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Blueprint, Flask
from jinja2 import DictLoader, FunctionLoader

from flask_images_vips.operating.migrating.templates import NOT_KNOWN, Call, Templates


def calls(folder: Path, **files: str) -> list[Call]:
    for name, source in files.items():
        path = folder / "templates" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".html").write_text(source)
    return list(Templates(Flask("site", root_path=str(folder)), "images").calls())


def test_constant_arguments_are_known_and_others_are_not(tmp_path: Path) -> None:
    source = """{% extends 'base.html' %}
{% macro card(item) %}
  {{ resized_img_tag(item.path, width=2 * 50, mode='cr' ~ 'op', height=item.height) }}
{% endmacro %}
{% for name in names %}{{ resized_img_src('a.jpg', **options) }}{% endfor %}
{{ url_for('images.crop', filename='b.jpg', width=5) }} {{ url_for('static', filename='c.jpg') }}
{{ url_for('images', filename='d.jpg') }} {{ other('e.jpg') }} {{ resized_img_attrs('f.jpg', 2, 30) }}
{{ resized_img_size(filename='g.jpg') }}"""
    found = calls(tmp_path, shop__a=source)
    assert [call.where for call in found] == [f"{tmp_path}/templates/shop/a.html:{line}" for line in (3, 5, 6, 7, 7, 8)]
    assert [(call.function, call.path, call.keywords) for call in found] == [
        ("resized_img_tag", NOT_KNOWN, {"width": 100, "mode": "crop", "height": NOT_KNOWN}),
        ("resized_img_src", "a.jpg", {"**": NOT_KNOWN}),
        ("url_for", "b.jpg", {"width": 5, "mode": "crop"}),
        ("url_for", "d.jpg", {}),
        ("resized_img_attrs", "f.jpg", {"hidpi": 2, "width": 30}),
        ("resized_img_size", "g.jpg", {}),
    ]
    assert [call.is_known for call in found] == [False, False, True, True, True, True]
    assert found[2].text == "url_for('b.jpg', width=5, mode='crop')"


@pytest.mark.parametrize(
    ("expression", "changed_by"),
    [
        ("resized_img_tag('a.jpg')", ""),
        ("resized_img_tag('a.jpg')|safe", ""),
        ("card(resized_img_tag('a.jpg'))|upper", ""),
        ("resized_img_tag('a.jpg')|replace('<img', '<img alt')|safe", "the filter replace"),
        ("('<p>' + resized_img_tag('a.jpg'))|safe", "joining it with another string"),
        ("'<p>' ~ resized_img_tag('a.jpg')", "joining it with another string"),
        ("['<p>', resized_img_tag('a.jpg')]|join|safe", "the filter join"),
        ("resized_img_src('a.jpg') ~ '#x'", ""),
    ],
)
def test_what_changes_a_tag_is_told(tmp_path: Path, expression: str, changed_by: str) -> None:
    assert [call.changed_by for call in calls(tmp_path, a=f"{{{{ {expression} }}}}")] == [changed_by]


def test_templates_of_blueprints_count_and_broken_ones_are_reported(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "broken.html").write_text("{{ resized_img_src(")
    (tmp_path / "templates" / "latin.html").write_bytes(b"\xe9")
    (tmp_path / "templates" / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "inner" / "templates").mkdir(parents=True)
    (tmp_path / "inner" / "templates" / "a.html").write_text("{{ resized_img_src('a.jpg') }}")
    app = Flask("site", root_path=str(tmp_path))
    app.register_blueprint(Blueprint("inner", "inner", root_path=str(tmp_path / "inner"), template_folder="templates"))
    templates = Templates(app, "images")
    assert [call.path for call in templates.calls()] == ["a.jpg"]
    assert len(templates.unreadable) == 2
    assert "broken.html:1: " in templates.unreadable[0]
    assert "latin.html: " in templates.unreadable[1]


def test_the_loader_of_the_site_is_read_also_without_files() -> None:
    app = Flask("site")
    sources = {"a.html": "{{ resized_img_src('a.jpg') }}", "b.html": "{{ resized_img_src('b.jpg') }}"}
    app.jinja_env.loader = DictLoader({**sources, "deep.html": "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}"})
    templates = Templates(app, "images")
    assert [call.path for call in templates.calls()] == ["a.jpg", "b.jpg"]
    assert templates.unreadable == ["deep.html: its tags or expressions are nested too deeply"]


def test_a_loader_that_cannot_list_its_templates_is_reported() -> None:
    app = Flask("site")
    app.jinja_env.loader = FunctionLoader(lambda name: None)
    templates = Templates(app, "images")
    assert list(templates.calls()) == []
    assert "cannot be listed" in templates.unreadable[0]
