"""What is known of a source without opening it, and what a page of many pictures costs."""

from __future__ import annotations

import math
import os
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, cached_files, gradient, sample, url_of
from flask import Flask, render_template_string
from PIL import Image

from flask_images_vips import resized_img_placeholder, resized_img_size, resized_img_src, resized_img_tag
from flask_images_vips.cache.stored import MAX_BYTES
from flask_images_vips.errors import CrashedDecoder, LimitExceeded, UnreadableSource
from flask_images_vips.geometry import Size
from flask_images_vips.options.options import Options
from flask_images_vips.pipeline import Pipeline
from flask_images_vips.pool.outcome import Budget
from flask_images_vips.rendering.placeholders import KINDS
from flask_images_vips.state import images_of
from flask_images_vips.urls import ImageUrl

PICTURES = 100
GALLERY = """
{% for name in names %}
{{ resized_img_tag(name, width=32, alt='') }}
{{ resized_img_tag(name, width=32, layout='constrained', placeholder='color', alt='') }}
{{ resized_picture_tag(name, width=32, height=32, mode='crop', placeholder='lqip', alt='', sources=[
    {'media': 'print', 'width': 20},
]) }}
{% endfor %}
"""
ONE_EACH = "{% for name in names %}{{ resized_img_tag(name, width=32, layout='constrained') }}{% endfor %}"


def pipeline(app: Flask) -> Any:
    return app.extensions["images"].pipeline


def header(app: Flask, name: str) -> Any:
    return pipeline(app).facts.header(pipeline(app).sources.local.find(name))


@pytest.fixture
def names(draw: Any) -> list[str]:
    """Pictures enough for a page."""
    return [draw(f"photos/{number}.jpg", (64 + number, 48)).name for number in range(PICTURES)]


class Costs:
    """Counts what Python asks of the file system while it is open: by call, and the paths that were opened."""

    hooked = False
    counting: Costs | None = None

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.opened: list[str] = []

    def __enter__(self) -> Costs:
        if not Costs.hooked:
            Costs.hooked = True
            sys.addaudithook(Costs.audit)
        self._patch = pytest.MonkeyPatch()
        for name in ("stat", "lstat", "fstat"):
            self._patch.setattr(os, name, self._counted(name, getattr(os, name)))
        Costs.counting = self
        return self

    def __exit__(self, *_: object) -> None:
        Costs.counting = None
        self._patch.undo()

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **keywords: Any) -> Any:
            self.calls[name] += 1
            return call(*arguments, **keywords)

        return counted

    @staticmethod
    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if Costs.counting is not None and event == "open":
            Costs.counting.opened.append(str(arguments[0]))


def rendered(app: Flask, names: list[str], template: str = ONE_EACH) -> str:
    with app.test_request_context():
        return render_template_string(template, names=[f"photos/{name}" for name in names])


@pytest.fixture(autouse=True)
def nothing_is_forgotten_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a second, a page looks whether any picture was forgotten. Here, only the first page does."""
    monkeypatch.setattr("flask_images_vips.cache.tombstones.LOOK_SECONDS", math.inf)


def test_a_warm_page_costs_one_stat_a_picture_and_opens_nothing(app: Flask, names: list[str]) -> None:
    first = rendered(app, names)
    with Costs() as costs:
        assert rendered(app, names) == first
    assert costs.calls == {"stat": PICTURES}
    assert costs.opened == []


def test_every_helper_looks_at_its_source_once(app: Flask, names: list[str]) -> None:
    with app.app_context():  # makes the placeholders at once
        render_template_string(GALLERY, names=[f"photos/{name}" for name in names[:5]])
    rendered(app, names[:5], GALLERY)
    with Costs() as costs:
        rendered(app, names[:5], GALLERY)
    assert costs.calls == {"stat": 5 * 3}
    assert costs.opened == []


def test_another_process_reads_no_header_that_one_has_read(make_app: Any, names: list[str]) -> None:
    first = rendered(make_app(), names)
    another = make_app()
    pipeline(another).facts._read_header = no_reading
    pipeline(another).cache.at(str(ROOT))  # finds its own folder
    with Costs() as costs:
        assert rendered(another, names) == first
    # The first look at a name asks whether each part of it is a link, and where the folder of all is. The first request
    # asks whether there is a front door to be closed, and whether any picture was forgotten.
    assert costs.calls == {"lstat": 2 * PICTURES + 3, "stat": PICTURES, "fstat": PICTURES}
    assert len([path for path in costs.opened if path.endswith(".txt")]) == PICTURES
    assert not [path for path in costs.opened if path.endswith(".jpg")]


def no_reading(source: Any) -> Any:
    raise AssertionError(f"the header of {source.ref} is read once more")


def test_a_placeholder_is_drawn_once_for_all_processes(make_app: Any, draw: Any, monkeypatch: Any) -> None:
    draw("a.png")
    found = []
    for _ in range(2):
        app = make_app()
        with app.app_context():
            found.append([resized_img_placeholder("a.png", kind) for kind in ("color", "lqip", "blurhash")])
        with app.test_request_context():
            found.append([resized_img_placeholder("a.png", kind) for kind in ("color", "lqip", "blurhash")])
        monkeypatch.setattr(Pipeline, "_draw", no_reading)
    assert None not in found[0]
    assert found == [found[0]] * 4


def test_threads_that_ask_at_once_read_one_header(app: Flask, draw: Any) -> None:
    draw("a.png")
    facts, read = pipeline(app).facts, []
    own = facts._read_header
    facts._read_header = lambda source: read.append(source) or own(source)
    threads = [threading.Thread(target=header, args=(app, "a.png")) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read) == 1


def test_a_placeholder_is_drawn_under_no_lock_but_its_own(
    app: Flask, draw: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    draw("a.png")
    monkeypatch.setattr("flask_images_vips.cache.once._lock_name", lambda key: "0" * 16)  # all share one
    begin = time.monotonic()
    with app.app_context():
        assert all(resized_img_placeholder("a.png", kind) for kind in KINDS)
    assert time.monotonic() - begin < pipeline(app).config.lock_timeout
    assert not caplog.records


def test_a_picture_that_breaks_off_is_decoded_for_its_placeholder_once_in_a_process(
    app: Flask, draw: Any, caplog: Any
) -> None:
    path = draw("a.jpg", (640, 480))
    path.write_bytes(path.read_bytes()[:2000])
    drawn = []
    own = pipeline(app)._draw
    pipeline(app)._draw = lambda kinds, *rest: drawn.extend(kinds) or own(kinds, *rest)
    for context in (app.app_context, app.app_context, app.test_request_context):
        with context():
            assert 'height="24"' in resized_img_tag("a.jpg", width=32, placeholder="color")
    assert drawn == ["color"]
    assert caplog.text.count("no placeholder for image 'a.jpg'") == 3


def test_a_changed_source_is_read_anew(app: Flask, draw: Any) -> None:
    draw("a.png", (64, 48))
    with app.test_request_context():
        assert resized_img_size("a.png").width == 64  # type: ignore[union-attr]
        draw("a.png", (80, 60))
        assert resized_img_size("a.png").width == 80  # type: ignore[union-attr]


@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_what_is_kept_of_a_source(make_app: Any, draw: Any, static: Path, engine: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    draw("clear.png", (64, 48), "RGBA")
    gradient((60, 40)).save(static / "turned.jpg", exif=exif)
    for app in (make_app(IMAGES_ENGINE=engine), make_app(IMAGES_ENGINE=engine)):
        clear, turned = header(app, "clear.png"), header(app, "turned.jpg")
        assert (clear.size, clear.alpha, clear.frames) == ((64, 48), True, 1)
        assert (turned.size, turned.alpha) == ((40, 60), False)
        assert isinstance(clear.size, Size)
    as_stored = make_app(IMAGES_ENGINE=engine, IMAGES_AUTO_ORIENT=False)
    assert header(as_stored, "turned.jpg").size == (60, 40)


def test_the_frames_of_an_animation_are_counted(app: Flask, static: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    frames[0].save(static / "a.gif", save_all=True, append_images=frames[1:])
    assert header(app, "a.gif").frames == 3


def test_facts_lie_beside_the_renditions_and_are_purged_with_them(app: Flask, draw: Any, tmp_path: Path) -> None:
    draw("a.png")
    header(app, "a.png")
    assert app.test_client().get(url_of(app, "a.png", width=9)).status_code == 200
    (rendition,) = cached_files(tmp_path / "cache")
    assert [path.suffix for path in sorted(rendition.parent.iterdir())] == [".png", ".txt"]
    assert app.test_cli_runner().invoke(args=["images", "purge", "a.png"]).exit_code == 0
    assert not [path for path in (tmp_path / "cache").rglob("*.txt") if "locks" not in path.parts]


def test_what_is_unreadable_is_read_once_in_a_process_and_never_kept(
    app: Flask, static: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (static / "a.jpg").write_text("no picture")
    reads = []
    own = pipeline(app).facts._read_header
    monkeypatch.setattr(pipeline(app).facts, "_read_header", lambda source: reads.append(source) or own(source))
    for _ in range(3):
        with pytest.raises(UnreadableSource, match=r"a\.jpg"):
            header(app, "a.jpg")
    assert len(reads) == 1
    assert not list((tmp_path / "cache").rglob("header-*"))


def lay(content: bytes | None, path: Path) -> None:
    """Write *content* in the place of the file *path*, or make a FIFO there."""
    path.unlink()
    os.mkfifo(path) if content is None else path.write_bytes(content)


PAGE = """<p>{% for kind in ('color', 'lqip', 'blurhash', 'thumbhash') %}
{{ resized_img_tag('a.png', width=300, layout='constrained', placeholder=kind, nonce='n') }}{% endfor %}
{{ resized_img_size('a.png', width=300, trim=5) }}"""
DAMAGES = [
    *(b"", b"\0\0", b"\xff\xfe", "#é00000".encode(), b"#00000</style><script>", b"a" * 24 + b"\n", b"[" * 100_000),
    *(b"{", b"[]", b"5", b'{"size": 5}', b'{"size": [1, 2], "colour": 3}', b'{"size": ["a", "b"], "format": "png"}'),
    *(b'{"size": [NaN, 1e999], "format": "png"}', b'{"libraries": 3, "loaded": NaN}', b"1 2\n-3 4", b"0" * 9999),
    *(b"x" * (MAX_BYTES + 1), *([None] if hasattr(os, "mkfifo") else [])),
]


def test_damaged_files_cost_no_page_and_are_made_again(make_app: Any, draw: Any, tmp_path: Path, caplog: Any) -> None:
    draw("a.png", (1600, 1300), compress_level=0)
    app = make_app(IMAGES_VERSION="hash")

    def page(app: Flask) -> str:
        with app.app_context():  # makes everything at once
            return render_template_string(PAGE)

    for width in (90, 91):  # makes copies, from which the placeholders are made each time
        assert app.test_client().get(url_of(app, "a.png", width=width)).status_code == 200
    first = page(app)
    assert app.test_client().get(url_of(app, "a.png", width=300)).status_code == 200
    facts, sets = (list((tmp_path / "cache").rglob(pattern)) for pattern in ("*-*.txt", "*-copy"))
    assert {path.name.partition("-")[0] for path in facts} == {"abilities", "header", "content", "trim", *KINDS}
    assert sets
    written = {path: path.read_bytes() for path in facts if not path.name.startswith("abilities")}
    caplog.clear()
    for number, content in enumerate(sample(DAMAGES, 3)):
        for path in (*facts, *sets):
            path.touch()
            lay(content, path)
        another = make_app(IMAGES_VERSION="hash")
        assert page(another) == first
        assert another.test_client().get(url_of(another, "a.png", width=100 + number)).status_code == 200
        assert {path: path.read_bytes() for path in written} == written
    assert not caplog.messages


def test_a_cache_that_cannot_be_written_costs_no_page(make_app: Any, draw: Any, tmp_path: Path) -> None:
    draw("a.png", (64, 48))
    (tmp_path / "file").write_text("")
    app = make_app(IMAGES_CACHE=str(tmp_path / "file"))
    assert header(app, "a.png").size == (64, 48)
    with app.app_context():
        assert resized_img_placeholder("a.png", "color") is not None


# Versions by content.


@pytest.fixture
def deploy(make_app: Any, static: Path) -> Iterator[Callable[[], Flask]]:
    """Starts the application anew, after all its sources were copied anew, with other times."""
    moments = iter(range(1_600_000_000, 1_700_000_000, 1_000_000))

    def deploy() -> Flask:
        moment = next(moments)
        for path in static.iterdir():
            shutil.copy(path, path.with_suffix(".new"))
            os.replace(path.with_suffix(".new"), path)
            os.utime(path, (moment, moment))
        app: Flask = make_app(IMAGES_VERSION="hash")
        return app

    return deploy  # type: ignore[return-value]


def test_a_deployment_of_the_same_bytes_keeps_urls_and_renditions(deploy: Any, draw: Any, caplog: Any) -> None:
    draw("a.png")
    app = deploy()
    url = url_of(app, "a.png", width=9)
    first = app.test_client().get(url)
    assert "immutable" in first.headers["Cache-Control"]
    caplog.clear()
    with caplog.at_level("INFO", "flask_images_vips"):
        again = deploy()
        assert url_of(again, "a.png", width=9) == url
        second = again.test_client().get(url)
    assert not [record for record in caplog.records if "rendered" in record.getMessage()]
    assert (second.data, second.headers["ETag"]) == (first.data, first.headers["ETag"])
    assert "immutable" in second.headers["Cache-Control"]
    assert again.test_client().get(url, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304


def test_other_bytes_of_the_same_size_and_time_are_another_version(deploy: Any, static: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(static / "a.bmp.tif")
    app = deploy()
    before = static.joinpath("a.bmp.tif").stat()
    url = url_of(app, "a.bmp.tif", format="png")
    assert app.test_client().get(url).status_code == 200
    Image.new("RGB", (8, 8), "blue").save(static / "a.bmp.tif")
    os.utime(static / "a.bmp.tif", ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert static.joinpath("a.bmp.tif").stat().st_size == before.st_size
    assert url_of(app, "a.bmp.tif", format="png") != url
    late = app.test_client().get(url)
    assert (late.status_code, late.headers["Cache-Control"]) == (200, "public, max-age=60")


def test_content_is_read_once_for_each_version_of_a_file(deploy: Any, names: list[str], make_app: Any) -> None:
    app = make_app(IMAGES_VERSION="hash")
    with Costs() as costs:
        first = rendered(app, names)
    # Once for its bytes, once for its header.
    assert len([path for path in costs.opened if path.endswith(".jpg")]) == 2 * PICTURES
    with Costs() as costs:
        assert rendered(app, names) == first
    assert (costs.calls, costs.opened) == ({"stat": PICTURES}, [])
    another = make_app(IMAGES_VERSION="hash")
    with Costs() as costs:
        assert rendered(another, names) == first
    assert not [path for path in costs.opened if path.endswith(".jpg")]


def test_a_version_by_content_is_one_that_nginx_looks_for(make_app: Any, draw: Any, tmp_path: Path) -> None:
    path = draw("a.png")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    app = make_app(IMAGES_VERSION="hash", IMAGES_FRONT_DOOR=True)
    assert app.test_client().get(url_of(app, "a.png", width=9)).status_code == 200
    assert [link for link in (tmp_path / "cache").rglob("front/??/*") if link.is_symlink()]


def test_by_default_the_version_is_the_time(app: Flask, draw: Any, tmp_path: Path) -> None:
    draw("a.png")
    assert pipeline(app).sources.local.find("a.png").content is None
    with app.test_request_context():
        resized_img_src("a.png")
    assert not list((tmp_path / "cache").rglob("content-*"))


# Files that hurt a decoder


def test_a_file_that_crashes_a_decoder_is_decoded_for_no_other_rendition(
    make_app: Any, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("a.png")
    app = make_app()
    runs = []

    def crash(*arguments: object, **keywords: object) -> None:
        runs.append(arguments)
        raise CrashedDecoder("a.png", "its decoder crashed")

    monkeypatch.setattr(images_of(app).pipeline.producer.renderers, "run", crash)
    client = app.test_client()
    statuses = [client.get(url_of(app, "a.png", width=width)).status_code for width in (10, 20, 30)]
    assert statuses == [422] * 3
    assert len(runs) == 1


def test_what_is_stored_is_served_although_its_source_hurts_a_decoder(
    make_app: Any, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("a.png")
    app = make_app()
    images, client = images_of(app), app.test_client()
    url = url_of(app, "a.png", width=10)
    body = client.get(url).data

    def crash(*arguments: object, **keywords: object) -> None:
        raise CrashedDecoder("a.png", "its decoder crashed")

    monkeypatch.setattr(images.pipeline.producer.renderers, "run", crash)
    assert client.get(url_of(app, "a.png", width=20)).status_code == 422
    source = images.pipeline.sources.local.find("a.png")
    rendition = images.pipeline.rendition(ImageUrl("a.png", Options(width=10), None), source)
    with images.pipeline._entry(rendition, 0) as entry:  # as for a process that did not know the entry
        assert entry.read() == body


@pytest.mark.parametrize(("width", "renders"), [(300, 1), (1200, 2)])
@pytest.mark.parametrize("key", ["IMAGES_RENDER_TIMEOUT", "IMAGES_RENDER_MEMORY"])
def test_a_small_rendition_that_exceeds_a_limit_of_renders_stands_for_all_others(
    make_app: Any, draw: Any, monkeypatch: pytest.MonkeyPatch, key: str, width: int, renders: int
) -> None:
    draw("a.png", (1200, 1200))
    app = make_app()
    runs = []

    def fail(*arguments: object, **keywords: object) -> None:
        runs.append(arguments)
        raise LimitExceeded("the render took {:,} seconds", 11, 10, set_by=key)

    monkeypatch.setattr(images_of(app).pipeline.producer.renderers, "run", fail)
    client = app.test_client()
    for each in (width, 20):  # a large one may exceed the limit by its encoder
        assert client.get(url_of(app, "a.png", width=each)).status_code == 422
    assert len(runs) == renders


def test_a_header_that_takes_long_is_a_limit_of_its_own(make_app: Any, static: Path, monkeypatch: Any) -> None:
    (static / "a.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    app = make_app(IMAGES_SVG=True, IMAGES_RENDER_TIMEOUT=10)
    asked = []

    def fail(*arguments: object, budget: Budget, **keywords: object) -> None:
        asked.append(budget.limit)
        raise LimitExceeded("the render took {:,} seconds", 1.02, budget.limit, set_by="IMAGES_RENDER_TIMEOUT")

    monkeypatch.setattr(images_of(app).pipeline.producer.renderers, "run", fail)
    facts, source = images_of(app).pipeline.facts, images_of(app).pipeline.sources.local.find("a.svg")
    for _ in range(2):
        with pytest.raises(LimitExceeded, match=r"^reading its header took 1\.02 seconds; the limit is 1\.0 "):
            facts.header(source)
    assert asked == [1.0]


def test_the_beginning_of_a_drawing_tells_its_size(make_app: Any, static: Path) -> None:
    data = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 12">' + b" " * 5000 + b"</svg>"
    (static / "a.svg").write_bytes(data)
    (static / "b.svg").write_bytes(b"<svg/>")
    facts = (pipeline := images_of(make_app(IMAGES_SVG="pass")).pipeline).facts
    source, other = (pipeline.sources.local.find(name) for name in ("a.svg", "b.svg"))
    facts.read_beginning(source, data[:3000])
    facts.read_beginning(other, b"<svg/>")
    (static / "a.svg").unlink()  # it is not opened again
    assert facts.drawing(source).size == (300, 150)
    with pytest.raises(UnreadableSource, match="without a namespace"):
        facts.drawing(other)
