"""Originals in an object store behind gunicorn: processes that were forked before or after the store was used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PHOTOGRAPHS, url_of
from servers import Server, site
from store_stub import Stub

PAGE_AT_IMPORT = """
from flask_images_vips import resized_img_tag
with app.test_request_context():
    print(resized_img_tag("known.jpg", width=40))
"""
BUILT_AT_IMPORT = """
app.extensions["flask_images_vips"].pipeline  # which builds the store, but asks it nothing
"""
OPTIONS = ("--preload", "--workers=2", "--threads=2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def urls(folder: Path, name: str) -> list[str]:
    """URLs without a version, so that this process need not ask the store."""
    return [url_of(site(folder), name, width=width) for width in range(40, 44)]


def test_workers_use_a_store_that_the_master_has_only_built(serve: Callable[..., Server], stub: Stub) -> None:
    stub.put("pre/new.jpg", (PHOTOGRAPHS / "coffee.jpg").read_bytes())
    server = serve(*OPTIONS, then=BUILT_AT_IMPORT, IMAGES_PATH="s3://bucket/pre", IMAGES_STORE_OPTIONS=stub.options)
    assert {server.get(url).status for url in urls(server.folder, "new.jpg")} == {200}
    assert not [line for line in server.logged() if "forked" in line.message]


def test_workers_of_a_master_that_has_used_a_store_say_so_and_do_not_hang(
    serve: Callable[..., Server], stub: Stub
) -> None:
    for name in ("known", "new"):
        stub.put(f"pre/{name}.jpg", (PHOTOGRAPHS / "cat.jpg").read_bytes())  # small, so its file is known too
    server = serve(*OPTIONS, then=PAGE_AT_IMPORT, IMAGES_PATH="s3://bucket/pre", IMAGES_STORE_OPTIONS=stub.options)
    assert {server.get(url).status for url in urls(server.folder, "new.jpg")} == {503}
    assert {server.get(url).status for url in urls(server.folder, "known.jpg")} == {200}
    warned = [line.process for line in server.logged() if "forked after its parent" in line.message]
    assert len(warned) == len(set(warned)) > 0
