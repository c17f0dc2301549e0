"""``python -m bench.soak``: does a process that renders and renders grow?

One process, four threads, mixed sizes, modes and formats, whole requests. Under glibc it runs itself once more with
``MALLOC_ARENA_MAX=2``, as the documentation asks of a server: that can only be set from outside.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from flask import Flask
from PIL import Image

from bench.photographs import SOURCE
from flask_images_vips import Images, resized_img_src

THREADS = 4
STEP = 1000  # renders between two lines
SETTLED = 5000  # renders after which a process should have all that it needs

SIZES = {"camera.jpg": (3000, 2000), "web.jpg": (1600, 1200), "web.webp": (1600, 1200), "alpha.png": (1000, 750)}
FORMATS = ["jpeg"] * 12 + ["webp"] * 5 + ["png"] * 2 + ["avif"]
MODES = ["fit", "crop", "pad", "reshape"]


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def site(folder: Path) -> Flask:
    (folder / "static").mkdir()
    with Image.open(SOURCE) as picture:
        for name, size in SIZES.items():
            resized = picture.convert("RGBA" if name.endswith("png") else "RGB").resize(size)
            resized.save(folder / "static" / name)
    app = Flask("site", root_path=str(folder))
    app.secret_key = "a secret"
    app.config.update(IMAGES_CACHE="cache", IMAGES_MAX_WAITING=THREADS)
    Images(app)
    return app


def one_of_many(chance: random.Random) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "width": chance.randrange(60, 640),
        "format": chance.choice(FORMATS),
        "mode": chance.choice(MODES),
        "cache": False,  # rendered each time
    }
    if wanted["mode"] != "fit" or chance.random() < 0.5:
        wanted["height"] = chance.randrange(60, 480)
    if chance.random() < 0.1:
        wanted["sharpen"] = "1,80,3"
    return wanted


def soak(app: Flask, renders: int) -> None:
    chance = random.Random(1)
    client = app.test_client()

    def render(url: str) -> None:
        status = client.get(url).status_code
        if status != 200:
            raise AssertionError(f"{url} was answered {status}")

    settled = resident = resident_mb()
    begin = time.monotonic()
    print(f"{'renders':>8} {'RSS, MB':>8} {'per second':>11}\n{0:>8} {resident:>8.0f}", flush=True)
    with ThreadPoolExecutor(THREADS) as pool:
        for done in range(STEP, renders + 1, STEP):
            with app.test_request_context():
                urls = [resized_img_src(chance.choice(list(SIZES)), **one_of_many(chance)) for _ in range(STEP)]
            list(pool.map(render, urls))
            resident = resident_mb()
            if done <= SETTLED:
                settled = resident
            print(f"{done:>8} {resident:>8.0f} {done / (time.monotonic() - begin):>11.0f}", flush=True)
    if renders > SETTLED:
        print(f"growth after the first {SETTLED}: {100 * (resident / settled - 1):+.1f} %")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--renders", type=int, default=20_000)
    renders = parser.parse_args().renders
    if "MALLOC_ARENA_MAX" not in os.environ:
        os.environ["MALLOC_ARENA_MAX"] = "2"
        os.execv(sys.executable, [sys.executable, "-m", "bench.soak", *sys.argv[1:]])
    print(f"{THREADS} threads, MALLOC_ARENA_MAX={os.environ['MALLOC_ARENA_MAX']}")
    with tempfile.TemporaryDirectory() as folder:
        soak(site(Path(folder)), renders)


if __name__ == "__main__":
    main()
