"""The configuration in docs/deploying/cdn.md is right: that of this package, of Varnish and of CloudFront."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cdn.test_varnish import VARNISHD, XKEY, vcl
from conftest import ROOT, needs, signed, url_of
from flask import Flask

from docs.blocks import runs
from flask_images_vips import Images, in_front
from flask_images_vips.cdn.settings import KINDS
from flask_images_vips.cdn.tag_headers import TAG_HEADERS
from flask_images_vips.config.keys import Config
from flask_images_vips.forgetting import Receipt
from flask_images_vips.operating.forget import _told

TEXT = (ROOT / "docs" / "deploying" / "cdn.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in KINDS.values():
        for variable in kind.variables.values():
            monkeypatch.setenv(variable, "a-token")


def sites(folder: Path) -> Iterator[Flask]:
    """An application with each configuration of the page."""
    for block in blocks("python"):
        app = Flask("site", root_path=str(folder))
        app.config["SECRET_KEY"] = "docs"
        exec(block, {"app": app})
        yield app


@runs("docs/deploying/cdn.md", "python")
def test_each_configuration_is_valid(tmp_path: Path, tokens: None) -> None:
    found: set[str] = set()
    for app in sites(tmp_path):
        Images(app)
        assert url_of(app, "cat.jpg", width=9)
        found |= {cache.kind for cache in Config.read(app.config).cdn}
    assert found == set(KINDS) - {"nginx"}


def test_the_page_names_every_kind_of_cache_and_of_tags() -> None:
    for kind, made in KINDS.items():
        (row,) = re.findall(rf"^\| `{kind}` \| .*", TEXT, re.MULTILINE)
        assert all(variable in row for variable in made.variables.values())
    assert all(header.name in TEXT for header in TAG_HEADERS.values())


def test_the_life_of_images_is_that_of_the_page(make_app: Any, draw: Any) -> None:
    (block,) = (block for block in blocks("python") if "IMAGES_MAX_AGE" in block)
    app = make_app()
    exec(block, {"app": app})
    draw("cat.jpg")
    answer = app.test_client().get(signed(app, "cat.jpg", "w=10"))
    lifetime = "public, max-age=60, s-maxage=86400, stale-while-revalidate=3600, stale-if-error=86400"
    assert answer.headers["Cache-Control"] == lifetime


def test_the_figures_are_those_of_the_code() -> None:
    assert in_front.AGAIN_SECONDS == 2
    assert "Two seconds later" in TEXT


def compiled(text: str, folder: Path) -> str:
    """What Varnish says of a VCL that it refuses."""
    needs("varnishd", VARNISHD, "apt-get install varnish")
    needs("vmod_xkey", XKEY, "apt-get install varnish-modules")
    assert VARNISHD is not None
    (folder / "vcl").write_text(text)
    run = subprocess.run(
        [VARNISHD, "-C", "-j", "none", "-f", str(folder / "vcl")],
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stderr[-2000:] if run.returncode else ""


@runs("docs/deploying/cdn.md", "vcl")
def test_the_vcl_compiles(tmp_path: Path) -> None:
    """That of Fastly is another dialect, but this part of it is the same."""
    assert compiled(vcl(80), tmp_path) == ""
    (fastly,) = blocks("vcl")
    text = f'vcl 4.1;\nbackend default {{ .host = "127.0.0.1"; }}\nsub vcl_recv {{\n{fastly}\n}}\n'
    assert compiled(text, tmp_path) == ""
    assert compiled(text.replace("unset", "remove"), tmp_path) != ""


def test_both_vcls_reduce_accept_alike() -> None:
    (fastly,) = blocks("vcl")
    own = (ROOT / "docker" / "varnish.vcl").read_text("utf-8")
    for pattern in (r'req\.url !~ ("[^"]*")', r'Accept ~ ("[^"]*")', r'Accept = ("[^"]*")'):
        assert re.findall(pattern, fastly) == re.findall(pattern, own)


@runs("docs/deploying/cdn.md", "json")
def test_cloudfront_would_take_the_policy_and_the_tags() -> None:
    pytest.importorskip("botocore")
    import botocore.session
    from botocore.validate import ParamValidator

    shapes = botocore.session.get_session().get_service_model("cloudfront")
    policy, tags = (json.loads(block) for block in blocks("json"))
    config = shapes.operation_model("CreateCachePolicy").input_shape.members["CachePolicyConfig"]
    assert ParamValidator().validate(policy, config).generate_report() == ""
    members = shapes.operation_model("CreateDistribution").input_shape.members["DistributionConfig"].members
    if "CacheTagConfig" not in members:
        pytest.skip("this botocore is older than tags")
    assert ParamValidator().validate(tags["CacheTagConfig"], members["CacheTagConfig"]).generate_report() == ""
    assert tags["CacheTagConfig"]["HeaderName"] == TAG_HEADERS["cloudfront"].name


@runs("docs/deploying/cdn.md", "console")
def test_the_command_tells_of_a_receipt_as_the_page_shows() -> None:
    receipt = Receipt(
        ref="photos/cat.jpg", time=0, seconds=0, is_new=True, renditions=4, facts=3, copies=1, cdn=("varnish",)
    )
    assert blocks("console") == [f"$ flask images forget photos/cat.jpg\n{_told(receipt)}\n"]
