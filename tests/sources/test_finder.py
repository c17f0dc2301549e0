"""Sources are found in the application's folders and, if they are URLs, among those that were fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flask_images_vips.errors import SourceNotFound
from flask_images_vips.options.options import Options
from flask_images_vips.sources.finder import Sources, current_version
from flask_images_vips.sources.local import LocalSources
from flask_images_vips.sources.source import Source
from flask_images_vips.urls import ImageUrl


def sources(static: Path) -> Sources:
    return Sources(LocalSources([str(static)]), None, lambda descriptor, ref: None)


def test_a_local_source_is_itself_until_it_changes(static: Path, draw: Any) -> None:
    draw("a.png")
    finder, url = sources(static), ImageUrl("a.png", Options(), None)
    first = finder.find(url)
    assert finder.find(url, first) is first
    draw("a.png", (65, 48))
    assert finder.find(url, first) != first


def test_without_remote_sources_a_url_is_not_found(static: Path) -> None:
    url = ImageUrl("http://example.com/a.png", Options(), None, remote=True)
    with pytest.raises(SourceNotFound, match="IMAGES_REMOTE_HOSTS"):
        sources(static).find(url)
    with pytest.raises(SourceNotFound, match="not fetched yet"):
        sources(static).here(url.ref)


def test_a_missing_watermark_says_that_it_is_one(static: Path, draw: Any) -> None:
    draw("logo.png")
    finder = sources(static)
    assert finder.watermark(Options()) is None
    found = finder.watermark(Options.parse({"wm": "logo.png"}))
    assert found is not None
    assert found.ref == "logo.png"
    with pytest.raises(SourceNotFound, match="as a watermark"):
        finder.watermark(Options.parse({"wm": "none.png"}))


def test_a_version_names_all_sources_by_their_time_or_their_content() -> None:
    one = Source("a.png", "/", "/a.png", 1, 1_700_000_000 * 10**9)
    other = Source("b.png", "/", "/b.png", 1, 0, "0123456789")
    assert current_version(one) == "ZVPxAA"
    assert current_version(one, other) == "ZVPxAA.012345"
