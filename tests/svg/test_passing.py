"""A site with IMAGES_SVG = 'pass': what its pages say, and what its image URLs return."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import cached_files, fetch, opened, signed, url_of
from flask import Flask, render_template_string

from flask_images_vips import resized_img_attrs, resized_img_size, resized_img_src, resized_img_tag
from flask_images_vips.asked import read_manifest
from flask_images_vips.config.keys import Config
from flask_images_vips.errors import UnreadableSource
from flask_images_vips.nginx.stamp import stamp_of
from flask_images_vips.operating.migrating.pictures import pictures
from flask_images_vips.state import images_of

from .vectors import HEAD, RUN, XLINK, drawing

LOGO = drawing(f'<script>{RUN}</script><rect width="20" height="30" fill="#f00"/>')
WRITTEN = LOGO.replace(f"<script>{RUN}</script>", "").replace(f' xmlns:xlink="{XLINK}"', "")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


@pytest.fixture
def passing(make_app: Callable[..., Flask], static: Path) -> Flask:
    (static / "logo.svg").write_text(LOGO)
    return make_app(IMAGES_SVG="pass")


def test_a_drawing_is_sent_as_svg_without_its_script(passing: Flask) -> None:
    response = passing.test_client().get(url_of(passing, "logo.svg"))
    assert response.status_code == 200
    assert response.text == WRITTEN + "\n"
    assert response.headers["Content-Type"] == "image/svg+xml"
    assert response.headers["Content-Security-Policy"] == POLICY
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Disposition"] == 'inline; filename="logo.svg"'
    assert "Vary" not in response.headers


def test_so_is_a_hit_an_early_hit_and_a_304(make_app: Any, static: Path) -> None:
    (static / "logo.svg").write_text(LOGO)
    client = (app := make_app(IMAGES_SVG="pass", IMAGES_EARLY_HITS=True)).test_client()
    url = url_of(app, "logo.svg")
    first, second = client.get(url), client.get(url)
    assert first.data == second.data
    for response in (second, client.get(url, headers={"If-None-Match": second.headers["ETag"]})):
        assert response.headers["Content-Security-Policy"] == POLICY
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_all_sizes_are_one_file_at_one_url(passing: Flask, tmp_path: Path) -> None:
    asked = [{}, {"width": 9}, {"width": 900, "height": 7}, {"format": "auto", "dpr": 2}, {"mode": "fit", "quality": 9}]
    urls = {url_of(passing, "logo.svg", **keywords) for keywords in asked}
    assert len(urls) == 1
    assert "w=" not in urls.pop()
    for keywords in asked:
        with passing.app_context():
            assert passing.extensions["images"].render("logo.svg", **keywords).decode() == WRITTEN + "\n"
    assert [path.suffix for path in cached_files(tmp_path / "cache") if path.suffix != ".txt"] == [".svg"]


def test_signed_urls_with_a_size_are_the_same_file(passing: Flask) -> None:
    for query in ("w=20", "f=auto&w=20", "h=3&w=2000", "q=3"):
        assert passing.test_client().get(signed(passing, "logo.svg", query)).text == WRITTEN + "\n"


@pytest.mark.parametrize(
    ("keywords", "size"),
    [
        ({}, (40, 30)),
        ({"width": 120}, (120, 90)),
        ({"height": 300}, (400, 300)),
        ({"width": 100, "height": 100}, (100, 100)),
        ({"width": 100, "height": 100, "mode": "fit"}, (100, 75)),
    ],
)
def test_tags_have_the_asked_size_and_one_candidate(passing: Flask, keywords: Any, size: tuple[int, int]) -> None:
    with passing.test_request_context():
        found = resized_img_size("logo.svg", **keywords)
        assert found is not None
        assert (found.width, found.height) == size
        for tag in (
            resized_img_tag("logo.svg", **keywords),
            resized_img_tag("logo.svg", layout="constrained", **keywords),
            render_template_string("{{ resized_picture_tag('logo.svg', **keywords) }}", keywords=keywords),
        ):
            assert f'width="{size[0]}"' in tag
            assert f'height="{size[1]}"' in tag
            assert "srcset" not in tag
            assert "<source" not in tag
        assert resized_img_attrs("logo.svg", hidpi=2, **keywords)["src"] == resized_img_src("logo.svg")


def test_options_that_need_pixels_draw_it_as_png(passing: Flask) -> None:
    for keywords in ({"blur": 1}, {"mode": "crop", "width": 9, "height": 9}, {"padding": 2}, {"rotate": 90}):
        response = passing.test_client().get(url_of(passing, "logo.svg", **keywords))
        assert (response.status_code, response.headers["Content-Type"]) == (200, "image/png")
    assert fetch(passing, "logo.svg", width=20, format="png").size == (20, 15)
    assert fetch(passing, "logo.svg", width=20, format="webp").format == "WEBP"
    accept = {"Accept": "image/webp"}
    response = passing.test_client().get(url_of(passing, "logo.svg", blur=1, format="auto"), headers=accept)
    assert (response.headers["Content-Type"], response.headers["Vary"]) == ("image/webp", "Accept")


def test_pages_and_pixels_agree_if_the_drawing_states_no_size(passing: Flask, static: Path) -> None:
    (static / "icon.svg").write_text(drawing('<path d="M0 0h9v9z"/>', HEAD.replace(' width="40" height="30"', "")))
    for keywords in ({"format": "png"}, {"format": "png", "width": 100, "enlarge": True}):
        with passing.test_request_context():
            size = resized_img_size("icon.svg", **keywords)
        assert size is not None
        assert fetch(passing, "icon.svg", **keywords).size == (size.width, size.height)
    with passing.test_request_context():
        size = resized_img_size("icon.svg")
    assert size is not None
    assert (size.width, size.height) == (200, 150)  # as browsers show it


def test_no_url_can_ask_for_svg(passing: Flask, draw: Any) -> None:
    draw("a.png")
    for name in ("a.png", "logo.svg"):
        assert passing.test_client().get(signed(passing, name, "f=svg")).status_code == 400


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<svg/>", "the root element is <svg> without a namespace"),
        (HEAD.encode(), "not XML: no element found"),
        (b"\x89PNG\r\n\x1a\n", "the file is a PNG image, but its name ends in .svg. Rename it, or ask for a format"),
        (b"%PDF-1.7", "the file is a PDF document"),
        (b"plain text", "not XML: syntax error"),
        (drawing("<g>" * 300).encode(), "201 elements of the SVG are within each other"),
    ],
)
def test_what_cannot_be_passed_is_refused_with_a_reason(
    passing: Flask, static: Path, content: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    (static / "a.svg").write_bytes(content)
    assert passing.test_client().get(url_of(passing, "a.svg")).status_code == 422
    assert reason in caplog.text
    with passing.test_request_context():
        assert "a.svg" in resized_img_tag("a.svg", width=9)


def test_pillow_alone_passes_drawings(make_app: Any, static: Path, caplog: pytest.LogCaptureFixture) -> None:
    (static / "logo.svg").write_text(LOGO)
    app = make_app(IMAGES_SVG="pass", IMAGES_ENGINE="pillow")
    assert app.test_client().get(url_of(app, "logo.svg", width=9)).text == WRITTEN + "\n"
    with app.test_request_context():
        assert 'height="6"' in resized_img_tag("logo.svg", width=8)
    assert app.test_client().get(url_of(app, "logo.svg", blur=2)).status_code == 422
    assert "SVG needs libvips" in caplog.text


def test_true_is_raster_and_changes_nothing(make_app: Any) -> None:
    for value in (True, "raster"):
        assert images_of(make_app(IMAGES_SVG=value)).pipeline.config.svg is True
    assert stamp_of(Config.read({"IMAGES_SVG": "raster"})) == stamp_of(Config.read({"IMAGES_SVG": True}))


def test_a_drawing_of_another_name_is_drawn(passing: Flask, static: Path) -> None:
    (static / "logo.png").write_text(WRITTEN)
    assert fetch(passing, "logo.png").format == "PNG"


def test_widths_and_presets_of_the_site_do_not_hinder_it(make_app: Any, static: Path) -> None:
    (static / "logo.svg").write_text(LOGO)
    for config, keywords in (
        ({"IMAGES_ALLOWED_WIDTHS": [300]}, {"width": 120}),
        ({"IMAGES_PRESETS": {"small": {"width": 120}}, "IMAGES_ONLY_PRESETS": True}, {"preset": "small"}),
    ):
        app = make_app(IMAGES_SVG="pass", **config)
        with app.test_request_context():
            assert 'width="120"' in resized_img_tag("logo.svg", **keywords)
        assert app.test_client().get(url_of(app, "logo.svg", **keywords)).text == WRITTEN + "\n"


def test_a_fetched_drawing_needs_no_engine(make_app: Any, tmp_path: Path) -> None:
    embedded = drawing('<image href="data:image/gif;base64,R0lGODlhBwAFAAAAACwAAAAABwAFAAACAkQBADs="/>')
    for config, is_accepted in (({"IMAGES_SVG": "pass"}, True), ({"IMAGES_SVG": True}, False)):
        facts = images_of(make_app(**config)).pipeline.facts
        with opened(tmp_path / "fetched", embedded.encode()) as descriptor:
            if is_accepted:
                assert facts.check_fetched(descriptor, "https://example.com/a.svg").size == (40, 30)
            else:
                with pytest.raises(UnreadableSource, match="embedded pictures"):
                    facts.check_fetched(descriptor, "https://example.com/a.svg")


def test_the_command_migrate_names_them(passing: Flask, static: Path) -> None:
    images = images_of(passing)
    found = [each for each in pictures(images.pipeline, passing.root_path, 9) if each.source.ref == "logo.svg"]
    assert [(each.kind, each.size) for each in found] == [("passed", (40, 30))]


def test_a_warmed_manifest_keeps_the_format(passing: Flask) -> None:
    (asked,) = read_manifest(['{"source": "logo.svg", "query": "f=auto&w=9", "format": "svg", "count": 1}'])
    assert asked.format == "svg"
    images = images_of(passing)
    with passing.app_context():
        _, entry = images.pipeline.entry(asked.url)
        with entry:
            assert entry.read().decode() == WRITTEN + "\n"
