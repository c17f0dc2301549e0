"""The screens of docs/operating/screens.md. ``python tests/docs/test_screens.py`` makes them again.

That runs the commands in a terminal, a Prometheus server and Chromium. The tests here are quick: they run the commands
without a terminal, and compare what these print with the text in the pictures.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [] if __package__ else [str(Path(__file__).parents[1])]  # as a script

from conftest import ROOT

from docs.screens import commands

PICTURES = ROOT / "docs" / "pictures" / "screens"


def write(names: list[str]) -> None:
    """Make the screens called *names* again, or all."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, picture in commands.draw_all():
        if not names or name in names:
            (PICTURES / f"{name}.svg").write_text(picture, "utf-8")


if __name__ == "__main__":
    write(sys.argv[1:])
