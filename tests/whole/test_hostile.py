"""What the outside may send or lay in the way: broken files, bombs, names, forged URLs, files that change.

A signature is no licence: all of this is signed, but where it says otherwise.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import random
import re
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
import pyvips
from conftest import LONG, ROOT, TESTS, cached_files, fetch, sample, share, signed, url_of
from engines.test_engine import furthest
from flask import Flask
from fuzz_route import Route, mutants, png, png_chunk, seeds, varied_seeds
from PIL import Image
from pool import many_pngs, many_tiffs
from servers import IN_THREAD

from flask_images_vips import resized_img_size, resized_img_src, urls
from flask_images_vips.errors import BadSignature, InvalidPath, SourceChanged, UnreadableSource
from flask_images_vips.facts import Facts
from flask_images_vips.formats import INPUTS

MakeApp = Callable[..., Flask]

MUTANTS = 50_000
ATTACKERS = {**many_pngs.ATTACKERS, **many_tiffs.ATTACKERS}
REFUSED = (0x04, 0x17, 0x99)  # the colour of what may not be seen

_events: list[tuple[str, str]] = []
_recording = threading.Event()


def _record(event: str, arguments: tuple[Any, ...]) -> None:
    if _recording.is_set() and event in ("open", "subprocess.Popen", "os.system", "os.posix_spawn"):
        _events.append((event, os.fsdecode(arguments[0]) if isinstance(arguments[0], (str, bytes)) else ""))


sys.addaudithook(_record)  # for good: a hook cannot be removed


@pytest.fixture
def events() -> Iterator[list[tuple[str, str]]]:
    """What this process opened and started, as (event, path), by Python."""
    _events.clear()
    _recording.set()
    yield _events
    _recording.clear()


# Broken files


@pytest.mark.filterwarnings("ignore")  # Pillow warns of what it meets, and a site does not make errors of that
@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_no_mutant_ends_in_anything_but_a_picture_or_a_refusal(engine: str, tmp_path: Path, caplog: Any) -> None:
    route = Route(tmp_path, engine)
    bases = list(varied_seeds().values())
    assert len(bases) >= 60
    statuses, lines = Counter[int](), Counter[int]()
    for number, data in enumerate(mutants(random.Random(1), share(MUTANTS, 100), bases)):
        caplog.clear()
        statuses[route.status(data, number // len(bases))] += 1
        said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        lines[len(said)] += 1
        assert len(said) <= 1, said
    print(f"{engine}: {dict(statuses)}, lines {dict(lines)}, slowest {1000 * route.slowest_seconds:.0f} ms")
    assert min(statuses.values()) > statuses.total() / 10  # most are broken, and some are not
    assert not LONG or route.slowest_seconds < 10


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_what_mutants_are_made_of_is_whole(engine: str, tmp_path: Path) -> None:
    route = Route(tmp_path, engine)
    for number, (name, data) in enumerate(varied_seeds().items()):
        for kind in range(5) if LONG else (number % 5,):
            assert route.status(data, kind) == 200, name


def test_a_message_in_no_encoding_is_a_refusal_like_others(app: Flask, static: Path) -> None:
    """libvips quotes the file, and keeps what it said until somebody takes it."""
    data = seeds()["avif"].replace(b"irot", b"ir`\xea")
    try:
        pyvips.Image.new_from_buffer(data, "")
    except UnicodeDecodeError:
        pyvips.vips_lib.vips_error_clear()
    else:
        pytest.skip("this libheif ignores properties that it does not know")
    (static / "a.avif").write_bytes(data)
    (static / "b.png").write_bytes(b"nothing")
    app.testing = True
    for name in ("a.avif", "b.png"):
        assert app.test_client().get(url_of(app, name)).status_code == 422


def test_no_python_runs_inside_of_a_warning_of_libvips(make_app: MakeApp, static: Path, caplog: Any) -> None:
    """There, garbage that is collected may warn too, and glib ends a process for a warning within a warning."""
    data = bytearray(seeds()["png"])
    data[data.index(b"eXIf") + 20] ^= 1  # its checksum is wrong, of which libpng and libspng warn
    (static / "a.png").write_bytes(data)
    caplog.set_level(0)
    assert fetch(make_app(IMAGES_ENGINE="vips"), "a.png").size
    assert [record for record in caplog.records if record.name == "pyvips" and "warning" in record.getMessage()] == []


@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_the_log_says_why_a_file_is_refused(engine: str, make_app: MakeApp, static: Path, caplog: Any) -> None:
    png = seeds()["palette.png"]
    tif = seeds()["tif"]
    cases = {
        "a.png": (png.replace(b"PLTE", b"PLTX"), r"the checksum of its chunk PLTX at byte 33 is wrong"),
        "b.png": (png[:-30], r"the file ends within its chunk IDAT"),
        "c.tif": (tif[:4] + b"\x08\0\0\0\0\0" + tif[10:], r"like a TIFF image, but its header is broken"),
        "d.gif": (b"\0" * 50, r"the file is of an unknown kind; expected JPEG"),
    }
    app = make_app(IMAGES_ENGINE=engine)
    for name, (data, _) in cases.items():
        (static / name).write_bytes(data)
        assert app.test_client().get(url_of(app, name, format="jpeg")).status_code == 422
    for record, (_, why) in zip(caplog.records, cases.values(), strict=True):
        assert re.search(why, record.getMessage()), record.getMessage()


def _polyglots() -> dict[str, bytes]:
    script = b"<script>alert(1)</script>"
    psd = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 8, 8, 8, 3) + bytes(12) + b"\0\0" + bytes(192)
    postscript = io.BytesIO()
    Image.new("RGB", (8, 8)).save(postscript, "EPS")
    return {
        "page.png": b"<!DOCTYPE html><html><body>" + script,
        "page.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">' + script + b"</svg>",
        "postscript.jpg": postscript.getvalue(),
        "binary postscript.jpg": b"\xc5\xd0\xd3\xc6"
        + struct.pack("<IIIIIIH", 32, 500, 0, 0, 0, 0, 0xFFFF)
        + bytes(500),
        "matrix.jpg": b"3 3 1 0\n1 2 3\n4 5 6\n7 8 9\n",
        "table.jpg": b"1,2,3\n4,5,6\n7,8,9\n",
        "document.jpg": b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n",
        "layers.png": psd,
        "bitmap.gif": b"BM" + struct.pack("<IIIIiiHH24x", 58, 0, 54, 40, 1, 1, 1, 24) + bytes(4),
        "own.jpg": b"\x08\xf2\xa6\xb6" + bytes(100),  # libvips' own format
        "radiance.jpg": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n" + bytes(4),
        "plain.jpg": b"P3\n1 1\n255\n1 2 3\n",
        "film.avif": b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(100),
        "jpeg 2000.jpg": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100),
    }


@pytest.mark.parametrize("engine", ["auto", "vips", "pillow"])
@pytest.mark.parametrize("name", _polyglots())
def test_what_is_no_picture_of_the_formats_in_use_is_422_and_starts_no_program(
    engine: str, name: str, make_app: MakeApp, static: Path, events: list[tuple[str, str]]
) -> None:
    (static / name).write_bytes(_polyglots()[name])
    (static / "good").write_bytes(seeds()["png"])
    app = make_app(IMAGES_ENGINE=engine, IMAGES_INPUT_FORMATS=INPUTS)
    app.testing = True
    assert app.test_client().get(url_of(app, "good", width=20)).status_code == 200  # this may start the renderers
    events.clear()
    assert app.test_client().get(url_of(app, name, width=20, format="png")).status_code == 422
    assert {event for event, _ in events} == {"open"}


@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_what_stands_behind_or_in_a_picture_is_not_passed_on(engine: str, make_app: MakeApp, static: Path) -> None:
    script = b"<script>alert(1)</script>"
    app = make_app(IMAGES_ENGINE=engine)
    for name, data in seeds().items():
        if name.endswith("tif"):
            continue  # its directory is where its header says, so that nothing can stand behind it
        (static / name).write_bytes(data + script)
        answer = app.test_client().get(url_of(app, name, width=20, format="png"))
        assert answer.status_code == 200, name
        assert script not in answer.data
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_only_the_formats_in_use_are_read(engine: str, make_app: MakeApp, static: Path) -> None:
    (static / "a").write_bytes(seeds()["gif"])
    (static / "b").write_bytes(seeds()["png"])
    app = make_app(IMAGES_ENGINE=engine, IMAGES_INPUT_FORMATS=["jpg", "png"], IMAGES_OUTPUT_FORMATS="webp")
    statuses = [app.test_client().get(url_of(app, name, format="webp")).status_code for name in ("a", "b")]
    assert statuses == [422, 200]
    assert app.test_client().get(url_of(app, "b", format="png")).status_code == 400
    assert app.test_client().get(url_of(app, "b")).status_code == 400


@pytest.mark.parametrize(("fail_on", "status"), [("none", 200), ("truncated", 422), ("warning", 422)])
def test_how_broken_a_source_may_be_is_configured(fail_on: str, status: int, make_app: MakeApp, static: Path) -> None:
    data = seeds()["jpg"]
    (static / "a.jpg").write_bytes(data[: len(data) * 3 // 4])
    app = make_app(IMAGES_ENGINE="vips", IMAGES_FAIL_ON=fail_on)
    assert app.test_client().get(url_of(app, "a.jpg")).status_code == status


def test_a_failure_is_remembered_for_a_while(app: Flask, static: Path, monkeypatch: Any, caplog: Any) -> None:
    (static / "a.png").write_bytes(seeds()["png"][:200])
    client, url = app.test_client(), url_of(app, "a.png")
    assert [client.get(url).status_code for _ in range(3)] == [422] * 3
    assert ["failed a moment ago" in record.getMessage() for record in caplog.records] == [False, True, True]
    monkeypatch.setattr("flask_images_vips.pipeline._FAILURE_SECONDS", 0.0)
    (static / "a.png").write_bytes(seeds()["png"])
    assert client.get(url).status_code == 200  # another version, another rendition


def test_a_header_that_failed_in_a_render_is_not_read_again_for_a_page(
    make_app: MakeApp, static: Path, monkeypatch: Any
) -> None:
    app = make_app(IMAGES_ENGINE="pillow")
    (static / "a.gif").write_bytes(_gif(20_000))
    assert app.test_client().get(url_of(app, "a.gif", format="png")).status_code == 422
    monkeypatch.setattr(Facts, "_decoded_header", None)
    with app.test_request_context():
        assert resized_img_size("a.gif", width=10) is None


def test_many_failures_take_bounded_memory(app: Flask, static: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("flask_images_vips.expiring._REMEMBERED", 5)
    for number in range(12):
        (static / f"{number}.png").write_bytes(b"nothing")
        assert app.test_client().get(url_of(app, f"{number}.png")).status_code == 422
    with app.app_context():
        assert len(app.extensions["images"].pipeline.facts.failures._kept._kept) <= 5


# Bombs


def _jpeg(width: int, height: int) -> bytes:
    """A JPEG whose header lies about the size of a small scan."""
    data = bytearray(seeds()["jpg"])
    struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, height, width)
    return bytes(data)


def _gif(frames: int) -> bytes:
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + frame * frames + b";"


def _webp(frames: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "WEBP", lossless=True)
    frame = bytes(12) + b"\x64\0\0\0" + file.getvalue()[12:]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02" + bytes(9) + b"ANIM" + struct.pack("<I", 6) + bytes(6)
    body += (b"ANMF" + struct.pack("<I", len(frame)) + frame) * frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _tiff(pages: int, width: int = 1, *, loop: bool = False) -> bytes:
    tags = [(256, width), (257, width), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, width), (279, 1)]
    size = 2 + 12 * len(tags) + 4
    data = bytearray(b"II*\0" + struct.pack("<IH", 10, 0))
    for page in range(1, pages + 1):
        following = 10 + size * page if page < pages else 10 * loop
        data += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        data += struct.pack("<I", following)
    return bytes(data)


def _with_size(data: bytes, box: bytes, skip: int, size: bytes) -> bytes:
    at = data.index(box) + skip
    return data[:at] + size + data[at + len(size) :]


@cache
def _bombs() -> dict[str, bytes]:
    small, avif = seeds()["png"], seeds()["avif"]
    zeros = zlib.compress(bytes(100_000_000))
    behind_header = 33  # of a PNG: its signature and IHDR
    rows = bytes(30_000 * 3751)
    return {
        "30,000 x 30,000.png": png(30_000, 30_000, rows, depth=1, colour=0),
        "30,000 x 30,000 interlaced.png": png(30_000, 30_000, rows, depth=1, colour=0, interlace=1),
        "header.png": png(60_000, 60_000, b"", depth=16, colour=6),
        "text.png": small[:behind_header] + png_chunk(b"zTXt", b"a\0\0" + zeros) + small[behind_header:],
        "profile.png": small[:behind_header] + png_chunk(b"iCCP", b"a\0\0" + zeros) + small[behind_header:],
        "header.jpg": _jpeg(60_000, 60_000),
        "10,000 frames.gif": _gif(10_000),
        "300,000 frames.gif": _gif(300_000),
        "screen.gif": seeds()["gif"][:6] + b"\xff\xff\xff\xff" + seeds()["gif"][10:],
        "100,000 frames.webp": _webp(100_000),
        "canvas.webp": _with_size(seeds()["animated.webp"], b"VP8X", 12, b"\xfe\x3f\0\xfe\x3f\0"),
        "header.avif": _with_size(avif, b"ispe", 8, struct.pack(">II", 60_000, 60_000)),
        "header.tif": _tiff(1, 60_000),
        "100,000 pages.tif": _tiff(100_000),
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="1000000" height="1000000"></svg>',
    }


# What is as cheap as any other file: the first frame, or a picture without what it brings.
_RENDERED = {"10,000 frames.gif", "screen.gif", "text.png", "profile.png"}

_MEASURE = """
import json, logging, re, sys, warnings
from pathlib import Path
import flask_images_vips.engines.vips.engine as vips, flask_images_vips.engines.pillow.engine as pillow
from fuzz_route import Route, seeds
warnings.simplefilter("ignore")
logging.disable()
folder, engine = Path(sys.argv[1]), sys.argv[2]
route = Route(folder, engine, IMAGES_SVG=engine == "vips")
for data in seeds().values():
    route.status(data, 0)
rendered = []
for made in (vips.VipsEngine, pillow.PillowEngine):
    def render(self, *arguments, plain=made.render):
        rendered.append(1)
        return plain(self, *arguments)
    made.render = render
kilobytes = lambda field: int(re.search(field + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
for path in sorted((folder / "bombs").iterdir()):
    data = path.read_bytes()
    rendered.clear()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
    before, route.slowest_seconds = kilobytes("VmRSS"), 0.0
    status = route.status(data, 0)
    milliseconds = 1000 * route.slowest_seconds
    print(json.dumps([path.name, status, len(rendered), milliseconds, (kilobytes("VmHWM") - before) / 1024]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_bombs_are_refused_by_their_headers(engine: str, tmp_path: Path) -> None:
    (tmp_path / "bombs").mkdir()
    for name, data in _bombs().items():
        (tmp_path / "bombs" / name).write_bytes(data)
    here = TESTS
    run = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(tmp_path), engine],
        env={**os.environ, "PYTHONPATH": f"{here.parent}{os.pathsep}{here}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(found) == len(_bombs())
    for name, status, renders, milliseconds, megabytes in found:
        print(f"{engine} {name}: {status}, {milliseconds:.1f} ms, {megabytes:.1f} MB")
        if name not in _RENDERED:
            assert (status, renders) == (422, 0), name
        assert milliseconds < 10_000, name
        assert megabytes < 20, name


@pytest.mark.parametrize(
    "name", ["later frames of 65535.gif", "cross.gif", "one tile 4.tif", "header.png", "header.tif"]
)
def test_an_application_that_lifts_the_limit_of_pillow_does_not_lift_ours(
    name: str, make_app: MakeApp, static: Path, monkeypatch: Any, caplog: Any
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    (static / name).write_bytes(_bombs()[name] if name.startswith("header") else ATTACKERS[name]())
    app = make_app(IMAGES_ENGINE="pillow", IMAGES_MAX_RENDERS=0)
    assert app.test_client().get(url_of(app, name, width=20, format="webp")).status_code == 422
    assert "; the limit is" in caplog.text


@pytest.mark.skipif(bool(IN_THREAD), reason="a process of the application keeps Pillow's limit")
def test_our_limit_alone_counts_in_a_renderer(make_app: MakeApp, static: Path, caplog: Any) -> None:
    pyvips.Image.black(16_000, 12_000).jpegsave(str(static / "a.jpg"))
    assert Image.MAX_IMAGE_PIXELS is not None
    assert 2 * Image.MAX_IMAGE_PIXELS < 16_000 * 12_000
    app = make_app(IMAGES_ENGINE="pillow", IMAGES_MAX_SOURCE_PIXELS=200_000_000)
    assert fetch(app, "a.jpg", width=20).size == (20, 15)
    assert fetch(app, "a.jpg", width=20, format="webp").size == (20, 15)


def test_a_drawing_is_drawn_only_where_that_is_configured(make_app: MakeApp, static: Path) -> None:
    circle = b'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><circle cx="10" cy="10" r="10"/></svg>'
    (static / "a.svg").write_bytes(circle)
    assert make_app().test_client().get(url_of(make_app(), "a.svg")).status_code == 422
    app = make_app(IMAGES_SVG=True)
    made = fetch(app, "a.svg", width=400, enlarge=True, format="png")
    assert made.size == (400, 400)
    # Drawn at that size: its edge is one pixel wide, not twenty.
    assert sum(0 < made.getpixel((x, 200))[3] < 255 for x in range(400)) <= 6
    assert fetch(app, "a.svg", width=7, height=3, format="jpeg").size == (7, 3)
    with app.test_request_context():
        size = resized_img_size("a.svg", width=10)
    assert size is not None
    assert (size.width, size.height) == (10, 10)


@pytest.mark.parametrize(
    ("config", "options", "reason"),
    [
        ({"IMAGES_SVG": True}, {"transform": "EXTENT,0,0,0,0,5,5"}, "SVG needs libvips"),
        ({"IMAGES_ENGINE": "pillow"}, {}, "SVG needs libvips"),
        ({}, {}, "IMAGES_SVG = 'pass' sends it as SVG"),
    ],
)
def test_a_drawing_that_is_refused_says_what_is_missing(
    config: dict[str, Any], options: dict[str, Any], reason: str, make_app: MakeApp, static: Path, caplog: Any
) -> None:
    (static / "a.svg").write_bytes(b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>')
    app = make_app(**config)
    assert app.test_client().get(url_of(app, "a.svg", **options)).status_code == 422
    assert f"the file is an SVG drawing. {reason}" in caplog.text


def test_a_drawing_shows_nothing_of_the_files_beside_it(make_app: MakeApp, static: Path) -> None:
    Image.new("RGB", (40, 40), REFUSED).save(static / "secret.png")
    beside = (static / "secret.png").as_uri()
    head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="40" height="40">'
    background = '<rect width="40" height="40" fill="white"/>'
    attacks = [
        *(
            f'{head}{background}<image {name}="{where}" width="40" height="40"/></svg>'
            for name in ("href", "xlink:href")
            for where in ("secret.png", "./secret.png", beside, str(static / "secret.png"))
        ),
        f'{head}{background}<use href="secret.svg#a"/></svg>',
        f'<?xml-stylesheet href="secret.css"?>{head}<style>@import url("secret.css");</style>{background}</svg>',
        f'{head}{background}<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="secret.svg"/></svg>',
    ]
    inner = f'<rect id="a" width="40" height="40" fill="#{bytes(REFUSED).hex()}"/>'
    (static / "secret.svg").write_text(f"{head}{inner}</svg>")
    (static / "secret.css").write_text(f"rect {{ fill: #{bytes(REFUSED).hex()} }}")
    app = make_app(IMAGES_SVG=True)
    assert fetch(app, "secret.svg", format="png").getpixel((20, 20))[:3] == REFUSED
    for number, attack in enumerate(attacks):
        (static / f"{number}.svg").write_text(attack)
        response = app.test_client().get(url_of(app, f"{number}.svg", format="png"))
        assert response.status_code in (200, 422)
        if response.status_code == 200:
            made = Image.open(io.BytesIO(response.data))
            assert furthest(made, Image.new("RGB", made.size, "white"), [(20, 20), (2, 2)]) == 0, attack


@pytest.mark.parametrize(
    ("drawing", "reason"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">' + bytes(1_000_000), "bytes"),
        (b"\x1f\x8b" + zlib.compress(b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'), "422"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" width="9000" height="9000"></svg>', "IMAGES_MAX_SOURCE_PIXELS"),
        (
            b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:a="http://www.w3.org/2000/svg" width="9" height="9">'
            b'<a:image href="&#100;ata:image/png;base64,'
            + base64.b64encode(png(10_000, 10_000, bytes(30_001) * 10_000))
            + b'"/></svg>',
            "pictures",
        ),
        (
            b'<!DOCTYPE a [<!ENTITY a0 "aaaaaaaaaa">'
            + b"".join(b'<!ENTITY a%d "%s">' % (n + 1, b"&a%d;" % n * 10) for n in range(9))
            + b']><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>&a9;</text></svg>',
            "422",
        ),
        (
            b'<!DOCTYPE a [<!ENTITY a SYSTEM "secret.css">]>'
            b'<svg xmlns="http://www.w3.org/2000/svg" width="0" height="9"><text>&a;</text></svg>',
            "422",
        ),
        (
            b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"'
            + b"".join(b" a%x='<'" % number for number in range(80_000)).replace(b"<", b'">')
            + b"/>",
            "an element of the SVG has at least 1,001 attributes; the limit is 1,000",
        ),
        (
            b"<!-- <svg --><!DOCTYPE svg ["
            + b"".join(b'<!ATTLIST a b%x CDATA "">' % number for number in range(20_000))
            + b']><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'
            + b"<a/>" * 20_000
            + b"</svg>",
            "an SVG that declares entities or attributes",
        ),
    ],
)
def test_a_drawing_over_its_limits_is_refused(
    drawing: bytes, reason: str, make_app: MakeApp, static: Path, caplog: Any
) -> None:
    (static / "a.svg").write_bytes(drawing)
    app = make_app(IMAGES_SVG=True)
    app.testing = True
    assert app.test_client().get(url_of(app, "a.svg")).status_code == 422
    assert reason in caplog.text


def test_the_environment_cannot_lift_the_limits_of_libvips() -> None:
    code = "from flask_images_vips import Images; import os, sys; sys.exit('VIPS_UNLIMITED' in os.environ)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "VIPS_UNLIMITED": "1"},
        check=False,
    )
    assert run.returncode == 0


@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_a_file_over_its_limit_is_not_even_opened(
    engine: str, make_app: MakeApp, draw: Any, events: list[tuple[str, str]]
) -> None:
    path = draw("a.png", (64, 48))
    app = make_app(IMAGES_ENGINE=engine, IMAGES_MAX_SOURCE_BYTES=100)
    events.clear()
    assert app.test_client().get(url_of(app, "a.png")).status_code == 422
    with app.test_request_context():
        assert resized_img_size("a.png", width=10) is None
    assert str(path) not in {opened for _, opened in events}


def test_what_is_decoded_as_a_whole_has_half_the_pixels(make_app: MakeApp, draw: Any) -> None:
    for name in ("a.png", "a.jpg", "a.avif", "a.webp", "a.gif"):
        draw(name, (60, 100))
    taken = {}
    for engine in ("vips", "pillow"):
        app = make_app(IMAGES_ENGINE=engine, IMAGES_MAX_SOURCE_PIXELS=10_000, IMAGES_CACHE=f"cache of {engine}")
        statuses = {
            name: app.test_client().get(url_of(app, name, width=20, format="png")).status_code
            for name in ("a.png", "a.jpg", "a.avif", "a.webp", "a.gif")
        }
        taken[engine] = {name for name, status in statuses.items() if status == 200}
        assert set(statuses.values()) == {200, 422}
    assert taken == {"vips": {"a.png", "a.jpg", "a.webp"}, "pillow": {"a.jpg"}}


@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_a_render_that_takes_too_long_is_ended(engine: str, make_app: MakeApp, static: Path, caplog: Any) -> None:
    noise = pyvips.Image.gaussnoise(4000, 3000).cast("uchar")
    noise.bandjoin([noise, noise]).pngsave(str(static / "a.png"), interlace=True, compression=1)
    app = make_app(IMAGES_ENGINE=engine, IMAGES_RENDER_TIMEOUT=0.05)
    begin = time.perf_counter()
    assert app.test_client().get(url_of(app, "a.png", width=200)).status_code == 422
    print(f"{engine}: ended after {time.perf_counter() - begin:.2f} s")
    assert "the limit is 0.05 (IMAGES_RENDER_TIMEOUT)" in caplog.text
    slow = make_app(IMAGES_ENGINE=engine)
    assert fetch(slow, "a.png", width=200).size == (200, 150)


def test_a_deadline_that_ends_with_the_render_harms_nothing(make_app: MakeApp, draw: Any) -> None:
    """Whatever comes first, the answer is a whole picture or a refusal."""
    draw("a.png", (300, 200))
    whole = fetch(make_app(IMAGES_CACHE="whole"), "a.png", width=100, format="png").tobytes()
    statuses = Counter()
    # A renderer that was ended is followed by a new one, which takes longer for its first picture.
    for microseconds in range(50, 8000, 50) if IN_THREAD else range(1000, 100_000, 1000):
        app = make_app(IMAGES_ENGINE="vips", IMAGES_RENDER_TIMEOUT=microseconds / 1e6)
        response = app.test_client().get(url_of(app, "a.png", width=100, format="png", cache=False))
        statuses[response.status_code] += 1
        if response.status_code == 200:
            assert Image.open(io.BytesIO(response.data)).tobytes() == whole
    assert set(statuses) <= {200, 422}
    assert statuses[200]


# Names


@pytest.fixture
def secrets(tmp_path: Path, static: Path) -> Path:
    """Pictures outside of `static`: above it, in a folder beside it, and in one whose name begins as its does."""
    outside = tmp_path / "outside"
    for folder in (tmp_path, outside, tmp_path / "static2", tmp_path / "static-old"):
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), REFUSED).save(folder / "secret.png")
    (static / "folder").mkdir()
    Image.new("RGB", (8, 8), "white").save(static / "folder" / "a.png")
    return outside


def _spellings(tmp_path: Path) -> list[str]:
    """Names that lead out of `static` on some system, or would if they were decoded, cleaned or cut once more."""
    targets = ("secret.png", "outside/secret.png", "static2/secret.png", "static-old/secret.png")
    begins = ("", "./", "folder/", "folder/../", "folder/./", "missing/", "a.png/", "/", "//", "~/", "file:", "file://")
    dots = (
        "..",
        "%2e%2e",
        "%2E.",
        ".%2e",
        "%252e%252e",
        "..;",
        "..%00",
        ". .",
        "．．",
        "..\0",
        "..\u2215",
        "%c0%ae%c0%ae",
    )
    slashes = ("/", "\\", "%2f", "%5c", "//", "/./", "%255c", "\u2215")
    climbs = [dot + slash for dot in dots for slash in slashes]
    rest = [
        *(f"{tmp_path}/{target}" for target in targets),
        *(f"/proc/self/cwd{tmp_path}/{target}" for target in targets),
    ]
    plain = [f"{tmp_path.name}/../secret.png", "../static2/secret.png", "2/secret.png", "../" * 40 + "etc/passwd"]
    made = [
        f"{begin}{climb * (2 if 'folder/' in begin else 1)}{target}"
        for begin in begins
        for climb in climbs
        for target in targets
    ]
    return [*rest, *plain, *random.Random(2).sample(made, 1000)]


def test_no_spelling_of_a_path_leads_out_of_its_folder(
    make_app: MakeApp, secrets: Path, tmp_path: Path, events: list[tuple[str, str]]
) -> None:
    app = make_app(IMAGES_PATH=["static", "static3"])
    app.testing = True
    client = app.test_client()
    spellings = _spellings(tmp_path)
    assert len(set(spellings)) >= 1000
    for spelling in spellings:
        for sent in (quote(spelling), quote(spelling, safe="/%\\")):
            response = client.get(signed(app, unquote(sent), "w=10").replace(unquote(sent), sent, 1))
            assert response.status_code in (308, 404), spelling
        with app.test_request_context():
            assert _size_of(spelling) is None, spelling
            with suppress(InvalidPath):
                assert "v=" not in resized_img_src(spelling), spelling  # a version would tell that there is a file
    opened = {os.path.realpath(path) for event, path in events if event == "open" and path}
    assert [path for path in opened if path.endswith("secret.png") or path == "/etc/passwd"] == []


def _size_of(spelling: str) -> object:
    try:
        return resized_img_size(spelling, width=10)
    except InvalidPath:
        return None


def test_links_are_followed_inside_their_folder_alone(
    make_app: MakeApp, secrets: Path, static: Path, tmp_path: Path, events: list[tuple[str, str]]
) -> None:
    links = {
        "in.png": "folder/a.png",
        "chain.png": "in.png",
        "inner": "folder",
        "absolute.png": str(static / "folder" / "a.png"),
        "there and back.png": "../static/folder/a.png",
        "out.png": "../secret.png",
        "sibling.png": "../static2/secret.png",
        "far.png": str(secrets / "secret.png"),
        "chain out.png": "out.png",
        "above": "..",
        "beside": str(secrets),
        "loop.png": "loop.png",
        "dangling.png": "missing.png",
        "zero.png": "/dev/zero",
        "memory.png": "/proc/self/mem",
        "input.png": "/dev/stdin",
    }
    for name, target in links.items():
        (static / name).symlink_to(target)
    os.mkfifo(static / "pipe.png")
    (static / "pipe link.png").symlink_to("pipe.png")
    app = make_app(IMAGES_PATH=["static"], IMAGES_FOLLOW_LINKS=False)
    app.testing = True
    inside = ("in.png", "chain.png", "inner/a.png", "absolute.png", "there and back.png")
    outside = (
        *("out.png", "sibling.png", "far.png", "chain out.png", "above/secret.png", "above/static/../secret.png"),
        *("beside/secret.png", "loop.png", "dangling.png", "zero.png", "memory.png", "input.png", "pipe.png"),
        *("pipe link.png", "inner", "folder", "inner/../out.png", "above", "above/static2/secret.png"),
    )
    for name in inside:
        assert fetch(app, name, format="png").size == (8, 8)
        with app.test_request_context():
            assert resized_img_size(name, width=4) is not None
            assert "v=" in resized_img_src(name)
    for name in outside:
        assert app.test_client().get(signed(app, name, "w=4")).status_code == 404, name
        with app.test_request_context():
            assert _size_of(name) is None, name
            if ".." not in name:
                assert "v=" not in resized_img_src(name), name
    opened = {os.path.realpath(path) for event, path in events if event == "open" and path}
    assert [
        path for path in opened if path.endswith("secret.png") or path.startswith(("/dev/zero", "/proc/self/mem"))
    ] == []


def test_a_link_that_turns_outside_is_not_followed(app: Flask, secrets: Path, static: Path) -> None:
    link = static / "a.png"
    link.symlink_to("folder/a.png")
    client, url = app.test_client(), url_of(app, "a.png", width=4, cache=False)
    assert client.get(url).status_code == 200
    link.unlink()
    link.symlink_to(secrets / "secret.png")
    assert client.get(url).status_code == 404
    status = (static / "folder" / "a.png").stat()
    (secrets / "secret.png").write_bytes((static / "folder" / "a.png").read_bytes())
    os.utime(secrets / "secret.png", ns=(status.st_atime_ns, status.st_mtime_ns))  # of the very size and time
    assert client.get(url).status_code == 404


@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_odd_names_of_regular_files_are_served(engine: str, make_app: MakeApp, static: Path) -> None:
    app = make_app(IMAGES_ENGINE=engine)
    app.testing = True
    names = (
        *(
            "a.gif[n=-1]",
            "a[1].jpg",
            "a,b.png",
            "%41.jpg",
            "a%20b.png",
            "100%.png",
            "a\tb.png",
            "a b+c.png",
        ),
        *("-n.png", "~.png", "$HOME.png", "a;b.png", "a&b=c.png", "a?b.png", "a#b.png", "'\".png", "*.png"),
        *(
            "ä.png",
            "写真.png",
            "\U0001f600.png",
            "\u202egnp.a",
            "...png",
            "a..png",
            "..a.png",
            ". .png",
            "x" * 251 + ".png",
        ),
    )
    for name in names:
        Image.new("RGB", (9, 7), "white").save(static / name, "PNG")
        with app.test_request_context():
            url, size = resized_img_src(name, width=3, format="png"), resized_img_size(name, width=3)
        assert size is not None, name
        assert "&v=" in url
        response = app.test_client().get(url)
        assert response.status_code == 200, name
        assert "\n" not in response.headers["Content-Disposition"]


def test_names_that_no_url_can_have_end_no_page(app: Flask, static: Path) -> None:
    app.testing = True
    Image.new("RGB", (9, 7)).save(static / "a.png")
    os.rename(os.fsencode(static / "a.png"), os.fsencode(static) + b"/\xff.png")
    for name in (
        os.fsdecode(b"\xff.png"),
        "\ud800.png",
        "x" * 256 + ".png",
        "x/" * 3000 + "a.png",
        "a\0.png",
        "a\\b.png",
    ):
        with app.test_request_context():
            assert resized_img_size(name, width=3) is None
            try:
                url = resized_img_src(name)
            except InvalidPath:
                continue
        assert app.test_client().get(url).status_code == 404
    for path in ("%FF.png", "a%0Ab.png", "%C0%AF.png", "a%00.png", "a%5Cb.png", "%ED%A0%80.png"):
        assert app.test_client().get(f"/imgsizer/{path}?w=3&s=x").status_code == 404


# Signatures

FORGED = 100_000
FORGED_REQUESTS = 2_000


def _forged(chance: random.Random, url: str) -> str:
    """*url* with one character changed, left out or doubled, none of which means the same."""
    while True:
        at = chance.randrange(len(url))
        other = chance.choice("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=?/.&%+~\\\x00 '\xe9")
        made = url[:at] + chance.choice((other, other, other, "", url[at] * 2)) + url[at + 1 :]
        # A doubled & is the same query, as is an empty part at its end.
        if made != url and "&&" not in made and not made.endswith("&"):
            return made


def test_no_forged_url_is_taken_for_a_signed_one(app: Flask, draw: Any, tmp_path: Path) -> None:
    chance = random.Random(3)
    draw("photos/a.png")
    prefix = "/imgsizer/"
    whole = [
        url_of(app, "photos/a.png", width=10, height=20, mode="crop", format="webp").removeprefix(prefix),
        url_of(app, "photos/a.png").removeprefix(prefix),
        url_of(app, "photos/a.png", width=64, background="red", quality=80, enlarge=True).removeprefix(prefix),
    ]
    secrets = ("a secret",)
    forged = sample(_forged(chance, whole[number % len(whole)]) for number in range(FORGED))
    requested = sample(_forged(chance, whole[number % len(whole)]) for number in range(FORGED_REQUESTS))
    for url in forged:
        path, _, query = url.partition("?")
        with pytest.raises(BadSignature):
            urls.decode(path, query.encode(), secrets, legacy=True)
    app.testing = True
    client = app.test_client()
    statuses = Counter(client.get(prefix + quote(url, safe="/?&=%+~")).status_code for url in requested)
    print(f"{len(forged):,} forged URLs refused, {dict(statuses)} over HTTP")
    assert set(statuses) <= {308, 404}  # 308: a slash too many, to where there is nothing either
    assert statuses[404] > len(requested) * 0.95
    assert cached_files(tmp_path / "cache") == []
    assert [client.get(prefix + url).status_code for url in whole] == [200] * 3


@pytest.mark.parametrize(
    ("query", "status"),
    [
        *((f"w={value}", 400) for value in ("abc", "-5", "1e9", "5.7", "%C2%B2", "0x10", "1_0", "NaN", "99999999999")),
        *((f"h={value}", 400) for value in ("abc", "-5", "+5", "%D9%A3")),
        *((f"{name}=", 200) for name in ("w", "h", "m", "f", "q", "b", "usm", "x", "d")),
        *((f"f={value}", 400) for value in ("exe", "svg", "pdf", "psd", "..%2Fpng", "png%00", "heic")),
        *((f"q={value}", 400) for value in ("0", "-1", "abc")),
        ("q=999", 200),
        *((f"m={value}", 400) for value in ("bogus", "PAD%00")),
        ("b=transparent&h=50&m=pad&w=50", 200),
        *((f"b={value}", 400) for value in ("url%28x%29", "%23ggg", "rgb%281%2C2%29")),
        ("e=1&w=10000", 422),
        ("e=1&h=9999999999&w=9999999999", 422),
        ("e=1&h=8000&w=8000", 422),
        ("h=8000&m=pad&w=8000", 422),
        ("h=50&m=pad&w=1000000", 422),
        ("usm=1e9%2C1%2C1", 400),
        ("usm=100%2C10000%2C0", 200),
        ("x=EXTENT%2C100000%2C100000%2C0%2C0%2C1%2C1", 422),
        ("x=EXTENT%2C1e9%2C1e9%2C0%2C0%2C1%2C1", 422),
        ("x=AFFINE%2C0%2C0%2C1e9%2C0%2C0%2C0%2C1e9%2C0", 200),
        ("x=PERSPECTIVE%2C0%2C0%2C0%2C0%2C0%2C0%2C0%2C0%2C0%2C0", 200),
        ("x=MESH%2C1", 400),
        ("d=a%0D%0AX-Evil%3A+1", 400),
        ("v=%00%0D%0A", 200),
        ("u=http%3A%2F%2F127.0.0.1%2F", 200),  # counts only where the path says so
    ],
)
@pytest.mark.parametrize("name", ["grey.jpg", "cmyk.jpg", "clear.png"])
def test_signed_values_that_make_no_sense_are_refused_or_make_a_picture(
    query: str, status: int, name: str, app: Flask, draw: Any
) -> None:
    draw(name, (40, 30), {"grey.jpg": "L", "cmyk.jpg": "CMYK", "clear.png": "LA"}[name])
    app.testing = True
    response = app.test_client().get(signed(app, name, query))
    assert response.status_code == status
    if status == 200:
        Image.open(io.BytesIO(response.data)).load()
    assert "X-Evil" not in response.headers


# Sources that change

REPLACEMENTS = share(1_000, 4)


def test_a_source_that_is_replaced_is_never_served_older_than_it_is(app: Flask, static: Path) -> None:
    """Every picture is one whole version, none older than what the file was before the request.

    A request that finds the file replaced again at each of its tries says so, with 503.
    """
    path, began = static / "a.png", time.time_ns() - 10**12
    replaced = 0

    def replace(version: int) -> None:
        partial = path.with_suffix(".partial")
        Image.new("RGB", (16, 16), (version % 256, version // 256, 77)).save(partial, "PNG")
        os.utime(partial, ns=(began, began + version * 1_000_000))
        os.replace(partial, path)

    replace(0)
    url = url_of(app, "a.png", format="png")
    answers: Counter[int] = Counter()
    wrong: list[object] = []
    done = threading.Event()

    def ask() -> None:
        client = app.test_client()
        while not done.is_set():
            before = (path.stat().st_mtime_ns - began) // 1_000_000
            response = client.get(url)
            answers[response.status_code] += 1
            if response.status_code == 200:
                red, green, blue = Image.open(io.BytesIO(response.data)).convert("RGB").getpixel((8, 8))
                version = red + 256 * green
                if blue != 77 or not before <= version <= replaced + 1:
                    wrong.append((before, version, replaced))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for version in range(1, REPLACEMENTS + 1):
        replace(version)
        replaced = version
        # At the pace of the answers: what is replaced three times within one request rightly answers 503.
        answered, until = answers.total(), time.monotonic() + 0.2
        while answers.total() < answered + 2 and time.monotonic() < until:
            time.sleep(0.001)
    done.set()
    for thread in threads:
        thread.join()
    print(f"{REPLACEMENTS:,} replacements, answers by status: {dict(answers)}")
    assert wrong == []
    assert answers.keys() <= {200, 503}
    assert answers[200] > max(100, 0.95 * answers.total())


def test_a_source_that_is_removed_while_it_is_rendered_is_rendered(app: Flask, draw: Any) -> None:
    path = draw("a.png")
    with app.app_context():
        source = app.extensions["images"].pipeline.sources.local.find("a.png")
    with source.open() as descriptor:
        path.unlink()
        assert os.fstat(descriptor).st_size
    with pytest.raises(SourceChanged), source.open():
        pass


def test_a_source_that_is_written_to_while_it_is_read_is_no_broken_one(app: Flask, draw: Any) -> None:
    path = draw("a.png")
    with app.app_context():
        source = app.extensions["images"].pipeline.sources.local.find("a.png")
    with pytest.raises(SourceChanged), source.open():  # noqa: PT012
        path.write_bytes(b"half")
        raise UnreadableSource("a.png", "broken")
