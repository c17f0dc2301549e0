"""Run the commands of the screens again, quickly: in this process, without a terminal, and without renderers."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from recording.test_recorder import recorder_of

from . import shop
from .commands import SCREENS, USER, Screen
from .terminal import read

# What other hosts, other libraries or a terminal make different. All other lines are compared.
VOLATILE = re.compile(
    r"^ *(\w+ +)?(engine|versions|formats|renderers|walls|memory|malloc-arenas|open-files)\b"
    r"|^ *(\w+ +)?(user|workers|restart|threads)\b"
    r"|^ *(\w+ +)?(cache-\w+|tombstones|libvips|Pillow|loaded from|mode|note|with|reads|writes|rendered in)\b"
    r"|\[#+\]|^entry|^key|waiting for a renderer|\d ok, "
)
# Tables of times and sizes, whose order depends on them.
TABLES = re.compile(r"^ +('photos/|[\d.,]+ (ms|s|kB|MB|bytes) |\d+ +jpeg )")


def replayed(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[tuple[Screen, str]]:
    """Yield each screen, and what its commands print now."""
    shop.build(folder)
    patch.chdir(folder)
    patch.syspath_prepend(folder)
    patch.setenv("FLASK_IMAGES_MAX_RENDERS", "0")
    patch.delitem(sys.modules, "shop", raising=False)  # that of another test
    for screen in SCREENS:
        printed: list[str] = []
        if screen.seconds:
            continue
        with patch.context() as here:
            for name, value in screen.environment.items():
                here.setenv(name, value)
            for command in screen.commands:
                printed.append(_output(command))
        if screen.name:
            yield screen, "\n".join(printed)


def _output(command: str) -> str:
    if command.endswith("visitors.py"):
        names = runpy.run_path("visitors.py")
        del sys.modules["shop"]  # other tests have modules of this name
        recorder_of(names["app"]).write_at_exit()
        return ""
    try:
        app = runpy.run_path("shop.py", run_name="shop")["app"]
    except Exception as error:
        return f"flask_images_vips.errors.{type(error).__name__}: {error}"
    arguments = shlex.split(command.partition(" 2>&1")[0])[1:]
    return str(app.test_cli_runner().invoke(args=arguments).output)


def lines_of(text: str, folder: Path) -> set[str]:
    """The lines of *text* that are the same on each host, with # in place of numbers. Wrapped lines are joined."""
    text = re.sub(r"\n {24,}(?! *→)(?=\S)", " ", text.replace(str(folder), shop.SHOWN_FOLDER))
    found = set()
    for line in text.splitlines():
        if line.startswith("$") or VOLATILE.search(line) or TABLES.search(line):
            continue
        masked = re.sub(r"\b[0-9a-f]{12,}\b|[\d,.]*\d( (bytes|[kMG]B|ms|s)\b)?", "#", line)
        found.add(re.sub(rf"\b{USER}\b", "#", re.sub(r"\s+", " ", masked).strip()))
    return found


def drawn(path: Path) -> str:
    return read(path.read_text("utf-8"))
