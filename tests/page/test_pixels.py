"""A page waits for no pixels: what they tell is found after it, and stands in the next page."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from conftest import all_renderers_taken
from flask import Flask, render_template_string
from PIL import Image
from servers import until

from flask_images_vips import (
    late_facts,
    resized_img_attrs,
    resized_img_placeholder,
    resized_img_size,
    resized_img_src,
    resized_img_tag,
)
from flask_images_vips.errors import Busy, LimitExceeded
from flask_images_vips.options.options import Options
from flask_images_vips.pixel_facts import trim_of
from flask_images_vips.rendering.placeholders import KINDS
from flask_images_vips.state import images_of

NAMES = ["0.jpg", "1.png", "2.webp", "3.gif"]
GALLERY = """{% for name in names %}
{{ resized_img_tag(name, width=40, layout='constrained', placeholder='lqip', alt='') }}
{% endfor %}"""


@pytest.fixture
def names(draw: Any) -> list[str]:
    return [draw(name).name for name in NAMES]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What pages ask for is found without a delay."""
    monkeypatch.setattr(late_facts, "DELAY_SECONDS", 0)


@pytest.fixture
def site(make_app: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Flask]:
    """A function that makes an application. Its keyword *threads* is whether background threads run there."""

    def make(*, threads: bool = False, **config: Any) -> Flask:
        with monkeypatch.context() as patch:
            patch.setattr("flask_images_vips.wiring.threads_run", lambda: threads)
            app: Flask = make_app(**config)
            assert images_of(app).pipeline  # builds its parts
        return app

    return make


def gallery(app: Flask, names: list[str]) -> str:
    with app.test_request_context():
        return html.unescape(render_template_string(GALLERY, names=names))


def show(app: Flask, page: str) -> None:
    """Load the pictures of *page*, as a browser does."""
    for url in re.findall(r'src="(/[^"]+)"', page):
        assert app.test_client().get(url).status_code == 200


def listen(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list of the times from which each request to the renderers of *app* waits."""
    renderers, asked = images_of(app).pipeline.producer.renderers, list[float]()
    run = renderers.run

    def noted(*request: Any, since: float, **more: Any) -> Any:
        asked.append(since)
        return run(*request, since=since, **more)

    monkeypatch.setattr(renderers, "run", noted)
    return asked


def test_a_page_asks_no_renderer_and_has_its_placeholders_once_the_pictures_were_shown(
    site: Any, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, other = site(), site()
    images_of(app).pipeline.abilities.find()  # which is asked once in an installation
    asked = listen(app, monkeypatch)
    with all_renderers_taken(app):
        first = gallery(app, names)
    assert asked == []
    assert first.count("height=") == len(names)
    assert "background" not in first
    show(other, first)  # in another process: it learns from the cache what is wanted
    assert gallery(app, names).count("background:url(data:image/webp") == len(names)
    assert gallery(site(), names).count("background:url(data:image/webp") == len(names)
    assert asked == []


def test_placeholders_are_made_in_the_background_where_no_picture_is_rendered(
    site: Any, names: list[str], at_once: None, caplog: Any
) -> None:
    app = site(threads=True)
    assert "background" not in gallery(app, names)
    until(lambda: gallery(app, names).count("background:url") == len(names), "the placeholders are there")
    assert not caplog.records


def test_what_a_render_has_made_meanwhile_is_not_made_again_in_the_background(
    site: Any, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_facts, "DELAY_SECONDS", 0.5)
    draw("a.png")
    app = site(threads=True)
    asked = listen(app, monkeypatch)
    page = gallery(app, ["a.png"])
    found = []
    later = app.extensions["flask_images_vips"]._parts.later
    monkeypatch.setattr(later, "_find", lambda fact, find=later._find: (find(fact), found.append(fact.name)))
    monkeypatch.setattr(later._thread, "_work", later._find)
    show(app, page)
    asked.clear()
    until(lambda: len(found) == 1, "the fact was looked for")
    assert asked == []


@pytest.mark.parametrize("kind", KINDS)
def test_outside_of_a_request_a_placeholder_is_made_at_once(site: Any, draw: Any, kind: str) -> None:
    draw("a.png")
    app = site()
    with app.app_context():
        made = resized_img_placeholder("a.png", kind)
    assert made is not None
    with app.test_request_context():
        assert resized_img_placeholder("a.png", kind) == made


def test_a_source_that_cannot_be_decoded_is_tried_once_and_named_by_later_pages(
    site: Any, draw: Any, at_once: None, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draw("a.jpg", (640, 480))
    path.write_bytes(path.read_bytes()[:2000])
    app = site(threads=True)
    asked = listen(app, monkeypatch)
    with app.test_request_context():
        assert resized_img_placeholder("a.jpg") is None
        assert not caplog.records
        until(lambda: resized_img_placeholder("a.jpg") is None and caplog.records, "its fault is known")
    tries = len(asked)
    with app.test_request_context():
        assert 'height="30"' in resized_img_tag("a.jpg", width=40, placeholder="lqip")
    assert len(asked) == tries
    assert "no placeholder for image 'a.jpg'" in caplog.text


def test_a_purge_lets_a_page_ask_again(site: Any, draw: Any) -> None:
    draw("a.png")
    app = site()
    for files in (2, 1):  # the header, which stays in memory, and the request
        page = gallery(app, ["a.png"])
        assert images_of(app).pipeline.purge("a.png") == files
    show(app, gallery(app, ["a.png"]))
    assert "background:url" not in page
    assert "background:url" in gallery(app, ["a.png"])


# The box that remains after a trim.


@pytest.fixture
def framed(static: Any) -> str:
    picture = Image.new("RGB", (80, 60), "white")
    picture.paste("black", (10, 10, 50, 30))
    picture.save(static / "framed.png")
    return "framed.png"


def test_a_trimmed_picture_has_no_size_until_it_was_rendered_anywhere(
    site: Any, framed: str, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    app, other = site(), site()
    asked = listen(app, monkeypatch)
    keywords: dict[str, Any] = {"width": 20, "trim": True}
    with all_renderers_taken(app), app.test_request_context():
        assert resized_img_size(framed, **keywords) is None
        for layout in (None, "constrained"):
            tag = resized_img_attrs(framed, layout=layout, **keywords)
            assert not {name for name in ("width", "height", "srcset") if tag.get(name) is not None}
            assert "tr=" in tag["src"]
    show(other, f'src="{tag["src"]}"')
    for each in (app, other, site()):
        with each.test_request_context():
            size = resized_img_size(framed, **keywords)
            assert (size.width, size.height, size.image_width) == (20, 10, 40)
            assert resized_img_attrs(framed, layout="constrained", **keywords)["height"] == 10
    assert asked == []
    assert not caplog.records


def test_its_box_is_found_in_the_background_and_outside_of_a_request_at_once(
    site: Any, framed: str, draw: Any, at_once: None
) -> None:
    app = site(threads=True)
    with app.test_request_context():
        until(lambda: resized_img_size(framed, trim=True) is not None, "its size is known")
    other = site()
    draw("other.png")
    with other.app_context():
        assert resized_img_size("other.png", trim=5) is not None


def test_limited_widths_are_kept_although_the_box_is_not_known(site: Any, framed: str) -> None:
    app = site(IMAGES_ALLOWED_WIDTHS=[20, 30])
    with app.test_request_context():
        urls = [
            resized_img_src(framed, trim=True, **sides)
            for sides in ({"width": 18}, {"width": 30}, {"width": 25, "height": 25, "mode": "fit"}, {"height": 14}, {})
        ]
    show(app, " ".join(f'src="{url}"' for url in urls))


# Headers that only an engine can read.


def test_a_page_does_not_wait_for_a_header_that_only_an_engine_can_read(
    site: Any, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("a.bmp")
    app = site(IMAGES_INPUT_FORMATS=["png", "bmp"])
    asked = listen(app, monkeypatch)
    with app.test_request_context():
        assert resized_img_size("a.bmp", width=32).height == 24  # type: ignore[union-attr]
    (since,) = asked
    assert since < 0


def test_a_page_without_a_free_renderer_leaves_such_a_size_out(site: Any, draw: Any) -> None:
    draw("a.bmp")
    app = site(IMAGES_INPUT_FORMATS=["png", "bmp"], IMAGES_LOCK_TIMEOUT=600)
    if images_of(app).pipeline.producer.renderers.pool is None:
        pytest.skip("a thread reads a header without waiting for its turn")
    with all_renderers_taken(app), app.test_request_context():
        assert resized_img_size("a.bmp", width=32) is None
    with app.test_request_context():
        assert resized_img_size("a.bmp", width=32) is not None


@pytest.mark.parametrize("error", [Busy("all renderers work"), LimitExceeded("it took {:,} s", 9, 5, set_by="a key")])
def test_a_trim_that_fails_leaves_a_page_whole(
    site: Any, framed: str, at_once: None, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = site(threads=True)
    facts, tries = images_of(app).pipeline.facts, list[object]()
    read = facts._read_trim_box

    def failing(*details: Any) -> Any:
        tries.append(details)
        if len(tries) == 1:
            raise error
        return read(*details)

    monkeypatch.setattr(facts, "_read_trim_box", failing)
    with app.test_request_context():
        assert "width=" not in str(resized_img_tag(framed, trim=True)).replace("?w=", "")
        until(lambda: tries, "it was tried")
        if isinstance(error, Busy):  # it is tried again
            until(lambda: resized_img_size(framed, trim=True) is not None, "its size is known")
        else:
            failed = images_of(app).pipeline.sources.here(framed), *trim_of(Options(trim=10))
            until(lambda: failed in facts.failures, "it is remembered")
            assert resized_img_size(framed, trim=True) is None
            assert len(tries) == 1
