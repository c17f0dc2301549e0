"""``python -m bench.copies``: what reduced copies and the encoders' efforts cost and save.

CPU of whole cold answers in this process, contenders interleaved, medians of ROUNDS; every ratio is of one run.
``python -m bench copies PART …`` takes only some parts. Sources are drawn; the large JPEG has as many bytes as a
camera's. What copies make of a site's traffic: `bench.mixed`.
"""

from __future__ import annotations

import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from flask import Flask
from PIL import Image
from skimage.metrics import structural_similarity

from bench.photographs import enlarged
from flask_images_vips import Images, resized_img_src
from flask_images_vips.engines.encoders import settings_of
from flask_images_vips.options.options import Options
from flask_images_vips.rendition import source_folder
from flask_images_vips.state import images_of

ROUNDS = 7
WIDTHS = (320, 480, 640, 960, 1280, 1600)
JPEG_24, JPEG_6, PNG_20, WEBP_11 = "24 Mpx JPEG", "6 Mpx JPEG", "20 Mpx PNG", "11 Mpx WebP"
FILES = {JPEG_24: "24.jpg", JPEG_6: "6.jpg", PNG_20: "20.png", WEBP_11: "11.webp"}


def draw_sources(folder: Path) -> None:
    folder.mkdir()
    enlarged((6000, 4000)).save(folder / FILES[JPEG_24], quality=96)
    enlarged((3000, 2000)).save(folder / FILES[JPEG_6], quality=92)
    enlarged((5500, 3660)).save(folder / FILES[PNG_20], compress_level=1)
    enlarged((4096, 2730)).save(folder / FILES[WEBP_11], quality=92)


class Site:
    """An application below *folder*, whose renditions and copies can be forgotten."""

    def __init__(self, folder: Path, cache: str, **config: Any) -> None:
        self.app = Flask("copies", root_path=str(folder))
        self.app.config.update(SECRET_KEY="copies", IMAGES_CACHE=cache, **config)
        Images(self.app)
        self.pipeline = images_of(self.app).pipeline
        self.client = self.app.test_client()

    def url(self, name: str, width: int, **keywords: Any) -> str:
        with self.app.test_request_context():
            return resized_img_src(name, width=width, **keywords)

    def get(self, name: str, width: int, **keywords: Any) -> bytes:
        answer = self.client.get(self.url(name, width, **keywords))
        assert answer.status_code == 200, answer.text
        return answer.data

    def forget(self, name: str, copies: bool = False) -> None:
        if copies:
            self.pipeline.purge(name)
        else:
            self.pipeline.cache.purge(source_folder(name))

    def announce(self, name: str) -> None:
        source = self.pipeline.sources.local.find(name)
        self.pipeline.offer(source, Options(), [(width, None) for width in WIDTHS])


def measured(
    cases: dict[str, Callable[[], object]], before: Callable[[], object] = lambda: None
) -> dict[str, tuple[float, float]]:
    """The median CPU and the least wall milliseconds of each of *cases*, run in turns, each after *before*."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, case in cases.items():
            before()
            wall, cpu = time.perf_counter(), time.process_time()
            case()
            spent[name].append((1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - wall)))
    return {
        name: (statistics.median(cpu for cpu, _ in each), min(wall for _, wall in each)) for name, each in spent.items()
    }


def similarity(one: Image.Image, other: Image.Image) -> float:
    pixels = [np.asarray(each.convert("RGB")) for each in (one, other)]
    return float(structural_similarity(*pixels, channel_axis=2, data_range=255))


def full_decode(path: Path, width: int) -> bytes:
    """As Flask-Images does: all pixels, then Pillow's LANCZOS."""
    with Image.open(path) as picture:
        size = (width, picture.height * width // picture.width)
        file = io.BytesIO()
        picture.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(file, "JPEG", quality=75)
        return file.getvalue()


def bare(path: Path, width: int) -> bytes:
    picture = pyvips.Image.thumbnail(str(path), width)
    return bytes(picture.write_to_buffer(".jpg", Q=75, optimize_coding=True, keep="none"))


def later(folder: Path) -> None:
    """Renditions of a source whose copies are there."""
    print("later renditions, to JPEG: CPU ms from the source, from the copies, full decode by Pillow")
    without, uncompressed, jpeg = (
        Site(folder, "none", IMAGES_COPIES=False),
        Site(folder, "tiff"),
        Site(folder, "jpeg", IMAGES_COPIES="jpeg"),
    )
    for what, name in FILES.items():
        for site in (uncompressed, jpeg):
            for width in (300, 310):
                site.get(name, width)
        for width in (400, 800, 1200, 1600):

            def cold(site: Site, name: str = name, width: int = width) -> bytes:
                site.forget(name)
                return site.get(name, width, format="jpeg")

            cases: dict[str, Callable[[], object]] = {
                "source": lambda cold=cold: cold(without),
                "tiff": lambda cold=cold: cold(uncompressed),
                "jpeg": lambda cold=cold: cold(jpeg),
                "full": lambda name=name, width=width: full_decode(folder / "static" / name, width),
            }
            cpu = {case: each for case, (each, _) in measured(cases).items()}
            with Image.open(folder / "static" / name) as picture:
                size = (width, picture.height * width // picture.width)
                exact = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
            pictures = {}
            for case, site in (("source", without), ("tiff", uncompressed), ("jpeg", jpeg)):
                site.forget(name)
                pictures[case] = Image.open(io.BytesIO(site.get(name, width, format="png")))
                assert pictures[case].size == size, (case, pictures[case].size, size)
            ssim = {case: similarity(each, exact) for case, each in pictures.items()}
            print(
                f"  {what}, {width} px: {cpu['source']:.1f}, {cpu['tiff']:.1f} (1/{cpu['source'] / cpu['tiff']:.1f}; "
                f"of full 1/{cpu['full'] / cpu['tiff']:.1f}), as JPEG {cpu['jpeg']:.1f} "
                f"(1/{cpu['source'] / cpu['jpeg']:.1f}), {cpu['full']:.1f}; SSIM to full decode {ssim['source']:.4f}, "
                f"{ssim['tiff']:.4f}, {ssim['jpeg']:.4f}",
                flush=True,
            )


def first(folder: Path) -> None:
    """The first rendition of a source, against the shortest way by pyvips, which keeps nothing and checks nothing."""
    print("first rendition: median CPU ms and least wall ms, and as ratios to bare pyvips")
    site = Site(folder, "first")
    for what, name in FILES.items():
        for width in (400, 1024, 1600):

            def cold(name: str = name, width: int = width) -> bytes:
                site.forget(name, copies=True)
                return site.get(name, width, format="jpeg")

            took = measured(
                {"ours": cold, "bare": lambda name=name, width=width: bare(folder / "static" / name, width)}
            )
            assert site.pipeline.copies is not None
            made = "with" if site.pipeline.copies.store.siblings(source_folder(name), "") else "without"
            (cpu, wall), (bare_cpu, bare_wall) = took["ours"], took["bare"]
            print(
                f"  {what}, {width} px, {made} copies: CPU {cpu:.1f} against {bare_cpu:.1f} ({cpu / bare_cpu:.2f}), "
                f"wall {wall:.1f} against {bare_wall:.1f} ({wall / bare_wall:.2f})",
                flush=True,
            )


def sets(folder: Path) -> None:
    """The widths of a srcset, announced by the page, against as many renditions from the source."""
    print(f"a set of {len(WIDTHS)} ({', '.join(map(str, WIDTHS))} px): CPU ms separately, from one decode")
    without, announced = Site(folder, "separate", IMAGES_COPIES=False), Site(folder, "set")
    for what, name in FILES.items():
        for format in ("jpeg", "webp"):

            def announce(name: str = name) -> None:
                for site in (without, announced):
                    site.forget(name, copies=True)
                    site.announce(name)

            def all_of(site: Site, name: str = name, format: str = format) -> None:
                for width in WIDTHS:
                    site.get(name, width, format=format)

            def in_memory(name: str = name, format: str = format) -> None:
                decode_once(folder / "static" / name, format)

            cpu = {
                case: each
                for case, (each, _) in measured(
                    {
                        "separate": lambda all_of=all_of: all_of(without),
                        "set": lambda all_of=all_of: all_of(announced),
                        "memory": in_memory,
                    },
                    before=announce,
                ).items()
            }
            print(
                f"  {what} to {format}: {cpu['separate']:.0f}, {cpu['set']:.0f} "
                f"(1/{cpu['separate'] / cpu['set']:.2f}); all in memory by bare pyvips, nothing kept: "
                f"{cpu['memory']:.0f} (1/{cpu['separate'] / cpu['memory']:.2f})",
                flush=True,
            )


def decode_once(path: Path, format: str) -> None:
    """What a set would cost at the least: one picture in memory that all members are made of."""
    whole = pyvips.Image.thumbnail(str(path), 2048).copy_memory()
    save: dict[str, Any] = {"optimize_coding": True} if format == "jpeg" else {"effort": 2}
    for width in WIDTHS:
        whole.thumbnail_image(width).write_to_buffer(f".{format}", Q=75, keep="none", **save)


def efforts(folder: Path) -> None:
    """Each effort at 400 and 1600 px: the encoder's CPU, and its bytes at the SSIM that the balanced one has."""
    print("encoders: CPU ms of encoding alone, bytes at the SSIM that balanced has at quality 75")
    for width in (400, 1600):
        picture = pyvips.Image.thumbnail(str(folder / "static" / FILES[JPEG_24]), width).copy_memory()
        exact = Image.fromarray(picture.numpy())
        for format in ("jpeg", "webp", "avif", "png"):
            options = {effort: settings_of("vips", effort)[format] for effort in ("fast", "balanced", "small")}
            if format == "avif":
                options["libvips' default"] = {}
            lossy = format != "png"

            def encode(own: dict[str, Any], quality: int = 75, format: str = format, picture: Any = picture) -> bytes:
                q = {"Q": quality} if format != "png" else {}
                return bytes(picture.write_to_buffer(f".{format}", keep="none", **own, **q))

            took = measured({name: lambda own=own, encode=encode: encode(own) for name, own in options.items()})
            sizes: dict[str, float] = {}
            wanted = seen(encode(options["balanced"]), exact) if lossy else 0.0
            for name, own in options.items():
                sizes[name] = at_equal(own, encode, exact, wanted) if lossy else len(encode(own))
            for name in options:
                print(
                    f"  {format}, {width} px, {name}: {took[name][0]:.1f} ms "
                    f"({took[name][0] / took['balanced'][0]:.2f} of balanced), {sizes[name]:.0f} bytes "
                    f"({100 * (sizes[name] / sizes['balanced'] - 1):+.1f} %)",
                    flush=True,
                )


def seen(data: bytes, exact: Image.Image) -> float:
    """The SSIM of an encoded picture, decoded by libvips, to the exact one."""
    return similarity(Image.fromarray(pyvips.Image.new_from_buffer(data, "").numpy()[:, :, :3]), exact)


def at_equal(
    own: dict[str, Any], encode: Callable[[dict[str, Any], int], bytes], exact: Image.Image, wanted: float
) -> float:
    """The bytes at the SSIM *wanted*, between those of the two qualities around it."""
    points = []
    for quality in (69, 72, 75, 78, 81, 84):
        data = encode(own, quality)
        points.append((seen(data, exact), len(data)))
    points.sort()
    return float(np.interp(wanted, [each for each, _ in points], [size for _, size in points]))


def imports(folder: Path) -> None:
    """What a process pays before its first image."""
    print("import: CPU ms of a new process, less those of Flask alone")

    def process(code: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, check=True)

    cases = {"flask": "import flask", "package": "import flask_images_vips", "pyvips": "import flask, pyvips"}
    spent: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, code in cases.items():
            begin = sum(os.times()[2:4])
            process(code)()
            spent[name].append(1000 * (sum(os.times()[2:4]) - begin))
    medians = {name: statistics.median(each) for name, each in spent.items()}
    print(
        f"  package {medians['package'] - medians['flask']:.0f}, pyvips and libvips "
        f"{medians['pyvips'] - medians['flask']:.0f}; Flask itself {medians['flask']:.0f}",
        flush=True,
    )


PARTS: dict[str, Callable[[Path], None]] = {part.__name__: part for part in (later, first, sets, efforts, imports)}


def main() -> None:
    wanted = sys.argv[1:] or list(PARTS)
    pyvips.cache_set_max(0)
    pyvips.vips_lib.vips_concurrency_set(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_sources(folder / "static")
        for part in wanted:
            PARTS[part](folder)


if __name__ == "__main__":
    main()
