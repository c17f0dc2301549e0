"""Animations: which stay ones, how many frames they have, how long each is shown and how often all, and their limits.

Where it says *engine*, each one is tested. What is expected of frames is composed here, as GIF89a has it.
"""

from __future__ import annotations

import gc
import io
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import pyvips
from conftest import cached_files, fetch, gradient, share, url_of
from flask import Flask
from PIL import Image, ImageDraw

from engines.conftest import ENGINES
from engines.test_engine import psnr
from flask_images_vips.engines.engine import Engine
from flask_images_vips.errors import LimitExceeded, UnreadableSource
from flask_images_vips.formats import FORMATS, choose
from flask_images_vips.geometry import Size, plan
from flask_images_vips.headers.read import read_header
from flask_images_vips.options.options import Options, write_query
from flask_images_vips.rendition import Rendition
from flask_images_vips.sources.local import LocalSources

MakeApp = Callable[..., Flask]
Pixels = npt.NDArray[np.uint8]

DELAYS = [70, 200, 120, 1000, 40]
SIZE = Size(96, 64)
MODES = {
    "fit": {"width": 48, "height": 48, "mode": "fit"},
    "crop": {"width": 40, "height": 40, "mode": "crop"},
    "pad": {"width": 80, "height": 90, "mode": "pad", "background": "#fa780a"},
    "reshape": {"width": 50, "height": 60, "mode": "reshape"},
    "enlarged": {"width": 150, "enlarge": True},
    "sharpened": {"width": 48, "sharpen": "1,100,0"},
    "as it is": {},
}


class Animation(NamedTuple):
    """What a file shows: its *frames* as they appear, and what it says of them."""

    size: tuple[int, int]
    delays: list[int]
    plays: int
    frames: list[Image.Image]


def shown(data: bytes) -> Animation:
    with Image.open(io.BytesIO(data)) as image:
        frames, delays = [], []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            frames.append(image.convert("RGBA"))
            delays.append(image.info.get("duration", 0))
        loop = image.info.get("loop")
        plays = (1 if loop is None else loop and loop + 1) if image.format == "GIF" else loop or 0
        return Animation(image.size, delays, plays, frames)


def drawn(size: tuple[int, int] = SIZE, count: int = len(DELAYS), *, alpha: bool = False) -> list[Image.Image]:
    """Frames of which a disc and a bar move, each its own way."""
    frames = []
    for number in range(count):
        frame = Image.new("RGBA", size, (0, 0, 0, 0) if alpha else (200, 190, 180, 255))
        draw = ImageDraw.Draw(frame)
        draw.ellipse((10 * number, 14, 10 * number + 30, 44), fill=(40, 120 - 20 * number, 60, 255))
        draw.rectangle((4, 54 - 8 * number, 80, 58 - 8 * number), fill=(50, 60, 140, 255))
        frames.append(frame if alpha else frame.convert("RGB"))
    return frames


def lay(path: Path, frames: Sequence[Image.Image], *, plays: int = 0, delays: Any = None) -> Path:
    """An animation that is shown *plays* times, 0 for ever."""
    save: dict[str, Any] = {"duration": delays or DELAYS[: len(frames)]}
    if path.suffix == ".gif":
        save |= {"disposal": 2} if frames[0].mode == "RGBA" else {}
        save |= {} if plays == 1 else {"loop": plays and plays - 1}
    else:
        save |= {"lossless": True, "loop": plays}
    frames[0].save(path, save_all=True, append_images=frames[1:], **save)
    return path


def render(engine: Engine, path: Path, **wishes: Any) -> bytes:
    """All frames of the file at *path*, as *engine* renders them."""
    options = Options.parse(write_query(wishes))
    source = LocalSources([str(path.parent)]).find(path.name)
    with source.open() as descriptor:
        header = engine.header(descriptor, source.ref)
        geometry = plan(header.size, options)
        rendition = Rendition(source, options, choose(source.ref, options.format))
        return engine.render(descriptor, rendition, geometry, header.frames)


def planned(frame: Image.Image, **wishes: Any) -> Image.Image:
    options = Options.parse(write_query(wishes))
    geometry = plan(Size(*frame.size), options)
    canvas = Image.new("RGBA", geometry.canvas, options.background)
    canvas.paste(frame.convert("RGBA").resize(geometry.scaled, Image.Resampling.LANCZOS), geometry.offset)
    return canvas


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("output", ["gif", "webp"])
@pytest.mark.parametrize("source", ["gif", "webp"])
def test_an_animation_stays_one_in_every_mode(
    engine: Engine, source: str, output: str, mode: str, make_app: MakeApp, static: Path
) -> None:
    frames = drawn()
    lay(static / f"a.{source}", frames, plays=3)
    app = make_app(IMAGES_ENGINE=engine.name)
    response = app.test_client().get(url_of(app, f"a.{source}", format=output, quality="raw95", **MODES[mode]))
    assert (response.status_code, response.mimetype) == (200, f"image/{output}")
    made = shown(response.data)
    assert made.size == plan(SIZE, Options.parse(write_query(MODES[mode]))).canvas
    assert (made.delays, made.plays) == (DELAYS, 3)
    if mode != "sharpened":
        for frame, reference in zip(made.frames, frames, strict=True):
            assert psnr(frame, planned(reference, **MODES[mode])) >= 28


@pytest.mark.parametrize("output", ["gif", "webp"])
@pytest.mark.parametrize("source", ["gif", "webp"])
def test_what_is_clear_in_a_frame_stays_clear(engine: Engine, source: str, output: str, tmp_path: Path) -> None:
    frames = drawn(alpha=True)
    made = shown(render(engine, lay(tmp_path / f"a.{source}", frames), format=output, lossless=True))
    for frame, reference in zip(made.frames, frames, strict=True):
        assert psnr(frame, reference) >= 40


@pytest.mark.parametrize("plays", [0, 1, 2, 3, 100])
@pytest.mark.parametrize("output", ["gif", "webp"])
@pytest.mark.parametrize("source", ["gif", "webp"])
def test_it_is_shown_as_often_as_before(engine: Engine, source: str, output: str, plays: int, tmp_path: Path) -> None:
    """A GIF states how often it is repeated, and nothing where it is shown once; a WebP how often it is shown."""
    data = render(engine, lay(tmp_path / f"a.{source}", drawn(), plays=plays), width=30, format=output)
    assert shown(data).plays == plays
    if output == "gif":
        assert (b"NETSCAPE2.0" in data) == (plays != 1)


def test_what_is_shown_more_often_than_a_webp_can_state_is_shown_for_ever(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(gif(CANVAS, scattered(1, (1,)), loop=65_535))
    assert shown(render(engine, tmp_path / "a.gif", format="webp")).plays == 0


@pytest.mark.parametrize("output", ["gif", "webp"])
@pytest.mark.parametrize("source", ["gif", "webp"])
def test_the_shortest_delays_are_kept_or_written_as_browsers_show_them(
    engine: Engine, source: str, output: str, tmp_path: Path
) -> None:
    """Browsers show a frame of 10 ms or less for 100 ms; that is what libvips writes into a WebP."""
    path = lay(tmp_path / f"a.{source}", drawn(), delays=[10, 10, 20, 30, 10])
    expected = [100, 100, 20, 30, 100] if (engine.name, output) == ("vips", "webp") else [10, 10, 20, 30, 10]
    assert shown(render(engine, path, width=30, format=output)).delays == expected


# Frames of a GIF: parts, with disposal


class Part(NamedTuple):
    """A part of a GIF's canvas, as indices of `PALETTE`; *clear* is the index that shows what lies below, or -1."""

    left: int
    top: int
    pixels: npt.NDArray[np.int64]
    hundredths: int
    disposal: int
    clear: int


PALETTE = np.array(
    [((37 * index) % 256, (91 * index) % 256, (151 * index) % 256, 255) for index in range(128)], np.uint8
)
CANVAS = Size(40, 30)


def gif(size: Size, parts: Sequence[Part], loop: int = 0) -> bytes:
    """The file of these *parts* (GIF89a), hardly compressed."""
    data = b"GIF89a" + struct.pack("<HHBBB", *size, 0b11110110, 0, 0) + PALETTE[:, :3].tobytes()
    data += b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", loop) + b"\0"
    for part in parts:
        height, width = part.pixels.shape
        has_clear = part.clear >= 0
        data += b"\x21\xf9\x04" + struct.pack("<BH", part.disposal << 2 | has_clear, part.hundredths)
        data += bytes([max(part.clear, 0), 0])
        data += b"," + struct.pack("<HHHHB", part.left, part.top, width, height, 0)
        data += _as_codes(part.pixels.astype(np.uint8).tobytes())
    return data + b";"


def _as_codes(pixels: bytes) -> bytes:
    """LZW that starts anew before its codes would grow to more than a byte."""
    codes = b"".join(b"\x80" + pixels[start : start + 100] for start in range(0, len(pixels), 100)) + b"\x81"
    blocks = (codes[start : start + 255] for start in range(0, len(codes), 255))
    return b"\x07" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def composed(size: Size, parts: Sequence[Part]) -> list[Image.Image]:
    """What is seen after each of *parts*."""
    canvas = np.zeros((size.height, size.width, 4), np.uint8)
    frames = []
    for part in parts:
        before = canvas.copy()
        height, width = part.pixels.shape
        area = canvas[part.top : part.top + height, part.left : part.left + width]
        pixels = part.pixels[: area.shape[0], : area.shape[1]]
        seen = pixels != part.clear
        area[seen] = PALETTE[pixels][seen]
        frames.append(Image.fromarray(canvas.copy()))
        if part.disposal == 2:
            area[:] = 0
        elif part.disposal == 3:
            canvas = before
    return frames


def scattered(seed: int, disposals: Sequence[int], count: int = 8) -> list[Part]:
    """*count* parts of all sizes at all places; the first covers the canvas."""
    chance = np.random.default_rng(seed)
    parts = []
    for number in range(count):
        width, height = (int(chance.integers(5, side)) for side in CANVAS) if number else CANVAS
        left, top = int(chance.integers(CANVAS.width - width + 1)), int(chance.integers(CANVAS.height - height + 1))
        blocks = np.kron(chance.integers(0, 8, (6, 8)), np.ones((5, 5), np.int64))[:height, :width]
        delay, clear = int(chance.integers(2, 60)), int(chance.integers(8))
        parts.append(Part(left, top, blocks, delay, int(chance.choice(list(disposals))), clear))
    return parts


@pytest.mark.parametrize("seed", range(10))
def test_frames_that_are_parts_come_out_whole(engine: Engine, seed: int, tmp_path: Path) -> None:
    parts = scattered(seed, (1, 2, 3))
    path = tmp_path / "a.gif"
    path.write_bytes(gif(CANVAS, parts, loop=seed))
    by_pillow = shown(path.read_bytes()).frames
    for output in ("webp", "gif"):
        made = shown(render(engine, path, format=output, lossless=True))
        assert made.delays == [10 * part.hundredths for part in parts]
        assert made.plays == (seed and seed + 1)
        for frame, reference, pillow in zip(made.frames, composed(CANVAS, parts), by_pillow, strict=True):
            assert psnr(pillow, reference) == 99
            assert psnr(frame, reference) >= (99 if output == "webp" else 40)


@pytest.mark.parametrize("seed", range(10))
def test_parts_that_say_nothing_of_their_disposal_stay(seed: int, tmp_path: Path) -> None:
    """For Pillow, they do as the part before them did."""
    parts = scattered(seed, (0, 1, 2, 3))
    (tmp_path / "a.gif").write_bytes(gif(CANVAS, parts))
    made = shown(render(ENGINES["vips"](), tmp_path / "a.gif", format="webp", lossless=True))
    for frame, reference in zip(made.frames, composed(CANVAS, parts), strict=True):
        assert psnr(frame, reference) == 99


@pytest.mark.parametrize("seed", range(4))
def test_what_no_part_covers_is_clear_without_a_clear_colour_too(engine: Engine, seed: int, tmp_path: Path) -> None:
    parts = [part._replace(clear=-1) for part in scattered(seed, (1, 2, 3))][seed % 2 :]
    parts.insert(2, parts[1]._replace(left=CANVAS.width - 3, top=CANVAS.height - 2))  # leaves the canvas
    path, references = tmp_path / "a.gif", composed(CANVAS, parts)
    path.write_bytes(gif(CANVAS, parts))
    made = shown(render(engine, path, format="webp", lossless=True))
    for frame, reference in zip(made.frames, references, strict=True):
        assert psnr(frame, reference) == 99
    with path.open("rb") as file:
        assert engine.header(file.fileno(), "a.gif").alpha
        assert read_header(file.fileno(), "a.gif", auto_orient=True).alpha  # type: ignore[union-attr]


def test_the_first_part_may_leave_a_margin_that_is_clear(engine: Engine, make_app: MakeApp, static: Path) -> None:
    part = Part(10, 5, np.full((20, 20), 3), 10, 0, -1)
    (static / "a.gif").write_bytes(gif(CANVAS, [part]))
    gradient((40, 30)).save(static / "b.png")
    (reference,) = composed(CANVAS, [part])
    app = make_app(IMAGES_ENGINE=engine.name)
    for wishes, shift in (({}, 0), ({"trim": 1}, 10)):
        made = fetch(app, "a.gif", format="png", **wishes).convert("RGBA")
        assert made.size == ((20, 20) if shift else CANVAS)
        assert psnr(made, reference.crop((shift, shift // 2, shift + made.width, shift // 2 + made.height))) == 99
    half = fetch(app, "a.gif", format="png", width=20).convert("RGBA")
    assert half.getpixel((1, 1))[3] == 0  # type: ignore[index]
    marked = fetch(app, "b.png", watermark="a.gif,center,0,1,1").convert("RGB")
    assert marked.getpixel((1, 1)) == fetch(app, "b.png").convert("RGB").getpixel((1, 1))


def test_frames_that_leave_their_screen_far_are_refused(engine: Engine, tmp_path: Path) -> None:
    data = gif(CANVAS, scattered(1, (1,), 2))
    at = data.rindex(b",") + 5
    (tmp_path / "a.gif").write_bytes(data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :])
    with (tmp_path / "a.gif").open("rb") as file, pytest.raises(LimitExceeded, match="frames of the GIF cover"):
        engine.header(file.fileno(), "a.gif")


def test_a_turned_webp_is_turned_frame_by_frame(engine: Engine, tmp_path: Path) -> None:
    frames = drawn()
    tags = Image.Exif()
    tags[0x0112] = 6
    turned = [frame.transpose(Image.Transpose.ROTATE_90) for frame in frames]
    turned[0].save(tmp_path / "a.webp", save_all=True, append_images=turned[1:], exif=tags, lossless=True)
    made = shown(render(engine, tmp_path / "a.webp", width=48, format="webp", lossless=True))
    assert made.size == (48, 32)
    for frame, reference in zip(made.frames, frames, strict=True):
        assert psnr(frame, planned(reference, width=48)) >= 37


@pytest.mark.parametrize(
    "wishes",
    [
        {"rotate": 90, "flip": "horizontal", "width": 30},
        {"region": (0.25, 0, 0.5, 1), "width": 40},
        {"width": 40, "height": 40, "mode": "crop", "gravity": "east"},
        {"grayscale": True, "contrast": 1.5, "width": 40},
        {"saturation": 2, "brightness": 1.2, "width": 40},
        {"blur": 2, "width": 60},
        {"padding": (1, 2, 3, 4), "border": (3, "#b5651d"), "radius": 9, "width": 60},
        {"watermark": "mark.png,se,2", "width": 90},
        {"transform": "EXTENT,0,0,10%,10%,90%,90%", "width": 40},
    ],
    ids=lambda wishes: next(iter(wishes)),
)
def test_all_else_is_done_to_each_frame_as_to_a_still_picture(
    engine: Engine, wishes: dict[str, Any], make_app: MakeApp, static: Path
) -> None:
    frames = drawn()
    lay(static / "a.webp", frames)
    Image.new("RGBA", (20, 10), (250, 120, 10, 200)).save(static / "mark.png")
    app = make_app(IMAGES_ENGINE="auto" if "transform" in wishes else engine.name)
    made = shown(app.test_client().get(url_of(app, "a.webp", lossless=True, **wishes)).data)
    assert made.delays == DELAYS
    for number, frame in enumerate(made.frames):
        frames[number].save(static / f"{number}.png")
        assert psnr(frame, fetch(app, f"{number}.png", **wishes)) >= 45


# One frame


@pytest.mark.parametrize("output", [format.name for format in FORMATS])
def test_the_first_frame_is_shown_where_the_rendition_is_still(
    engine: Engine, output: str, make_app: MakeApp, static: Path
) -> None:
    frames = drawn()
    lay(static / "a.gif", frames)
    app = make_app(IMAGES_ENGINE="auto" if engine.name == "vips" else engine.name)
    wishes = {"animated": False} if output in ("gif", "webp") else {}
    made = fetch(app, "a.gif", width=48, format=output, quality=95, **wishes)
    assert (made.format, getattr(made, "n_frames", 1)) == (output.upper(), 1)
    assert psnr(made, planned(frames[0], width=48)) >= 28


def test_a_still_picture_and_pages_give_still_pictures(engine: Engine, make_app: MakeApp, static: Path) -> None:
    frames = drawn()
    frames[0].save(static / "a.tif", save_all=True, append_images=frames[1:])
    frames[0].save(static / "a.avif", save_all=True, append_images=frames[1:])
    frames[0].save(static / "a.png", save_all=True, append_images=frames[1:])
    frames[0].save(static / "a.gif")
    app = make_app(IMAGES_ENGINE="auto" if engine.name == "vips" else engine.name)  # libvips reads no sequence of AVIF
    for name in ("a.tif", "a.avif", "a.png", "a.gif"):
        for output in ("gif", "webp"):
            assert getattr(fetch(app, name, width=40, format=output), "n_frames", 1) == 1


def test_animated_and_still_are_two_renditions(app: Flask, static: Path, tmp_path: Path) -> None:
    lay(static / "a.gif", drawn())
    assert [
        getattr(fetch(app, "a.gif", width=40, animated=animated), "n_frames", 1) for animated in (True, False, None)
    ] == [5, 1, 5]
    assert len(cached_files(tmp_path / "cache")) == 2


# Limits


def test_of_too_many_frames_the_first_is_shown(engine: Engine, make_app: MakeApp, static: Path) -> None:
    lay(static / "a.gif", drawn())
    counts = {
        most: getattr(fetch(make_app(IMAGES_ENGINE=engine.name, IMAGES_MAX_FRAMES=most), "a.gif"), "n_frames", 1)
        for most in (4, 5, 6)
    }
    assert counts == {4: 1, 5: 5, 6: 5}  # and no entry of the cache answers for another limit


@pytest.fixture(scope="module")
def ten_thousand() -> bytes:
    """A GIF of ten thousand frames."""
    return gif(Size(400, 300), [Part(0, 0, np.full((8, 8), number % 8), 4, 1, 127) for number in range(10_000)])


@pytest.mark.parametrize("output", ["gif", "webp", "jpeg"])
def test_the_first_of_ten_thousand_frames_costs_no_more_than_one(
    engine: Engine, output: str, make_app: MakeApp, static: Path, ten_thousand: bytes
) -> None:
    (static / "a.gif").write_bytes(ten_thousand)
    app = make_app(IMAGES_ENGINE=engine.name)
    begin = time.process_time()
    made = fetch(app, "a.gif", width=64, format=output)
    assert time.process_time() - begin < 2  # all of them take 4 s and more
    assert (made.size, getattr(made, "n_frames", 1)) == ((64, 48), 1)


@pytest.mark.parametrize("format", ["gif", "webp"])
def test_an_animation_of_more_pixels_than_may_be_made_gives_its_first_frame(
    engine: Engine, format: str, make_app: MakeApp, static: Path
) -> None:
    name, pixels = lay(static / f"a.{format}", drawn()).name, SIZE.pixels * 5
    for limit, frames in ((pixels - 1, 1), (pixels, 5)):  # the first is not sent once the limit is higher
        app = make_app(IMAGES_ENGINE=engine.name, IMAGES_MAX_OUTPUT_PIXELS=limit)
        assert getattr(fetch(app, name), "n_frames", 1) == frames


@pytest.mark.parametrize("format", ["gif", "webp"])
def test_an_animation_of_more_pixels_than_a_source_may_have_gives_its_first_frame(
    engine: Engine, format: str, make_app: MakeApp, static: Path
) -> None:
    name, pixels = lay(static / f"a.{format}", drawn()).name, SIZE.pixels * 5
    for limit, frames in ((pixels - 1, 1), (pixels, 5)):
        app = make_app(IMAGES_ENGINE=engine.name, IMAGES_MAX_SOURCE_PIXELS=limit)
        assert getattr(fetch(app, name, width=10), "n_frames", 1) == frames


def test_one_frame_of_a_gif_may_have_half_of_the_pixels(make_app: MakeApp, static: Path) -> None:
    lay(static / "a.gif", drawn(count=2))
    app = make_app(IMAGES_MAX_SOURCE_PIXELS=2 * SIZE.pixels - 1)
    for animated in (True, False):
        response = app.test_client().get(url_of(app, "a.gif", width=10, animated=animated))
        assert response.status_code == 422


def test_an_animation_that_takes_too_long_is_ended(engine: Engine, tmp_path: Path) -> None:
    path = lay(tmp_path / "a.gif", drawn((600, 400), 60), delays=40)
    engine.timeout = 0.05  # type: ignore[attr-defined]
    begin = time.monotonic()
    with pytest.raises(LimitExceeded, match="IMAGES_RENDER_TIMEOUT"):
        render(engine, path, width=300)
    assert time.monotonic() - begin < 10


# What is broken


@pytest.mark.parametrize("output", ["gif", "webp"])
@pytest.mark.parametrize("source", ["gif", "webp"])
def test_a_broken_frame_in_the_middle_is_answered_422_and_not_stored(
    engine: Engine, source: str, output: str, make_app: MakeApp, static: Path, tmp_path: Path
) -> None:
    path = lay(static / f"a.{source}", drawn())
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + b"\xff" * 60 + data[middle + 60 :])
    app = make_app(IMAGES_ENGINE=engine.name)
    assert app.test_client().get(url_of(app, path.name, width=40, format=output)).status_code == 422
    assert cached_files(tmp_path / "cache") == []


@pytest.mark.parametrize("source", ["gif", "webp"])
def test_changed_bytes_give_frames_or_an_error_of_ours(engine: Engine, source: str, tmp_path: Path) -> None:
    path = lay(tmp_path / f"a.{source}", drawn())
    whole = path.read_bytes()
    chance = np.random.default_rng(4)
    for _ in range(share(200, 4)):
        data = bytearray(whole)
        for _ in range(3):
            data[chance.integers(40, len(data))] = chance.integers(256)
        path.write_bytes(data)
        try:
            made = shown(render(engine, path, width=30, format="webp"))
        except (UnreadableSource, LimitExceeded):
            continue
        assert made.frames


def test_where_nothing_makes_a_source_broken_what_is_there_is_shown(make_app: MakeApp, static: Path) -> None:
    whole = gif(CANVAS, scattered(1, (1, 2)))
    (static / "a.gif").write_bytes(whole[: len(whole) * 2 // 3])
    statuses = [
        make_app(IMAGES_ENGINE="vips", IMAGES_FAIL_ON=fail_on).test_client().get(url).status_code
        for fail_on in ("none", "truncated", "error", "warning")
        for url in [url_of(make_app(), "a.gif", width=20)]
    ]
    assert statuses == [200, 422, 422, 422]


def test_a_render_leaves_no_pixels_behind(tmp_path: Path) -> None:
    """Not even until Python collects what holds itself: that may be a hundred renders later."""
    path = lay(tmp_path / "a.gif", drawn())

    def images() -> int:
        return sum(isinstance(each, pyvips.Image) for each in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = images()
        render(ENGINES["vips"](), path, width=30)
        assert images() == before
    finally:
        gc.enable()
