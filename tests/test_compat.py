"""What Flask-Images 3.0.2 answered, row by row, and what exists only for its users."""

from __future__ import annotations

import html
import io
import json
import os
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import cached_files, fetch, gradient, signed, url_of
from flask import Flask, request, session, url_for
from PIL import Image, ImageChops, ImageFilter
from servers import IN_THREAD
from werkzeug.exceptions import HTTPException, NotFound

import flask_images_vips as package
from flask_images_vips import (
    Images,
    ImageSize,
    Transform,
    modes,
    resized_img_attrs,
    resized_img_size,
    resized_img_src,
    resized_img_tag,
)

RECORDED = json.loads((Path(__file__).parent / "data" / "flask_images_3_0_2.json").read_text("utf-8"))
META = RECORDED["_meta"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The site that the rows were recorded on, in a request."""
    root = tmp_path_factory.mktemp("site")
    for name, size in META["images"].items():
        path = root / META["images_path"][0] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", tuple(size)).save(path)
        os.utime(path, (META["mtime"], META["mtime"]))
    app = Flask("site", root_path=str(root))
    app.secret_key = META["secret_key"]
    app.config.update(IMAGES_PATH=META["images_path"], IMAGES_CACHE=str(root / "cache"))
    Images(app)
    with app.test_request_context("/", base_url=META["base_url"]):
        yield app


def at_least_1(value: Any) -> Any:
    """A side of 0 pixels, in Flask-Images, is one of 1 pixel."""
    return 1 if value == 0 and value is not False else value


@pytest.mark.usefixtures("site")
def test_every_recorded_src_is_equal() -> None:
    for filename, keywords, url in RECORDED["src"]:
        assert resized_img_src(filename, **keywords) == url


@pytest.mark.usefixtures("site")
def test_every_recorded_url_for_is_equal() -> None:
    for endpoint, filename, keywords, url in RECORDED["url_for"]:
        assert url_for(endpoint, filename=filename, **keywords) == url


@pytest.mark.usefixtures("site")
def test_every_recorded_size_is_equal() -> None:
    for filename, keywords, fields in RECORDED["size"]:
        # There, enlarge was True for sizes and False for URLs; here it is False for both.
        size = resized_img_size(filename, **{"enlarge": True, **keywords})
        assert {name: getattr(size, name) for name in fields} == {n: at_least_1(v) for n, v in fields.items()}


@pytest.mark.usefixtures("site")
def test_every_recorded_size_is_that_of_the_class_with_its_own_default() -> None:
    for filename, keywords, fields in RECORDED["size"]:
        width, height = META["images"][filename]
        size = ImageSize(image_width=width, image_height=height, **keywords)
        assert (size.width, size.height) == (at_least_1(fields["width"]), at_least_1(fields["height"]))


@pytest.mark.usefixtures("site")
def test_every_recorded_attrs_is_equal_but_for_the_leak() -> None:
    leaks = 0
    for filename, keywords, attributes in RECORDED["attrs"]:
        expected = {name: at_least_1(value) for name, value in attributes.items()}
        if "hidpi_" in expected["src"]:
            leaks += 1
            expected["src"] = resized_img_src(filename, **without_hidpi(keywords))
        assert resized_img_attrs(filename, **keywords) == expected
    assert leaks == 40


@pytest.mark.usefixtures("site")
def test_every_recorded_tag_is_equal_but_for_empty_attributes_and_the_leak() -> None:
    for filename, keywords, tag in RECORDED["tag"]:
        expected = re.sub(r' data-[a-z-]+="(None|False)"', "", tag)
        expected = re.sub(r'(?<= )(width|height)="0"', r'\1="1"', expected)
        if "hidpi_" in tag:
            url = html.escape(resized_img_src(filename, **without_hidpi(keywords)))
            expected = re.sub(r'(?<= src=)"[^"]*"', lambda _: f'"{url}"', expected)  # noqa: B023 (called at once)
        assert str(resized_img_tag(filename, **keywords)) == expected


def without_hidpi(keywords: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in keywords.items() if not name.startswith("hidpi") and name != "class_"}


def test_the_names_of_flask_images_are_there() -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert modes.ALL == ("fit", "crop", "pad", "reshape")
    assert Transform.parse("EXTENT,0,0,0,0,50%,50%").size((10, 20)) == (10, 20)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({"mode": "crop", "width": 800, "height": 800}, (400, 200)),
        ({"mode": "crop", "width": 300, "height": 300}, (300, 200)),
        ({"mode": "crop", "width": 800, "height": 100}, (400, 100)),
        ({"mode": "crop", "width": 100, "height": 800}, (100, 200)),
        ({"mode": "fit", "width": 800, "height": 800}, (400, 200)),
        ({"mode": "pad", "width": 800, "height": 800}, (800, 800)),
        ({"width": 800, "height": 100}, (400, 100)),
        ({"width": 7}, (7, 3)),
    ],
)
def test_sizes_of_a_400_by_200_source_that_may_not_grow(asked: dict[str, Any], given: tuple[int, int]) -> None:
    size = ImageSize(image_width=400, image_height=200, enlarge=False, **asked)
    assert (size.width, size.height) == given


def test_image_size_reads_files_and_pictures(draw: Any) -> None:
    path = draw("a.png", (40, 20))
    assert ImageSize(path=path, width=20).height == 10
    with Image.open(path) as picture:
        assert ImageSize(image=picture, width=20).height == 10
    assert repr(ImageSize(path, width=20)) == "<ImageSize 20x10 of 40x20>"
    with pytest.raises(TypeError, match="needs a path"):
        ImageSize(width=20)


def test_the_methods_of_images_work_on_pictures(app: Flask, draw: Any) -> None:
    path = draw("a.png", (40, 20))
    images: Images = app.extensions["images"]
    with app.app_context():
        assert images.find_img("/a.png") == str(path)
        assert images.find_img("missing.png") is None
        assert images.calculate_size("a.png", width=80).width == 80
        with pytest.raises(NotFound):
            images.calculate_size("missing.png")
    picture = gradient((40, 20))
    assert images.resize(picture, width=80).size == (80, 40)
    assert images.resize(picture, mode="crop", width=10, height=10).size == (10, 10)
    padded = images.resize(picture, background="#ff0000", mode="pad", width=40, height=40)
    assert padded.getpixel((20, 0)) == (255, 0, 0)
    sharpened = images.post_process(picture, sharpen="2,150,3")
    assert sharpened.tobytes() == picture.filter(ImageFilter.UnsharpMask(2, 150, 3)).tobytes()
    assert images.post_process(picture).tobytes() == picture.tobytes()


def test_handle_request_answers_the_current_request(app: Flask, draw: Any) -> None:
    draw("a.png")
    with app.test_request_context():
        url = app.extensions["images"].build_url("a.png", width=10)
    with app.test_request_context(url):
        assert app.extensions["images"].handle_request("a.png").status_code == 200


SIZE = "resized_img_size('i640x427.png', width=50, height=40, mode='crop', enlarge=True, sharpen='1,2,3', quality=90)"
EXTENT = "transform=['EXTENT', 100, 80, 0, 0, 100, 100]"
SHORTCUT = "ImageSize(width=50, height=40, _shortcut=True)"

OF_SIZE = {
    "width": 50,
    "height": 40,
    "image_width": 640,
    "image_height": 427,
    "op_width": 59,
    "op_height": 40,
    "req_width": 50,
    "req_height": 40,
    "needs_enlarge": False,
    "enlarge": True,
    "mode": "crop",
    "transform": None,
    "sharpen": "1,2,3",
    "quality": 90,
    "image.copy().size": (640, 427),
}
OF_SHORTCUT = {
    "width": 50,
    "height": 40,
    "image_width": None,
    "image_height": None,
    "needs_enlarge": None,
    "op_width": None,
}

# What Flask-Images gives for the same expressions.
TABLE: list[tuple[str, object]] = [
    # The names of arguments, and their order.
    ("resized_img_src(path='i1x1.png') == resized_img_src('i1x1.png')", True),
    ("resized_img_size(path='i640x427.png', width=64).height", 42),
    ("resized_img_attrs(path='i640x427.png', width=64)['height']", 42),
    ("resized_img_tag(path='i640x427.png') == resized_img_tag('i640x427.png')", True),
    ("resized_img_attrs('i640x427.png', 2, 100, 50)['data-hidpi-scale']", 2),
    ("'h=100&q=60' in resized_img_attrs('i640x427.png', 2, 100, 50)['src']", True),
    ("resized_img_attrs('i100x100.png', None, 200, None, True)['width']", 200),
    ("resized_img_attrs('i640x427.png', hidpi=True, width=100)['data-hidpi-scale'] == True", True),
    ("'q=60' in resized_img_attrs('i640x427.png', hidpi=True, width=100)['src']", True),
    ("resized_img_attrs('i640x427.png', hidpi=True, width=100)['height']", 66),
    ("'w=133&' in resized_img_attrs('i640x427.png', width=133.2)['src']", True),
    ("'w=133&' in resized_img_attrs('i640x427.png', width=133.0)['src']", True),
    ("'w=266&' in resized_img_attrs('i640x427.png', width=133.2, hidpi=2)['src']", True),
    ("images.build_url(local_path='i1x1.png') == resized_img_src('i1x1.png')", True),
    ("images.find_img(local_path='/i1x1.png') == images.find_img('i1x1.png') != None", True),
    ("images.find_img('missing.png')", None),
    ("images.calculate_size('i640x427.png', width=64, quality=90).height", 42),
    ("images.calculate_size(path='i640x427.png', width=700, unknown=[1]).unknown", [1]),
    ("images.resize(picture, 'red', width=20, height=20, mode='pad').size", (20, 20)),
    ("images.resize(image=picture, background='red', width=20).size", (20, 10)),
    ("images.post_process(picture, ('1', '50', '2')).size", (40, 20)),
    ("images.post_process(image=picture, sharpen=None) is not None", True),
    ("images.build_error_handler(error=None, endpoint='other', values={})", None),
    ("images.build_error_handler(None, 'images', {'filename': 'i1x1.png'}) == resized_img_src('i1x1.png')", True),
    ("(modes.FIT, modes.CROP, modes.PAD, modes.RESHAPE) == modes.ALL", True),
    ("app.extensions['images'] is images", True),
    ("set(helpers) <= set(app.jinja_env.globals)", True),
    # The attributes of a size.
    *((f"{SIZE}.{name}", value) for name, value in OF_SIZE.items()),
    (f"{SIZE}.path == images.find_img('i640x427.png')", True),
    ("isinstance(resized_img_size('i1x1.png'), ImageSize)", True),
    ("resized_img_size('i1x1.png').mode", None),
    ("resized_img_size('i1x1.png').req_width", None),
    # The class: what it takes as a source, its defaults, and the order of its arguments.
    ("ImageSize(images.find_img('i640x427.png'), None, 64).height", 42),
    ("ImageSize(None, picture, 10, 10, False, 'crop', None, '1,2,3').sharpen", "1,2,3"),
    ("ImageSize(None, picture, 80).width", 80),
    ("ImageSize(None, picture, 80, None, False).width", 40),
    ("ImageSize(image=picture, width=20, unknown=1).unknown", 1),
    ("ImageSize(image=picture, width=20, quality='best', rotate='auto').height", 10),
    ("ImageSize(image=picture, width=20).image is picture", True),
    ("ImageSize(images.find_img('i640x427.png')).image.copy().size", (640, 427)),
    (f"ImageSize({EXTENT}, width=50).height", 40),
    (f"ImageSize({EXTENT}, width=50).image_width", 100),
    (f"ImageSize({EXTENT}, width=50).path", None),
    (f"ImageSize({EXTENT}, width=50).image", None),
    (f"ImageSize({EXTENT}, width=50).transform[1:3]", [100, 80]),
    (f"ImageSize({EXTENT}, width=200, enlarge=False).needs_enlarge", True),
    ("ImageSize(transform=['EXTENT', '50%', 0, 0, 0, 9, 9], width=50, height=40).image_width", 25),
    *((f"{SHORTCUT}.{name}", value) for name, value in OF_SHORTCUT.items()),
    # A transform is a list, whose numbers are pixels.
    ("Transform(['extent', '50%', 0, 0, 0, '50p', 20], (40, 20))", ["extent", 20, 20, 0, 0, 20, 20]),
    ("Transform(['EXTENT', 10, 5, 0, 0, 20, 10]).size", (10, 5)),
    ("Transform(spec=['EXTENT', 0, 0, 0, 0, 20, 10], image_size=(40, 20)).size", (40, 20)),
    ("Transform(['EXTENT', 10, 5, 0, 0, 20, 10]).flag == PIL.Transform.EXTENT", True),
    ("Transform(['EXTENT', 10, 5, 0, 0, 20, 10]).apply(picture).size", (10, 5)),
    ("raised(Transform, ['EXTENT', 1])", True),
    ("raised(Transform, ['MESH', 0, 0, 1], (40, 20))", True),
    ("raised(Transform, ['EXTENT', '50%', 0, 0, 0, 1, 1])", True),
    ("raised(Transform, ['AFFINE', 1, 1, '5%', 0, 0, 1, 0, 0], (40, 20))", True),
]


@pytest.mark.parametrize(("expression", "value"), TABLE)
def test_names_arguments_defaults_and_attributes_are_those_of_flask_images(
    site: Flask, expression: str, value: object
) -> None:
    names = vars(package) | {name: getattr(package, name) for name in package.__all__}
    helpers = ("resized_img_src", "resized_img_size", "resized_img_attrs", "resized_img_tag")
    names |= {"app": site, "images": site.extensions["images"], "picture": gradient((40, 20)), "PIL": Image}
    assert eval(expression, names | {"raised": raises_value_error, "helpers": helpers}) == value


def raises_value_error(call: Any, *arguments: Any) -> bool:
    with pytest.raises(ValueError, match=r"expect"):
        call(*arguments)
    return True


def test_images_app_and_then_init_app(app: Flask) -> None:
    rules = len(list(app.url_map.iter_rules()))
    app.extensions["images"].init_app(app)
    assert len(list(app.url_map.iter_rules())) == rules


@pytest.mark.parametrize(
    ("config", "cache_control"),
    [
        ({}, "public, max-age=3600, stale-while-revalidate=3600"),
        ({"IMAGES_MAX_AGE": "600"}, "public, max-age=600, stale-while-revalidate=3600"),
        ({"IMAGES_MAX_AGE": None}, "public, max-age=0"),
        ({"IMAGES_MAX_AGE": 0, "IMAGES_URL": ""}, "public, max-age=0"),
    ],
)
def test_configuration_that_flask_images_took(make_app: Any, draw: Any, config: Any, cache_control: str) -> None:
    path = draw("a.png")
    app = make_app(**config)
    with app.test_request_context():
        url = url_for("images", filename="a.png", width=10)
    unversioned = signed(app, "a.png", "w=10").replace("/imgsizer", app.config["IMAGES_URL"])
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert app.test_client().get(url).status_code == 200
    assert app.test_client().get(unversioned).headers["Cache-Control"] == cache_control


def test_the_folder_of_the_cache_is_in_the_configuration(
    tmp_path: Path, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("a.png")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    app = Flask("site", root_path=str(tmp_path))
    app.config.update(SECRET_KEY="k", **IN_THREAD)
    Images(app)
    folder = Path(app.config["IMAGES_CACHE"])
    assert folder.parent == tmp_path / f"flask-images-{os.geteuid()}"
    assert app.test_client().get(url_of(app, "a.png", width=9)).status_code == 200
    assert cached_files(folder)
    assert not (folder / "flask-images-vips").exists()
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert Path(app.config["IMAGES_CACHE"]) == folder
    other = Flask("other", root_path=str(tmp_path / "other"))
    other.config["IMAGES_CACHE"] = "mine"
    Images(other)
    assert other.config["IMAGES_CACHE"] == "mine"


@pytest.mark.parametrize(
    ("keywords", "query"),
    [
        ({"rotate": "auto"}, "rotate=auto"),
        ({"radius": "50%", "padding": "5px"}, "padding=5px&radius=50%25"),
        ({"border": "1px solid", "gravity": "hand"}, "border=1px+solid&gravity=hand"),
        ({"width": 400 / 3}, "w=133"),
        ({"height": Decimal("0.4")}, "h=1"),
    ],
)
def test_keywords_that_flask_images_ignored_or_cut_do_not_break_pictures(
    app: Flask, draw: Any, caplog: Any, keywords: dict[str, Any], query: str
) -> None:
    draw("a.png", (200, 100))
    url = url_of(app, "a.png", **keywords)
    assert {*query.split("&")} < {*url.partition("?")[2].split("&")}
    response = app.test_client().get(url)
    assert response.status_code == 200
    with app.test_request_context():
        size = resized_img_size("a.png", **keywords)
    assert Image.open(io.BytesIO(response.data)).size == (size.width, size.height)
    assert caplog.text.count("has no effect") == query.count("=") - ("w=" in query or "h=" in query)


@pytest.mark.parametrize("keywords", [{"region": "all"}, {"blur": "much"}, {"expires": "soon"}, {"keep": "x"}])
def test_keywords_that_may_hide_something_are_never_ignored(app: Flask, draw: Any, keywords: dict[str, str]) -> None:
    draw("a.png")
    assert app.test_client().get(url_of(app, "a.png", **keywords)).status_code == 400


@pytest.mark.parametrize("kind", [404, HTTPException, Exception])
@pytest.mark.parametrize("debug", [False, True])
def test_the_error_handlers_of_a_site_answer_refused_images(app: Flask, draw: Any, kind: Any, debug: bool) -> None:
    draw("a.png")
    app.debug = debug
    app.register_error_handler(kind, lambda error: (f"No {request.path}: {error.code}, {error.description}", 410))
    response = app.test_client().get(url_of(app, "missing.png", width=10))
    assert response.status_code == 410
    assert response.text.startswith("No /imgsizer/missing.png: 404, There is no such image.")
    assert ("IMAGES_PATH" in response.text) is debug
    refused = app.test_client().get(signed(app, "a.png", "w=abc"))
    assert refused.status_code == (400 if kind == 404 else 410)


def test_without_an_error_handler_a_refused_image_carries_no_cookie(app: Flask) -> None:
    @app.before_request
    def log_in() -> None:
        session.permanent = True
        session["user"] = 1

    response = app.test_client().get(url_of(app, "missing.png"))
    assert response.status_code == 404
    assert "Set-Cookie" not in response.headers
    assert response.headers["Cache-Control"] == "public, max-age=60"


def test_a_request_that_is_handled_by_hand_raises(app: Flask) -> None:
    with app.test_request_context(url_of(app, "missing.png")), pytest.raises(NotFound, match="There is no such image"):
        app.extensions["images"].handle_request("missing.png")


@pytest.mark.parametrize("later", [False, True])
def test_a_command_images_of_the_site_is_kept(tmp_path: Path, later: bool) -> None:
    app = Flask("site", root_path=str(tmp_path))
    app.config.update(SECRET_KEY="k", IMAGES_CACHE=str(tmp_path), **IN_THREAD)
    if later:
        Images(app)
    app.cli.command("images")(lambda: print("mine"))
    if not later:
        Images(app)
    runner = app.test_cli_runner()
    assert runner.invoke(args=["images"]).output == "mine\n"
    assert "purge" in runner.invoke(args=["images-vips", "--help"]).output
    assert ("images-vips" in runner.invoke(args=["--help"]).output) is not later


class Cdn(Images):
    """Overrides what can be overridden."""

    def build_url(self, local_path: str, **keywords: Any) -> str:
        keywords.setdefault("quality", 33)
        return "//cdn.example.com" + super().build_url(local_path or "none.png", **keywords)

    def calculate_size(self, path: str, **keywords: Any) -> ImageSize:
        return super().calculate_size(path or "none.png", **{"width": 20, **keywords})

    def handle_request(self, path: str) -> Any:
        return "none" if path == "none.png" else super().handle_request(path)


def site_of(images: type[Images], root: Path, **config: Any) -> Flask:
    app = Flask("site", root_path=str(root))
    app.config.update(SECRET_KEY="k", IMAGES_CACHE=str(root / "cache"), **config, **IN_THREAD)
    images(app)
    return app


def test_methods_that_a_site_overrides_are_called(tmp_path: Path, draw: Any, caplog: Any) -> None:
    draw("a.png", (40, 20))
    app = site_of(Cdn, tmp_path, IMAGES_FRONT_DOOR=True, IMAGES_EARLY_HITS=True)
    with app.test_request_context():
        urls = [
            resized_img_src("a.png"),
            resized_img_src(filename="a.png"),
            resized_img_src(path="a.png"),
            url_for("images.crop", filename="a.png"),
            resized_img_attrs("a.png", 1)["src"],
            *resized_img_tag("a.png", layout="fixed").partition('srcset="')[2].split(", "),
        ]
        assert {url.partition("/imgsizer")[0] for url in urls} == {"//cdn.example.com"}
        assert ["q=33" in url for url in urls] == [True] * 4 + [False] + [True] * (len(urls) - 5)
        assert resized_img_src("").startswith("//cdn.example.com/imgsizer/none.png?")
        assert resized_img_size("a.png").width == resized_img_size(path="a.png").width == 20
        assert resized_img_size("missing.png") is None
        assert resized_img_attrs("a.png")["height"] == 10
        assert resized_img_attrs("missing.png").keys() == {"data-hidpi-scale", "src"}
    client = app.test_client()
    url = urls[0].removeprefix("//cdn.example.com")
    assert [client.get(url).mimetype for _ in range(2)] == ["image/png"] * 2
    assert client.get("/imgsizer/none.png").text == "none"
    assert "IMAGES_FRONT_DOOR does nothing" in caplog.text
    assert "overrides" not in caplog.text


@pytest.mark.parametrize("patched", [False, True])
def test_methods_that_are_not_called_are_named_at_start(
    tmp_path: Path, caplog: Any, monkeypatch: pytest.MonkeyPatch, patched: bool
) -> None:
    class Own(Images):
        if not patched:

            def find_img(self, local_path: str) -> str | None:
                return None

            def post_process(self, image: Any, sharpen: Any = None) -> Any:
                return image

    if patched:
        monkeypatch.setattr(Images, "find_img", lambda self, path: None)
        monkeypatch.setattr(Images, "post_process", lambda self, image, sharpen=None: image)
    site_of(Own, tmp_path)
    [message] = [message for message in caplog.messages if "overrides" in message]
    assert "Own overrides find_img and post_process" in message
    assert "Instead of find_img, add the folders to IMAGES_PATH; Instead of post_process" in message


@pytest.mark.parametrize("suffix", [".bmp", ".ico", ".ppm", ".tga", ".pcx", ".jp2"])
def test_sources_in_other_formats_of_pillow(make_app: Any, draw: Any, suffix: str) -> None:
    draw(f"a{suffix}", (60, 30))
    default = make_app()
    url = url_of(default, f"a{suffix}", width=20, format="png")
    assert default.test_client().get(url).status_code == (200 if suffix in (".bmp", ".ico") else 422)
    app = make_app(IMAGES_INPUT_FORMATS=["ppm", "tga", "pcx", "JP2", "bmp", "ico"])
    response = app.test_client().get(url_of(app, f"a{suffix}", width=20))
    assert response.mimetype == ("image/vnd.microsoft.icon" if suffix == ".ico" else "image/jpeg")
    picture = Image.open(io.BytesIO(response.data))
    with app.test_request_context():
        size = resized_img_size(f"a{suffix}", width=20)
    assert picture.size == (size.width, size.height)
    expected = gradient((60, 30)).resize(picture.size)
    difference = ImageChops.difference(picture.convert("RGB"), expected)
    assert max(high for _, high in difference.getextrema()) < 40


@pytest.mark.parametrize(
    ("name", "mode", "outside"),
    [
        ("a.png", "L", (0, 0, 0, 0)),
        ("a.png", "1", (0, 0, 0, 0)),
        ("a.png", "P", (0, 0, 0, 0)),
        ("a.gif", "P", (0, 0, 0, 0)),
        ("a.jpg", "CMYK", (0, 0, 0, 0)),
        ("a.png", "RGBA", (0, 0, 0, 0)),
        ("a.png", "RGB", (0, 0, 0, 255)),
        ("a.jpg", "RGB", (0, 0, 0, 255)),
    ],
)
def test_what_a_transform_takes_from_outside_of_a_picture(
    app: Flask, draw: Any, name: str, mode: str, outside: tuple[int, ...]
) -> None:
    draw(name, (40, 20), mode)
    inside = fetch(app, name, transform="EXTENT,40,20,0,0,40,20", format="png").convert("RGBA")
    assert inside.getextrema()[3] == (255, 255)
    wide = fetch(app, name, transform="EXTENT,60,20,0,0,60,20", format="png").convert("RGBA")
    assert wide.getpixel((50, 10)) == outside
    assert wide.crop((0, 0, 40, 20)).tobytes() == inside.tobytes()
    jpeg = fetch(app, name, transform="EXTENT,60,20,0,0,60,20", format="jpeg", background="red")
    assert abs(jpeg.convert("RGB").getpixel((55, 10))[0] - (0 if outside[3] else 255)) < 30
