"""``python -m bench.page``: CPU time of the markup of a page of 100 pictures, against reading their headers.

Flask-Images opened every picture, by Pillow, each time it wrote a tag. That is written anew here, since it no longer
imports: 100 times `PIL.Image.open`, without the tags.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from flask import Flask
from PIL import Image

from flask_images_vips import Images

PHOTOGRAPHS = Path(__file__).parent.parent / "flask_images_vips" / "demo" / "static" / "photos"
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


def headers(folder: Path, names: list[str]) -> None:
    for name in names:
        with Image.open(folder / "static" / name) as picture:
            assert picture.size


def cpu_ms(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return 1000 * (time.process_time() - begin)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=21)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "static").mkdir()
        names = [f"{number}.jpg" for number in range(arguments.pictures)]
        for name in names:
            shutil.copy(PHOTOGRAPHS / "earth.jpg", folder / "static" / name)
        app = Flask("page", root_path=temporary)
        app.config.update(SECRET_KEY="page", IMAGES_CACHE="cache")
        Images(app)
        with app.test_request_context():
            contenders: dict[str, Callable[[], object]] = {}
            for name, call in CALLS.items():
                template = app.jinja_env.from_string(LOOP.format(call=call))  # compiled once, as those in files are
                contenders[name] = partial(template.render, names=names)
            contenders["the headers alone, by Pillow"] = partial(headers, folder, names)
            cold = {name: cpu_ms(work) for name, work in contenders.items()}
            spent: dict[str, list[float]] = {name: [] for name in contenders}
            for _ in range(arguments.rounds):
                for name, work in contenders.items():
                    spent[name].append(cpu_ms(work))
    base = statistics.median(spent["the headers alone, by Pillow"])
    print(
        f"A page of {arguments.pictures} pictures, CPU milliseconds, median of {arguments.rounds} interleaved rounds\n"
    )
    print("| markup | first | warm | least–most | against the headers |\n|---|---|---|---|---|")
    for name, times in spent.items():
        median = statistics.median(times)
        row = (f"{cold[name]:.0f}", f"{median:.1f}", f"{min(times):.1f}–{max(times):.1f}", f"{median / base:.2f}")
        print("|", name, "|", " | ".join(row), "|")


if __name__ == "__main__":
    main()
