"""Every option has a control, and the code beside it is what the control says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from conftest import PHOTOGRAPHS
from flask import Flask, render_template_string, url_for
from werkzeug.datastructures import MultiDict

from flask_images_vips import Images, resized_img_src
from flask_images_vips.demo import controls as module
from flask_images_vips.demo import create_app
from flask_images_vips.demo.controls import MORE, controls, groups, read_options
from flask_images_vips.demo.fonts import STYLES, find_font
from flask_images_vips.demo.playground import describe
from flask_images_vips.demo.presets import FIRST_TRY, PRESETS
from flask_images_vips.demo.sample import Sample
from flask_images_vips.options.options import DECLARED, Options, write_query


def keywords_of(name: str) -> dict[str, Any]:
    keywords: dict[str, Any] = eval(f"dict({DECLARED[name].example})")
    return {key: "photos/cup.png,se,16,0.9,0.2" if key == "watermark" else value for key, value in keywords.items()}


@pytest.fixture(scope="module")
def app() -> Flask:
    return create_app()


@pytest.fixture(scope="module")
def site() -> Flask:
    """A site of somebody else, with the same photographs, fonts and key."""
    app = Flask("site", root_path=str(PHOTOGRAPHS.parent.parent))
    app.config.update(SECRET_KEY="a", IMAGES_FONTS={"title": find_font()}, IMAGES_TEXT_STYLES=STYLES)
    Images(app)
    return app


def test_every_option_has_a_control_with_a_label_in_a_group() -> None:
    found = controls({})
    assert found.keys() == DECLARED.keys()
    assert [name for name, control in found.items() if control.group == MORE] == []
    assert [control.name for group in groups(found).values() for control in group] == list(found)


def test_a_new_option_appears_by_itself(monkeypatch: pytest.MonkeyPatch, app: Flask) -> None:
    flag, text = DECLARED["grayscale"]._replace(short="z"), DECLARED["aspect"]._replace(short="y", example="fresh='x'")
    monkeypatch.setattr(module, "DECLARED", {**DECLARED, "solarize": flag, "fresh_look": text})
    monkeypatch.setattr(module, "DEFAULTS", {**module.DEFAULTS, "solarize": False, "fresh_look": None})
    found = controls({})
    assert (found["solarize"].kind, found["solarize"].label) == ("switch", "Solarize")
    assert (found["fresh_look"].kind, found["fresh_look"].placeholder) == ("text", "fresh='x'")
    assert [control.name for control in groups(found)[MORE]] == ["solarize", "fresh_look"]
    page = app.test_client().get("/").text
    assert 'id="o-solarize"' in page
    assert 'id="o-fresh_look"' in page


@pytest.mark.parametrize("name", DECLARED)
def test_a_control_shows_a_value_and_reads_it_again(name: str) -> None:
    keywords = keywords_of(name)
    found = controls(STYLES)
    fields = MultiDict({key: found[key].show(value) for key, value in keywords.items()})
    read = read_options(fields)
    assert Options.parse(write_query(read)) == Options.parse(write_query(keywords))


def test_parts_arrive_one_by_one_without_a_script() -> None:
    fields = MultiDict(
        [("focal.0", "0.3"), ("focal.1", ""), ("padding.0", "4"), ("watermark.0", ""), ("border.0", "3")]
    )
    fields.setlist("keep", ["copyright", "icc"])
    fields.setlist("animated", ["0", "1"])  # a box that is checked
    fields.setlist("cache", ["0"])  # one that is not
    assert read_options(fields) == {
        "keep": "copyright,icc",
        "cache": False,
        "focal": (0.3, 0.5),
        "padding": (4, 0, 0, 0),
        "border": (3, "black"),
    }


@pytest.mark.parametrize("text", ["2025-13-45T99:99", "abc", "9" * 500, "-1", "0x10", "٣", "<b>", "\x00"])
@pytest.mark.parametrize("name", DECLARED)
def test_whatever_is_typed_is_answered_with_a_picture_or_a_sentence(app: Flask, name: str, text: str) -> None:
    with app.test_request_context(query_string={"photo": "cat.jpg", name: text}) as context:
        options = read_options(context.request.args)
    client = app.test_client()
    with app.test_request_context():
        problem = Sample("cat.jpg", options).problem
    if problem:  # without a render
        answer = client.get("/render.json", query_string={"photo": "cat.jpg", name: text})
        assert answer.status_code == 200
        assert answer.json is not None
        assert answer.json["option"] == name
        assert answer.json["problem"].endswith(".")
        assert f"{name} expects" in answer.json["problem"]


@pytest.mark.parametrize("name", DECLARED)
def test_the_code_runs_on_another_site_and_its_url_is_served(site: Flask, name: str) -> None:
    sample = Sample("cat.jpg", {"width": 40, **keywords_of(name)})
    with site.test_request_context():
        url = eval(sample.call, {"resized_img_src": resized_img_src})
        assert eval(sample.url_for, {"url_for": url_for}) == url == sample.url
        assert render_template_string(sample.jinja) == sample.tag
        assert url.replace("&", "&amp;") in sample.tag
        described = describe(sample)
    assert described["problem"] == ""
    assert site.test_client().get(url).status_code == 200


def test_every_preset_is_served(app: Flask) -> None:
    for name, options in {"First": FIRST_TRY, **PRESETS}.items():
        given = {key: (0.5, 0.4) if value is None else value for key, value in options.items()}
        with app.test_request_context():
            assert describe(Sample("cat.jpg", given))["problem"] == "", name


def test_without_a_font_the_control_of_text_says_so() -> None:
    assert "No font was found" in controls(None)["text"].note
    assert controls(STYLES)["text"].note == ""
    assert replace(controls(None)["text"], note="") == controls(STYLES)["text"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("photo=no.jpg", "There is no such photograph."),
        ("photo=../../secret", "There is no such photograph."),
        ("photo=cat.jpg&width=40&expires=1", "The URL expired on 1970-01-01"),
        ("photo=cat.jpg&width=90000&enlarge=1", "The limit is"),
        ("photo=cat.jpg&width=40&watermark=photos/none.png", "There is no such image."),
        ("photo=cat.jpg&width=40&text=a&text_style=zz", "text_style expects one of IMAGES_TEXT_STYLES"),
        ("photo=cat.jpg&region=0,0,4000,4000", "region expects"),
        ("photo=cat.jpg&width=10&height=10&aspect=1", "aspect expects only one of width and height"),
    ],
)
def test_what_cannot_be_shown_is_explained(app: Flask, query: str, words: str) -> None:
    answer = app.test_client().get(f"/render.json?{query}").json
    assert answer is not None
    assert words.lower() in answer["problem"].lower()
    assert app.test_client().get(f"/?{query}").status_code == 200


def test_a_picture_is_rendered_again_on_request(app: Flask) -> None:
    client = app.test_client()
    answers = [client.get(f"/render.json?photo=cat.jpg&width=77{more}").json for more in ("", "", "&fresh=1", "")]
    assert [answer["cached"] for answer in answers if answer] == [False, True, False, True]
    assert {answer["engine"] for answer in answers if answer} == {"vips"}
    assert answers[0] is not None
    assert answers[1] is not None
    assert "render" in answers[0]["phases"]
    assert "render" not in answers[1]["phases"]


@pytest.mark.parametrize("engine", ["vips", "vips, with copies", "vips from a copy"])
def test_the_engine_is_named_whether_it_makes_or_uses_reduced_copies(
    monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    def described(sample: Sample, *, fresh: bool = False) -> dict[str, object]:
        return {**describe(sample, fresh=fresh), "engine": engine}

    monkeypatch.setattr("flask_images_vips.demo.playground.describe", described)
    assert create_app().test_client().get("/render.json?photo=cat.jpg&width=91").get_json()["engine_name"] == "libvips"
