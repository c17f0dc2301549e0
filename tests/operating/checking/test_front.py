"""What ``--url`` finds: a site that does not answer rightly, and servers in front that change or ignore its answers."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from nginx.test_nginx import Door, links, opened
from werkzeug.serving import WSGIRequestHandler, make_server

from flask_images_vips.operating.checking.finding import Finding, Level
from operating.checking.ground import KEY, Ground, bad

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links, gunicorn, nginx")

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        """Print nothing."""


@contextmanager
def served(application: Application) -> Iterator[str]:
    """Serve *application* on a free port, and yield its URL."""
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def asked(ground: Ground, front: Callable[[Flask], Application] = lambda app: app.wsgi_app) -> list[Finding]:
    """The findings about the site behind *front*."""
    with served(front(ground.make())) as url:
        ground.options["url"] = url
        return ground.examine()


def changing(**headers: str | None) -> Callable[[Flask], Application]:
    """A server in front that sets *headers*, or removes those that are None."""

    def front(app: Flask) -> Application:
        def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            def start(status: str, sent: list[tuple[str, str]], *error: Any) -> Any:
                changed = {name.replace("_", "-"): value for name, value in headers.items()}
                kept = [pair for pair in sent if pair[0].lower() not in changed]
                return start_response(status, [*kept, *((n, v) for n, v in changed.items() if v is not None)], *error)

            return app.wsgi_app(environ, start)

        return answer

    return front


def forgetting_accept(app: Flask) -> Application:
    """A cache in front that sends every visitor what the first one got."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return app.wsgi_app({**environ, "HTTP_ACCEPT": "image/webp"}, start_response)

    return answer


def signing_otherwise(app: Flask) -> Application:
    app.secret_key = "another " + KEY
    return app.wsgi_app


def assert_found(found: list[Finding], level: str, name: str, words: str) -> None:
    matching = [finding for finding in found if finding.name == name and words in finding.message + finding.cure]
    assert [finding.level for finding in matching] == [Level(level)], "\n".join(map(str, found))


def test_nothing_is_found_in_a_site_that_answers_rightly(ground: Ground) -> None:
    ground.libraries()
    found = asked(ground)
    assert not [finding for finding in bad(found) if finding.name in ("site", "headers", "vary")], found
    assert_found(found, "ok", "headers", "arrive as they were sent")
    assert_found(found, "ok", "vary", "image/avif or image/png")


@pytest.mark.parametrize(
    ("front", "level", "name", "words"),
    [
        (signing_otherwise, "error", "site", "It signs with another SECRET_KEY"),
        (changing(cache_control="no-cache"), "warning", "headers", "Cache-Control arrives as 'no-cache'"),
        (changing(set_cookie="a=b"), "error", "headers", "arrives with a cookie"),
        (changing(content_encoding="gzip"), "warning", "headers", "compressed once more (gzip)"),
        (changing(etag=None), "warning", "headers", "The ETag was removed"),
        (changing(content_type="text/html"), "error", "site", "answers text/html"),
        (forgetting_accept, "error", "vary", "a cache in front ignores Vary: Accept"),
    ],
)
def test_a_fault_in_front_is_found(
    ground: Ground, front: Callable[[Flask], Application], level: str, name: str, words: str
) -> None:
    ground.libraries()
    assert_found(asked(ground, front), level, name, words)


def test_a_site_that_does_not_answer_is_found(ground: Ground) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        ground.options["url"] = f"http://127.0.0.1:{free.getsockname()[1]}"
        assert_found(ground.examine(), "error", "site", "does not answer")


def test_a_site_below_a_path_is_asked_there(ground: Ground) -> None:
    asked: list[str] = []

    def front(app: Flask) -> Application:
        def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            asked.append(environ["PATH_INFO"].encode("latin-1").decode())
            return app.wsgi_app({**environ, "PATH_INFO": asked[-1].removeprefix("/a käse")}, start_response)

        return answer

    with served(front(ground.make())) as url:
        ground.options["url"] = f"{url}/a käse/"
        assert_found(ground.examine(), "ok", "site", "answers image/png")
    assert asked[0] == "/a käse/imgsizer/a.png"


def test_a_header_for_a_server_that_is_not_there_is_found(ground: Ground) -> None:
    ground.config["IMAGES_ACCEL_REDIRECT"] = "/_images/"
    found = asked(ground, lambda app: lambda e, s: app.wsgi_app({**e, "SERVER_SOFTWARE": "gunicorn"}, s))
    assert_found(found, "error", "site", "IMAGES_ACCEL_REDIRECT is set, and no such server is at")


def test_an_old_nginx_before_early_hints_is_found(ground: Ground) -> None:
    ground.config["IMAGES_EARLY_HINTS"] = True
    assert_found(asked(ground, changing(server="nginx/1.22.1")), "error", "early-hints", "nginx/1.22 takes a 103")


@pytest.mark.parametrize("picture", ["gone.png", "../a.png", "https://example.com/a.png"])
def test_a_picture_that_is_not_there_is_not_asked_for(ground: Ground, picture: str) -> None:
    ground.options["picture"] = picture
    assert_found(asked(ground), "error", "site", "Correct --picture")


def test_private_pictures_are_not_asked_for(ground: Ground) -> None:
    def front(app: Flask) -> Application:
        app.extensions["images"].authorize(lambda ref, options: False)
        return app.wsgi_app

    ground.later.append(lambda app: app.extensions["images"].authorize(lambda ref, options: False))
    assert_found(asked(ground, front), "ok", "site", "pass --picture with a public one")


def test_a_front_door_that_no_server_looks_into_is_found(ground: Ground) -> None:
    ground.config["IMAGES_FRONT_DOOR"] = True
    assert_found(asked(ground), "error", "front-door", "does not look for links in")
    plain = [name for name in links(ground.folder) if "f=auto" not in name]
    assert len(plain) == 1  # that of the picture; the one that was tried is gone


def test_a_site_that_makes_links_for_another_configuration_is_found(ground: Ground) -> None:
    ground.config["IMAGES_FRONT_DOOR"] = True
    ground.later.append(lambda app: app.config.update(IMAGES_ALLOW_ORIGIN="*"))
    assert_found(asked(ground), "error", "front-door", "makes no links for this configuration")


# A real nginx


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with opened(IMAGES_FRONT_DOOR=True, IMAGES_REMOTE_HOSTS=[], SECRET_KEY=KEY) as door:
        yield door


def check(door: Door, *arguments: str) -> str:
    url = f"http://127.0.0.1:{door.port}"
    result = door.app.test_cli_runner().invoke(args=["images", "check", "--url", url, *arguments])
    return f"{result.output}\nexit {result.exit_code}"


def test_nothing_is_found_behind_a_real_nginx(door: Door) -> None:
    output = check(door, "--nginx", str(door.folder / "printed.conf"))
    assert "nginx sends images through the links in" in output
    assert "fits the configuration of the application" in output
    assert "exit 0" in output
    before = without_jxl(links(door.folder))
    assert "nginx sends images through the links in" in check(door)
    assert without_jxl(links(door.folder)) == before


def without_jxl(links: set[str]) -> set[str]:
    """Leave out the links to what is made in the background, also while they are being made."""
    return {link for link in links if not link.endswith(".jxl") and not link.startswith(".tmp-")}


def test_the_real_workers_have_signed_in(door: Door) -> None:
    door.get_from_app(door.url("cat.jpg", width=20))
    output = check(door)
    assert "1 of gunicorn/" in output
    assert "gthread" in output
    assert "Each web worker handles 8 requests at a time, of the class gthread" in output


def test_a_site_that_redirects_says_where_to(ground: Ground) -> None:
    def redirecting(app: Flask) -> Application:
        def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            start_response("301 Moved", [("Location", "https://www.example.com/\x1b[31m")])
            return []

        return answer

    found = bad(asked(ground, redirecting))
    assert [(each.name, each.level) for each in found if each.name == "site"] == [("site", Level.ERROR)]
    assert any("It redirects to https://www.example.com/" in each.cure for each in found)
