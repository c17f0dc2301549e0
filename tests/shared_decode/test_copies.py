"""Reduced copies of large sources: when they are made and used, and that nobody can tell but by the clock."""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TESTS, cached_files, fetch, gradient, url_of
from flask import Flask
from PIL import Image

from flask_images_vips import Images
from flask_images_vips.engines.engine import Header
from flask_images_vips.formats import JPEG, by_name
from flask_images_vips.geometry import Size
from flask_images_vips.options.options import Options
from flask_images_vips.options.transforms import Transform
from flask_images_vips.options.values import Mode
from flask_images_vips.pipeline import Pipeline
from flask_images_vips.serving.hit import verify
from flask_images_vips.shared_decode.copies import Copies, copy_sizes, takes_copies, usable_sizes
from flask_images_vips.state import images_of

pytest.importorskip("pyvips")
pytestmark = pytest.mark.usefixtures("cheap_copies")

Draw = Callable[..., Path]
MakeApp = Callable[..., Flask]

LARGE = (2900, 1500)  # just large enough for both copies
WEBP = by_name("webp")


# When


def header(size: tuple[int, int], format: str = "jpeg", **more: Any) -> Header:
    return Header(Size(*size), format, **more)


@pytest.mark.parametrize(
    ("source", "copies"),
    [
        ((6000, 4000), [(2048, 1365), (1024, 683)]),
        ((4000, 6000), [(1365, 2048), (683, 1024)]),
        ((3000, 2000), [(2048, 1365), (1024, 683)]),
        ((2500, 1700), [(1024, 696)]),
        ((2300, 1700), []),  # under 4 Mpx
        ((100_000, 40), [(2048, 1), (1024, 1)]),
    ],
)
def test_the_copies_of_a_source_are_much_smaller_than_it(
    source: tuple[int, int], copies: list[tuple[int, int]]
) -> None:
    assert list(copy_sizes(header(source))) == copies


@pytest.mark.parametrize(
    ("format", "copies"), [("jpeg", 0), ("webp", 0), ("png", 1), ("avif", 1), ("heic", 1), ("tiff", 1)]
)
def test_what_is_decoded_whole_has_copies_from_half_that_size_on(format: str, copies: int) -> None:
    assert len(copy_sizes(header((1600, 1250), format))) == copies
    assert copy_sizes(header((1600, 1249), format)) == ()


@pytest.mark.parametrize("other", [{"format": "svg"}, {"format": "gif"}, {"frames": 2}, {"palette": True}])
def test_drawings_and_animations_have_no_copies(other: dict[str, Any]) -> None:
    assert not copy_sizes(replace(header((6000, 4000)), **other))


@pytest.mark.parametrize(
    ("scaled", "sides"),
    [
        ((400, 267), [1024, 2048]),
        ((512, 341), [1024, 2048]),
        ((640, 427), [2048, 1024]),
        ((820, 547), [2048]),
        ((1024, 683), [2048]),
        ((1638, 1092), [2048]),
        ((1639, 1093), []),
        ((300, 1365), []),  # reshaped: one side would be enlarged or kept
        ((4000, 3000), []),
    ],
)
def test_a_rendition_is_made_of_the_smallest_copy_that_leaves_twice_its_pixels(
    scaled: tuple[int, int], sides: list[int]
) -> None:
    assert [size.width for size in usable_sizes([Size(2048, 1365), Size(1024, 683)], Size(*scaled))] == sides


def test_what_comes_before_scaling_takes_no_copy() -> None:
    assert takes_copies(Options(width=400, mode=Mode.CROP))
    assert not takes_copies(Options(width=400, cache=False))
    assert not takes_copies(Options(width=400, transform=Transform.parse("EXTENT,10,10,0,0,5,5")))


# What


def copies_of(app: Flask) -> list[str]:
    """The sides of the copies that *app* has on its disk."""
    folder = Path(pipeline_of(app).cache.folder) / "copies"
    announced = ("-set", "-copy")
    return sorted(path.name.partition("-")[2] for path in cached_files(folder) if not path.name.endswith(announced))


def pipeline_of(app: Flask) -> Pipeline:
    with app.app_context():
        return images_of(app).pipeline


def copies(app: Flask) -> Copies:
    found = pipeline_of(app).shared.copies
    assert found is not None
    return found


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Gives what was rendered since it was last asked, by what."""
    caplog.set_level(logging.INFO, "flask_images_vips")

    def told() -> list[str]:
        lines = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return [line.split(" by ")[1].split(":")[0] for line in lines if line.startswith("rendered")]

    return told


@pytest.fixture
def decodes(caplog: pytest.LogCaptureFixture) -> Callable[[], int]:
    """Gives how often a source was decoded."""
    caplog.set_level(logging.INFO, "flask_images_vips")

    def decodes() -> int:
        lines = [record.getMessage() for record in caplog.records]
        return sum(line.startswith("rendered") and " from a copy:" not in line for line in lines)

    return decodes


def psnr(one: Image.Image, other: Image.Image) -> float:
    assert one.size == other.size
    # "RGBa": premultiplied, since the colour of what is clear is nobody's business.
    first, second = (np.asarray(each.convert("RGBA").convert("RGBa"), float) for each in (one, other))
    difference = first - second
    return float(10 * np.log10(255**2 / max((difference**2).mean(), 1e-9)))


def test_the_second_rendition_of_a_large_source_makes_its_copies(
    app: Flask, draw: Draw, told: Callable[[], list[str]]
) -> None:
    draw("large.jpg", LARGE)
    fetch(app, "large.jpg", width=500)
    assert (told(), copies_of(app)) == (["vips"], [])
    fetch(app, "large.jpg", width=400)
    assert (told(), copies_of(app)) == (["vips, with copies"], ["1024"])
    fetch(app, "large.jpg", width=300, height=300, mode="crop", format="webp")
    assert told() == ["vips from a copy"]
    fetch(app, "large.jpg", width=2000)
    fetch(app, "large.jpg", width=200, transform="EXTENT,10,10,0,0,5,5")
    fetch(app, "large.jpg", width=210, cache=False)
    assert [name.endswith("copy") for name in told()] == [False] * 3


@pytest.mark.parametrize("format", ["tiff", "jpeg"])
@pytest.mark.parametrize(
    ("widths", "copies", "wanted_decodes"),
    [
        ((500, 400, 640, 819), ["1024"], 2),
        ((400, 1200, 640, 1000), ["2048"], 2),
        ((1200, 400, 1600, 1000), ["1024", "2048"], 3),
        ((2000, 1900), [], 2),
    ],
)
def test_the_smallest_copy_is_made_that_suits_the_rendition(
    make_app: MakeApp,
    draw: Draw,
    told: Callable[[], list[str]],
    decodes: Callable[[], int],
    widths: tuple[int, ...],
    copies: list[str],
    wanted_decodes: int,
    format: str,
) -> None:
    app = make_app(IMAGES_COPIES=format)
    draw("large.jpg", LARGE)
    for width in widths:
        fetch(app, "large.jpg", width=width)
    assert copies_of(app) == copies
    assert decodes() == wanted_decodes


@pytest.mark.parametrize("name", ["large.png", "large.tif"])
def test_what_is_decoded_whole_gets_all_copies_from_that_decode(
    app: Flask, draw: Draw, decodes: Callable[[], int], name: str
) -> None:
    draw(name, LARGE)
    for width in (300, 400, 1200, 1600):
        fetch(app, name, width=width, format="jpeg")
    assert copies_of(app) == ["1024", "2048"]
    assert decodes() == 2


def test_a_small_source_and_a_lone_rendition_make_none(app: Flask, draw: Draw) -> None:
    draw("small.jpg", (2000, 1500))
    draw("large.jpg", LARGE)
    for width in (100, 200, 300):
        fetch(app, "small.jpg", width=width)
    for _ in range(3):
        fetch(app, "large.jpg", width=100)
    assert copies_of(app) == []


@pytest.mark.parametrize("config", [{"IMAGES_COPIES": False}, {"IMAGES_ENGINE": "pillow"}])
def test_copies_may_be_off(make_app: MakeApp, draw: Draw, config: dict[str, Any]) -> None:
    app = make_app(**config)
    draw("large.jpg", LARGE)
    for width in (100, 200):
        fetch(app, "large.jpg", width=width)
    assert copies_of(app) == []


def with_and_without(make_app: MakeApp, tmp_path: Path, **config: Any) -> tuple[Flask, Flask]:
    without = make_app(IMAGES_COPIES=False, IMAGES_CACHE=str(tmp_path / "without"), **config)
    return make_app(**config), without


@pytest.mark.parametrize("format", ["tiff", "jpeg"])
def test_sizes_are_those_of_the_source_to_the_pixel(
    make_app: MakeApp, draw: Draw, tmp_path: Path, format: str, told: Callable[[], list[str]]
) -> None:
    draw("large.jpg", (2903, 1507))
    with_copies, without = with_and_without(make_app, tmp_path)
    with_copies.config["IMAGES_COPIES"] = format
    for width in (50, 51, 1500):
        fetch(with_copies, "large.jpg", width=width)
    told()
    for asked in (
        {"width": 333},
        {"height": 331},
        {"width": 700, "height": 701, "mode": "crop"},
        {"width": 700, "height": 701, "mode": "pad"},
        {"width": 301, "height": 299, "mode": "reshape"},
        {"width": 1, "height": 1},
    ):
        made = fetch(with_copies, "large.jpg", format="png", **asked)
        assert told() == ["vips from a copy"]
        assert psnr(made, fetch(without, "large.jpg", format="png", **asked)) > 38, asked
        told()


def kinds() -> dict[str, Callable[[Path], None]]:
    picture = gradient(LARGE)

    def oriented(path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.save(path, "JPEG", quality=95, exif=exif)

    def alpha(path: Path) -> None:
        clear = picture.convert("RGBA")
        clear.putalpha(Image.linear_gradient("L").resize(LARGE))
        clear.save(path, "PNG", compress_level=1)

    def deep(path: Path) -> None:
        import pyvips

        grey = pyvips.Image.new_from_array(np.asarray(picture)).colourspace("rgb16")
        grey.write_to_file(f"{path}[compression=1]")

    return {
        "oriented.jpg": oriented,
        "alpha.png": alpha,
        "cmyk.jpg": lambda path: picture.convert("CMYK").save(path, quality=95),
        "deep.png": deep,
        "grey.png": lambda path: picture.convert("L").save(path, compress_level=1),
        "packed.tif": lambda path: picture.save(path, compression="tiff_lzw"),
        "plain.webp": lambda path: picture.save(path, quality=90, method=0),
    }


@pytest.mark.parametrize(
    ("name", "format"),
    [*((name, "tiff") for name in kinds()), ("alpha.png", "jpeg"), ("cmyk.jpg", "jpeg"), ("grey.png", "jpeg")],
)
def test_orientation_colour_and_alpha_are_those_of_the_source(
    make_app: MakeApp, static: Path, tmp_path: Path, name: str, format: str, told: Callable[[], list[str]]
) -> None:
    kinds()[name](static / name)
    with_copies, without = with_and_without(make_app, tmp_path)
    with_copies.config["IMAGES_COPIES"] = format
    fetch(with_copies, name, width=50)
    fetch(with_copies, name, width=51)
    told()
    asked: dict[str, Any] = {"width": 400, "format": "png", "background": "#f80"}
    made = fetch(with_copies, name, **asked)
    assert told() == ["vips from a copy"]
    direct = fetch(without, name, **asked)
    assert made.mode == direct.mode
    assert psnr(made, direct) > (37 if format == "tiff" else 32)


def test_a_profile_is_applied_once(
    make_app: MakeApp, static: Path, tmp_path: Path, told: Callable[[], list[str]]
) -> None:
    import pyvips

    pyvips.Image.new_from_array(np.asarray(gradient(LARGE))).icc_export(output_profile="p3").write_to_file(
        str(static / "wide.jpg"), Q=95, profile="p3"
    )
    with_copies, without = with_and_without(make_app, tmp_path)
    for width in (50, 51):
        fetch(with_copies, "wide.jpg", width=width)
    told()
    made = fetch(with_copies, "wide.jpg", width=400, format="png")
    assert told() == ["vips from a copy"]
    assert psnr(made, fetch(without, "wide.jpg", width=400, format="png")) > 38


def grainy(photograph: Path, path: Path) -> None:
    """*photograph*, enlarged, with the grain of a camera."""
    with Image.open(photograph) as picture:
        large = picture.convert("RGB").resize((3600, 2400), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(1).normal(0, 5, (2400, 3600, 3))
    Image.fromarray((np.asarray(large) + grain).clip(0, 255).astype(np.uint8)).save(path, quality=95)


def similarity(made: Image.Image, path: Path) -> float:
    """The SSIM of a rendition to all pixels of the file at *path*, scaled down by Pillow."""
    structural_similarity = pytest.importorskip("skimage.metrics").structural_similarity
    exact = Image.open(path).resize(made.size, Image.Resampling.LANCZOS)
    pixels = [np.asarray(each.convert("RGB")) for each in (made, exact)]
    return float(structural_similarity(*pixels, channel_axis=2, data_range=255))


def test_a_photograph_from_a_copy_is_one_from_all_its_pixels(
    make_app: MakeApp,
    static: Path,
    tmp_path: Path,
    photograph: Callable[[str], Path],
    told: Callable[[], list[str]],
) -> None:
    grainy(photograph("earth.jpg"), static / "large.jpg")
    with_copies, without = with_and_without(make_app, tmp_path)
    pipeline = pipeline_of(with_copies)
    pipeline.offer(pipeline.sources.local.find("large.jpg"), Options(), JPEG, [(200, None), (300, None)])
    for width in (300, 500, 640, 800, 1600):
        made, direct = (fetch(app, "large.jpg", width=width, format="png") for app in (with_copies, without))
        by, by_the_other = told()
        assert (by, by_the_other) == ("vips, with copies" if width in (300, 1600) else "vips from a copy", "vips")
        assert similarity(made, static / "large.jpg") >= similarity(direct, static / "large.jpg") - 0.002, width


# A set that a page announces


def test_an_announced_set_is_decoded_once_by_whichever_worker(
    make_app: MakeApp, draw: Draw, told: Callable[[], list[str]]
) -> None:
    draw("large.jpg", LARGE)
    page, worker = make_app(), make_app()
    pipeline = pipeline_of(page)
    source = pipeline.sources.local.find("large.jpg")
    for _ in range(2):
        pipeline.offer(source, Options(), WEBP, [(width, None) for width in (200, 400, 800)])
    for width in (200, 400, 800):
        fetch(worker, "large.jpg", width=width, format="webp")
    assert told() == ["vips, with copies", *["vips from a copy"] * 2]


@pytest.mark.parametrize("widths", [(), (300,), (300, 300), (300, 2000), (1900, 2000)])
def test_a_set_of_one_that_fits_a_copy_is_none(app: Flask, draw: Draw, widths: tuple[int, ...]) -> None:
    draw("large.jpg", LARGE)
    pipeline = pipeline_of(app)
    pipeline.offer(pipeline.sources.local.find("large.jpg"), Options(), WEBP, [(width, None) for width in widths])
    fetch(app, "large.jpg", width=100)
    assert copies_of(app) == []


def test_a_new_version_of_a_source_has_new_copies(app: Flask, draw: Draw, told: Callable[[], list[str]]) -> None:
    path = draw("large.png", LARGE, compress_level=1)
    for width in (100, 200):
        fetch(app, "large.png", width=width)
    Image.new("RGB", LARGE, "red").save(path, compress_level=1)
    told()
    for width in (300, 400):
        assert fetch(app, "large.png", width=width).getpixel((150, 70)) == (255, 0, 0)
    assert told() == ["vips, with copies", "vips from a copy"]


def test_purging_a_source_purges_its_copies(app: Flask, draw: Draw) -> None:
    for name in ("one.jpg", "other.jpg"):
        draw(name, LARGE)
        for width in (100, 200):
            fetch(app, name, width=width)
    assert len(copies_of(app)) == 2
    app.test_cli_runner().invoke(args=["images", "purge", "one.jpg"])
    assert len(copies_of(app)) == 1
    app.test_cli_runner().invoke(args=["images", "purge", "--all"])
    assert copies_of(app) == []


# What goes wrong


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:3],
        lambda data: b"",
        lambda data: bytes(len(data)),
        lambda data: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        lambda data: data[:8] + os.urandom(len(data) - 8),  # the directory is at the end
    ],
    ids=["half", "three bytes", "empty", "zeros", "another file", "noise"],
)
@pytest.mark.parametrize("format", ["tiff", "jpeg"])
def test_a_broken_copy_costs_nothing_but_time(
    make_app: MakeApp, draw: Draw, damage: Callable[[bytes], bytes], format: str, told: Callable[[], list[str]]
) -> None:
    app = make_app(IMAGES_COPIES=format)
    draw("large.jpg", LARGE)
    for width in (100, 200):
        fetch(app, "large.jpg", width=width)
    whole = fetch(app, "large.jpg", width=400, format="png")
    for path in cached_files(Path(copies(app).store.folder)):
        path.write_bytes(damage(path.read_bytes()))
    told()
    assert psnr(fetch(app, "large.jpg", width=401, format="png").resize(whole.size), whole) > 30
    fetch(app, "large.jpg", width=402, format="png")
    fetch(app, "large.jpg", width=403, format="png")
    assert told()[-1] == "vips from a copy"  # the broken one is gone, and the other serves or both are made anew


def test_a_copy_that_is_evicted_while_it_is_read_is_read_to_its_end(app: Flask, draw: Draw) -> None:
    draw("large.jpg", LARGE)
    for width in (100, 200):
        fetch(app, "large.jpg", width=width)
    pipeline = pipeline_of(app)
    with app.test_request_context():
        url = verify(images_of(app), *_parts(url_of(app, "large.jpg", width=400)), "").url
    rendition = pipeline.rendition(url, pipeline.sources.find(url))
    head = pipeline.facts.header(rendition.source)
    entry = copies(app).find(rendition.source, head, Size(400, 206))
    assert entry is not None
    copies(app).store.purge_all()
    with entry:
        (data,) = pipeline.producer.once().render_copy(rendition, head, entry.fileno(), time.monotonic()).files
    assert Image.open(io.BytesIO(data)).size == (400, 206)


def _parts(url: str) -> tuple[str, bytes]:
    path, _, query = url.partition("?")
    return path.removeprefix("/imgsizer/"), query.encode()


@pytest.mark.parametrize("config", [{"IMAGES_CACHE_MIN_FREE": 0.9999}, {"IMAGES_COPIES_SHARE": 0}])
def test_no_copy_is_made_that_could_not_be_kept(
    make_app: MakeApp, draw: Draw, config: dict[str, Any], told: Callable[[], list[str]]
) -> None:
    app = make_app(**config)
    draw("large.jpg", LARGE)
    for width in (100, 200, 300):
        fetch(app, "large.jpg", width=width)
    assert (copies_of(app), told()) == ([], ["vips"] * 3)


def test_a_folder_that_takes_no_copies_costs_nothing_but_time(
    app: Flask, draw: Draw, told: Callable[[], list[str]]
) -> None:
    draw("large.jpg", LARGE)
    fetch(app, "large.jpg", width=100)
    folder = Path(copies(app).store.folder)
    copies(app).store.usable()
    (folder / "tmp").rmdir()
    (folder / "tmp").write_text("in the way")
    for width in (200, 300):
        fetch(app, "large.jpg", width=width)
    assert (copies_of(app), told()) == ([], ["vips", "vips, with copies", "vips"])


# Many processes

CHILD = """
import logging, resource, signal, sys
from shared_decode.test_copies import site
from conftest import fetch
from flask_images_vips.shared_decode import prices
prices._EXPECTED = 100
logging.basicConfig(format="%(message)s", stream=sys.stdout)
logging.getLogger("flask_images_vips").setLevel(logging.INFO)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder, most_bytes, *widths = sys.argv[1:]
if int(most_bytes):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(most_bytes),) * 2)  # writing fails as on a full disk
app = site(folder)
print("ready", flush=True)
sys.stdin.readline()
for width in widths:
    fetch(app, "large.jpg", width=int(width))
"""

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")


def site(folder: str) -> Flask:
    app = Flask("site", root_path=folder)
    app.config.update(SECRET_KEY="a secret", IMAGES_CACHE="cache")
    Images(app)
    return app


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts a process that is ready to ask for large.jpg in each of *widths*, as soon as it is told."""

    def start(*widths: int, most_bytes: int = 0) -> subprocess.Popen[str]:
        here = TESTS
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), str(most_bytes), *map(str, widths)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    return start


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@posix
def test_four_processes_that_want_copies_make_them_once(
    tmp_path: Path, draw: Draw, start: Callable[..., subprocess.Popen[str]]
) -> None:
    draw("large.jpg", LARGE)
    app = site(str(tmp_path))
    fetch(app, "large.jpg", width=50)
    processes = [start(width, width + 1) for width in (100, 200, 300, 400)]
    for process in processes:
        go(process)
    lines = "".join(process.communicate()[0] for process in processes).splitlines()
    assert [process.returncode for process in processes] == [0] * 4
    assert sum(line.startswith("stored copies") for line in lines) == 1
    assert sum("by vips from a copy" in line for line in lines) == 7


@posix
def test_a_full_disk_costs_nothing_but_time(draw: Draw, start: Callable[..., subprocess.Popen[str]]) -> None:
    draw("large.jpg", LARGE)
    process = start(100, 200, 300, most_bytes=1_000_000)
    go(process)
    lines = process.communicate()[0].splitlines()
    assert process.returncode == 0, lines
    assert sum("by vips" in line and "from a copy" not in line for line in lines) == 3, lines


@posix
def test_a_process_that_is_killed_leaves_no_half_copy(
    tmp_path: Path, draw: Draw, start: Callable[..., subprocess.Popen[str]]
) -> None:
    draw("large.jpg", LARGE)
    app = site(str(tmp_path))
    for milliseconds in (40, 80, 120):
        process = start(100, 200)
        go(process)
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert fetch(app, "large.jpg", width=milliseconds + 300).size[0] == milliseconds + 300
    whole = {Size(2048, 1059), Size(1024, 530)}
    for path in cached_files(Path(copies(app).store.folder)):
        with Image.open(path) as copy:
            copy.load()
            assert copy.size in whole


# How encoders and decoders work


def test_balanced_is_what_is_written_without_the_key(make_app: MakeApp, draw: Draw, tmp_path: Path) -> None:
    draw("small.png", (300, 200))
    plain = make_app(IMAGES_CACHE=str(tmp_path / "plain"))
    named = make_app(IMAGES_CACHE=str(tmp_path / "named"), IMAGES_EFFORT="balanced", IMAGES_HEADROOM=1.8)
    for format in ("jpeg", "png", "webp", "avif", "gif"):
        url = url_of(plain, "small.png", width=200, format=format)
        assert plain.test_client().get(url).data == named.test_client().get(url).data
    assert pipeline_of(plain).facts.settings == pipeline_of(named).facts.settings


@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_small_takes_fewer_bytes_than_fast(
    make_app: MakeApp, photograph: Callable[[str], Path], tmp_path: Path, engine: str
) -> None:
    photograph("cat.jpg")
    apps = [
        make_app(IMAGES_CACHE=str(tmp_path / effort), IMAGES_EFFORT=effort, IMAGES_ENGINE=engine)
        for effort in ("small", "balanced", "fast")
    ]
    for format in ("jpeg", "png", "webp", "avif"):
        sizes = [len(app.test_client().get(url_of(app, "cat.jpg", width=300, format=format)).data) for app in apps]
        assert sizes[0] < sizes[2], (format, sizes)
        assert sizes[1] <= sizes[2], (format, sizes)


def test_efforts_and_headrooms_do_not_share_their_results(make_app: MakeApp) -> None:
    apps = [make_app(**config) for config in ({}, {"IMAGES_EFFORT": "fast"}, {"IMAGES_HEADROOM": 1})]
    assert len({pipeline_of(app).facts.settings for app in apps}) == 3


def test_less_headroom_keeps_the_size(make_app: MakeApp, draw: Draw, tmp_path: Path) -> None:
    draw("large.jpg", (1201, 803))
    one = make_app(IMAGES_HEADROOM=1, IMAGES_CACHE=str(tmp_path / "one"))
    made, usual = fetch(one, "large.jpg", width=301), fetch(make_app(), "large.jpg", width=301)
    assert psnr(made, usual) > 30
