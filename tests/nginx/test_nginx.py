"""A real nginx in front of a real gunicorn, configured by what ``flask images nginx`` prints."""

from __future__ import annotations

import contextlib
import email.message
import email.utils
import http.client
import importlib.util
import os
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import ACCEPT_HEADERS, MAY_SKIP, PHOTOGRAPHS, TESTS, draw_kinds, gradient, needs, sample, signed, url_of
from flask import Flask
from itsdangerous import Signer
from PIL import Image
from servers import until
from serving.rfc9110 import File, Request, requests, right

from flask_images_vips import Images, resized_img_hint, resized_img_src
from flask_images_vips.engines import jxl

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: gunicorn, links, modes")

NGINX = shutil.which("nginx") or next(filter(os.path.exists, ["/usr/sbin/nginx"]), None)

CLIENT_TIMEOUT_SECONDS = 20
PATIENCE_SECONDS = 30  # for a server to start and threads to end
HOUR_SECONDS = 3600
WARM_HITS = 10_000
CLIENTS = 3
LONG_PAGE = "whole " * 20_000

SITE = """
from nginx.test_nginx import Witness, site

app = site({folder!r}, {config!r})
app.wsgi_app = Witness(app.wsgi_app, {requests!r})
"""
# Recent versions of gunicorn create a socket below $HOME by default. Older ones ignore the key.
GUNICORN = """
control_socket_disable = True
limit_request_line = 8190
"""
NGINX_CONFIGURATION = """
daemon off;
{user}
worker_processes 1;
pid "{folder}/nginx.pid";
error_log "{log}" {level};
events {{ worker_connections 256; }}
http {{
    access_log off;
{temporary}
    include "{printed}";
}}
"""


class Answer(NamedTuple):
    status: int
    headers: email.message.Message
    body: bytes

    @property
    def from_app(self) -> bool:
        """Whether the application answered. Only its responses have the header of `Witness`."""
        return "X-From-App" in self.headers


class Witness:
    """WSGI middleware that marks each response of the application, and counts them by the size of a file."""

    def __init__(self, app: Callable[..., Iterable[bytes]], log: str) -> None:
        self.app = app
        self.descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        os.write(self.descriptor, b".")

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            return start_response(status, [*headers, ("X-From-App", "1")], *error)

        return self.app(environ, start)


def site(folder: str | Path, config: dict[str, Any]) -> Flask:
    """An application with its pictures and its cache in *folder*. Its URLs are the same in every process."""
    app = Flask("site", root_path=str(folder))
    app.config.update({"SECRET_KEY": "a secret", "IMAGES_CACHE": "cache", **config})
    Images(app)
    app.add_url_rule("/", view_func=lambda: resized_img_src("a.png", width=9))
    app.add_url_rule("/hinting", view_func=hinting)
    app.add_url_rule("/<path:path>", endpoint="other", view_func=lambda path: "not an image")
    return app


def hinting() -> str:
    """A page that tells of its picture in its header."""
    resized_img_hint("a.png", width=32, layout="fixed")
    return LONG_PAGE


def lay(folder: Path, name: str, size: tuple[int, int] = (64, 48)) -> Path:
    """Draw a picture, an hour old, in the static folder of the `site` in *folder*."""
    path = folder / "static" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    gradient(size).save(path, format=None if path.suffix.lower() in Image.registered_extensions() else "PNG")
    return aged(path)


def aged(path: Path, seconds: float = HOUR_SECONDS) -> Path:
    then = int(time.time() - seconds)
    os.utime(path, (then, then))
    return path


def cache_folder(folder: Path) -> Path:
    return folder / "cache" / "flask-images-vips"


def links(folder: Path) -> set[str]:
    """The names of the links of a front door."""
    return {path.name for path in cache_folder(folder).glob("front/??/*")}


def entries(folder: Path) -> list[Path]:
    return list(cache_folder(folder).glob("??/*/*"))


def listening() -> socket.socket:
    """A socket that a server inherits, so that no other process can take its port before the server starts."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(511)
    return listener


class Process:
    """A server, in a process group of its own."""

    def __init__(self, command: list[str], listener: socket.socket, log: Path, **environment: str) -> None:
        self.log = log
        self.process = subprocess.Popen(
            command,
            cwd=log.parent,
            env={**os.environ, **environment},
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )

    def stop(self) -> None:
        """Kill the server and all its workers."""
        with self.process, contextlib.suppress(ProcessLookupError, PermissionError):  # as macOS says of a dead group
            os.killpg(self.process.pid, signal.SIGKILL)


class Door:
    """A `site` in gunicorn behind nginx. *app* is the same site in this process, to build URLs."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.folder = folder
        self.config = config
        self.app = site(folder, config)
        self._requests = folder / "requests"
        self._app_listener, self._listener = listening(), listening()
        self.app_port: int = self._app_listener.getsockname()[1]
        self.port: int = self._listener.getsockname()[1]
        self._gunicorn: Process | None = None
        self._nginx: Process | None = None

    def start(self, level: str = "notice") -> None:
        self.start_application()
        self._start_nginx(level)

    def start_application(self) -> None:
        served = SITE.format(folder=str(self.folder), config=self.config, requests=str(self._requests))
        (self.folder / "served.py").write_text(served)
        (self.folder / "gunicorn.conf.py").write_text(GUNICORN)
        log = self.folder / "gunicorn.log"
        options = f"--bind=fd://{self._app_listener.fileno()} --workers=1 --threads=8 --worker-class=gthread"
        here = str(TESTS)
        self._gunicorn = Process(
            [sys.executable, "-m", "gunicorn", *options.split(), f"--error-logfile={log}", "served:app"],
            self._app_listener,
            log,
            PYTHONPATH=os.pathsep.join([here, *filter(None, sys.path)]),
            PYTHONDONTWRITEBYTECODE="1",  # bytecode would hide that served.py is written twice in a second
        )
        self._wait(self._gunicorn, self.app_port)

    def _start_nginx(self, level: str) -> None:
        printed = self.folder / "printed.conf"
        printed.write_text(self.flask("nginx", "--listen", f"127.0.0.1:{self.port}", "--upstream", self.upstream))
        log = self.folder / "nginx.log"
        main = written_configuration(self.folder, printed, level)
        assert NGINX is not None
        assert_accepted(main)
        self._nginx = Process([NGINX, "-c", str(main)], self._listener, log, NGINX=f"{self._listener.fileno()};")
        self._wait(self._nginx, self.port)

    @property
    def upstream(self) -> str:
        return f"127.0.0.1:{self.app_port}"

    def _wait(self, server: Process, port: int) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end and server.process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                ask(port, "/up")
                return
            time.sleep(0.05)
        pytest.fail(f"{server.process.args} does not answer: {server.log.read_text() if server.log.exists() else ''}")

    def restart(self, **config: Any) -> None:
        """Replace gunicorn by one with another *config*. nginx keeps running."""
        self.stop_application()
        self.config = {**self.config, **config}
        self.app = site(self.folder, self.config)
        self.start_application()

    def stop_application(self) -> None:
        """Stop gunicorn. nginx keeps running."""
        assert self._gunicorn is not None
        self._gunicorn.stop()

    def stop(self) -> None:
        for server in (self._nginx, self._gunicorn):
            if server is not None:
                server.stop()
        self._listener.close()
        self._app_listener.close()
        sys.stderr.write((self.folder / "gunicorn.log").read_text())

    def flask(self, *arguments: str) -> str:
        """The output of ``flask images``, which must succeed."""
        result = self.app.test_cli_runner().invoke(args=["images", *arguments])
        assert result.exit_code == 0, result.output
        return str(result.output)

    def url(self, name: str, **keywords: Any) -> str:
        return url_of(self.app, name, **keywords)

    def get(self, url: str, method: str = "GET", **headers: str) -> Answer:
        """The response through nginx."""
        return ask(self.port, url, method, **headers)

    def get_from_app(self, url: str, method: str = "GET", **headers: str) -> Answer:
        """The response of gunicorn, without nginx."""
        return ask(self.app_port, url, method, **headers)

    def warm(self, name: str, **keywords: Any) -> str:
        """A URL that was requested once, so that nginx knows it."""
        url = self.url(name, **keywords)
        answer = self.get(url)
        assert (answer.status, answer.from_app) == (200, True)
        return url

    @property
    def requests(self) -> int:
        """The number of requests that reached the application."""
        return self._requests.stat().st_size


def ask(port: int, url: str, method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CLIENT_TIMEOUT_SECONDS)
    with contextlib.closing(connection):
        connection.request(method, url, headers={name.replace("_", "-"): text for name, text in headers.items()})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


def written_configuration(folder: Path, printed: Path, level: str = "notice") -> Path:
    """Write a complete configuration that includes *printed*, and keeps all files of nginx in *folder*."""
    assert NGINX is not None
    built = subprocess.run([NGINX, "-V"], capture_output=True, text=True, check=True).stderr
    kinds = ["client_body", *(kind for kind in ("proxy", "fastcgi", "uwsgi", "scgi") if f"-http_{kind}_" not in built)]
    main = folder / "nginx.conf"
    main.write_text(
        NGINX_CONFIGURATION.format(
            user="user nobody nogroup;" if os.geteuid() == 0 else "",
            folder=folder,
            log=folder / "nginx.log",
            level=level,
            temporary="\n".join(f'    {kind}_temp_path "{folder}/{kind}";' for kind in kinds),
            printed=printed,
        )
    )
    return main


def assert_accepted(configuration: Path) -> None:
    assert NGINX is not None
    result = subprocess.run([NGINX, "-t", "-c", str(configuration)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that the workers of nginx, another user, may enter. They may not enter pytest's."""
    path = Path(tempfile.mkdtemp(prefix="images-door-")).resolve()
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


def need_servers() -> None:
    needs("nginx", NGINX, "apt-get install nginx-light")
    needs("gunicorn", importlib.util.find_spec("gunicorn"), "pip install gunicorn")


@contextlib.contextmanager
def opened(level: str = "notice", **config: Any) -> Iterator[Door]:
    need_servers()
    with open_folder() as folder:
        lay(folder, "a.png")
        door = Door(folder, config)
        try:
            door.start(level)
            yield door
        finally:
            door.stop()


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    """Shared by all tests that do not change it."""
    with opened(IMAGES_FRONT_DOOR=True, SECRET_KEY_FALLBACKS=["an older secret"]) as door:
        yield door


@pytest.fixture(scope="module")
def accel_door() -> Iterator[Door]:
    """With X-Accel-Redirect. Shared by all tests that do not change it."""
    with opened(IMAGES_ACCEL_REDIRECT="/_images/") as door:
        yield door


@pytest.fixture
def new_door() -> Iterator[Callable[..., Door]]:
    """Opens a door for one test. The keywords are its configuration."""
    with contextlib.ExitStack() as doors:
        yield lambda **config: doors.enter_context(opened(**config))


# Hits.


@pytest.mark.parametrize("config", [{"IMAGES_FRONT_DOOR": True}, {"IMAGES_ACCEL_REDIRECT": "/_images/"}])
def test_an_svg_that_is_passed_through_has_its_policy_from_nginx_too(
    new_door: Callable[..., Door], config: dict[str, Any]
) -> None:
    door = new_door(IMAGES_SVG="pass", **config)
    text = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><script>fetch("/")</script><path/></svg>'
    (door.folder / "static" / "logo.svg").write_text(text)
    aged(door.folder / "static" / "logo.svg")
    url = door.warm("logo.svg", width=20)
    answer = door.get(url, Accept="image/avif")
    assert not answer.from_app
    assert answer.body == text.replace('<script>fetch("/")</script>', "").encode() + b"\n"
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].endswith("; sandbox")


def test_ten_thousand_warm_hits_reach_python_never(door: Door) -> None:
    shutil.copy2(PHOTOGRAPHS / "cat.jpg", door.folder / "static")
    aged(door.folder / "static" / "cat.jpg")
    url = door.url("cat.jpg", width=300, height=200, mode="crop")
    first = door.get(url)
    assert (first.status, first.from_app) == (200, True)
    before = door.requests
    wrong: list[object] = []

    def hit(times: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=CLIENT_TIMEOUT_SECONDS)
        with contextlib.closing(connection):
            for _ in range(times):
                connection.request("GET", url)
                response = connection.getresponse()
                if response.read() != first.body or response.status != 200:
                    wrong.append(response.status)

    shares = [len(range(number, WARM_HITS, CLIENTS)) for number in range(CLIENTS)]
    threads = [threading.Thread(target=hit, args=(share,), daemon=True) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()

    assert wrong == []
    assert door.requests == before


HEADERS = (
    "Content-Type",
    "Content-Length",
    "ETag",
    "Last-Modified",
    "Cache-Control",
    "X-Content-Type-Options",
    "Content-Security-Policy",
)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "avif", "gif", "tiff", "bmp", "ico"])
def test_nginx_and_the_application_give_the_same_answer(door: Door, format: str, method: str) -> None:
    url = door.url("a.png", width=20, height=20, mode="crop", format=format)
    door.get(url)

    ours, theirs = door.get_from_app(url, method), door.get(url, method)

    assert (ours.from_app, theirs.from_app) == (True, False)
    assert (ours.status, theirs.status) == (200, 200)
    assert [theirs.headers[name] for name in HEADERS] == [ours.headers[name] for name in HEADERS]
    assert None not in [ours.headers[name] for name in HEADERS]
    assert theirs.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert theirs.body == ours.body
    assert bool(ours.body) == (method == "GET")


def accepting(accept: str | None) -> dict[str, str]:
    return {} if accept is None else {"Accept": accept}


@pytest.mark.parametrize("preferred", [["avif", "webp"], ["webp", "avif"], ["webp"], []], ids="-".join)
def test_nginx_and_the_application_choose_the_same_format(new_door: Callable[..., Door], preferred: list[str]) -> None:
    door = new_door(IMAGES_FRONT_DOOR=True, IMAGES_FORMATS=preferred)
    kinds = draw_kinds(door.folder / "static")
    urls = {name: door.url(name, width=16, format="auto") for name in kinds}
    for accept in ("image/avif", "image/webp", "*/*"):
        for url in urls.values():
            door.get(url, **accepting(accept))

    for accept, expected in ACCEPT_HEADERS.items():
        for name, url in urls.items():
            ours, theirs = door.get_from_app(url, **accepting(accept)), door.get(url, **accepting(accept))
            assert (ours.from_app, theirs.from_app) == (True, False), (accept, name)
            for header in (*HEADERS, "Vary"):
                assert theirs.headers.get_all(header) == ours.headers.get_all(header), (accept, name)
            assert (theirs.headers["Vary"], theirs.body) == ("Accept", ours.body)
            head = door.get(url, "HEAD", **accepting(accept))
            again = door.get(url, If_None_Match=ours.headers["ETag"], **accepting(accept))
            assert (head.status, head.from_app, head.headers["Vary"]) == (200, False, "Accept")
            assert (again.status, again.from_app, again.headers["Vary"]) == (304, False, "Accept")
            if preferred == ["avif", "webp"]:
                wanted = expected[kinds[name]] or {"opaque.jpg": "jpeg", "alpha.png": "png", "moving.gif": "gif"}[name]
                assert theirs.headers["Content-Type"] == f"image/{wanted}"


def test_what_nginx_sends_varies_only_where_the_client_chooses(door: Door, accel_door: Door) -> None:
    for way in (door, accel_door):
        for format, vary in (("auto", "Accept"), ("webp", None)):
            url = way.url("a.png", width=26, format=format)
            answers = [way.get(url, Accept="image/webp") for _ in range(2)]
            assert not answers[1].from_app
            assert [answer.headers["Content-Type"] for answer in answers] == ["image/webp"] * 2
            assert [answer.headers["Vary"] for answer in answers] == [vary] * 2


def test_headers_for_other_origins_are_the_same_too(new_door: Callable[..., Door]) -> None:
    door = new_door(IMAGES_FRONT_DOOR=True, IMAGES_ALLOW_ORIGIN="*", IMAGES_RESOURCE_POLICY="cross-origin")
    theirs = door.get(door.warm("a.png", width=20))
    assert not theirs.from_app
    assert theirs.headers["Access-Control-Allow-Origin"] == "*"
    assert theirs.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


@pytest.mark.parametrize(("header", "validator"), [("If_None_Match", "ETag"), ("If_Modified_Since", "Last-Modified")])
def test_the_validator_of_one_is_304_from_the_other(door: Door, header: str, validator: str) -> None:
    url = door.warm("a.png", width=21, quality=len(header))
    ours, theirs = door.get_from_app(url), door.get(url)

    from_app = door.get_from_app(url, **{header: theirs.headers[validator]})
    from_nginx = door.get(url, **{header: ours.headers[validator]})

    for answer in (from_app, from_nginx):
        assert (answer.status, answer.body) == (304, b"")
        for name in ("ETag", "Cache-Control"):
            assert answer.headers[name] == ours.headers[name]
    assert (from_app.from_app, from_nginx.from_app) == (True, False)


def test_a_rendition_that_was_made_again_has_the_same_validators(door: Door) -> None:
    url = door.warm("a.png", width=23)
    before = door.get(url)
    door.flask("purge", "--all")
    again, after = door.get(url), door.get(url)
    assert (before.from_app, again.from_app, after.from_app) == (False, True, False)
    for answer in (again, after):
        assert (answer.headers["ETag"], answer.body) == (before.headers["ETag"], before.body)


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"Range": "bytes=0-9"}, 206),
        ("HEAD", {"Range": "bytes=0-9"}, 200),
        ("GET", {"Range": "bytes=99999999-"}, 416),
        ("GET", {"If-Match": '"other"'}, 412),
        ("GET", {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 412),
        ("POST", {}, 405),
        ("PUT", {}, 405),
        ("DELETE", {}, 405),
        ("OPTIONS", {}, 200),
    ],
)
def test_all_but_plain_get_and_head_is_for_the_application(
    door: Door, method: str, headers: dict[str, str], status: int
) -> None:
    url = door.url("a.png", width=22)
    door.get(url)
    assert not door.get(url).from_app
    answer = door.get(url, method, **headers)
    assert (answer.status, answer.from_app) == (status, True)
    assert status in (200, 206) or "public" not in answer.headers.get("Cache-Control", "")


def test_the_first_request_may_be_a_head(door: Door) -> None:
    url = door.url("a.png", width=24)
    assert (door.get(url, "HEAD").from_app, door.get(url).from_app) == (True, False)


def test_other_pages_are_for_the_application(door: Door) -> None:
    assert door.get("/imgsizerx/a.png").body == b"not an image"
    assert door.get("/imgsizer").from_app


# Which URLs are known to nginx.


@pytest.mark.parametrize(
    ("name", "keywords"),
    [
        ("a.png", {}),
        ("a.png", {"width": 10, "height": 10, "mode": "pad", "background": "#ff8800", "quality": 80}),
        ("a.png", {"width": 10, "sharpen": "0.3,250,2"}),
        ("a.png", {"transform": "EXTENT,0,0,25%,20%,75%,70%"}),
        ("a.png", {"width": 10, "enlarge": True, "format": "JPG"}),
        ("a.png", {"width": 10, "format": "jpeg"}),
        ("a.png", {"width": 10, "format": "tif"}),
        ("a.png", {"width": 10, "height": 10, "mode": "crop", "focal": (0.25, 1), "watermark": "a.png,se,1,0.5"}),
        ("capitals.PNG", {"width": 10}),
        ("short.jpg", {"width": 10}),
        ("long.jpeg", {"width": 10}),
        ("animated.gif", {"width": 10}),
        ("picture.data", {"width": 10}),
        ("picture", {"width": 10}),
        ("folder.png/picture", {"width": 10}),
        ("two words + more.png", {"width": 10}),
        ("grüße 中.png", {"width": 10}),
        ("at@home.png", {"width": 10}),
        ("$images_own-(1),!*'~.png", {"width": 10}),
        ("100%25 & more?x=#1.png", {"width": 10}),
        ("a;b\"c'd.png", {"width": 10}),
        ("-.png", {"width": 10}),
        ("..a/..b.png", {"width": 10}),
        ("1/2/3/4/5/six.png", {"width": 10}),
        ("x" * 96 + ".png", {"width": 10}),
    ],
)
def test_nginx_answers_the_second_request_for(door: Door, name: str, keywords: dict[str, Any]) -> None:
    if name != "a.png":
        lay(door.folder, name)
    url = door.warm(name, **{"v": None, **keywords})
    theirs = door.get(url)
    ours = door.get_from_app(url)
    assert (theirs.status, theirs.from_app) == (200, False)
    assert (theirs.body, theirs.headers["Content-Type"]) == (ours.body, ours.headers["Content-Type"])


def test_nginx_answers_the_first_request_after_warming(door: Door) -> None:
    lay(door.folder, "warmed/a.png")
    urls = [door.url("warmed/a.png", width=8), door.url("warmed/a.png", width=8, format="auto")]
    log = door.folder / "access.log"
    log.write_text("".join(f'- "GET {url} HTTP/1.1" 200 1\n' for url in urls))
    assert "3 made. 3 links made for nginx." in door.flask("warm", "--access-log", str(log))
    accepted = {"Accept": "image/avif"}, {"Accept": "image/webp"}
    for url, headers in ((urls[0], {}), *((urls[1], each) for each in accepted)):
        answer, own = door.get(url, **headers), door.get_from_app(url, **headers)
        assert (answer.status, answer.from_app) == (200, False)
        assert (answer.body, answer.headers["ETag"]) == (own.body, own.headers["ETag"])


def signed_by(secret: str, door: Door, path: str, query: str) -> str:
    return f"/imgsizer/{path}?{query}&s={Signer(secret).get_signature(f'{path}?{query}').decode()}"


def reordered(url: str) -> str:
    path, _, query = url.partition("?")
    first, second, *others = query.split("&")
    return f"{path}?{'&'.join([second, first, *others])}"


def legacy(url: str) -> str:
    before, _, signature = url.rpartition("&s=")
    return f"{before}&s=b'{signature}'"


def unversioned(door: Door) -> str:
    return signed(door.app, "a.png", "w=31")


def outdated(door: Door) -> str:
    return signed(door.app, "a.png", "v=AAAB&w=31")


def uncached(door: Door) -> str:
    return door.url("a.png", width=31, cache=False)


def by_a_fallback_key(door: Door) -> str:
    query = door.url("a.png", width=31).partition("?")[2].rpartition("&s=")[0]
    return signed_by("an older secret", door, "a.png", query)


def by_a_legacy_signature(door: Door) -> str:
    return legacy(door.url("a.png", width=32))


def in_another_order(door: Door) -> str:
    return reordered(door.url("a.png", width=33, height=10))


def with_an_empty_end(door: Door) -> str:
    return door.url("a.png", width=34) + "&"


def in_other_escapes(door: Door) -> str:
    return door.url("a.png", width=35, background="#ff8800").replace("%23ff", "%23%66f")


def in_an_escaped_signature(door: Door) -> str:
    before, _, signature = door.url("a.png", width=36).rpartition("&s=")
    return f"{before}&s=%{ord(signature[0]):02x}{signature[1:]}"


def for_download(door: Door) -> str:
    return door.url("a.png", width=31, download=True)


def of_a_source_just_written(door: Door) -> str:
    aged(lay(door.folder, "new.png"), -60)  # a minute ahead, so that it stays unsettled even in a slow test
    return door.url("new.png", width=31)


def that_expires(door: Door) -> str:
    return door.url("a.png", width=31, expires=time.time() + HOUR_SECONDS)


def of_seven_segments(door: Door) -> str:
    lay(door.folder, "1/2/3/4/5/6/seven.png")
    return door.url("1/2/3/4/5/6/seven.png", width=31)


def of_a_long_segment(door: Door) -> str:
    lay(door.folder, "y" * 97 + ".png")
    return door.url("y" * 97 + ".png", width=31)


def of_a_name_too_long_for_a_file(door: Door) -> str:
    lay(door.folder, f"{'y' * 90}/{'y' * 90}/{'y' * 60}.png")
    return door.url(f"{'y' * 90}/{'y' * 90}/{'y' * 60}.png", width=31)


@pytest.mark.parametrize(
    "make",
    [
        unversioned,
        outdated,
        uncached,
        by_a_fallback_key,
        by_a_legacy_signature,
        in_another_order,
        with_an_empty_end,
        in_other_escapes,
        in_an_escaped_signature,
        for_download,
        of_a_source_just_written,
        that_expires,
        of_seven_segments,
        of_a_long_segment,
        of_a_name_too_long_for_a_file,
    ],
    ids=lambda make: make.__name__,
)
def test_a_url_is_served_and_not_linked(door: Door, make: Callable[[Door], str]) -> None:
    url = make(door)
    before = links(door.folder)
    answers = [door.get(url) for _ in range(3)]
    assert [(answer.status, answer.from_app) for answer in answers] == [(200, True)] * 3
    assert {answer.headers["Content-Type"] for answer in answers} == {"image/png"}
    assert len({answer.body for answer in answers}) == 1
    assert links(door.folder) == before


# Hostile URLs.


def hostile(url: str, other: str, foreign: str) -> list[bytes]:
    """Variants of the canonical *url*. *other* is another valid URL, *foreign* the path of an existing source."""
    chance = random.Random("always the same")
    path, _, query = url.partition("?")
    prefix, name = path.rsplit("/", 1)
    signature = query.rpartition("&s=")[2]
    arguments = query.split("&")
    texts = [
        # The signature of another URL.
        f"{prefix}/{foreign}?{query}",
        f"{prefix}/{name}?{other.partition('?')[2].rpartition('&s=')[0]}&s={signature}",
        f"{path}?s={signature}",
        f"{path}?&s={signature}",
        *(f"{path}?{'&'.join(arguments[:index] + arguments[index + 1 :])}" for index in range(len(arguments))),
        # More, fewer, other arguments.
        *(f"{path}?{extra}&{query}" for extra in ("w=1", "a=", "f=png", "f=jpg", "q=1", "s=x", "v=x", "", "=", "&&")),
        *(f"{url}{extra}" for extra in ("&", "&w=1", "&a=b", "&f=webp", f"&s={signature}", "=", ".", "..", "?", "?x")),
        *(f"{path}?{query.replace('&s=', f'&{extra}&s=')}" for extra in ("f=png", "f=PNG", "f=tif", "f=-", "x=", "f=")),
        *(f"{path}?{argument}&{query}" for argument in arguments),
        *(f"{path}?{'&'.join(chance.sample(arguments, len(arguments)))}" for _ in range(20)),
        *(f"{url}{suffix}" for suffix in (".jpg", ".png", ".app", ".webp", "/", "%00", "%00.png", "%0a", "%0d%0a")),
        # Other places.
        *(f"{prefix}/{name}{end}?{query}" for end in ("/", "//", "/.", "/..", "@", "@@@@@", "%40", ".", "%00", "%2f")),
        *(
            f"{prefix}/{start}{name}?{query}"
            for start in ("/", "//", "./", "x/../", "@", "@@", "%2f", "%2e%2e%2f", "~")
        ),
        *(f"{start}{url}" for start in ("/", "//", "/.", "/..", "/x/..", "/imgsizer", "/imgsizer/..", "/%2e%2e")),
        *(f"{prefix}/{'../' * times}{target}" for times in range(1, 9) for target in TARGETS),
        *(f"{prefix}/{'..%2f' * times}{target}?{query}" for times in range(1, 9) for target in TARGETS),
        *(f"{prefix}/{'%2e%2e/' * times}{target}?{query}" for times in range(1, 9) for target in TARGETS),
        *(f"{prefix}/{'..@' * times}{target}?{query}" for times in range(1, 5) for target in TARGETS),
        *(f"{path}?v=x&w=1&s={step}{signature[len(step) :]}" for step in ("..", "./", "/.", "//", "%2", "-.", ".-")),
        *(f"{path}?v=x&w={'../' * times}{target}&s={signature}" for times in range(1, 5) for target in TARGETS),
        # Empty and long ones.
        *(f"{prefix}{end}" for end in ("", "/", "//", "?", "/?", "/@", "/@@@@@?", f"/?{query}", f"?{query}")),
        *(f"{prefix}/{'x' * times}?{query}" for times in (99, 100, 101, 255, 256, 1000, 4000, 7000, 9000, 70_000)),
        *(f"{prefix}/{'x/' * times}{name}?{query}" for times in (1, 5, 6, 7, 100, 2000)),
        *(f"{path}?{'a=&' * times}{query}" for times in (1, 10, 11, 12, 13, 100, 2000)),
        *(f"{path}?{'a' * times}={'a' * times}&{query}" for times in (11, 12, 13, 100, 120, 121, 3000)),
    ]
    # Each character of the valid URL: removed, repeated, in the other case, escaped, broken, replaced.
    for index, character in enumerate(url):
        before, after = url[:index], url[index + 1 :]
        escape = f"%{ord(character):02x}"
        changes = ["", character * 2, character.swapcase(), escape, escape.upper(), f"%{escape[1]}", "%zz", "%", "%00"]
        texts += [f"{before}{change}{after}" for change in changes]
    raw = [text.encode() for text in texts if text != url]
    # Bytes that no client sends. A line break would end the URL.
    for _ in range(300):
        index = chance.randrange(1, len(url))
        byte = chance.choice([value for value in range(256) if chr(value) not in "\r\n"])
        start = url.encode()[:index]
        raw.append(start + bytes([byte]) + url.encode()[index + chance.randrange(2) :])
    return [target for target in dict.fromkeys(raw) if target != url.encode()]


TARGETS = ("secret.png", "static/secret.png", "front/.stamp", "etc/passwd")


def ask_raw(port: int, target: bytes) -> Answer:
    """The response to a URL of arbitrary bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=CLIENT_TIMEOUT_SECONDS) as client:
        client.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        response = http.client.HTTPResponse(client)
        response.begin()
        return Answer(response.status, response.headers, response.read())


def test_hostile_urls_get_nothing_from_nginx(new_door: Callable[..., Door]) -> None:
    door = new_door(level="debug_http", IMAGES_FRONT_DOOR=True)
    lay(door.folder, "other.png")
    shutil.copy2(door.folder / "static" / "a.png", door.folder / "secret.png")
    shutil.copy2(door.folder / "static" / "a.png", door.folder / "static" / "secret.png")
    url = door.warm("a.png", width=40, height=30, mode="pad", format="png")
    other = door.warm("other.png", width=40, height=30, mode="pad", format="jpeg")
    picture = door.get(url)
    assert not picture.from_app
    linked = links(door.folder)
    targets = hostile(url, other, "other.png")
    assert len(targets) > 1000

    for target in targets:
        answer = ask_raw(door.port, target)
        if answer.from_app:
            # Another spelling of the URL may be valid too. The application decides that.
            assert answer.status < 500, target
            assert answer.status != 200 or answer.body in (picture.body, b"not an image"), target
        else:
            assert answer.status in (400, 414), target
            assert "Cache-Control" not in answer.headers, target

    assert links(door.folder) == linked
    tried = re.findall(r'(?:trying to use file: "[^"]*"|http filename:) "([^"]*)"', nginx_log(door))
    looked_up = [path for path in tried if not re.search("@images_[0-9a-f]{6}_app$", path)]
    assert len(looked_up) > 500 or not logs_files()
    front = str(cache_folder(door.folder) / "front")
    assert [path for path in looked_up if not os.path.normpath(path).startswith(front + os.sep)] == []


def nginx_log(door: Door) -> str:
    return (door.folder / "nginx.log").read_text(errors="replace")


def logs_files() -> bool:
    """Whether this nginx can log the files that it looks for."""
    assert NGINX is not None
    return "--with-debug" in subprocess.run([NGINX, "-V"], capture_output=True, text=True, check=True).stderr


# Evicting and purging.


def test_an_evicted_entry_is_made_and_linked_again(door: Door) -> None:
    url = door.warm("a.png", width=41)
    before = door.get(url)
    for path in entries(door.folder):
        path.unlink()
    again, after = door.get(url), door.get(url)
    assert (before.from_app, again.from_app, after.from_app) == (False, True, False)
    assert (again.status, after.status) == (200, 200)
    assert again.body == after.body == before.body


def test_an_entry_that_nginx_may_not_read_is_sent_by_the_application(new_door: Callable[..., Door]) -> None:
    door = new_door(IMAGES_FRONT_DOOR=True)
    url = door.warm("a.png", width=20)
    before = door.get(url)
    for path in entries(door.folder):
        path.chmod(0)
    answer = door.get(url)
    assert (before.from_app, answer.from_app) == (False, True)
    assert (answer.status, answer.body) == (200, before.body)


def test_a_cache_that_was_deleted_is_made_again(new_door: Callable[..., Door]) -> None:
    door = new_door(IMAGES_FRONT_DOOR=True)
    url = door.warm("a.png", width=20)
    shutil.rmtree(door.folder / "cache")
    again, after = door.get(url), door.get(url)
    assert (again.status, again.from_app) == (200, True)
    assert (after.status, after.from_app, after.body) == (200, False, again.body)


def test_purging_a_source_takes_its_pictures_and_no_others(door: Door) -> None:
    lay(door.folder, "purged.png")
    urls = [door.warm("purged.png", width=20), door.warm("purged.png", width=30), door.warm("a.png", width=42)]
    assert "2 files of purged.png" in door.flask("purge", "purged.png")
    assert [door.get(url).from_app for url in urls] == [True, True, False]
    assert [door.get(url).from_app for url in urls] == [False, False, False]


def test_purging_all_takes_all_pictures(door: Door) -> None:
    lay(door.folder, "b.png")
    urls = [door.warm("a.png", width=43), door.warm("b.png", width=43)]
    kept = len(entries(door.folder))
    assert f"{kept} files" in door.flask("purge", "--all")
    assert entries(door.folder) == []
    assert [door.get(url).from_app for url in urls] == [True, True]
    assert [door.get(url).from_app for url in urls] == [False, False]


def test_purging_the_front_keeps_the_renditions(door: Door) -> None:
    url = door.warm("a.png", width=44)
    kept = entries(door.folder)
    door.flask("purge", "--front")
    assert links(door.folder) == set()
    assert entries(door.folder) == kept
    assert [door.get(url).from_app for _ in range(2)] == [True, False]


def test_a_picture_that_was_taken_down_and_purged_is_404(door: Door) -> None:
    source = lay(door.folder, "taken down.png")
    url = door.warm("taken down.png", width=20)
    source.unlink()
    door.flask("purge", "taken down.png")
    answer = door.get(url)
    assert (answer.status, answer.from_app) == (404, True)


# Restarts.


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"SECRET_KEY": "another"}, 404),
        ({"IMAGES_ENGINE": "pillow"}, 200),
        ({"IMAGES_AUTO_ORIENT": False}, 200),
        ({"IMAGES_QUALITY": 50}, 200),
        ({"IMAGES_FORMATS": ["webp"]}, 200),
        ({"IMAGES_ALLOWED_WIDTHS": [30]}, 400),
        ({"IMAGES_PRESETS": {"tiny": {"width": 30}}, "IMAGES_ONLY_PRESETS": True}, 400),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else str(value),
)
def test_a_start_with_another_configuration_empties_the_door(
    new_door: Callable[..., Door], change: dict[str, Any], status: int
) -> None:
    door = new_door(IMAGES_FRONT_DOOR=True)
    url = door.warm("a.png", width=20)
    assert not door.get(url).from_app

    door.restart(**change)
    assert door.get("/").status == 200  # a page with an image, because nginx does not ask for a known URL

    answer = door.get(url)
    assert (answer.status, answer.from_app) == (status, True)


def test_a_start_with_the_same_configuration_keeps_the_door(new_door: Callable[..., Door]) -> None:
    door = new_door(IMAGES_FRONT_DOOR=True)
    url = door.warm("a.png", width=20)
    door.restart()
    door.warm("a.png", width=30)
    assert not door.get(url).from_app


def test_a_process_that_was_started_before_leaves_the_door_to_the_next() -> None:
    with open_folder() as folder:
        lay(folder, "a.png")
        old, new = (site(folder, {"IMAGES_FRONT_DOOR": True, "SECRET_KEY": key}) for key in ("old", "new"))
        for app in (old, new):
            assert app.test_client().get(url_of(app, "a.png", width=20)).status_code == 200
        linked = links(folder)

        # As in a rolling deployment.
        assert old.test_client().get(url_of(old, "a.png", width=30)).status_code == 200

        assert len(linked) == 1
        assert links(folder) == linked


@pytest.mark.parametrize("config", [{"IMAGES_FRONT_DOOR": True}, {"IMAGES_ACCEL_REDIRECT": "/_images/"}])
def test_nginx_may_read_what_was_kept_before_it_was_asked_to(
    new_door: Callable[..., Door], config: dict[str, Any]
) -> None:
    door = new_door(**config)
    before = site(door.folder, {})
    url = url_of(before, "a.png", width=20)
    kept = before.test_client().get(url)
    assert stat.S_IMODE(cache_folder(door.folder).stat().st_mode) == 0o700

    answers = [door.get(url) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    assert [answer.body for answer in answers] == [kept.data] * 2
    assert not answers[1].from_app


# Conditional requests.


def forgets_the_etag(request: Request, modified: int) -> bool:
    """Whether nginx sends the whole picture although the ETag says that the client has it.

    It heeds If-Modified-Since even beside If-None-Match, which RFC 9110 forbids: 304 needs the consent of both.
    """
    since = request.modified
    return request.none_match is not None and since is not None and (since.seconds is None or since.seconds < modified)


def nginx_answers(request: Request) -> bool:
    """Whether the configuration leaves *request* to nginx, if it has the picture."""
    return not (request.match or request.unmodified or request.if_range or request.range)


@pytest.mark.parametrize("format", ["png", "auto"])
@pytest.mark.parametrize("front", [True, False])
def test_conditions_and_ranges_get_the_answers_of_rfc_9110(
    door: Door, accel_door: Door, front: bool, format: str
) -> None:
    way = door if front else accel_door
    url = way.warm("a.png", width=33 + len(format), format=format)
    whole = way.get(url)
    modified = int(email.utils.parsedate_to_datetime(whole.headers["Last-Modified"]).timestamp())
    file = File(whole.headers["ETag"], modified, whole.body)
    asked = [*filter(nginx_answers, requests(file)), *sample(requests(file), 500)]
    from_app = 0
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", way.port, timeout=CLIENT_TIMEOUT_SECONDS)) as to:
        for request in asked:
            to.request(request.method, url, headers=request.headers)
            response = to.getresponse()
            answer = Answer(response.status, response.headers, response.read())
            from_app += answer.from_app
            meant = request
            if front and not answer.from_app and forgets_the_etag(request, modified):
                meant = request._replace(none_match=None, modified=None)
            assert (answer.status, answer.body, answer.headers["Content-Range"]) == tuple(right(meant, file)), request
            names = ("ETag", "Last-Modified", "Vary", "Cache-Control")
            if answer.status in (412, 416):
                assert answer.headers["Cache-Control"] == "no-store"
            else:
                assert [answer.headers[name] for name in names] == [whole.headers[name] for name in names]
    assert 0 < from_app < len(asked)


# Files that the application names, and nginx sends.


def test_nginx_sends_the_file_that_the_application_names(accel_door: Door) -> None:
    door = accel_door
    url = door.url("a.png", width=20, format="webp")
    rendered = door.get(url)
    told, sent = door.get_from_app(url), door.get(url)

    assert (rendered.status, rendered.from_app) == (200, True)
    assert (told.status, told.body) == (200, b"")
    assert told.headers["X-Accel-Redirect"].startswith("/_images/")
    assert (sent.status, sent.from_app, sent.body) == (200, False, rendered.body)
    assert "X-Accel-Redirect" not in sent.headers
    names = (*HEADERS, "Content-Disposition")
    assert [(name, sent.headers[name]) for name in names] == [(name, rendered.headers[name]) for name in names]
    assert None not in [rendered.headers[name] for name in names]


def test_nginx_answers_for_the_file_that_the_application_names(accel_door: Door) -> None:
    door = accel_door
    url = door.url("a.png", width=21)
    rendered = door.get(url)
    assert door.get(url, "HEAD").headers["Content-Length"] == str(len(rendered.body))
    assert door.get(url, If_None_Match=rendered.headers["ETag"]).status == 304
    part = door.get(url, Range="bytes=0-9")
    assert (part.status, part.body) == (206, rendered.body[:10])


@pytest.mark.parametrize("prefix", ["/imgsizer", "/a+b(c)"])
def test_a_file_that_nginx_cannot_send_is_sent_by_the_application(new_door: Callable[..., Door], prefix: str) -> None:
    door = new_door(IMAGES_ACCEL_REDIRECT="/_images/", IMAGES_URL=prefix)
    url = door.url("a.png", width=20)
    rendered = door.get(url)
    for path in entries(door.folder):
        path.parent.chmod(0o700)  # stands for an eviction just before nginx opens the file
    answer = door.get(url)
    assert (answer.status, answer.body) == (200, rendered.body)
    # nginx sends the Cache-Control of both responses. They are equal.
    for name in ("Cache-Control", "ETag"):
        assert set(answer.headers.get_all(name, [])) == {rendered.headers[name]}


def test_the_files_themselves_are_404_from_outside(accel_door: Door) -> None:
    door = accel_door
    url = door.url("a.png", width=22)
    door.get(url)
    inside = door.get_from_app(url).headers["X-Accel-Redirect"]
    answer = door.get(inside)
    assert (answer.status, answer.from_app) == (404, False)
    assert b"PNG" not in answer.body


def test_a_page_that_hints_at_a_picture_is_served_whole_and_at_once(door: Door) -> None:
    """nginx before 1.29 takes a 103 for the answer, and the page after it ends with gunicorn's keep-alive."""
    seconds = []
    for _ in range(3):
        begin = time.monotonic()
        with socket.create_connection(("127.0.0.1", door.port), timeout=CLIENT_TIMEOUT_SECONDS) as client:
            client.sendall(b"GET /hinting HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        seconds.append(time.monotonic() - begin)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert f"\r\nContent-Length: {len(LONG_PAGE)}\r\n".encode() in head
        assert head.count(b"\r\nLink: </imgsizer/a.png?") == 1
        assert body == LONG_PAGE.encode()
    assert min(seconds) < 1  # the other two may have waited for a processor


def test_x_sendfile_names_the_entry_on_a_hit() -> None:
    with open_folder() as folder:
        lay(folder, "a.png")
        app = site(folder, {"USE_X_SENDFILE": True})
        url = url_of(app, "a.png", width=20)
        rendered, hit = app.test_client().get(url), app.test_client().get(url)
        assert rendered.status_code == hit.status_code == 200
        assert hit.data == b""
        assert Path(hit.headers["X-Sendfile"]).read_bytes() == rendered.data
        assert hit.headers["ETag"] == rendered.headers["ETag"]


# Modes, places, prefixes.


def modes(folder: Path) -> set[tuple[str, int]]:
    """The modes of all entries and links, and of the folders that lead to them."""
    ways = {cache_folder(folder)}
    for path in (*entries(folder), *cache_folder(folder).glob("front/??/*")):
        ways |= {path, path.parent, path.parent.parent}
    return {
        ("folder" if path.is_dir() else "file", stat.S_IMODE(path.stat().st_mode))
        for path in ways
        if not path.is_symlink()
    }


@pytest.mark.parametrize("umask", [0o022, 0o077, 0])
@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"IMAGES_FRONT_DOOR": True}, {("folder", 0o711), ("file", 0o644)}),
        ({"IMAGES_ACCEL_REDIRECT": "/_images/"}, {("folder", 0o711), ("file", 0o644)}),
        ({}, {("folder", 0o700), ("file", 0o600)}),
    ],
)
def test_others_may_read_entries_only_where_nginx_must(
    config: dict[str, Any], expected: set[tuple[str, int]], umask: int
) -> None:
    with open_folder() as folder:
        lay(folder, "a.png")
        app = site(folder, config)
        url = url_of(app, "a.png", width=20)
        before = os.umask(umask)
        try:
            assert app.test_client().get(url).status_code == 200
        finally:
            os.umask(before)
        assert modes(folder) == expected
        assert bool(links(folder)) == ("IMAGES_FRONT_DOOR" in config)
        for closed in ("tmp", "locks"):
            assert stat.S_IMODE((cache_folder(folder) / closed).stat().st_mode) == 0o700


@pytest.mark.parametrize("config", [{"IMAGES_FRONT_DOOR": True}, {"IMAGES_ACCEL_REDIRECT": "/_images/"}])
def test_nginx_may_read_the_cache_that_nobody_named(monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]) -> None:
    need_servers()
    with open_folder() as temporary:
        monkeypatch.setenv("TMPDIR", str(temporary))
        monkeypatch.setattr(tempfile, "tempdir", None)
        with opened(IMAGES_CACHE=None, **config) as door:
            answer = door.get(door.warm("a.png", width=20))
            assert (answer.status, answer.from_app) == (200, False)


def test_the_door_may_lie_elsewhere_behind_a_link(new_door: Callable[..., Door]) -> None:
    with open_folder() as elsewhere:
        (elsewhere / "deep" / "er").mkdir(parents=True)
        (elsewhere / "link").symlink_to("deep/er")
        door = new_door(IMAGES_FRONT_DOOR=str(elsewhere / "link" / "front"))
        assert not door.get(door.warm("a.png", width=20)).from_app


@pytest.mark.parametrize("prefix", ["/static/img", "/a+b(c)", "/"])
def test_the_prefix_may_be_another(new_door: Callable[..., Door], prefix: str) -> None:
    door = new_door(IMAGES_FRONT_DOOR=True, IMAGES_URL=prefix)
    url = door.warm("a.png", width=20)
    assert url.startswith(prefix)
    assert not door.get(url).from_app


def test_the_prefix_is_no_pattern_and_others_stay_untouched(new_door: Callable[..., Door]) -> None:
    door = new_door(IMAGES_FRONT_DOOR=True, IMAGES_URL="/img.v1")
    url = door.warm("a.png", width=20)
    assert not door.get(url).from_app
    for other in ("/imgXv1", "/img.v1x", "/imgsizer", "/app/img.v1"):
        assert door.get(url.replace("/img.v1", other)).body == b"not an image"


CHROME_WITH_JXL = "image/jxl,image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


@pytest.mark.skipif(MAY_SKIP and not jxl.works(), reason=f"needs pillow-jxl-plugin: {jxl.INSTALL}")
def test_nginx_sends_a_jpeg_xl_where_the_application_does(new_door: Callable[..., Door]) -> None:
    door = new_door(IMAGES_FRONT_DOOR=True)
    shutil.copy2(PHOTOGRAPHS / "cat.jpg", door.folder / "static")
    drawing = draw_kinds(door.folder / "static")
    urls = {name: door.url(name, width=320, format="auto") for name in ("cat.jpg", *drawing)}
    for accept in ("image/avif", "image/webp", "*/*"):
        for url in urls.values():
            door.get(url, **accepting(accept))
    until(
        lambda: door.get(urls["cat.jpg"], **accepting(CHROME_WITH_JXL)).headers["Content-Type"] == "image/jxl",
        "a JPEG XL",
    )

    accepts = {CHROME_WITH_JXL: "jxl", "image/avif,image/jxl": "jxl", "image/jxl;q=0,image/avif": "avif"}
    for accept, still in accepts.items():
        for name, url in urls.items():
            ours, theirs = door.get_from_app(url, **accepting(accept)), door.get(url, **accepting(accept))
            assert (ours.from_app, theirs.from_app) == (True, False), (accept, name)
            for header in (*HEADERS, "Vary"):
                assert theirs.headers.get_all(header) == ours.headers.get_all(header), (accept, name)
            assert theirs.body == ours.body
            if name == "cat.jpg":
                assert theirs.headers["Content-Type"] == f"image/{still}"
            assert len(theirs.body) <= len(door.get(url, Accept="image/avif").body)
