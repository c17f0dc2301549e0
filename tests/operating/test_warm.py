"""The command ``flask images warm``: its options, what it says, and its exit codes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result as Output
from conftest import cached_files, url_of
from flask import Flask

from flask_images_vips.operating import warm
from flask_images_vips.operating.warming.runner import Result
from flask_images_vips.state import images_of
from operating.warming.conftest import make_site

__all__ = ["make_site"]  # a fixture

MakeSite = Callable[..., Flask]
PRESETS = {"card": {"width": 8, "height": 8, "mode": "crop"}, "wide": {"width": 16}}


def run(app: Flask, *arguments: str) -> Output:
    return app.test_cli_runner().invoke(args=["images", "warm", *arguments])


def test_templates_are_the_default_and_unknown_calls_are_listed(make_site: MakeSite, tmp_path: Path) -> None:
    app = make_site()
    output = run(app, "--limit", "3", "--workers", "2")
    assert output.exit_code == 0, output.output
    lines = output.output.splitlines()
    assert lines[0] == "40 image calls in 20 templates, 13 of them not known before the page is rendered."
    at = lines.index("  shop/templates/shop/product.html:3: product is set when the page is rendered")
    assert lines[at + 1] == "    {{ resized_img_tag(product.image, widths=[240, 480], sizes='50vw') }}"
    assert "Renditions: 3 to make, 0 cached already, 2 placeholders to make." in lines
    assert lines[-1] == "5 made."
    assert len([path for path in cached_files(tmp_path / "cache") if path.suffix == ".jpg"]) == 3
    again = run(app, "--templates", "--limit", "3")
    assert "3 cached already" in again.output


def test_a_dry_run_lists_what_it_would_make_and_makes_nothing(make_app: Any, draw: Any, tmp_path: Path) -> None:
    draw("photos/a.png")
    app = make_app(IMAGES_PRESETS=PRESETS)
    output = run(app, "--folder", "photos", "--preset", "card", "--preset", "wide", "--dry-run")
    assert output.exit_code == 0
    assert "  photos/a.png?h=8&m=crop&w=8  (photos/a.png)\n  photos/a.png?w=16  (photos/a.png)\n" in output.output
    assert [path for path in cached_files(tmp_path / "cache") if path.suffix == ".png"] == []


def test_the_result_may_be_json(make_app: Any, draw: Any, static: Path) -> None:
    draw("photos/a.png")
    (static / "photos" / "b.png").write_bytes(b"not a picture")
    app = make_app(IMAGES_PRESETS=PRESETS)
    output = run(app, "--folder", "/photos/", "--preset", "wide", "--json")
    assert output.exit_code == 1
    found = json.loads(output.output)
    (problem,) = found.pop("problems")
    assert problem["origin"] == "photos/b.png"
    assert "photos/b.png" in problem["reason"]
    assert found == {
        "made": 1,
        "cached": 0,
        "missing": 0,
        "linked": 0,
        "skipped": 0,
        "stopped": False,
        "not_known": [],
    }
    dry = json.loads(run(app, "--folder", "photos", "--preset", "wide", "--json", "--dry-run").output)
    assert (dry["cached"], dry["missing"]) == (1, ["photos/b.png?w=16"])


def test_pages_sitemaps_and_logs_may_be_combined(app: Flask, draw: Any, tmp_path: Path) -> None:
    draw("a.png")
    app.add_url_rule("/page", "page", lambda: url_of(app, "a.png", width=10))
    app.add_url_rule("/sitemap.xml", "sitemap", lambda: "<loc>http://localhost/other</loc><loc>/none</loc>")
    app.add_url_rule("/other", "other", lambda: url_of(app, "a.png", width=11))
    log = tmp_path / "access.log"
    log.write_text(
        f'- "GET {url_of(app, "a.png", width=12)} HTTP/1.1" 200 1\n- "GET /imgsizer/a.png?s=x HTTP/1.1" 200 1\n'
    )
    output = run(app, "--page", "/page", "--sitemap", "/sitemap.xml", "--access-log", str(log))
    assert output.exit_code == 1
    for sentence in (
        "1 image URL in the access log.",
        "Left out of the log: 1 request that this site would refuse.",
        "3 pages fetched.",
        "Renditions: 3 to make, 0 cached already.",
        "/none: the application answered with status 404 NOT FOUND",
        "3 made. 1 cannot be made.",
    ):
        assert sentence in output.output
    assert len(cached_files(tmp_path / "cache")) == 3


def test_the_manifest_is_made_by_its_counts(make_app: Any, draw: Any) -> None:
    os.utime(draw("a.png"), (1_700_000_000, 1_700_000_000))
    app = make_app(IMAGES_FRONT_DOOR=os.name == "posix")
    lines = [
        {"source": "a.png", "query": "w=10", "count": 1.5},
        {"source": "a.png", "query": "w=11", "count": 7},
        {"source": "a.png", "query": "f=auto&w=12", "format": "webp", "count": 0.5},
    ]
    manifest = "\n".join(map(json.dumps, lines))
    assert app.test_cli_runner().invoke(args=["images", "manifest", "import", "-"], input=manifest).exit_code == 0
    output = run(app, "--from-manifest", "--dry-run")
    expected = [f"  a.png?{each}  (the manifest)" for each in ("w=11", "w=10", "f=auto&w=12 as webp")]
    said = ["3 image URLs in the manifest.", "Renditions: 3 to make, 0 cached already."]
    assert output.output.splitlines() == said + expected
    output = run(app, "--from-manifest")
    assert (output.exit_code, "3 made." in output.output) == (0, True)
    made: list[object] = []
    images_of(app).events.rendered.append(made.append)
    for keywords in ({"width": 10}, {"width": 11}, {"width": 12, "format": "auto"}):
        assert app.test_client().get(url_of(app, "a.png", **keywords), headers={"Accept": "image/webp"}).data
    assert made == []
    if os.name == "posix":
        assert "3 links made for nginx." in output.output


def test_what_visitors_have_requested_is_made_in_a_new_cache(make_app: Any, draw: Any, tmp_path: Path) -> None:
    draw("a.png")
    app = make_app()
    for width, times in ((10, 1), (11, 3)):
        for _ in range(times):
            assert app.test_client().get(url_of(app, "a.png", width=width)).data
    app.test_client().get(url_of(app, "a.png", width=12))  # a render writes the hits before it, too
    assert run(app, "--from-manifest").output.endswith("0 made.\n")
    for path in cached_files(tmp_path / "cache"):
        if path.suffix == ".png":
            path.unlink()
    output = run(make_app(IMAGES_VERSION="hash"), "--from-manifest")
    assert "Renditions: 3 to make, 0 cached already.\n3 made.\n" in output.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--folder", "photos"], "--folder needs --preset, such as --preset card."),
        (["--preset", "card"], "--preset needs --folder"),
        (["--folder", "photos", "--preset", "crad"], "did you mean card?"),
        (["--folder", "none", "--preset", "card"], "There is no folder 'none' in IMAGES_PATH"),
        (["--access-log", "none.log"], "--access-log none.log cannot be read: No such file or directory."),
        (["--access-log", "damaged.gz"], "--access-log damaged.gz cannot be read: Error -3 while decompressing"),
        (["--format", "png"], "--format png: expected one of IMAGES_FORMATS (avif, webp)."),
        (["--workers", "0"], "0 is not in the range"),
    ],
)
def test_wrong_usage_gets_one_sentence(
    arguments: list[str], said: str, make_app: Any, draw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged.gz").write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xff\xff\xff\xff")
    draw("photos/a.png")
    output = run(make_app(IMAGES_PRESETS=PRESETS), *arguments)
    assert (output.exit_code, said in output.output) == (2, True), output.output


def test_nothing_to_make_is_a_failure(app: Flask) -> None:
    output = run(app)
    assert output.exit_code == 1
    assert "There was nothing to make." in output.output


def test_templates_that_cannot_be_listed_are_a_failure(app: Flask) -> None:
    from jinja2 import FunctionLoader

    app.jinja_loader = FunctionLoader(lambda name: None)
    app.jinja_env.loader = app.jinja_loader
    output = run(app)
    assert output.exit_code == 1
    assert "Find the images by --page or --sitemap instead." in output.output


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: users")
def test_another_user_than_the_site_s_is_refused(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: 0 if owner else 1)
    (tmp_path / "cache" / "flask-images-vips").mkdir(parents=True)
    output = run(app, "--page", "/")
    assert output.exit_code == 1
    assert f"cache/flask-images-vips belongs to user {owner}, but this command runs as user" in output.output


def test_after_ctrl_c_the_command_says_what_is_left(make_app: Any, draw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    draw("photos/a.png")
    monkeypatch.setattr(warm, "_run", lambda *_: Result(made=3, left=4, stopped=True))
    app = make_app(IMAGES_PRESETS=PRESETS)
    output = run(app, "--folder", "photos", "--preset", "card")
    assert output.exit_code == 130
    assert output.output.endswith("3 made.\nStopped. 4 are left: run this command again to make them.\n")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(warm, "plan", interrupt)
    output = run(app, "--folder", "photos", "--preset", "card")
    assert output.exit_code == 130
    assert output.output.endswith("Stopped. Run this command again to go on.\n")
