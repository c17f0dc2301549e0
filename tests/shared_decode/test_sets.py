"""Sets that a page announces: all of their renditions come from one decode, and each looks as if it were made alone."""

from __future__ import annotations

import io
import itertools
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from conftest import cached_files, fetch
from flask import Flask
from PIL import Image

from flask_images_vips import resized_img_src, resized_img_srcset, resized_img_tag, resized_picture_tag
from flask_images_vips.engines.vips.engine import VipsEngine
from shared_decode.test_copies import (
    Draw,
    MakeApp,
    copies_of,
    decodes,
    go,
    grainy,
    kinds,
    pipeline_of,
    posix,
    psnr,
    similarity,
    site,
    start,
    told,
)

pytest.importorskip("pyvips")
pytestmark = pytest.mark.usefixtures("cheap_copies")

LARGE = (2900, 1500)
WIDTHS = (200, 320, 480, 640, 960, 1280)

__all__ = ["decodes", "start", "told"]  # fixtures


def announce(app: Flask, name: str, *widths: int, **options: Any) -> None:
    pipeline = pipeline_of(app)
    with app.test_request_context():
        resized_img_srcset(name, widths=widths or WIDTHS, **options)
    assert pipeline.shared.sets is not None
    assert pipeline.shared.sets.is_announced(pipeline.sources.local.find(name))


def candidates(markup: str) -> list[tuple[str, int]]:
    """The URLs of a srcset, and the widths that they state."""
    srcset = re.search(r'srcset="([^"]*)"', markup)
    assert srcset
    return [(url, int(width[:-1])) for url, width in (each.split() for each in unescape(srcset[1]).split(", "))]


def decoded(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


@pytest.mark.parametrize("shape", [{}, {"height": 600, "mode": "crop"}], ids=["fit", "crop"])
def test_whoever_is_asked_for_one_makes_all_that_the_page_offers(
    make_app: MakeApp, draw: Draw, told: Callable[[], list[str]], shape: dict[str, Any]
) -> None:
    draw("large.jpg", LARGE)
    page, worker, other = make_app(), make_app(), make_app()
    with page.test_request_context():
        offered = candidates(str(resized_img_tag("large.jpg", width=1000, layout="constrained", **shape)))
    assert len(offered) > 4
    for number, (url, width) in enumerate(reversed(offered)):
        answer = (worker, other)[number % 2].test_client().get(url)
        assert answer.status_code == 200
        assert decoded(answer.data).width == width
    assert told() == ["vips"]
    assert copies_of(worker) == []
    assert len(cached_files(Path(pipeline_of(worker).cache.folder))) == len(offered)


def alone(make_app: MakeApp, tmp_path: Path) -> Flask:
    """An application that makes each rendition by itself."""
    return make_app(IMAGES_CACHE=str(tmp_path / "alone"), IMAGES_COPIES=False)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quality": 95},
        {"mode": "crop", "height": 300},
        {"mode": "pad", "height": 900, "background": "#f80"},
        {"rotate": 90, "flip": "v"},
        {"sharpen": "1,150,2"},
        {"blur": 3, "saturation": 0.4},
        {"radius": 20, "background": "#08f"},
        {"gravity": "attention", "mode": "crop", "height": 300},
    ],
    ids=str,
)
def test_a_member_is_what_it_would_be_alone(
    make_app: MakeApp, draw: Draw, tmp_path: Path, told: Callable[[], list[str]], options: dict[str, Any]
) -> None:
    draw("large.jpg", LARGE, quality=95)
    app, other = make_app(), alone(make_app, tmp_path)
    with app.test_request_context():
        offered = candidates(f'srcset="{resized_img_srcset("large.jpg", widths=WIDTHS, **{"width": 400, **options})}"')
    made = [(url, decoded(app.test_client().get(url).data)) for url, _ in offered]
    assert len(made) > 1
    assert told() == ["vips"]
    for url, member in made:
        assert psnr(member, decoded(other.test_client().get(url).data)) > 36, url


@pytest.mark.parametrize("name", [*kinds(), "odd.jpg"])
def test_members_have_the_orientation_colours_and_alpha_of_the_source(
    make_app: MakeApp, static: Path, draw: Draw, tmp_path: Path, told: Callable[[], list[str]], name: str
) -> None:
    if name in kinds():
        kinds()[name](static / name)
    else:
        draw(name, (2903, 1499), quality=95)
    app, other = make_app(), alone(make_app, tmp_path)
    announce(app, name, format="jpeg", quality=95)
    for width in WIDTHS:
        asked: dict[str, Any] = {"width": width, "format": "jpeg", "quality": 95}
        made, direct = fetch(app, name, **asked), fetch(other, name, **asked)
        assert (made.size, made.mode) == (direct.size, direct.mode)
        assert psnr(made, direct) > 36, width
    assert told() == ["vips"] + ["vips"] * len(WIDTHS)


def test_the_pixels_of_a_set_are_as_good_as_those_of_single_renditions(
    app: Flask, static: Path, photograph: Callable[[str], Path], told: Callable[[], list[str]]
) -> None:
    grainy(photograph("earth.jpg"), static / "large.jpg")
    announce(app, "large.jpg", 300, 500, 800, 1600, quality=100)
    for width in (300, 500, 800, 1600):
        made = fetch(app, "large.jpg", width=width, quality=100)
        assert similarity(made, static / "large.jpg") >= 0.99, width
    assert told() == ["vips"]


# What is no set


def test_what_the_page_does_not_offer_is_made_by_itself(app: Flask, draw: Draw, told: Callable[[], list[str]]) -> None:
    draw("large.jpg", LARGE)
    announce(app, "large.jpg")
    for other in ({"width": 201}, {"width": 200, "height": 50, "mode": "crop"}, {"width": 200, "grayscale": True}):
        fetch(app, "large.jpg", **other)
    assert told() == ["vips, with copies", *["vips from a copy"] * 2]


def test_a_set_whose_source_has_a_copy_is_not_decoded_for(
    app: Flask, draw: Draw, told: Callable[[], list[str]]
) -> None:
    draw("large.jpg", LARGE)
    announce(app, "large.jpg")
    fetch(app, "large.jpg", width=201)
    told()
    fetch(app, "large.jpg", width=200)
    assert told() == ["vips from a copy"]
    fetch(app, "large.jpg", width=1280)  # the copy is too small for it
    assert told() == ["vips"]
    fetch(app, "large.jpg", width=960)
    assert told() == []


@pytest.mark.parametrize("format", ["webp", "avif", "png"])
@pytest.mark.parametrize("copies", ["tiff", "jpeg"])
def test_formats_that_take_long_are_made_when_they_are_asked_for_from_one_decode(
    make_app: MakeApp,
    draw: Draw,
    told: Callable[[], list[str]],
    decodes: Callable[[], int],
    copies: str,
    format: str,
) -> None:
    app = make_app(IMAGES_COPIES=copies)
    draw("large.jpg", LARGE)
    announce(app, "large.jpg", format=format)
    for number, width in enumerate(WIDTHS, 1):
        fetch(app, "large.jpg", width=width, format=format)
        assert len(cached_files(Path(pipeline_of(app).cache.folder))) == number
    assert copies_of(app) == ["1024", "2048"]  # for all members, although the smallest came first
    assert decodes() == 1
    assert told() == ["vips, with copies", *["vips from a copy"] * (len(WIDTHS) - 1)]


@pytest.mark.parametrize("first", ["image/*", "image/webp", "image/avif"])
def test_formats_that_a_page_offers_together_share_one_decode(
    app: Flask, draw: Draw, decodes: Callable[[], int], first: str
) -> None:
    draw("large.jpg", LARGE)
    with app.test_request_context():
        picture = str(resized_picture_tag("large.jpg", width=600, widths=WIDTHS))
        negotiated = candidates(str(resized_img_tag("large.jpg", width=600, widths=WIDTHS, format="auto")))
    listed = [candidates(each) for each in picture.split("<")[1:] if "srcset" in each]
    assert len(listed) == 3
    for accept in (first, "image/*", "image/webp", "image/avif"):
        for url, width in negotiated:
            answer = app.test_client().get(url, headers={"Accept": accept})
            assert decoded(answer.data).width == width
    for url, width in itertools.chain(*listed):
        assert decoded(app.test_client().get(url).data).width == width
    assert decodes() == 1
    assert copies_of(app) == ["1024", "2048"]


def test_another_quality_for_each_format_does_not_hide_a_set(
    make_app: MakeApp, draw: Draw, decodes: Callable[[], int]
) -> None:
    app = make_app(IMAGES_QUALITY={"jpeg": 80, "webp": 70})
    draw("large.jpg", LARGE)
    announce(app, "large.jpg", format="webp")
    for width in WIDTHS:
        fetch(app, "large.jpg", width=width, format="webp")
    assert (copies_of(app), decodes()) == (["1024", "2048"], 1)


def test_members_that_are_kept_are_not_made_again(app: Flask, draw: Draw, told: Callable[[], list[str]]) -> None:
    draw("large.jpg", LARGE)
    announce(app, "large.jpg")
    fetch(app, "large.jpg", width=200)
    *evicted, _ = cached_files(Path(pipeline_of(app).cache.folder))
    kept = {path: path.stat().st_ino for path in cached_files(Path(pipeline_of(app).cache.folder))}
    for path in evicted[:2]:
        path.unlink()
        del kept[path]
    told()
    for width in WIDTHS:
        fetch(app, "large.jpg", width=width)
    assert told() == ["vips"]
    assert all(path.stat().st_ino == number for path, number in kept.items())


def test_a_new_version_of_the_source_is_a_new_set(app: Flask, draw: Draw, told: Callable[[], list[str]]) -> None:
    path = draw("large.jpg", LARGE)
    for version in (1_600_000_000, 1_700_000_000):
        os.utime(path, (version, version))
        announce(app, "large.jpg")
        for width in WIDTHS:
            fetch(app, "large.jpg", width=width)
        assert told() == ["vips"]


# What goes wrong


def test_a_source_that_breaks_off_is_refused_whichever_is_asked_for(app: Flask, draw: Draw) -> None:
    path = draw("large.jpg", LARGE, quality=95)
    path.write_bytes(path.read_bytes()[:20_000])
    announce(app, "large.jpg")
    for width in WIDTHS:
        with app.test_request_context():
            (url, _), *_ = candidates(f'srcset="{resized_img_srcset("large.jpg", widths=[width, 2900])}"')
        assert app.test_client().get(url).status_code == 422
    assert cached_files(Path(pipeline_of(app).cache.folder)) == []


def test_a_member_beyond_a_limit_is_left_to_itself(
    make_app: MakeApp, draw: Draw, told: Callable[[], list[str]]
) -> None:
    """The page was made by an application with other limits."""
    draw("large.jpg", LARGE)
    announce(make_app(), "large.jpg")
    app = make_app(IMAGES_MAX_WIDTH=1000)
    for width in WIDTHS[:-1]:
        fetch(app, "large.jpg", width=width)
    assert told()[-1] == "vips from a copy"


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(app: Flask, draw: Draw) -> None:
    draw("large.jpg", LARGE)
    announce(app, "large.jpg")
    folder = Path(pipeline_of(app).cache.folder)
    (folder / "tmp").rmdir()
    (folder / "tmp").write_text("in the way")
    for width in (200, 320):
        assert fetch(app, "large.jpg", width=width).width == width


def test_a_source_that_is_written_while_it_is_decoded_leaves_nothing(
    make_app: MakeApp, static: Path, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(IMAGES_MAX_RENDERS=0)
    path = draw("large.jpg", LARGE, quality=60)
    os.utime(path, (1_600_000_000, 1_600_000_000))
    before = path.read_bytes()
    red = io.BytesIO()
    Image.new("RGB", LARGE, "red").save(red, "JPEG")
    announce(app, "large.jpg")
    whole = VipsEngine.render_set

    def written(self: VipsEngine, *asked: Any) -> list[bytes]:
        with path.open("r+b") as file:  # in place, as rsync --inplace does
            file.write(red.getvalue().ljust(len(before), b"\0"))
        return whole(self, *asked)

    with monkeypatch.context() as patch:
        patch.setattr(VipsEngine, "render_set", written)
        with app.test_request_context():
            url = resized_img_src("large.jpg", width=200)
        assert app.test_client().get(url).status_code in (200, 503)
    with path.open("r+b") as file:
        file.write(before)
    os.utime(path, (1_600_000_000, 1_600_000_000))
    for width in WIDTHS:
        red_of, green, _ = fetch(app, "large.jpg", width=width).resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
        assert red_of - green < 100, width


def test_a_limit_of_bytes_holds_for_what_a_page_offers(app: Flask, draw: Draw) -> None:
    draw("large.jpg", LARGE, quality=95)
    with app.test_request_context():
        srcset = resized_img_srcset("large.jpg", widths=WIDTHS, max_bytes=9_000)
    sizes = [len(app.test_client().get(url).data) for url, _ in candidates(f'srcset="{srcset}"')]
    assert len(sizes) == len(WIDTHS)
    assert max(sizes[:4]) <= 9_000


def test_other_qualities_than_the_page_offers_are_made_one_by_one(
    make_app: MakeApp, draw: Draw, told: Callable[[], list[str]]
) -> None:
    draw("large.jpg", LARGE)
    app = make_app(IMAGES_QUALITY=60)
    announce(app, "large.jpg")
    fetch(app, "large.jpg", width=200, quality=30)
    assert len(cached_files(Path(pipeline_of(app).cache.folder))) == 1
    pipeline_of(app).shared.copies.store.purge_all()
    announce(make_app(IMAGES_QUALITY=60), "large.jpg")
    fetch(app, "large.jpg", width=200)
    assert len(cached_files(Path(pipeline_of(app).cache.folder))) == 1 + len(WIDTHS)


def test_members_may_have_qualities_of_their_own(
    make_app: MakeApp, draw: Draw, tmp_path: Path, told: Callable[[], list[str]]
) -> None:
    draw("large.jpg", LARGE)
    app, lone = make_app(IMAGES_DPR_QUALITY={2: 40}, IMAGES_QUALITY=70), alone(make_app, tmp_path)
    with app.test_request_context():
        resized_img_srcset("large.jpg", width=300, densities=[1, 2, 3])
    qualities = {300: 70, 600: 40, 900: 40}
    assert fetch(app, "large.jpg", width=600, quality=40).width == 600
    assert told() == ["vips"]
    for width, quality in qualities.items():
        named = {"quality": quality} if quality != 70 else {}
        made, direct = (
            fetch(app, "large.jpg", width=width, **named),
            fetch(lone, "large.jpg", width=width, quality=quality),
        )
        assert made.quantization == direct.quantization
    assert told() == ["vips"] * 3  # those of the other application


def test_a_set_is_no_larger_than_a_visitor_can_wait_for(app: Flask, draw: Draw) -> None:
    draw("large.jpg", (6000, 4000), quality=50)
    announce(app, "large.jpg", *range(100, 6000, 50))
    (marker,) = Path(pipeline_of(app).cache.folder).joinpath("copies").rglob("*-set")
    widths = [int(line.split()[0]) for line in marker.read_text().splitlines()]
    assert 20 < len(widths) < 50
    assert sum(width * width * 2 // 3 for width in widths) <= 16_000_000


def test_a_set_that_cannot_be_kept_is_not_made_at_each_request(
    make_app: MakeApp, draw: Draw, told: Callable[[], list[str]]
) -> None:
    draw("large.jpg", LARGE)
    announce(make_app(), "large.jpg")
    app = make_app(IMAGES_CACHE_MIN_FREE=0.9999)
    for _ in range(3):
        assert fetch(app, "large.jpg", width=200).width == 200
    assert told() == ["vips"] * 4  # all once, and each by itself


def test_a_marker_that_is_no_set_is_passed_over(app: Flask, draw: Draw) -> None:
    draw("large.jpg", LARGE)
    announce(app, "large.jpg")
    (marker,) = Path(pipeline_of(app).cache.folder).joinpath("copies").rglob("*-set")
    marker.write_bytes(b"\xff rubbish")
    assert fetch(app, "large.jpg", width=200).width == 200


# Many processes


@posix
def test_four_processes_that_want_a_set_decode_it_once(
    tmp_path: Path, draw: Draw, start: Callable[..., subprocess.Popen[str]]
) -> None:
    draw("large.jpg", LARGE)
    announce(site(str(tmp_path)), "large.jpg")
    processes = [start(*WIDTHS[number:], *WIDTHS[:number]) for number in range(4)]
    for process in processes:
        go(process)
    lines = "".join(process.communicate()[0] for process in processes).splitlines()
    assert [process.returncode for process in processes] == [0] * 4
    assert [line.split(",")[0] for line in lines if line.startswith("rendered")] == [
        f"rendered 'large.jpg' by vips: a set of {len(WIDTHS)}"
    ]


@posix
def test_a_process_that_is_killed_leaves_no_half_set(
    tmp_path: Path, draw: Draw, start: Callable[..., subprocess.Popen[str]]
) -> None:
    draw("large.jpg", LARGE)
    app = site(str(tmp_path))
    announce(app, "large.jpg")
    for milliseconds in (20, 50, 80):
        process = start(*WIDTHS)
        go(process)
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for path in cached_files(Path(pipeline_of(app).cache.folder)):
            decoded(path.read_bytes())
            path.unlink()
    for width in WIDTHS:
        assert fetch(app, "large.jpg", width=width).width == width
