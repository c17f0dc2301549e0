"""Typical mistakes, and the message that each of them gets: `docs/operating/mistakes.md` is made of this.

``python tests/test_mistakes.py`` writes that page again.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from conftest import PHOTOGRAPHS, ROOT
from flask import Flask, render_template, url_for
from PIL import Image
from servers import IN_THREAD

from flask_images_vips import Images, resized_img_src
from flask_images_vips.page import calls
from flask_images_vips.serving import views
from flask_images_vips.sources import connection

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(100)
PAGE = ROOT / "docs" / "operating" / "mistakes.md"
logger = logging.getLogger("flask_images_vips")

HEAD = """\
# Typical mistakes

Each message says what came, what was expected, and what to do. This page lists typical mistakes and the messages that
they get. A test makes each mistake and writes this page (`python tests/test_mistakes.py`), so the messages are those of
the code. The application is in `/srv/site`.

Messages about a picture go to the logger `flask_images_vips`. In debug mode, the body of the response has them too.
"""


class Site:
    """An application in *folder*, and what it says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.static = folder / "static"
        self.said: list[str] = []

    def app(self, **config: Any) -> Flask:
        app = Flask("site", root_path=str(self.folder))
        app.config.update({"SECRET_KEY": "a secret", "IMAGES_CACHE": str(self.folder / "cache"), **IN_THREAD, **config})
        app.add_url_rule("/", view_func=lambda: "a page")
        return app

    def started(self, **config: Any) -> Flask:
        app = self.app(**config)
        Images(app)
        app.test_client().get("/")
        return app

    def answer(self, app: Flask, name: str, **options: Any) -> None:
        with app.test_request_context():
            url = resized_img_src(name, **options)
        app.test_client().get(url, base_url="http://localhost")


class Mistake(NamedTuple):
    """What the developer wrote, or did, and the function that does it."""

    what: str
    make: Callable[[Site], object]


def config(**keys: Any) -> Mistake:
    """Wrong values in the configuration."""
    return Mistake(
        "<br>".join(f"`{name} = {value!r}`" for name, value in keys.items()), lambda site: site.started(**keys)
    )


def template(code: str, **keys: Any) -> Mistake:
    def make(site: Site) -> None:
        (site.folder / "templates").mkdir()
        (site.folder / "templates" / "index.html").write_text(code)
        with site.started(**keys).test_request_context():
            render_template("index.html")

    return Mistake(f"{_set(keys)}`{code}`", make)


def picture(name: str, what: str, prepare: Callable[[Path], object], **keys: Any) -> Mistake:
    """A picture that cannot be sent. *what* is wrong with it, and *prepare* puts it there."""

    def make(site: Site) -> None:
        prepare(site.static / name)
        os.utime(site.static / name, (0, 0))  # a file that was written moments ago may not be complete
        site.answer(site.started(**keys), name, width=200)

    return Mistake(what, make)


def served(name: str, keys: Mapping[str, Any], **options: Any) -> Mistake:
    """A picture whose URL is built, and then requested."""
    code = f"resized_img_src({', '.join([repr(name), *(f'{key}={value!r}' for key, value in options.items())])})"
    return Mistake(f"{_set(keys)}`{code}`", lambda site: site.answer(site.started(**keys), name, **options))


def command(*arguments: str) -> Mistake:
    def make(site: Site) -> None:
        app = site.started()
        site.answer(app, "photos/cat.jpg", width=20)
        result = app.test_cli_runner().invoke(args=["images", *arguments])
        assert result.exit_code == 1
        site.said.append(result.output.strip())

    return Mistake(f"`flask images {' '.join(arguments)}`", make)


def _set(keys: Mapping[str, Any]) -> str:
    return "".join(f"`{name} = {value!r}`, then " for name, value in keys.items())


def twice(site: Site) -> None:
    app = site.started()
    Images(app)


def without_urllib3(site: Site) -> None:
    with patch.object(connection.importlib.util, "find_spec", lambda name: None):
        site.started(IMAGES_REMOTE_HOSTS=["img.example.com"])


def without_pyvips(site: Site) -> None:
    with patch("flask_images_vips.engines.vips.installed._file_of", lambda name: None):
        site.started(IMAGES_ENGINE="vips")


def unsigned(site: Site) -> None:
    app = site.started()
    with app.test_request_context():
        url = url_for("images", path="photos/cat.jpg", w=200)
    app.test_client().get(url)


def random_keys(site: Site) -> None:
    one, other = site.started(SECRET_KEY=os.urandom(24)), site.started(SECRET_KEY=os.urandom(24))
    with one.test_request_context():
        url = resized_img_src("photos/cat.jpg", width=200)
    other.test_client().get(url)


def outside_of_a_request(site: Site) -> None:
    with site.started().app_context():
        resized_img_src("photos/cat.jpg", external=True)


def denied(site: Site) -> None:
    folder, look_up = site.static / "private", os.lstat
    folder.mkdir()

    def lstat(path: str) -> os.stat_result:
        if str(path).startswith(f"{folder}{os.sep}"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return look_up(path)

    with patch.object(os, "lstat", lstat):
        site.answer(site.started(), "private/cat.jpg", width=200)


def linked(site: Site) -> None:
    app = site.started()
    site.answer(app, "photos/cat.jpg", width=200)
    (site.folder / "shared").mkdir()
    (site.folder / "shared" / "cat.jpg").write_bytes(b"a cat")
    (site.static / "late").symlink_to("../shared")
    site.answer(app, "late/cat.jpg", width=200)


def forgotten_return(site: Site) -> None:
    shutil.copytree(site.static, site.folder / "pictures")  # not served by Flask itself
    app = site.app(IMAGES_PATH=["pictures"])
    images = Images(app)

    @images.authorize
    def may_see(ref: str, options: object) -> Any:
        ref.startswith("public/")

    may_see.__module__, may_see.__qualname__ = "site", "may_see"
    site.answer(app, "photos/cat.jpg", width=200)


def number_as_quota(site: Site) -> None:
    app = site.app()
    images = Images(app)
    images.tenant(lambda ref: "acme")
    images.quota(lambda tenant: 200)  # type: ignore[arg-type, return-value]
    site.answer(app, "photos/cat.jpg", width=200)


def without_prometheus(site: Site) -> None:
    with patch("flask_images_vips.monitoring.prometheus.find_spec", lambda name: None):
        site.started(IMAGES_METRICS=True)


def late_metrics(site: Site) -> None:
    app = site.app()
    Images(app)
    app.config["IMAGES_METRICS"] = "/metrics/images"
    app.test_client().get("/")


def too_large(path: Path) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 20_000, 8, 2, 0, 0, 0)
    chunks = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks + struct.pack(">I", 9) + b"IDAT" + bytes(9))


def cut(path: Path) -> None:
    Image.new("RGB", (400, 300)).save(path)
    path.write_bytes(path.read_bytes()[:100])


def written(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


SECTIONS: dict[str, list[Mistake]] = {
    "When the application starts": [
        config(IMAGES_FORMATS="JPEG"),
        config(IMAGES_QUALITY={"jpeg": 110}),
        config(IMAGES_CACHE_MAX_SIZE="2 gigs"),
        config(IMAGES_SVG="yes"),
        config(IMAGES_RENDER_TIMEOUT=0),
        config(IMAGES_ALLOWED_WIDTHS="320, 640"),
        config(IMAGES_PRESETS={"avatar": {"widht": 96}}),
        config(IMAGES_PRESETS={"crop": {"width": 96}}),
        config(IMAGES_ONLY_PRESETS=True),
        config(IMAGES_URL="https://cdn.example.com/images"),
        config(IMAGES_BASE_URL="cdn.example.com"),
        config(IMAGES_FALLBACK="/static/missing.png"),
        config(IMAGES_REMOTE_HOSTS=["https://img.example.com"]),
        config(SECRET_KEY=None),
        config(IMAGES_ENGINE="gd", IMAGES_VERSION="sha256", IMAGES_COPIES="png"),
        Mistake("`IMAGES_ENGINE = 'vips'` without libvips", without_pyvips),
        config(IMAGES_UPLOADS="/srv/uploads"),
        Mistake("`IMAGES_REMOTE_HOSTS = ['img.example.com']` without urllib3", without_urllib3),
        Mistake("`Images(app)` twice", twice),
        config(IMAGES_METRICS="metrics"),
        config(IMAGES_CACHE="s3:/bucket/renditions"),
        config(IMAGES_CACHE="s3://bucket/renditions", IMAGES_STORE_OPTIONS={"endpoint": "127.0.0.1:9000"}),
        config(IMAGES_CACHE="s3://bucket/renditions", IMAGES_STORE_OPTIONS={"endpont": "https://s3.example.org"}),
        config(IMAGES_REDIS="redis.internal:6379"),
        config(IMAGES_CACHE_TAGS="cloudflair"),
        config(IMAGES_CDN={"cdn": "cloudflare", "zones": "023e105f"}),
        config(IMAGES_CDN={"cdn": "varnish", "urls": "127.0.0.1:6081"}),
        config(IMAGES_CDN={"cdn": "varnish", "urls": "http://127.0.0.1:6081/"}),
        Mistake("`IMAGES_METRICS = True` without prometheus-client", without_prometheus),
        Mistake("`IMAGES_METRICS = '/metrics/images'` after `Images(app)`", late_metrics),
        Mistake("`@images.quota` without `@images.tenant`", lambda site: Images(site.app()).quota(lambda tenant: None)),
        config(IMAGES_PATHS=["photos"]),
        config(IMAGES_PATH=["statik"]),
        config(IMAGES_FALLBACK="missing.png"),
    ],
    "In templates and views": [
        template("{{ resized_img_tag('photos/cat.jpg', widht=200) }}"),
        template("{{ resized_img_src('photos/cat.jpg', layout='full') }}"),
        template("{{ resized_img_tag('photos/cat.jpg', width=200, formats=['avif']) }}"),
        template("{{ resized_img_tag('static/photos/cat.jpg', width=200) }}"),
        template("{{ resized_img_tag(None, width=200) }}"),
        template("{{ resized_img_src('photos/cat.jpg', width=0) }}"),
        template("{{ resized_img_src('../photos/cat.jpg') }}"),
        template("{{ resized_img_src('file:///srv/site/static/photos/cat.jpg') }}"),
        template("{{ resized_img_src('photos/cat.jpg', preset='avatr') }}", IMAGES_PRESETS={"avatar": {"width": 96}}),
        template("{{ resized_img_tag('photos/cat.jpg', layout='responsive') }}"),
        template("{{ url_for('images', width=200) }}"),
        template("{{ url_for('images.crop', filename='photos/cat.jpg', mode='fit') }}"),
        Mistake("`resized_img_src('photos/cat.jpg', external=True)` outside of a request", outside_of_a_request),
    ],
    "When an image is requested": [
        served("photos/cat.jpg", {}, width="200px"),
        served("photos/cat.jpg", {}, mode="cover"),
        served("photos/cat.jpg", {}, format="jpg2000"),
        served("photos/cat.jpg", {}, width=9000, enlarge=True),
        served("http://10.0.0.1/cat.jpg?token=secret", {}, width=200),
        served("https://img.example.org/cat.jpg", {"IMAGES_REMOTE_HOSTS": ["img.example.com"]}, width=200),
        served("photos/cat.jpg", {}, width=200, expires=1_700_000_000),
        Mistake("`url_for('images', path='photos/cat.jpg', w=200)`", unsigned),
        Mistake("`SECRET_KEY = os.urandom(24)` with several workers", random_keys),
        Mistake("an `authorize` callback without `return`", forgotten_return),
        Mistake("a `quota` callback that returns a number", number_as_quota),
        Mistake("a folder that the user of the web server may not read", denied),
        Mistake("a link that was made after the start, and leads out of `IMAGES_PATH`", linked),
        picture("photo.jpg", "a HEIC photo that is named `photo.jpg`", written(HEIC), IMAGES_ENGINE="pillow"),
        picture("logo.svg", "an SVG", written(b"<svg xmlns='http://www.w3.org/2000/svg'></svg>")),
        picture("lfs.png", "a clone without Git LFS", written(b"version https://git-lfs.github.com/spec/v1\n")),
        picture("empty.jpg", "an upload that was cut off at once", written(b"")),
        picture("cut.jpg", "an upload that was cut off later", cut),
        picture("plan.png", "a plan of 30000×20000 pixels", too_large),
    ],
    "On the command line": [
        command("purge", "cat.jpg"),
        command("purge", "static/photos/cat.jpg"),
        command("purge", "photos/dog.jpg"),
        command("purge", "--front"),
        command("nginx"),
    ],
}
CASES = [mistake for mistakes in SECTIONS.values() for mistake in mistakes]


def message_of(mistake: Mistake, folder: Path) -> str:
    """Make the *mistake* in an application in *folder*, and return what it says, as it would everywhere."""
    site = Site(folder)
    (site.static / "photos").mkdir(parents=True)
    with Image.open(PHOTOGRAPHS / "cat.jpg") as image:
        image.resize((400, 300)).save(site.static / "photos" / "cat.jpg")
    views._said.get().clear()
    calls._advised.clear()
    said = Said()
    with ExitStack() as stack:
        stack.enter_context(patch.object(logger, "handlers", [said]))
        stack.enter_context(patch.object(logger, "propagate", False))
        try:
            mistake.make(site)
        except (RuntimeError, ValueError) as error:
            said.lines.append(f"{type(error).__name__}: {error}")
    text = "\n".join([*said.lines, *site.said]).replace(str(folder), "/srv/site")
    return re.sub(r"\buser \d+", "user 33", text)


class Said(logging.Handler):
    """Keeps the lines of the log that call for action."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def page(folder: Path) -> str:
    return "\n".join(lines(folder)) + "\n"


def lines(folder: Path) -> Iterator[str]:
    yield HEAD
    for section, mistakes in SECTIONS.items():
        yield f"## {section}\n\n| mistake | message |\n|---|---|"
        for number, mistake in enumerate(mistakes):
            message = message_of(mistake, folder / f"{section} {number}")
            yield f"| {cell(mistake.what)} | {'<br>'.join(map(quoted, message.splitlines()))} |"
        yield ""


def quoted(line: str) -> str:
    mark = "``" if "`" in line else "`"
    return f"{mark}{cell(line)}{mark}"


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def test_there_are_thirty_mistakes_and_each_is_told_once() -> None:
    assert len(CASES) >= 30
    assert len({mistake.what for mistake in CASES}) == len(CASES)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links and permissions")
def test_the_page_has_the_messages_of_the_code(tmp_path: Path) -> None:
    assert PAGE.read_text("utf-8") == page(tmp_path), "run: python tests/test_mistakes.py"


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        PAGE.write_text(page(Path(temporary)), "utf-8")
