"""The commands with the object store in which all hosts of a site share what is rendered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from click.testing import Result
from conftest import cached_files, fetch
from flask import Flask
from real_servers import Proxy, StoreServer, store_options
from recording.test_recorder import recorder_of

from flask_images_vips.fleet.shared_cache import ObjectCache
from flask_images_vips.operating.checking.doctor import examine
from flask_images_vips.state import images_of
from flask_images_vips.stores.store import ObjectStore, StoreRefused

Host = Callable[..., Flask]


@pytest.fixture
def proxy(store_server: StoreServer) -> Iterator[Proxy]:
    made = Proxy(store_server.port)
    yield made
    made.close()


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["images", *arguments])


def objects(app: Flask) -> list[str]:
    shared = images_of(app).pipeline.cache.shared
    assert isinstance(shared, ObjectCache)
    return [kept.path for kept in shared.kept()]


def findings(app: Flask) -> list[tuple[str, str]]:
    with app.app_context():
        _, found = examine(images_of(app))
    return [(finding.level.value, finding.message) for finding in found if finding.name == "cache-store"]


def test_the_store_is_pruned_apart_from_the_disk(make_host: Host, draw: Any, tmp_path: Path) -> None:
    site = make_host("one")
    for name in ("a.png", "b.png"):
        draw(name)
        fetch(site, name, width=10)
    assert json.loads(run(site, "prune", "--store", "--older-than", "1d", "--json").output)["left"] == 2
    assert run(site, "prune", "--store", "--source", "a.png", "--dry-run").output.startswith("1 file (")
    assert run(site, "prune", "--store", "--source", "a.png").exit_code == 0
    assert len(objects(site)) == 1
    assert len(cached_files(tmp_path / "one")) == 2
    assert run(site, "prune", "--store", "--max-size", "0").exit_code == 0
    assert objects(site) == []


def test_the_statistics_count_what_is_stored_and_fetched(make_host: Host, draw: Any) -> None:
    draw("a.png")
    fetch(make_host("one"), "a.png", width=10)
    other = make_host("two")
    fetch(other, "a.png", width=10)
    recorder_of(other).write_at_exit()
    found = json.loads(run(other, "stats", "--store", "--json").output)
    assert found["store"]["kinds"]["renditions"]["files"] == 1
    assert (found["requests"]["fetched"], found["requests"]["renders"]) == (1, 0)
    text = run(other, "stats", "--store").output
    assert "Object store s3://bucket/" in text
    assert "1 fetched from the object store" in text
    assert json.loads(run(other, "stats", "--json").output)["store"] is None


def test_hosts_exchange_what_they_were_asked_for(make_host: Host, draw: Any) -> None:
    draw("a.png")
    for name, width in (("one", 10), ("two", 20)):
        site = make_host(name)
        fetch(site, "a.png", width=width)
        recorder_of(site).write_at_exit()
        result = run(site, "manifest", "sync")
        assert result.exit_code == 0, result.output
    assert result.output == "1 images written, 1 of other hosts read, 1 of them new\n"
    assert run(site, "manifest", "sync").output == "2 images written, 1 of other hosts read, 0 of them new\n"
    assert (
        run(make_host("three"), "manifest", "sync").output == "0 images written, 3 of other hosts read, 2 of them new\n"
    )


def test_a_manifest_that_is_not_understood_is_left_out(make_host: Host) -> None:
    site = make_host("one")
    shared = images_of(site).pipeline.cache.shared
    assert isinstance(shared, ObjectCache)
    shared.store.put("manifests/other.jsonl", b"w=5\n")
    result = run(site, "manifest", "sync")
    assert result.exit_code == 0
    assert "other.jsonl is left out: line 1 is not a line of a manifest" in result.output


@pytest.mark.parametrize("arguments", [("prune", "--store", "--older-than", "1d"), ("stats", "--store")])
def test_without_an_object_store_the_commands_say_so(app: Flask, draw: Any, arguments: tuple[str, ...]) -> None:
    draw("a.png")
    fetch(app, "a.png", width=10)
    result = run(app, *arguments)
    assert result.exit_code == 1
    assert "IMAGES_CACHE is not in an object store" in result.output


def test_a_store_that_works_is_found_to_work(make_host: Host) -> None:
    site = make_host("one")
    [(level, message)] = findings(site)
    assert (level, "creates only once" in message) == ("ok", True)
    assert objects(site) == []


def test_a_store_that_is_away_is_found_and_named_by_the_commands(make_host: Host, proxy: Proxy) -> None:
    site = make_host("one", IMAGES_STORE_OPTIONS=store_options(proxy.port), IMAGES_STORE_TIMEOUT=1)
    proxy.refuses = True
    [(level, message)] = findings(site)
    assert (level, "cannot be used" in message) == ("error", True)
    result = run(site, "prune", "--store", "--older-than", "1d")
    assert result.exit_code == 1
    assert "flask images check" in result.output


def test_credentials_that_the_store_refuses_are_found(make_host: Host, store_server: StoreServer) -> None:
    wrong = {**store_server.options, "secret_access_key": "wrong"}
    [(level, message)] = findings(make_host("one", IMAGES_STORE_OPTIONS=wrong))
    assert (level, "refuses" in message) == ("error", True)


@pytest.mark.parametrize(
    ("problem", "cure"),
    [
        (StoreRefused("no such bucket", "404"), "Create the bucket of s3://"),
        (StoreRefused("PUT http://169.254.169.254/latest/api/token: 404", "404"), "AWS_ACCESS_KEY_ID"),
    ],
)
def test_a_missing_bucket_and_missing_credentials_are_told_apart(
    make_host: Host, monkeypatch: pytest.MonkeyPatch, problem: StoreRefused, cure: str
) -> None:
    monkeypatch.setattr(ObjectStore, "create", Mock(side_effect=problem))
    result = run(make_host("one"), "check")
    assert cure in result.output


def test_a_store_that_overwrites_is_found(make_host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_host("one")

    def overwrite(self: ObjectStore, path: str, data: bytes, **keywords: Any) -> bool:
        self.put(path, data, **keywords)
        return True

    monkeypatch.setattr(ObjectStore, "create", overwrite)
    [(level, message)] = findings(site)
    assert (level, "does not honour conditional writes" in message) == ("error", True)


def test_a_new_host_is_warmed_without_a_render(make_host: Host, draw: Any, caplog: pytest.LogCaptureFixture) -> None:
    draw("a.png")
    first, second = make_host("one"), make_host("two")
    for width in (10, 20):
        fetch(first, "a.png", width=width)
    recorder_of(first).write_at_exit()
    assert run(first, "manifest", "sync").exit_code == 0
    assert run(second, "manifest", "sync").exit_code == 0
    caplog.set_level("INFO", "flask_images_vips")
    caplog.clear()
    result = run(second, "warm", "--from-manifest")
    assert result.exit_code == 0, result.output
    assert "2 made" in result.output
    assert "rendered" not in caplog.text
