"""The plan for a site: its differences, its proof, and that the proof can fail."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from conftest import fetch
from flask import Flask
from PIL import Image

from flask_images_vips.operating.migrating import plan as plans
from flask_images_vips.operating.migrating import reference
from flask_images_vips.operating.migrating.pictures import pictures
from flask_images_vips.operating.migrating.plan import Plan, make_plan
from flask_images_vips.operating.migrating.proof import Prover, sets_of_options
from flask_images_vips.state import images_of


def silent(items: Iterable[Any], label: str, length: int | None) -> Iterable[Any]:
    return items


@pytest.fixture
def planned(make_app: Callable[..., Flask], draw: Any, tmp_path: Path) -> Callable[..., Plan]:
    """A function that plans the move of a site with a template. Its further keywords are the configuration."""
    exif = Image.Exif()
    exif[0x0112] = 6
    draw("a.png", (300, 200))
    draw("turned.jpg", exif=exif.tobytes())
    draw("old.bmp")
    draw("moving.gif", save_all=True, append_images=[Image.new("RGB", (64, 48))])
    (tmp_path / "static" / "broken.png").write_bytes(b"not a picture")
    (tmp_path / "code").mkdir()

    def plan(template: str = "", rendered: int = 0, **config: Any) -> Plan:
        (tmp_path / "templates").mkdir(exist_ok=True)
        (tmp_path / "templates" / "index.html").write_text(template)
        app = make_app(**config)
        return make_plan(app, tmp_path / "code", silent, most=100, rendered=rendered)

    return plan


def texts(plan: Plan, level: str = "differs") -> list[str]:
    return [each.text for each in plan.differences if each.level == level]


def test_urls_and_sizes_of_all_pictures_are_the_same(planned: Any, tmp_path: Path) -> None:
    plan = planned("{{ resized_img_src('a.png', width=33, sharpen='1,2,3') }}", rendered=3)
    proof = plan.proof
    assert plan.is_safe, proof.different
    assert (proof.pictures, proof.calls, proof.rendered) == (4, 1, 3)
    assert proof.urls == proof.accepted == proof.sizes == 4 * proof.options
    assert proof.options > 20
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", ["url", "size"])
def test_the_proof_fails_if_anything_differs(planned: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    wrong = {
        "url": lambda *_: "/imgsizer/a.png?w=9&s=b'x'",
        "size": lambda *_: (9, 9),
    }
    monkeypatch.setattr(reference, name, wrong[name])
    plan = planned(rendered=2)
    assert not plan.is_safe
    assert plan.proof.different[-1] == "and others"
    assert "a.png with {}" in plan.proof.different[0]


def test_an_option_that_cannot_be_served_fails_the_proof(planned: Any) -> None:
    plan = planned("{{ resized_img_src('a.png', mode='stretch') }}")
    assert not plan.is_safe
    assert any("is refused: mode='stretch': expected" in sentence for sentence in plan.proof.different)


def test_pictures_that_differ_are_listed_by_kind(planned: Any) -> None:
    differences = {each.text.split(".")[0]: each.places for each in planned().differences}
    assert differences["Pictures that are turned upright by their EXIF orientation, which Flask-Images ignored"] == [
        "turned.jpg (64×48 becomes 48×64)"
    ]
    assert differences["Pictures that become JPEG unless the URL names a format"] == ["old.bmp (bmp)"]
    assert "moving.gif (2 frames)" in str(differences)
    assert "broken.png (" in str(differences["Pictures that cannot be shown"])


@pytest.mark.parametrize(
    ("template", "level", "said"),
    [
        ("{{ resized_img_tag('a.png')|replace('<', '<')|safe }}", "change", "the filter replace shows HTML as text"),
        ("{{ resized_img_size('a.png', width=3) }}", "differs", "resized_img_size assumes enlarge=False"),
        ("{{ resized_img_tag('a.png', alt='A') }}", "differs", "alt is an attribute of the tag"),
        ("{{ resized_img_src('a.png', rotate=90) }}", "differs", "rotate was ignored, and is an option now"),
        ("{{ resized_img_src('a.png', foo=1) }}", "differs", "foo is a part of the URL without any effect"),
        ("{{ resized_img_src('a.png', background='') }}", "differs", "background='' is left out of the URL"),
        ("{{ resized_img_tag('a.png', hidpi=2, hidpi_quality=40) }}", "differs", "if hidpi does not apply"),
        ("{{ resized_img_src('http://e.com/a.png') }}", "differs", "Pictures at URLs need"),
        ("{{ resized_img_src('../a.png') }}", "differs", "counts as a missing picture"),
        ("{{ resized_img_tag('gone.png') }}", "differs", "'gone.png' is missing"),
        ("{{ resized_img_src( }}", "change", "This template cannot be read"),
    ],
)
def test_a_call_that_differs_is_listed_with_its_line(planned: Any, template: str, level: str, said: str) -> None:
    plan = planned(f"\n{template}")
    (found,) = [each for each in plan.differences if said in each.text]
    assert found.level == level
    assert found.places[0].startswith("../templates/index.html:2")
    assert plan.is_safe is (level == "differs")


@pytest.mark.parametrize(
    "template",
    ["{{ resized_img_src('a.png', width=w) }}", "{{ resized_img_tag('a.png', class_='x', width=3)|safe }}", "no image"],
)
def test_ordinary_calls_are_not_listed(planned: Any, template: str) -> None:
    listed = texts(planned(template))
    assert [text for text in listed if not text.startswith(("Pictures that", "Workers", "The pictures in"))] == []


def test_keys_that_had_no_effect_are_listed_without_secrets(planned: Any) -> None:
    listed = texts(planned(IMAGES_MAX_WIDTH=5000, IMAGES_SECRET_KEY="hush", IMAGES_PATH=["static"]))
    assert any(text.startswith("IMAGES_MAX_WIDTH = 5000 had no effect, and has one now: Max") for text in listed)
    assert any(text.startswith("IMAGES_SECRET_KEY had no effect") for text in listed)
    assert "hush" not in str(listed)
    assert not any(text.startswith("IMAGES_PATH") for text in listed)


def test_with_images_markup_tags_may_be_changed(planned: Any) -> None:
    assert planned("{{ resized_img_tag('a.png')|replace('<', '<')|safe }}", IMAGES_MARKUP=False).is_safe


def test_names_that_no_url_can_have_are_refused_pictures(planned: Any, static: Path) -> None:
    try:
        os.link(static / "a.png", os.path.join(os.fsencode(static), b"\xe9.png"))
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    plan = planned()
    assert plan.is_safe
    assert "not valid UTF-8" in str(plan.differences)


def test_notes_about_the_code_are_relative_to_its_folder(planned: Any, tmp_path: Path) -> None:
    (tmp_path / "code" / "a.py").write_text("x = '' + resized_img_tag('a.png')\n")
    (found,) = [each for each in planned().differences if each.level == plans.CHANGE]
    assert found.places == ["a.py:1"]


def test_limits_that_only_usual_options_exceed_do_not_fail_the_proof(make_app: Callable[..., Flask], draw: Any) -> None:
    draw("a.png", (300, 200))
    app = make_app(IMAGES_MAX_OUTPUT_PIXELS=70_000)
    with app.app_context():
        images = images_of(app)
        (picture,) = pictures(images.pipeline, app.root_path, 10)
        usual, _ = sets_of_options([])
        prover = Prover(images, usual, 0)
        for number in range(len(usual)):
            prover.render(picture, number)
        assert prover.proof.holds
        assert 10 < prover.proof.rendered < len(usual)
        own = Prover(images, [{"width": 900, "height": 900, "mode": "pad"}], 1)
        own.render(picture, 0)
        assert "the limit is 70,000" in own.proof.different[0]


def test_the_links_of_the_front_door_stay(planned: Any, make_app: Callable[..., Flask], tmp_path: Path) -> None:
    if os.name != "posix":
        pytest.skip("needs POSIX: links")
    door, source = str(tmp_path / "door"), tmp_path / "static" / "a.png"
    os.utime(source, (1_700_000_000, 1_700_000_000))
    fetch(make_app(IMAGES_FRONT_DOOR=door), "a.png", width=10)
    before = sorted(Path(door).rglob("*"))
    assert any(path.is_symlink() for path in before)
    assert planned(IMAGES_FRONT_DOOR=door).proof.holds
    assert sorted(Path(door).rglob("*")) == before
