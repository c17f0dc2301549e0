"""``python -m bench``: CPU time of one first rendition, by each engine."""

from __future__ import annotations

import io
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pyvips
from PIL import Image

from bench.photographs import write_all
from flask_images_vips import formats
from flask_images_vips.engines import Engine
from flask_images_vips.engines.pillow import PillowEngine
from flask_images_vips.engines.vips import VipsEngine
from flask_images_vips.geometry import plan
from flask_images_vips.options import Mode, Options
from flask_images_vips.rendition import Rendition
from flask_images_vips.sources.local import LocalSources

BOX = (400, 300)
ROUNDS = 11


def by_engine(engine: Engine, path: Path, format: formats.Format) -> bytes:
    """What a cold request costs the engine: open, header, plan, render."""
    source = LocalSources([str(path.parent)]).find(path.name)
    options = Options(width=BOX[0], height=BOX[1], mode=Mode.FIT)
    with source.open() as descriptor:
        geometry = plan(engine.header(descriptor, path.name).size, options)
        return engine.render(descriptor, Rendition(source, options, format), geometry)


def bare_pyvips(path: Path, format: formats.Format) -> bytes:
    """The shortest way to the same file: no checks, no plan."""
    settings = {"Q": 75, "optimize_coding": True} if format.name == "jpeg" else {"compression": 6, "filter": "all"}
    picture = pyvips.Image.thumbnail(str(path), BOX[0], height=BOX[1])
    data: bytes = picture.write_to_buffer(format.suffix, keep="none", **settings)
    return data


def full_decode(path: Path, format: formats.Format) -> bytes:
    """What Flask-Images does: decode everything, then resize. Written anew, since it no longer imports."""
    file = io.BytesIO()
    with Image.open(path) as picture:
        picture.load()
        scale = min(BOX[0] / picture.width, BOX[1] / picture.height)
        size = (int(picture.width * scale), int(picture.height * scale))
        picture.resize(size, Image.Resampling.LANCZOS).save(file, format.name, quality=75)
    return file.getvalue()


def cpu_ms(work: Callable[[], bytes]) -> float:
    begin = time.process_time()
    data = work()
    spent = time.process_time() - begin
    if Image.open(io.BytesIO(data)).width > BOX[0] or not data:
        raise AssertionError("a contender that gives wrong sizes is not fast")
    return 1000 * spent


def main() -> None:
    vips, pillow = VipsEngine(), PillowEngine()
    contenders: dict[str, Callable[[Path, formats.Format], bytes]] = {
        "engine vips": lambda path, format: by_engine(vips, path, format),
        "engine pillow": lambda path, format: by_engine(pillow, path, format),
        "bare pyvips": bare_pyvips,
        "full decode": full_decode,
    }
    libvips = ".".join(str(pyvips.version(part)) for part in range(3))
    print(
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"pyvips {pyvips.__version__}, libvips {libvips}, Pillow {version('pillow')}"
    )
    print(f"Fit {BOX[0]}×{BOX[1]}, quality 75: CPU milliseconds, median of {ROUNDS} interleaved rounds (least–most)\n")
    print("| source |", " | ".join(contenders), "| full decode ÷ vips | vips ÷ bare |")
    print("|---" * (len(contenders) + 3) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for name, path in write_all(Path(folder)).items():
            format = formats.by_name("png" if path.suffix == ".png" else "jpeg")
            spent: dict[str, list[float]] = {contender: [] for contender in contenders}
            for _ in range(ROUNDS):
                for contender, render in contenders.items():
                    spent[contender].append(
                        cpu_ms(lambda render=render, path=path, format=format: render(path, format))
                    )  # type: ignore[misc]
            median = {contender: statistics.median(times) for contender, times in spent.items()}
            cells = [f"{median[one]:.1f} ({min(times):.1f}–{max(times):.1f})" for one, times in spent.items()]
            gain, price = median["full decode"] / median["engine vips"], median["engine vips"] / median["bare pyvips"]
            print(f"| {name} |", " | ".join(cells), f"| {gain:.1f} | {price:.2f} |")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
