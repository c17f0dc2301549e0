"""The reference of a migration gives what Flask-Images 3.0.2 has answered, row by row."""

from __future__ import annotations

import json

import pytest
from conftest import TESTS

from flask_images_vips.operating.migrating import reference

RECORDED = json.loads((TESTS / "data" / "flask_images_3_0_2.json").read_text("utf-8"))
META = RECORDED["_meta"]


def test_every_recorded_url_of_a_local_picture_is_the_same() -> None:
    compared = 0
    for ref, keywords, url in RECORDED["src"]:
        if "://" in ref:
            continue
        compared += 1
        mtime = META["mtime"] if ref in META["images"] else None
        made = reference.url("/imgsizer", ref, keywords, mtime, META["secret_key"])
        own = url[url.index("/imgsizer") :].replace("&s=", "&s=b'") + "'"  # recorded without it
        assert made == own
    assert compared > 150


def test_every_recorded_size_is_the_same() -> None:
    compared = 0
    for ref, keywords, fields in RECORDED["size"]:
        size = reference.size(tuple(META["images"][ref]), {"enlarge": True, **keywords})
        assert size == (max(1, fields["width"]), max(1, fields["height"])), (ref, keywords)
        compared += 1
    assert compared > 450


@pytest.mark.parametrize(("mtime", "version"), [(1795439588, "awQ75A"), (0, "")])
def test_versions(mtime: int, version: str) -> None:
    assert reference.version(mtime) == version
