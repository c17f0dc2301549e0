"""Image URLs, as templates and `url_for` build them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import url_of
from engines.lettering.conftest import square_font
from flask import Blueprint, Flask, request, url_for
from werkzeug.routing import BuildError

from flask_images_vips import Images, resized_img_size, resized_img_src, resized_img_tag
from flask_images_vips.errors import ConfigError
from flask_images_vips.page.links import find, url_builder


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


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("widht", "; did you mean width?"),
        ("prest", "; did you mean preset?"),
        ("formats", "; formats is a keyword of resized_picture_tag"),
        ("zzz", ""),
    ],
)
def test_an_unknown_keyword_stays_in_the_url_with_a_warning(
    page: Flask, debug: bool, name: str, hint: str, caplog: Any
) -> None:
    page.debug = debug
    for _ in range(2):
        assert f"&{name}=9&" in resized_img_src("a.png", width=8, **{name: 9}).replace("?", "&")
        resized_img_size("a.png", **{name: 9})
        url_for("images.crop", filename="a.png", **{name: 9})
        resized_img_tag("a.png", alt="x", **{name: 9})
    messages = [record.getMessage().partition(f" in {__file__}, line ") for record in caplog.records]
    helpers = ["resized_img_src", "resized_img_size", "url_for", "resized_img_tag"] * 2
    assert [helper for helper, _, _ in messages] == (helpers if debug else helpers[:1])
    assert {rest.partition(": ")[2] for _, _, rest in messages} == {
        f"{name}='9' has no effect: expected the name of an option{hint}"
    }


@pytest.mark.usefixtures("page")
def test_no_other_keyword_is_warned_of(caplog: Any) -> None:
    resized_img_tag(
        "a.png", width=8, alt="x", class_="y", data_z=1, hidpi=2, hidpi_quality=4, external=True, onclick=""
    )
    resized_img_src("a.png", w=8, q=4, widht=None, _anything=1, version="x", scheme="https", external=True)
    resized_img_size("a.png", width=0, height=9, version="x", external=True, preset=None)
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
        with pytest.raises(ValueError, match=f"{name} is not supported for image URLs"):
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


def test_the_keywords_of_one_url_replace_those_of_all(page: Flask) -> None:
    build = url_builder("a.png", find("a.png"), {"width": 9, "height": 9, "mode": "crop", "external": True})
    assert build() == resized_img_src("a.png", width=9, height=9, mode="crop", external=True)
    assert build(width=4, height=None) == resized_img_src("a.png", width=4, mode="crop", external=True)
    assert build(format="webp") == resized_img_src(
        "a.png", width=9, height=9, mode="crop", format="webp", external=True
    )


def test_a_source_is_found_only_where_it_is_on_this_host(page: Flask) -> None:
    source = find("a.png")
    assert source is not None
    assert source.ref == "a.png"
    assert [find(ref) for ref in ("gone.png", "../a.png", "http://example.com/a.png", "http://[x")] == [None] * 4


def test_the_watermark_is_a_part_of_the_version(page: Flask) -> None:
    url = resized_img_src("a.png", watermark="small.png,se")
    assert "." in url.partition("?v=")[2].partition("&")[0]


def test_a_font_is_a_part_of_the_version_of_a_picture_with_a_text(make_app: Any, static: Path, draw: Any) -> None:
    draw("a.png")
    square_font(static / "a.ttf", "abc")
    app = make_app(IMAGES_FONTS={"title": "a.ttf"})
    plain = url_of(app, "a.png", width=8)
    assert [url_of(app, "a.png", width=8, text=text) for text in (None, "", " ", "\n\t", "\0")] == [plain] * 5
    for text in ("a", 0):
        assert "." in url_of(app, "a.png", width=8, text=text).partition("v=")[2].partition("&")[0]


def url_beside_static_files(prefix: str) -> str:
    """Check that the URLs of images begin with *prefix* as those of static files do, and return one."""
    url = resized_img_src("a.png", width=9)
    assert url.startswith(f"{prefix}/imgsizer/a.png?")
    assert url_for("static", filename="a.png") == f"{prefix}/static/a.png"
    return url


def test_with_host_matching_images_are_where_static_files_are(tmp_path: Path, draw: Any) -> None:
    draw("a.png")
    app = Flask("site", root_path=str(tmp_path), host_matching=True, static_host="static.example")
    app.config.update(SECRET_KEY="any", IMAGES_CACHE=str(tmp_path / "cache"), IMAGES_EARLY_HITS=True)
    Images(app)
    for host, prefix in (("static.example", ""), ("other.example", "http://static.example")):
        with app.test_request_context(base_url=f"http://{host}"):
            url = url_beside_static_files(prefix)
            external = resized_img_src("a.png", width=9, external=True, scheme="https")
            assert external.startswith("https://static.example/imgsizer/a.png?")
    for _ in range(2):
        path = url.removeprefix("http://static.example")
        statuses = [
            app.test_client().get(path, base_url=f"http://{host}.example").status_code for host in ("static", "other")
        ]
        assert statuses == [200, 404]


def test_with_host_matching_there_must_be_a_host_for_static_files() -> None:
    with pytest.raises(ConfigError, match="Pass static_host"):
        Images(Flask("site", host_matching=True, static_folder=None))


def test_with_subdomain_matching_images_are_where_static_files_are(tmp_path: Path, draw: Any) -> None:
    draw("a.png")
    app = Flask("site", root_path=str(tmp_path), subdomain_matching=True)
    app.config.update(SECRET_KEY="any", IMAGES_CACHE=str(tmp_path / "cache"), SERVER_NAME="site.example")
    Images(app)
    for host, prefix in (("site.example", ""), ("api.site.example", "http://site.example")):
        with app.test_request_context(base_url=f"http://{host}"):
            url = url_beside_static_files(prefix)
        assert app.test_client().get(url.removeprefix(prefix), base_url="http://site.example").status_code == 200


def test_prefixes_are_quoted(make_app: Any, draw: Any) -> None:
    draw("a.png")
    app = make_app(IMAGES_URL="/my pics é@(+)", APPLICATION_ROOT="/my app")
    with app.test_request_context(base_url="http://localhost/100% mine"):
        url = resized_img_src("a.png", width=9)
    assert url.startswith("/100%25%20mine/my%20pics%20%C3%A9@(+)/a.png?")
    assert app.test_client().get(url.removeprefix("/100%25%20mine")).status_code == 200
    with app.app_context():
        assert resized_img_src("a.png", width=9).startswith("/my%20app/my%20pics")
