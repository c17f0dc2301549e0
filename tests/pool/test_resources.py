"""As many renderers as processors may be used, each with its part of the memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from flask_images_vips.pool import resources
from flask_images_vips.pool.resources import renderers


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Any:
    def be(processors: int, memory: int) -> None:
        monkeypatch.setattr(resources, "processors", lambda: processors)
        monkeypatch.setattr(resources, "memory_bytes", lambda: memory)

    return be


@pytest.mark.parametrize(
    ("processors", "memory", "wish", "each", "expected"),
    [
        (2, 16 * 10**9, None, None, (2, 768_000_000)),
        (8, 4 * 10**9, None, None, (6, 333_333_333)),
        (64, 10**9, None, None, (1, 500_000_000)),
        (1, 400 * 10**6, None, None, (1, 200_000_000)),
        (2, 16 * 10**9, 5, None, (5, 768_000_000)),
        (2, 10**9, 5, None, (1, 500_000_000)),
        (2, 10**9, None, 10**9, (2, 10**9)),
    ],
)
def test_a_share_of_the_host(
    host: Any, processors: int, memory: int, wish: int | None, each: int | None, expected: tuple[int, int]
) -> None:
    host(processors, memory)
    assert renderers(wish, each) == expected


@pytest.mark.parametrize(
    ("limits", "processors", "memory"),
    [
        ({}, None, None),
        ({"a/b/cpu.max": "max 100000", "a/b/memory.max": "max"}, None, None),
        ({"a/b/cpu.max": "50000 100000", "a/memory.max": "300000000"}, 1, 300_000_000),
        ({"cpu.max": "100000 100000", "a/b/memory.max": "200000000", "a/memory.max": "900000000"}, 1, 200_000_000),
        ({"a/cpu.max": "nonsense", "a/memory.max": ""}, None, None),
    ],
)
def test_control_groups_bound_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limits: dict[str, str], processors: int | None, memory: int | None
) -> None:
    for name, text in limits.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    monkeypatch.setattr(resources, "_CGROUPS", str(tmp_path))
    monkeypatch.setattr(resources, "_own_group", lambda: "/a/b")
    assert resources.processors() == (processors or len(os.sched_getaffinity(0)))
    assert resources.memory_bytes() == (memory or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
