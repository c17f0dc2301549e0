"""Measure the memory of a process that renders for a long time.

One process with four threads answers whole requests in mixed sizes, modes and formats. It runs with
``MALLOC_ARENA_MAX=2``, as the documentation advises for servers.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from flask import Flask
from PIL import Image

from bench.measure import Run, spread
from bench.results import ROOT
from bench.tables import Table
from bench.workload import EARTH
from flask_images_vips import Images, resized_img_src

RENDERS, QUICK_RENDERS = 20_000, 2_000
THREADS = 4
STEP = 1_000  # renders between two measurements
SETTLED = 5_000  # renders after which a process should have all the memory that it needs

SIZES = {"camera.jpg": (3000, 2000), "web.jpg": (1600, 1200), "web.webp": (1600, 1200), "alpha.png": (1000, 750)}
FORMATS = ["jpeg"] * 12 + ["webp"] * 5 + ["png"] * 2 + ["avif"]
MODES = ["fit", "crop", "pad", "reshape"]


def measure(run: Run) -> dict[str, Any]:
    rounds = []
    for _ in range(run.rounds_or(1, 1)):
        rounds.append(growth(run.pick(RENDERS, QUICK_RENDERS)))
        run.on_step(f"{rounds[-1]['renders'][-1]:,} renders")
    return {
        "rounds": len(rounds),
        "threads": THREADS,
        "renders": rounds[0]["renders"],
        "resident_mb": [each["resident_mb"] for each in rounds],
        "per_second": [each["per_second"] for each in rounds],
    }


def growth(renders: int) -> dict[str, list[float]]:
    """Render in a new process, and return its memory after every `STEP` renders: *renders*, *resident_mb*."""
    done = subprocess.run(
        [sys.executable, "-c", f"from bench.parts import soak; soak.main({renders})"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ | {"MALLOC_ARENA_MAX": "2"},
    )
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def main(renders: int) -> None:
    """Print the growth of this process as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(soak(site(Path(folder)), renders)))


def site(folder: Path) -> Flask:
    (folder / "static").mkdir()
    with Image.open(EARTH) as picture:
        for name, size in SIZES.items():
            resized = picture.convert("RGBA" if name.endswith("png") else "RGB").resize(size)
            resized.save(folder / "static" / name)
    app = Flask("site", root_path=str(folder))
    app.config.update(SECRET_KEY="bench", IMAGES_CACHE="cache", IMAGES_MAX_RENDERS=0)
    Images(app)
    return app


def soak(app: Flask, renders: int, step: int = STEP) -> dict[str, list[float]]:
    chance = random.Random(1)
    client = app.test_client()

    def render(url: str) -> None:
        status = client.get(url).status_code
        if status != 200:
            raise AssertionError(f"{url} was answered {status}")

    found: dict[str, list[float]] = {"renders": [0], "resident_mb": [round(resident_mb())], "per_second": [0]}
    begin = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        for done in range(step, renders + 1, step):
            with app.test_request_context():
                urls = [resized_img_src(chance.choice(list(SIZES)), **any_options(chance)) for _ in range(step)]
            list(pool.map(render, urls))
            found["renders"].append(done)
            found["resident_mb"].append(round(resident_mb()))
            found["per_second"].append(round(done / (time.monotonic() - begin), 1))
    return found


def any_options(chance: random.Random) -> dict[str, Any]:
    options: dict[str, Any] = {
        "width": chance.randrange(60, 640),
        "format": chance.choice(FORMATS),
        "mode": chance.choice(MODES),
        "cache": False,  # rendered each time
    }
    if options["mode"] != "fit" or chance.random() < 0.5:
        options["height"] = chance.randrange(60, 480)
    if chance.random() < 0.1:
        options["sharpen"] = "1,80,3"
    return options


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def tables(data: dict[str, Any]) -> list[Table]:
    measured = zip(
        data["renders"], zip(*data["resident_mb"], strict=True), zip(*data["per_second"], strict=True), strict=True
    )
    rows = [(f"{made:,}", spread(held).text(0), spread(rate).text(0)) for made, held, rate in measured]
    note = f"One process, {data['threads']} threads, MALLOC_ARENA_MAX=2."
    if SETTLED in data["renders"][:-1]:
        settled = data["renders"].index(SETTLED)
        grown = [100 * (held[-1] / held[settled] - 1) for held in data["resident_mb"]]
        note += f" Growth after the first {SETTLED:,}: {spread(grown).text(1)} %."
    return [Table(("renders", "resident MB", "renders/s"), rows, note)]
