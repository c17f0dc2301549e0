"""The screens of terminals: which commands, in which order, on the shop."""

from __future__ import annotations

import getpass
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from . import shop, terminal

USER = "shop"


class Screen(NamedTuple):
    """One picture: its name, what it shows, the commands, and what the environment has besides the usual."""

    name: str
    title: str
    commands: tuple[str, ...]
    environment: Mapping[str, str] = {}
    seconds: int = 0  # after which the command is stopped, if it does not end by itself


VISITORS = Screen("", "", (f"{sys.executable} visitors.py",))
EMPTIED = Screen("", "", ("flask images purge --all",))
"""Not pictures: this happens between them."""

WRONG = {"FLASK_IMAGES_ENGINE": "gd", "FLASK_IMAGES_MAX_WIDTH": "0", "FLASK_IMAGES_FORMATS": '["webp", "jpg2"]'}

SCREENS: tuple[Screen, ...] = (
    Screen(
        "demo",
        "flask run starts the playground, and its first line says which address to open",
        ("flask --app flask_images_vips.demo run",),
        seconds=5,
    ),
    VISITORS,
    Screen(
        "stats",
        "flask images stats prints the size of the cache, the requests and the renders, by format, source and page",
        ("flask images stats --top 3",),
    ),
    Screen(
        "manifest",
        "flask images manifest lists the images that visitors ask for most",
        ("flask images manifest --top 5",),
    ),
    Screen(
        "url",
        "flask images url explains an image: its URL, its source, the steps of the render, the headers of the answer",
        ("flask images url photos/coffee.jpg width=400 height=400 mode=crop format=webp",),
    ),
    Screen(
        "refused",
        "flask images url explains why a URL is refused: its signature is wrong",
        ("flask images url '/imgsizer/photos/cat.jpg?w=401&s=0QKuMEmHT7uyGU0RPu6LP6hxNbQ'",),
    ),
    Screen(
        "check",
        "flask images check lists its findings: all are ok, except that the picture of IMAGES_FALLBACK is missing",
        ("flask images check",),
        {"FLASK_IMAGES_FALLBACK": "photos/missing.jpg"},
    ),
    Screen(
        "faults",
        "A configuration with three faults: the error lists all of them, each with what was expected",
        ("flask images check 2>&1 | tail -5",),
        WRONG,
    ),
    Screen(
        "purge",
        "flask images purge removes what is cached for one picture, and prune what was not read for long",
        ("flask images purge photos/coffee.jpg", "flask images prune --max-size 100kB --dry-run"),
    ),
    Screen(
        "forget",
        "flask images forget takes a picture down and prints what was removed; flask images allow takes that back",
        ("flask images forget photos/flower.jpg", "flask images allow photos/flower.jpg"),
    ),
    EMPTIED,
    Screen(
        "warm",
        "flask images warm renders the images of the templates, with a progress bar, and lists one call that it cannot "
        "know",
        ("flask images warm", "flask images warm --page /"),
    ),
)


def draw_all() -> Iterator[tuple[str, str]]:
    """Run all commands, and yield the name and the picture of each screen."""
    # A folder whose name is as long as the one that is shown, so that lines end where they would.
    folder = Path(tempfile.gettempdir(), "shop") if len(tempfile.gettempdir()) == 4 else Path("/tmp/shop")
    folder.mkdir()
    try:
        shop.build(folder)
        for screen in SCREENS:
            environment = {**shop.environment(), **screen.environment}
            shown = []
            for command in screen.commands:
                ended = f"timeout {screen.seconds} {command}" if screen.seconds else command
                shown += [f"$ {command}", terminal.run(ended, folder, environment), ""]
            if screen.name:
                picture = terminal.draw(renamed("\n".join(shown[:-1]), folder), screen.title)
                yield screen.name, picture
    finally:
        shutil.rmtree(folder)


def renamed(shown: str, folder: Path) -> str:
    """Return *shown* with the shop in the place and with the user that a site would have."""
    shown = shown.replace(str(folder), shop.SHOWN_FOLDER).replace(f"{getpass.getuser()} can", f"{USER} can")
    return shown.replace(sys.prefix, f"{shop.SHOWN_FOLDER}/venv").replace(os.path.realpath(folder), shop.SHOWN_FOLDER)
