"""What templates get: URLs, sizes, tags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import url_of
from flask import Blueprint, Flask, render_template_string, request, url_for
from markupsafe import Markup
from werkzeug.routing import BuildError

from flask_images_vips import Images, resized_img_attrs, resized_img_size, resized_img_src, resized_img_tag
from flask_images_vips.errors import ConfigError
from flask_images_vips.page.links import _report_unknown


@pytest.fixture
def page(app: Flask, draw: Any) -> Any:
    """A request of an application that has a.png, of 64×48 pixels."""
    draw("a.png", (64, 48))
    with app.test_request_context():
        yield app


@pytest.mark.usefixtures("page")
def test_the_four_helpers_are_there_in_templates() -> None:
    text = render_template_string(
        "{{ resized_img_src('a.png', width=32) }} {{ resized_img_size('a.png', width=32).height }} "
        "{{ resized_img_attrs('a.png', width=32).width }} {{ resized_img_tag('a.png', width=32) }}"
    )
    assert text.startswith("/imgsizer/a.png?v=")
    assert " 24 32 <img " in text


@pytest.mark.usefixtures("page")
def test_a_tag_is_markup_and_its_values_are_escaped() -> None:
    tag = resized_img_tag("a.png", width=32, alt='"><script>', class_="round")
    assert isinstance(tag, Markup)
    assert 'alt="&quot;&gt;&lt;script&gt;"' in tag
    assert 'class="round"' in tag
    assert render_template_string("{{ resized_img_tag('a.png')|safe }}").startswith("<img ")


@pytest.mark.usefixtures("page")
def test_html_attributes_go_to_the_tag_and_not_into_the_url() -> None:
    attributes = {"alt": "A cat", "title": "t", "id": "i", "loading": "lazy", "decoding": "async", "style": "x:y"}
    tag = resized_img_tag("a.png", width=32, data_zoom="2", aria_label="l", hidden=True, inert=False, **attributes)
    plain = resized_img_tag("a.png", width=32)
    for name, value in attributes.items():
        assert f' {name}="{value}"' in tag
    assert ' data-zoom="2"' in tag
    assert ' aria-label="l"' in tag
    assert ' hidden=""' in tag
    assert "inert" not in tag
    assert plain.partition(' src="')[2].partition('"')[0] in tag
    assert resized_img_src("a.png", width=32, alt="x", class_="y", hidpi=2) == resized_img_src("a.png", width=32)


@pytest.mark.usefixtures("page")
def test_hidpi_asks_for_more_pixels_where_the_source_has_them() -> None:
    twice = resized_img_attrs("a.png", width=32, hidpi=2, hidpi_quality=40)
    assert (twice["width"], twice["height"], twice["data-hidpi-scale"]) == (32, 24, 2)
    assert twice["src"] == resized_img_src("a.png", width=64, quality=40)
    too_large = resized_img_attrs("a.png", width=33, hidpi=2, hidpi_quality=40)
    assert too_large["data-hidpi-scale"] is False
    assert too_large["src"] == resized_img_src("a.png", width=33)
    assert resized_img_attrs("a.png", width="32", hi_dpi="2")["src"] == resized_img_src("a.png", width=64, quality=60)


@pytest.mark.usefixtures("page")
def test_sizes_are_those_of_the_rendition_by_default() -> None:
    size = resized_img_size("a.png", width=128)
    assert size is not None
    assert (size.width, size.needs_enlarge) == (64, True)


@pytest.mark.parametrize("helper", [resized_img_attrs, resized_img_tag])
def test_a_missing_file_does_not_end_the_page(page: Flask, helper: Any, caplog: Any) -> None:
    result = helper("missing.png", width=32)
    assert len(caplog.records) == 1
    assert "missing.png" in caplog.text
    assert "width=" not in str(result).replace("w=", "").partition("/>")[0] or isinstance(result, dict)
    assert "/imgsizer/missing.png?w=32&" in str(result).replace("&amp;", "&")
    if isinstance(result, dict):
        assert not {"width", "height"} & result.keys()


def test_the_size_of_what_has_none_is_none(page: Flask, caplog: Any) -> None:
    (Path(page.root_path) / "static" / "text.png").write_text("no picture")
    for name in ("missing.png", "text.png", "http://example.com/a.png"):
        assert resized_img_size(name, width=10) is None
    assert resized_img_size("a.png", width="abc") is None
    assert len(caplog.records) == 3  # that a remote one was not fetched yet is nothing to tell anybody of


@pytest.mark.usefixtures("page")
def test_url_for_builds_image_urls() -> None:
    assert url_for("images", filename="a.png", width=9) == resized_img_src("a.png", width=9)
    assert url_for("images.crop", filename="a.png", width=9) == resized_img_src("a.png", width=9, mode="crop")
    assert url_for("images", path="a.png") == "/imgsizer/a.png"
    with pytest.raises(ValueError, match="`mode` is specified in endpoint and kwargs"):
        url_for("images.crop", filename="a.png", mode="fit")
    with pytest.raises(ValueError, match="needs filename="):
        url_for("images.crop")
    for unknown in ("images.zoom", "image.crop", "images.crop.x"):
        with pytest.raises(BuildError):
            url_for(unknown, filename="a.png")


@pytest.mark.parametrize(
    ("name", "hint"), [("widht", "; did you mean width?"), ("prest", "; did you mean preset?"), ("zzz", "")]
)
def test_an_unknown_keyword_stays_in_the_url_with_one_warning(page: Flask, name: str, hint: str, caplog: Any) -> None:
    _report_unknown.cache_clear()
    for _ in range(2):
        assert f"&{name}=9&" in resized_img_src("a.png", width=8, **{name: 9}).replace("?", "&")
        resized_img_size("a.png", **{name: 9})
        url_for("images.crop", filename="a.png", **{name: 9})
        resized_img_tag("a.png", alt="x", **{name: 9})
    assert [record.getMessage() for record in caplog.records] == [
        f"unknown image option {name} is put into the URL unchanged{hint}"
    ]


@pytest.mark.usefixtures("page")
def test_no_other_keyword_is_warned_of(caplog: Any) -> None:
    _report_unknown.cache_clear()
    resized_img_tag(
        "a.png", width=8, alt="x", class_="y", data_z=1, hidpi=2, hidpi_quality=4, external=True, onclick=""
    )
    resized_img_src("a.png", w=8, q=4, widht=None, _anything=1, version="x", scheme="https", external=True)
    assert not caplog.records


@pytest.mark.usefixtures("page")
def test_external_urls() -> None:
    plain = resized_img_src("a.png", width=9)
    assert resized_img_src("a.png", width=9, external=True) == f"http://localhost{plain}"
    assert resized_img_src("a.png", width=9, external=True, scheme="https") == f"https://localhost{plain}"
    assert url_for("images", filename="a.png", width=9, _external=True) == f"http://localhost{plain}"
    assert url_for("images", filename="a.png", width=9, _scheme="https") == f"https://localhost{plain}"
    with pytest.raises(ValueError, match="cannot specify scheme without external=True"):
        resized_img_src("a.png", scheme="https")
    for name in ("_anchor", "_method"):
        with pytest.raises(ValueError, match=f"images have no {name}"):
            resized_img_src("a.png", **{name: "x"})


def test_a_mounted_application_has_its_prefix_in_urls(app: Flask, draw: Any) -> None:
    draw("a.png")
    with app.test_request_context(base_url="http://host/mounted/"):
        url = resized_img_src("a.png", width=9)
        assert url.startswith("/mounted/imgsizer/a.png?")
        assert resized_img_src("a.png", width=9, external=True) == f"http://host{url}"
    assert app.test_client().get(url.removeprefix("/mounted"), base_url="http://host/mounted/").status_code == 200


def test_outside_of_a_request(make_app: Any, draw: Any) -> None:
    draw("a.png")
    app = make_app(APPLICATION_ROOT="/mounted", SERVER_NAME="example.com", PREFERRED_URL_SCHEME="https")
    images: Images = app.extensions["images"]
    with app.app_context():
        assert images.build_url("a.png").startswith("/mounted/imgsizer/")
        assert images.build_url("a.png", external=True).startswith("https://example.com/mounted/imgsizer/")
        app.config["SERVER_NAME"] = None
        with pytest.raises(RuntimeError, match="needs SERVER_NAME"):
            images.build_url("a.png", external=True)


def test_a_cdn_stands_before_all_image_urls(make_app: Any, draw: Any) -> None:
    draw("a.png")
    app = make_app(IMAGES_BASE_URL="https://cdn.example.com/")
    url = url_of(app, "a.png", width=9)
    assert url.startswith("https://cdn.example.com/imgsizer/a.png?")
    assert url_of(app, "a.png", width=9, external=True) == url
    assert app.test_client().get(url.removeprefix("https://cdn.example.com")).status_code == 200


def test_building_never_checks_values(app: Flask, draw: Any) -> None:
    draw("a.png")
    assert "&w=abc&" in url_of(app, "a.png", width="abc")


def test_the_version_is_the_files_own(app: Flask, draw: Any) -> None:
    draw("a.png")
    assert url_of(app, "a.png", version="mine") == url_of(app, "a.png")
    assert "&v=mine&" in url_of(app, "missing.png", version="mine", height=1)
    assert "&v=" not in url_of(app, "missing.png", height=1)


def test_the_endpoint_is_the_configured_name_and_changes_nothing_of_the_host(draw: Any, tmp_path: Path) -> None:
    draw("a.png")
    app = Flask("site", root_path=str(tmp_path))
    app.config.update(SECRET_KEY="s", IMAGES_NAME="media.pictures", IMAGES_URL="/pictures", IMAGES_CACHE=str(tmp_path))
    theirs = Blueprint("images", __name__)
    theirs.add_url_rule("/theirs", "crop", lambda: "theirs")
    app.register_blueprint(theirs)
    Images(app)
    endpoints = []
    app.before_request(lambda: endpoints.append(request.endpoint))
    with app.test_request_context():
        url = url_for("media.pictures.crop", filename="a.png", width=9)
        assert url_for("images.crop") == "/theirs"
    assert app.test_client().get(url).status_code == 200
    assert endpoints == ["media.pictures"]


def test_one_object_serves_several_applications(tmp_path: Path, draw: Any) -> None:
    draw("a.png")
    images = Images()
    for name in ("one", "two"):
        app = Flask(name, root_path=str(tmp_path))
        app.config.update(SECRET_KEY=name, IMAGES_CACHE=str(tmp_path / "cache"))
        images.init_app(app)
        assert app.extensions["images"] is images
        assert app.test_client().get(url_of(app, "a.png", width=9)).status_code == 200


def test_a_second_init_app_is_refused_with_the_reason(app: Flask) -> None:
    with pytest.raises(ConfigError, match="call Images"):
        Images(app)


def test_without_an_application_the_error_says_so() -> None:
    with pytest.raises(RuntimeError, match="Which application's images"):
        _ = Images().pipeline
