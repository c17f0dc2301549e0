"""What all tests share: no way out of this machine, applications, photographs, servers."""

from __future__ import annotations

import io
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from PIL import Image

from flask_images_vips import Images, resized_img_src

PHOTOGRAPHS = Path(__file__).parent.parent / "flask_images_vips" / "demo" / "static" / "photos"


def is_loopback(address: object) -> bool:
    """Whether *address*, as ``connect`` takes it, is of this machine."""
    if not isinstance(address, tuple):
        return True  # a path: a UNIX socket
    host = str(address[0])
    return host.startswith("127.") or host in ("::1", "localhost")


@pytest.fixture(autouse=True, scope="session")
def refused_connections() -> Iterator[list[object]]:
    """Every connection to anything but loopback, and every lookup of a name, is refused and fails the run."""
    refused: list[object] = []
    patch = pytest.MonkeyPatch()

    def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
        def connect(self: socket.socket, address: object) -> Any:
            if is_loopback(address):
                return method(self, address)
            refused.append(address)
            raise ConnectionRefusedError(f"tests may not connect to {address}")

        return connect

    look_up = socket.getaddrinfo

    def guarded_lookup(host: Any, *rest: Any, **keywords: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is None or name in ("", "localhost", socket.gethostname()) or set(name) <= set("0123456789abcdef.:"):
            return look_up(host, *rest, **keywords)
        refused.append(host)
        raise socket.gaierror(socket.EAI_NONAME, f"tests may not look up {host}")

    for name in ("connect", "connect_ex"):
        patch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
    patch.setattr(socket, "getaddrinfo", guarded_lookup)
    yield refused
    patch.undo()
    assert not refused, f"the tests tried to reach {refused}"


@pytest.fixture
def static(tmp_path: Path) -> Path:
    """The folder that holds the sources of `make_app`'s applications."""
    folder = tmp_path / "static"
    folder.mkdir()
    return folder


@pytest.fixture
def make_app(tmp_path: Path, static: Path) -> Callable[..., Flask]:
    """Makes an application with images, whose keywords are its configuration."""

    def make(**config: Any) -> Flask:
        app = Flask("site", root_path=str(tmp_path))
        app.secret_key = "a secret"
        app.config.update({"IMAGES_CACHE": str(tmp_path / "cache"), **config})
        Images(app)
        return app

    return make


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def draw(static: Path) -> Callable[..., Path]:
    """Draws a picture below `static`: a gradient, of any size and mode, saved as its name says."""

    def draw(name: str, size: tuple[int, int] = (64, 48), mode: str = "RGB", **save: Any) -> Path:
        path = static / name
        path.parent.mkdir(parents=True, exist_ok=True)
        gradient(size).convert(mode).save(path, **save)
        return path

    return draw


@pytest.fixture
def photograph(static: Path) -> Callable[[str], Path]:
    """Lays one of the demo's photographs into `static`."""

    def lay(name: str) -> Path:
        return Path(shutil.copy2(PHOTOGRAPHS / name, static))

    return lay


def gradient(size: tuple[int, int]) -> Image.Image:
    """Red grows to the right, green downwards, blue is a mix of both."""
    red = Image.linear_gradient("L").rotate(90).resize(size)
    green = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", (red, green, Image.blend(red, green, 0.5)))


def url_of(app: Flask, name: str, **keywords: Any) -> str:
    """The URL that a template of *app* would hold."""
    with app.test_request_context():
        return resized_img_src(name, **keywords)


def signed(app: Flask, path: str, query: str) -> str:
    """A URL of *app* with any query, signed as only somebody who has the key can."""
    from itsdangerous import Signer

    assert app.secret_key is not None
    signature = Signer(app.secret_key).get_signature(f"{path}?{query}").decode()
    return f"/imgsizer/{path}?{query}&s={signature}"


def fetch(app: Flask, name: str, **keywords: Any) -> Image.Image:
    """The rendition as a decoded picture. Any status but 200 fails the test."""
    response = app.test_client().get(url_of(app, name, **keywords))
    assert response.status_code == 200, response.text
    picture = Image.open(io.BytesIO(response.data))
    picture.load()
    return picture


def cached_files(folder: Path) -> list[Path]:
    """The entries of a cache: neither its locks nor its temporary files."""
    return [path for path in folder.rglob("*") if path.is_file() and not {"locks", "tmp"} & set(path.parts[-3:])]


def needs(what: str, found: object, install: str) -> None:
    """Skip on a laptop where *what* is missing; fail where IMAGES_REQUIRE_SERVERS is set, as in CI."""
    if not found:
        message = f"{what} is not installed: {install}"
        if os.environ.get("IMAGES_REQUIRE_SERVERS"):
            pytest.fail(message)
        pytest.skip(message)
