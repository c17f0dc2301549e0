"""Measure the memory, the processes and the descriptors of a server that renders for a long time.

One process with four threads answers whole requests in mixed sizes, modes and formats. Its renderers count as well.
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

from bench.measure import Run, Tree, spread
from bench.results import ROOT
from bench.tables import Table
from bench.workload import EARTH
from flask_images_vips import Images, resized_img_src

RENDERS, QUICK_RENDERS = 20_000, 2_000
THREADS = 4
STEP = 1_000  # renders between two measurements
SETTLED = 2_000  # renders after which the processes should have all that they need

COLUMNS = ("memory_mb", "processes", "descriptors", "per_second")
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
        **{column: [each[column] for each in rounds] for column in COLUMNS},
    }


def growth(renders: int) -> dict[str, list[float]]:
    """Render in a new process, and return its columns after every `STEP` renders: *renders*, and those of `COLUMNS`."""
    done = subprocess.run(
        [sys.executable, "-c", f"from bench.parts import soak; soak.main({renders})"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
    )
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def main(renders: int) -> None:
    """Print the growth of this process and of its renderers as JSON."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as runtime:
        os.environ["XDG_RUNTIME_DIR"] = runtime
        print(json.dumps(soak(site(Path(folder)), renders, Tree(os.getpid(), runtime=runtime))))


def site(folder: Path) -> Flask:
    (folder / "static").mkdir()
    with Image.open(EARTH) as picture:
        for name, size in SIZES.items():
            resized = picture.convert("RGBA" if name.endswith("png") else "RGB").resize(size)
            resized.save(folder / "static" / name)
    app = Flask("site", root_path=str(folder))
    app.config.update(SECRET_KEY="bench", IMAGES_CACHE="cache")
    Images(app)
    return app


def soak(app: Flask, renders: int, processes: Tree, step: int = STEP) -> dict[str, list[float]]:
    chance = random.Random(1)
    client = app.test_client()

    def render(url: str) -> None:
        status = client.get(url).status_code
        if status != 200:
            raise AssertionError(f"{url} was answered {status}")

    found: dict[str, list[float]] = {column: [] for column in ("renders", *COLUMNS)}

    def note(done: int, seconds: float) -> None:
        held = processes.held()
        values = done, round(held.memory_mb), held.processes, held.descriptors, round(done / seconds, 1)
        for column, value in zip(found.values(), values, strict=True):
            column.append(value)

    note(0, 1)
    begin = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        for done in range(step, renders + 1, step):
            with app.test_request_context():
                urls = [resized_img_src(chance.choice(list(SIZES)), **any_options(chance)) for _ in range(step)]
            list(pool.map(render, urls))
            note(done, time.monotonic() - begin)
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


def tables(data: dict[str, Any]) -> list[Table]:
    columns = [zip(*data[column], strict=True) for column in COLUMNS]
    rows = [
        (f"{made:,}", *(spread(values).text(0) for values in measured))
        for made, *measured in zip(data["renders"], *columns, strict=True)
    ]
    note = f"One process, {data['threads']} threads, and its renderers. Memory that they share is counted once."
    if SETTLED in data["renders"][:-1]:
        settled = data["renders"].index(SETTLED)
        grown = [100 * (held[-1] / held[settled] - 1) for held in data["memory_mb"]]
        note += f" Growth after the first {SETTLED:,}: {spread(grown).text(1)} %."
    return [Table(("renders", "memory MB", "processes", "descriptors", "renders/s"), rows, note)]
