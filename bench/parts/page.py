"""Measure the CPU time of the markup of a page of pictures, against reading the headers of all of them.

Flask-Images opens every picture with Pillow each time it writes a tag. It can no longer be imported with current
itsdangerous, so that cost is measured as `PIL.Image.open` of each picture, without the tags.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask
from PIL import Image

from bench.measure import Run, cpu_ms, interleaved, ratio, rounded, spread
from bench.tables import Table, disturbance
from bench.workload import EARTH
from flask_images_vips import Images

PICTURES, QUICK_PICTURES = 100, 20
ROUNDS, QUICK_ROUNDS = 21, 3
LOOP = "{{% for name in names %}}{{{{ {call} }}}}{{% endfor %}}"
CALLS = {
    "resized_img_tag": "resized_img_tag(name, width=400, alt='')",
    "… layout='fixed'": "resized_img_tag(name, width=400, alt='', layout='fixed')",
    "… layout='constrained', placeholder='color'": (
        "resized_img_tag(name, width=400, alt='', layout='constrained', placeholder='color')"
    ),
    "… layout='full'": "resized_img_tag(name, alt='', layout='full')",
    "resized_picture_tag": "resized_picture_tag(name, width=400, alt='')",
}
HEADERS = "the headers alone, by Pillow"


def measure(run: Run) -> dict[str, Any]:
    pictures, rounds = run.pick(PICTURES, QUICK_PICTURES), run.rounds_or(ROUNDS, QUICK_ROUNDS)
    with tempfile.TemporaryDirectory() as folder:
        static = Path(folder, "static")
        static.mkdir()
        names = [f"{number}.jpg" for number in range(pictures)]
        for name in names:
            shutil.copy(EARTH, static / name)
        app = Flask("page", root_path=folder)
        app.config.update(SECRET_KEY="page", IMAGES_CACHE="cache")
        Images(app)
        with app.test_request_context():
            contenders: dict[str, Callable[[], object]] = {}
            for name, call in CALLS.items():
                template = app.jinja_env.from_string(LOOP.format(call=call))  # compiled once, as those in files are
                contenders[name] = partial(template.render, names=names)
            contenders[HEADERS] = partial(read_headers, static, names)
            first = {name: cpu_ms(work) for name, work in contenders.items()}
            run.on_step("first")
            turns = interleaved({name: partial(cpu_ms, work) for name, work in contenders.items()}, rounds)
            run.on_step("again")
    return {
        "rounds": rounds,
        "pictures": pictures,
        **turns.noted(),
        "markup": {
            name: {"first_ms": round(first[name], 3), "cpu_ms": rounded(times)} for name, times in turns.samples.items()
        },
    }


def read_headers(folder: Path, names: list[str]) -> None:
    for name in names:
        with Image.open(folder / name) as picture:
            assert picture.size


def tables(data: dict[str, Any]) -> list[Table]:
    headers = data["markup"][HEADERS]["cpu_ms"]
    rows = [
        (name, f"{row['first_ms']:.0f}", spread(row["cpu_ms"]).text(), ratio(row["cpu_ms"], headers).text(2))
        for name, row in data["markup"].items()
    ]
    note = (
        f"{disturbance(data, data['rounds'])}A page of {data['pictures']} pictures, median of {data['rounds']} "
        "interleaved rounds (least–most)."
    )
    return [Table(("markup", "first, CPU ms", "again, CPU ms", "÷ the headers"), rows, note)]
