"""The commands that tell of the hosts of a site."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import url_of
from flask import Flask
from real_servers import RedisServer, StoreServer
from servers import until
from test_following import Join, images, join, kept, patient, serve, status

__all__ = ["join"]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: redis-server")


def run(app: Flask, *arguments: str) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["images", *arguments])
    return result.exit_code, result.output


def test_hosts_are_listed_with_what_they_have_missed(join: Join) -> None:
    first = join("first")
    join("second", follows=False, IMAGES_QUALITY=80)
    images(first).purge("a.png")

    def told() -> list[tuple[int, list[str]]]:
        hosts = json.loads(run(first, "hosts", "--json")[1])
        assert all(host["present"] and host["version"] for host in hosts)
        return sorted((host["behind"], host["differing"]) for host in hosts)

    until(lambda: told() == [(0, []), (1, ["IMAGES_QUALITY"])], "the first host has read what it told itself")
    code, output = run(first, "hosts")
    heading, *hosts, differing = output.splitlines()
    assert (code, heading.split()) == (0, ["host", "version", "workers", "last", "seen", "events", "behind"])
    assert ["(here)" in host for host in hosts].count(True) == 1
    assert len(hosts) == 2
    assert differing.endswith(" differs: IMAGES_QUALITY.")


def test_the_receipt_names_hosts(join: Join, draw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    draw("a.png")
    first = join("first")
    serve(first, "a.png")
    join("second")
    join("third", follows=False)
    patient(monkeypatch, 1)
    code, output = run(first, "forget", "a.png")
    assert code == 0
    assert " too. Not yet on " in output
    (receipt,) = json.loads(run(first, "forget", "--json", "a.png")[1])
    assert [len(receipt[name]) for name in ("hosts", "pending")] == [1, 1]


def test_a_purge_that_finds_nothing_here_says_that_others_are_told(join: Join, draw: Any) -> None:
    draw("a.png")
    first = join("first")
    code, output = run(first, "purge", "a.png")
    assert (code, "Nothing is cached" in output, "Other hosts are told" in output) == (1, True, True)


def test_sync_has_nothing_to_do_on_a_new_host(
    make_app: Callable[..., Flask], redis_server: RedisServer, tmp_path: Path
) -> None:
    app = make_app(IMAGES_CACHE=str(tmp_path / "new"), IMAGES_REDIS=redis_server.url)
    code, output = run(app, "sync")
    assert (code, "nothing to do" in output) == (0, True)
    assert not (tmp_path / "new" / "flask-images-vips").exists()


def test_sync_catches_up_without_a_request(
    join: Join, draw: Any, tmp_path: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("secret.png")
    first, second = join("first"), join("second", follows=False)
    serve(second)
    patient(monkeypatch, 0.1)
    images(first).forget("secret.png")
    assert kept(tmp_path / "second", "secret.png")
    assert run(second, "sync") == (0, "This host is up to date.\n")
    assert not kept(tmp_path / "second", "secret.png")
    assert status(second, url_of(second, "secret.png", width=10)) == 410
    redis_server.stop()
    code, output = run(second, "sync")
    assert code == 1
    assert "Redis cannot be used: " in output


def test_without_redis_there_are_no_hosts(app: Flask) -> None:
    assert run(app, "hosts") == (1, "Error: IMAGES_REDIS is not set, so this host knows of no other hosts.\n")
    assert run(app, "sync")[0] == 1


def test_the_check_names_what_differs(join: Join) -> None:
    first = join("first")
    join("second", IMAGES_QUALITY=80)
    output = run(first, "check")[1]
    assert "differs: IMAGES_QUALITY. It makes other images or URLs." in " ".join(output.split())


def test_hosts_with_other_folders_are_named_if_they_cannot_share_renditions(
    join: Join, tmp_path: Path, store_server: StoreServer, store_url: str
) -> None:
    for folder in ("static", "elsewhere"):
        (tmp_path / folder).mkdir(exist_ok=True)
    shared = {"IMAGES_CACHE": store_url, "IMAGES_STORE_OPTIONS": store_server.options}

    def told(**config: Any) -> str:
        hosts = [
            join(name, **shared, **config, IMAGES_PATH=folder, IMAGES_CACHE_LOCAL=str(tmp_path / name))
            for name, folder in (("first", "static"), ("second", "elsewhere"))
        ]
        return " ".join(run(hosts[0], "check")[1].split())

    assert "Set IMAGES_VERSION to 'hash' on all hosts, or use the same folders." in told()
    assert "IMAGES_VERSION" not in told(IMAGES_VERSION="hash")
