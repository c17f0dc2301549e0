"""A source that is overwritten in place gives one whole version, or is asked for again; no process of the site dies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import IN_THREAD, Start

from pool.overwriting import FORMATS, MODES, name_in_pages, overwritten, render, versions

# Where a site dies, it is by a signal that no test survives either. So each site is a process of its own.
pytestmark = pytest.mark.parametrize("mode", ["thread"] if IN_THREAD else MODES)


def _statuses(site: Any, seconds: int) -> set[int]:
    """What the process *site* was answered within *seconds*."""
    output, errors = site.communicate(timeout=seconds + 60)
    assert site.returncode == 0, f"ended by {site.returncode}: {errors[-2000:]}"
    found = {int(status) for status in json.loads(output.splitlines()[-1])}
    assert 200 in found
    return found


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_an_overwritten_source_is_one_whole_version_or_503(
    static: Path, tmp_path: Path, mode: str, suffix: str, engine: str, long: Callable[[int, int], int], elsewhere: Start
) -> None:
    seconds = long(2, 60)
    with overwritten(static / f"a.{suffix}", versions(suffix, 900), 0.03):
        site = elsewhere(render, tmp_path, mode, engine, f"a.{suffix}", seconds)
        assert _statuses(site, seconds) <= {200, 503}


def test_so_are_watermarks_sets_and_what_pages_say(
    static: Path, tmp_path: Path, mode: str, draw: Any, long: Callable[[int, int], int], elsewhere: Start
) -> None:
    draw("plain.png", (400, 400))
    seconds = long(3, 60)
    with overwritten(static / "a.jpg", versions("jpg", 2600), 0.03):
        site = elsewhere(name_in_pages, tmp_path, mode, "a.jpg", "plain.png", seconds)
        assert _statuses(site, seconds) <= {200, 503}
