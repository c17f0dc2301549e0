"""Measure the markup of a page of pictures: its CPU time when it is warm, and the time of the first visit.

Flask-Images opens every picture with Pillow each time it writes a tag. It can no longer be imported with current
itsdangerous, so that cost is measured as `PIL.Image.open` of each picture, without the tags.

The first visit finds an empty cache. Then the visitor's browser loads the pictures, and the second visit shows how many
placeholders are known by then.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask
from PIL import Image

from bench.measure import Run, WrongAnswer, cpu_ms, interleaved, ratio, rounded, spread
from bench.tables import Table, columns, disturbance
from bench.workload import EARTH, LARGE, copy_into
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
PHOTOGRAPHS, QUICK_PHOTOGRAPHS = 60, 3
VISITS, QUICK_VISITS = 5, 1
GALLERY = """{% for name in names %}
{{ resized_img_tag(name, width=400, layout='constrained', placeholder=placeholder, alt='') }}{% endfor %}"""
PLACEHOLDERS = {"no placeholder": None, "placeholder='lqip'": "lqip"}
COLUMNS = {
    "first_cpu_ms": "first HTML, CPU ms",
    "first_wall_ms": "ms",
    "shown_s": "its pictures, s",
    "second_cpu_ms": "second HTML, CPU ms",
    "second_wall_ms": "ms",
    "known": "placeholders in it",
}


def measure(run: Run) -> dict[str, Any]:
    return markup(run) | {"visits": visits(run)}


def markup(run: Run) -> dict[str, Any]:
    pictures, rounds = run.pick(PICTURES, QUICK_PICTURES), run.rounds_or(ROUNDS, QUICK_ROUNDS)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # background work may go on
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


def visits(run: Run) -> dict[str, Any]:
    """Measure the first and the second visit of a page of large photographs, each time with an empty cache."""
    count, rounds = run.pick(PHOTOGRAPHS, QUICK_PHOTOGRAPHS), run.rounds_or(VISITS, QUICK_VISITS)
    names = [f"{number}.jpg" for number in range(count)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # background work may go on
        copy_into(Path(folder, "static"), LARGE, names)
        asks = {name: partial(_visits, folder, names, kind) for name, kind in PLACEHOLDERS.items()}
        turns = interleaved(asks, rounds)
    run.on_step("visits")
    found = {name: columns(samples) for name, samples in turns.samples.items()}
    return {"rounds": rounds, "photographs": count, "picture": LARGE.name, **turns.noted(), "pages": found}


def _visits(folder: str, names: list[str], placeholder: str | None) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as cache:
        app = Flask("page", root_path=folder)
        app.config.update(SECRET_KEY="page", IMAGES_CACHE=cache, IMAGES_MAX_RENDERS=len(os.sched_getaffinity(0)))
        Images(app)
        template = app.jinja_env.from_string(GALLERY)
        app.add_url_rule("/", "index", lambda: template.render(names=names, placeholder=placeholder))
        client = app.test_client()

        def visit() -> tuple[dict[str, float], str]:
            begin, cpu = time.perf_counter(), time.process_time()
            page = client.get("/").text
            cpu, wall = time.process_time() - cpu, time.perf_counter() - begin
            return {"cpu_ms": 1000 * cpu, "wall_ms": 1000 * wall}, html.unescape(page)

        first, page = visit()
        begin = time.perf_counter()
        for url in re.findall(r'src="([^"]+)"', page):
            if client.get(url).status_code != 200:
                raise WrongAnswer(f"a picture of the page is not served: {url}")
        shown_s = time.perf_counter() - begin
        second, page = visit()
        figures = {f"first_{name}": value for name, value in first.items()}
        figures |= {f"second_{name}": value for name, value in second.items()}
        return {**figures, "shown_s": shown_s, "known": page.count("background:url")}


def tables(data: dict[str, Any]) -> list[Table]:
    return [_markup_table(data), _visits_table(data["visits"])]


def _visits_table(data: dict[str, Any]) -> Table:
    rows = [(name, *(spread(page[column]).text() for column in COLUMNS)) for name, page in data["pages"].items()]
    note = (
        f"{disturbance(data, data['rounds'])}A page of {data['photographs']} photographs ({data['picture']}), with an "
        "empty cache each time. The pictures are loaded one after another. "
        f"Median of {data['rounds']} interleaved rounds (least–most)."
    )
    return Table(("page", *COLUMNS.values()), rows, note)


def _markup_table(data: dict[str, Any]) -> Table:
    headers = data["markup"][HEADERS]["cpu_ms"]
    rows = [
        (name, f"{row['first_ms']:.0f}", spread(row["cpu_ms"]).text(), ratio(row["cpu_ms"], headers).text(2))
        for name, row in data["markup"].items()
    ]
    note = (
        f"{disturbance(data, data['rounds'])}A page of {data['pictures']} pictures, median of {data['rounds']} "
        "interleaved rounds (least–most)."
    )
    return Table(("markup", "first, CPU ms", "again, CPU ms", "÷ the headers"), rows, note)
