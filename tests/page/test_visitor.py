"""What a visitor's request for a page changes in its images: the quality, the format, and the arm of a comparison."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask, render_template_string
from werkzeug.test import TestResponse

from flask_images_vips.page import visitor
from flask_images_vips.serving.hit import verify
from flask_images_vips.state import images_of

MakeApp = Callable[..., Flask]

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
SAFARI = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
BOTH = {"save_data": 40, "accept": True}
TAG = "{{ resized_img_tag('wide.jpg', width=200) }}"


@pytest.fixture
def site(make_app: MakeApp, draw: Any) -> Callable[..., Flask]:
    """An application with a page of the given template."""

    def make(template: str = TAG, rule: Any = None, **config: Any) -> Flask:
        app = make_app(IMAGES_BY_VISITOR=BOTH if rule is None else rule, **config)
        app.add_url_rule("/page", view_func=lambda: render_template_string(template), endpoint="page")
        return app

    draw("wide.jpg", (1600, 800))
    draw("a.png", (64, 48))
    draw("a.gif", (64, 48))
    return make


def page(app: Flask, address: str = "192.0.2.1", **headers: str) -> TestResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.test_client().get("/page", headers=sent, environ_overrides={"REMOTE_ADDR": address})


def urls(response: TestResponse) -> list[str]:
    found = re.findall(r'src(?:set)?="([^"]*)"', response.text) or [response.text]
    return [each.split(" ")[0] for srcset in found for each in unescape(srcset).split(", ")]


def queries(response: TestResponse) -> list[dict[str, str]]:
    """The format, quality and arm that each URL of a page names."""
    parsed = [parse_qs(urlsplit(url).query) for url in urls(response)]
    return [{name: query[name][0] for name in ("f", "q", "arm") if name in query} for query in parsed]


def test_a_visitor_who_saves_data_gets_the_quality_for_that(site: Any) -> None:
    app = site()
    assert queries(page(app)) == [{}]
    assert queries(page(app, Save_Data="on")) == queries(page(app, Save_Data=" On ")) == [{"q": "40"}]
    assert queries(page(app, Save_Data="off")) == queries(page(app, Save_Data="")) == [{}]


def test_the_format_is_one_that_the_page_was_asked_for_with(site: Any) -> None:
    app = site()
    assert queries(page(app, Accept=CHROME)) == [{"f": "avif"}]
    assert queries(page(app, Accept="image/webp")) == [{"f": "webp"}]
    assert queries(page(app, Accept=SAFARI)) == [{}]


def test_auto_is_settled_where_the_page_can_and_stays_where_it_cannot(site: Any) -> None:
    app = site("{{ resized_img_tag('wide.jpg', width=200, format='auto') }}")
    assert queries(page(app, Accept=CHROME)) == [{"f": "avif"}]
    assert queries(page(app, Accept=SAFARI)) == [{"f": "auto"}]


def test_the_image_does_not_depend_on_the_visitor_but_the_page_does(site: Any) -> None:
    app = site()
    answer = page(app, Accept=CHROME, Save_Data="on")
    assert answer.vary.as_set() == {"save-data", "accept"}
    assert page(app).vary.as_set() == {"save-data", "accept"}
    (url,) = urls(answer)
    for accept in (CHROME, "image/webp", ""):
        image = app.test_client().get(url, headers={"Accept": accept})
        assert (image.status_code, image.mimetype, image.vary.as_set()) == (200, "image/avif", set())


@pytest.mark.parametrize(
    ("rule", "vary", "asks_for"),
    [({"save_data": 30}, {"save-data"}, {"q": "30"}), ({"accept": True}, {"accept"}, {"f": "avif"})],
)
def test_each_half_works_alone(site: Any, rule: Any, vary: set[str], asks_for: dict[str, str]) -> None:
    answer = page(site(rule=rule), Accept=CHROME, Save_Data="on")
    assert answer.vary.as_set() == vary
    assert queries(answer) == [asks_for]


@pytest.mark.parametrize("rule", [False, {}, {"share": 0.5}, {"save_data": None, "accept": False}])
def test_it_is_off_by_default(site: Any, rule: Any) -> None:
    app = site(rule=rule)
    answer = page(app, Accept=CHROME, Save_Data="on")
    assert (queries(answer), answer.vary.as_set()) == ([{}], set())


def test_a_page_without_images_does_not_depend_on_the_visitor(site: Any) -> None:
    assert page(site("no image"), Accept=CHROME).vary.as_set() == set()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("'wide.jpg', width=90, quality=80, format='jpeg'", {"q": "80", "f": "jpeg"}),
        ("'wide.jpg', width=90, external=True", {}),
        ("'wide.jpg', width=90, download=True", {}),
        ("'a.png', width=30, format='png'", {"f": "png"}),
        ("'a.png', width=30", {"f": "avif", "q": "40"}),
        ("'a.gif', width=30", {"f": "webp", "q": "40"}),
        ("'wide.jpg', width=90, dpr=2", {"f": "avif", "q": "40"}),
    ],
)
def test_what_a_call_names_stays(site: Any, call: str, expected: dict[str, str]) -> None:
    app = site(f"{{{{ resized_img_src({call}) }}}}", IMAGES_DPR_QUALITY={2: 55})
    assert queries(page(app, Accept=CHROME, Save_Data="on")) == [expected]


def test_a_picture_tag_leaves_the_format_to_the_browser(site: Any) -> None:
    app = site("{{ resized_picture_tag('wide.jpg', width=100, formats=['webp'], densities=[1]) }}")
    plain, chrome = page(app, Accept=SAFARI), page(app, Accept=CHROME)
    assert plain.text == chrome.text
    assert {query.get("q") for query in queries(page(app, Save_Data="on"))} == {"40"}


def test_a_preload_names_what_the_tag_names(site: Any) -> None:
    call = "'wide.jpg', width=200, layout='fixed'"
    app = site(f"{{{{ resized_img_preload({call}) }}}}{{{{ resized_img_tag({call}) }}}}")
    text = page(app, Accept=CHROME, Save_Data="on").text
    href, src = (re.findall(rf'{name}="([^"]*)"', text) for name in ("href", " src"))
    assert href == src


def test_presets_that_are_the_only_options_stay_as_they_are(site: Any) -> None:
    config = {"IMAGES_PRESETS": {"small": {"width": 90}}, "IMAGES_ONLY_PRESETS": True}
    app = site("{{ resized_img_src('wide.jpg', preset='small') }}", rule={**BOTH, "share": 0.5}, **config)
    answer = page(app, Accept=CHROME, Save_Data="on")
    assert queries(answer) == [{}]
    assert app.test_client().get(urls(answer)[0]).status_code == 200


# A share of visitors


def arms(app: Flask, number: int = 200) -> list[str]:
    found = []
    for each in range(number):
        with app.test_request_context(environ_overrides={"REMOTE_ADDR": f"192.0.{each // 100}.{each % 100}"}):
            found.append(str(visitor.arm_of(images_of(app), 0.25)))
    return found


def test_about_the_share_of_visitors_is_the_canary_and_each_stays_in_an_arm(site: Any) -> None:
    app = site(rule={**BOTH, "share": 0.25})
    first = arms(app)
    assert 25 <= first.count("canary") <= 75
    assert arms(app) == first
    app.config["SECRET_KEY"] = "another"
    assert arms(app) != first


def test_only_the_canary_gets_what_is_tried_and_the_urls_of_both_name_the_arm(site: Any) -> None:
    app = site(rule={**BOTH, "share": 0.5})
    found = {str(queries(page(app, f"192.0.2.{each}", Accept=CHROME, Save_Data="on"))) for each in range(20)}
    assert found == {str([{"arm": "usual"}]), str([{"f": "avif", "q": "40", "arm": "canary"}])}


def test_the_arm_is_no_part_of_the_rendition(site: Any) -> None:
    app = site("{{ resized_img_src('wide.jpg', width=90, arm='usual') }}")
    pipeline = images_of(app).pipeline
    (url,) = urls(page(app))
    assert app.test_client().get(url).status_code == 200
    (plain,) = urls(page(site("{{ resized_img_src('wide.jpg', width=90) }}")))
    before = pipeline.cache.folder, len(list(pipeline.cache.oldest_first()))
    assert app.test_client().get(plain).status_code == 200
    assert (pipeline.cache.folder, len(list(pipeline.cache.oldest_first()))) == before


def test_nginx_may_send_the_images_of_an_arm_by_itself(site: Any) -> None:
    app = site(rule={**BOTH, "share": 0.5}, IMAGES_FRONT_DOOR=True)
    path, _, query = urls(page(app))[0].removeprefix("/imgsizer/").partition("?")
    assert "arm=" in query
    with app.test_request_context():
        assert verify(images_of(app), path, query.encode(), "").hit().link is not None


def test_a_device_of_a_network_stays_in_its_arm_when_it_changes_its_address(site: Any) -> None:
    app = site(rule={**BOTH, "share": 0.5})
    for network in range(10):
        same = {page(app, f"2001:db8:0:{network}::{host}", Accept=CHROME).text for host in range(3)}
        assert len(same) == 1
    assert page(app, "no address").status_code == page(app, "").status_code == 200


def test_nothing_about_the_visitor_is_kept(site: Any) -> None:
    app = site(rule={**BOTH, "share": 0.5})
    answer = page(app, "192.0.2.77", User_Agent="Rare Browser 77", Accept=CHROME)
    assert "Set-Cookie" not in answer.headers
    texts = {page(app, f"192.0.2.{each}", User_Agent=f"Rare {each}", Accept=CHROME).text for each in range(20)}
    assert len(texts) == 2, "one page for each arm"


@pytest.mark.parametrize("text", ["other", "CANARY", "1"])
def test_an_arm_of_another_name_is_refused(site: Any, text: str) -> None:
    app = site(f"{{{{ resized_img_src('wide.jpg', width=90, arm='{text}') }}}}")
    assert app.test_client().get(urls(page(app))[0]).status_code == 400
