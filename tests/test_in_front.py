"""Purging caches in front: what a purge and a forget ask them, and what somebody is told if they fail."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from conftest import url_of
from flask import Flask
from real_servers import until

from flask_images_vips import Images, in_front
from flask_images_vips.cdn.backend import CdnFailed, Wanted
from flask_images_vips.errors import ConfigError, Forgotten, NotForgotten, NotPurged
from flask_images_vips.in_front import CachesInFront
from flask_images_vips.state import images_of

VARNISH = {"cdn": "varnish", "urls": ["http://127.0.0.1:9/"]}
NGINX = {"cdn": "nginx", "urls": ["http://127.0.0.1:9"]}


class Caches:
    """What all caches in front were asked. They refuse it if *failure* is set. Nothing is purged once more."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(CachesInFront, "purge_again", lambda *arguments, **keywords: None)
        self.asked: list[tuple[str, Wanted, bool]] = []
        self.failure = ""
        for kind in ("Varnish", "Nginx"):
            patch.setattr(f"flask_images_vips.cdn.servers.{kind}.purge", self.purger())

    def purger(self) -> Any:
        def purge(cache: Any, wanted: Wanted, *, soft: bool) -> None:
            self.asked.append((cache.kind, wanted, soft))
            if self.failure:
                raise CdnFailed(self.failure)

        return purge


@pytest.fixture
def caches(monkeypatch: pytest.MonkeyPatch) -> Caches:
    return Caches(monkeypatch)


@pytest.fixture
def app(make_app: Any, draw: Any) -> Flask:
    for name in ("a.png", "b.png"):
        draw(name)
    made: Flask = make_app(IMAGES_CDN=VARNISH, IMAGES_CACHE_TAGS="varnish")
    return made


def images(app: Flask) -> Images:
    found: Images = app.extensions["images"]
    return found


CAT = Wanted(("image:a.png",), ("/imgsizer/a.png", "/imgsizer.info/a.png"))


def test_a_purge_lets_caches_send_the_old_picture_once_more_and_a_forget_does_not(app: Flask, caches: Caches) -> None:
    images(app).purge("a.png")
    assert images(app).forget("a.png").cdn == ("varnish",)
    assert caches.asked == [("varnish", CAT, True), ("varnish", CAT, False)]


def test_caches_in_front_come_last_so_that_they_get_nothing_old_again(
    app: Flask, caches: Caches, monkeypatch: Any
) -> None:
    found = []

    def purge(cache: Any, wanted: Wanted, *, soft: bool) -> None:
        found.append(app.test_client().get(url).status_code)

    url = url_of(app, "a.png", width=9)
    monkeypatch.setattr("flask_images_vips.cdn.servers.Varnish.purge", purge)
    images(app).forget("a.png")
    assert found == [410]


def test_a_forget_is_not_complete_if_a_cache_in_front_was_not_purged(app: Flask, caches: Caches) -> None:
    url = url_of(app, "a.png", width=9)
    assert app.test_client().get(url).status_code == 200
    caches.failure = "it is away"
    with pytest.raises(NotForgotten) as caught:
        images(app).forget("a.png")
    assert str(caught.value) == (
        "'a.png' is not forgotten completely, so it may still be shown: not purged in front: varnish (it is away). "
        "Do this again once they answer: flask images check tells whether they do."
    )
    assert app.test_client().get(url).status_code == 410
    with app.app_context(), pytest.raises(Forgotten):
        images_of(app).pipeline.sources.check_not_forgotten(["a.png"])
    caches.failure = ""
    assert images(app).forget("a.png").cdn == ("varnish",)


def test_a_purge_that_fails_in_front_is_told_and_everything_here_is_purged(app: Flask, caches: Caches) -> None:
    app.test_client().get(url_of(app, "a.png", width=9))
    caches.failure = "it is away"
    with pytest.raises(NotPurged, match=r"may go on sending what they have: varnish \(it is away\)\. Do this again"):
        images(app).purge("a.png")
    caches.failure = ""
    assert images(app).purge("a.png") == 0


def test_one_that_fails_does_not_keep_others_from_purging(make_app: Any, caches: Caches) -> None:
    app = make_app(IMAGES_CDN=[VARNISH, NGINX], IMAGES_CACHE_TAGS="varnish")
    caches.failure = "no"
    with pytest.raises(NotPurged) as caught:
        images(app).purge("a.png")
    assert caught.value.failed == ("varnish (no)", "nginx (no)")
    assert [kind for kind, *_ in caches.asked] == ["varnish", "nginx"]


def test_the_command_purges_many_pictures_by_one_request(app: Flask, caches: Caches) -> None:
    client = app.test_client()
    for name in ("a.png", "b.png"):
        client.get(url_of(app, name, width=9))
    result = app.test_cli_runner().invoke(args=["images", "purge", "*.png"])
    assert result.exit_code == 0
    assert result.output.endswith("also purged in varnish\n")
    ((_, wanted, _),) = caches.asked
    assert sorted(wanted.tags) == ["image:a.png", "image:b.png"]


def test_a_picture_that_is_cached_in_front_only_is_purged_there_too(app: Flask, caches: Caches) -> None:
    client = app.test_client()
    client.get(url_of(app, "b.png", width=9))
    result = app.test_cli_runner().invoke(args=["images", "purge", "a.png"])
    assert result.exit_code == 1  # nothing is cached here
    assert [wanted.tags for _, wanted, _ in caches.asked] == [("image:a.png",)]


def test_the_command_purges_all_images_but_no_pages(app: Flask, caches: Caches) -> None:
    app.test_client().get(url_of(app, "a.png", width=9))
    result = app.test_cli_runner().invoke(args=["images", "purge", "--all"])
    assert "also purged in varnish" in result.output
    assert caches.asked == [("varnish", Wanted(("image",), ("/imgsizer/", "/imgsizer.info/")), True)]


def test_a_picture_that_is_not_public_any_more_is_not_sent_once_more(app: Flask, caches: Caches) -> None:
    images(app).authorize(lambda ref, options: Images.PUBLIC)
    images(app).purge("a.png")
    images_of(app).instance(CachesInFront).purge_all()
    assert [soft for *_, soft in caches.asked] == [False, False]


def test_caches_in_front_are_purged_with_the_links_of_nginx(make_app: Any, caches: Caches) -> None:
    app = make_app(IMAGES_CDN=NGINX, IMAGES_FRONT_DOOR=True)
    with app.test_request_context():
        assert images_of(app).pipeline.cache.usable()
    result = app.test_cli_runner().invoke(args=["images", "purge", "--front"])
    assert "also purged in nginx" in result.output
    assert [wanted.tags for _, wanted, _ in caches.asked] == [("image",)]


def test_the_commands_tell_what_was_not_purged(app: Flask, caches: Caches) -> None:
    app.test_client().get(url_of(app, "a.png", width=9))
    caches.failure = "it is away"
    for command in ("purge", "forget"):
        result = app.test_cli_runner().invoke(args=["images", command, "a.png"])
        assert result.exit_code == 1
        assert "varnish (it is away)" in result.output
    caches.failure = ""
    assert app.test_cli_runner().invoke(args=["images", "forget", "a.png"]).output.endswith("Also purged in varnish.\n")


def test_paths_are_those_that_browsers_ask_for(make_app: Any, caches: Caches) -> None:
    app = make_app(IMAGES_CDN=NGINX, IMAGES_BASE_URL="https://cdn.example.com/site", IMAGES_URL="/i m")
    for path in ("ä b.png", "http://example.com/a.png"):
        images(app).purge(path)
    other = make_app(IMAGES_CDN=NGINX, IMAGES_URL="/")
    images_of(other).instance(CachesInFront).purge_all()
    assert [wanted.paths for _, wanted, _ in caches.asked] == [
        ("/site/i%20m/%C3%A4%20b.png", "/site/i%20m.info/%C3%A4%20b.png"),
        ("/site/i%20m/_", "/site/i%20m.info/_"),
        ("/", "/.info/"),
    ]


def test_what_was_purged_is_purged_once_more_by_one_request(make_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[tuple[str, ...], bool]] = []

    def purge(cache: Any, wanted: Wanted, *, soft: bool) -> None:
        asked.append((wanted.tags, soft))
        if len(asked) > 3:
            raise CdnFailed("it is away now")

    monkeypatch.setattr("flask_images_vips.cdn.servers.Varnish.purge", purge)
    monkeypatch.setattr(in_front, "AGAIN_SECONDS", 0.2)
    app = make_app(IMAGES_CDN=VARNISH, IMAGES_CACHE_TAGS="varnish")
    images(app).purge("a.png")
    images(app).purge("b.png")
    images(app).forget("b.png")
    until(lambda: len(asked) == 5)
    assert asked[3:] == [(("image:a.png",), True), (("image:b.png",), False)]


@pytest.mark.parametrize("tags", [None, "fastly"])
def test_a_cache_that_is_purged_by_tags_needs_its_tags(make_app: Any, tags: str | None) -> None:
    app = make_app(IMAGES_CDN=VARNISH, IMAGES_CACHE_TAGS=tags)
    with pytest.raises(ConfigError, match=r"in the header xkey, .* Add 'varnish' to IMAGES_CACHE_TAGS\."):
        url_of(app, "a.png", width=9)


def test_a_cache_that_is_purged_by_paths_needs_no_tags(make_app: Any) -> None:
    assert url_of(make_app(IMAGES_CDN=NGINX), "a.png", width=9)


@pytest.mark.parametrize(("kind", "package"), [("varnish", "urllib3"), ("cloudfront", "botocore")])
def test_what_a_cache_needs_must_be_installed(make_app: Any, monkeypatch: Any, kind: str, package: str) -> None:

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find(name))
    caches = {"varnish": VARNISH, "cloudfront": {"cdn": "cloudfront", "distribution": "E1"}}
    with pytest.raises(ConfigError, match=f"needs {package}"):
        make_app(IMAGES_CDN=caches[kind], IMAGES_CACHE_TAGS="varnish")
