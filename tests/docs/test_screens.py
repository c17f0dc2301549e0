"""The screens of docs/operating/screens.md. ``python tests/docs/test_screens.py`` makes them again, or those it names.

That runs the commands in a terminal, a Prometheus server for a minute, and Chromium. The tests here are quick: they run
the commands without a terminal, and compare what these print with the text in the pictures.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

if not __package__:  # as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import ROOT
from PIL import Image

from docs.screens import browser, commands, replay

PICTURES = ROOT / "docs" / "pictures" / "screens"
PAGE = ROOT / "docs" / "operating" / "screens.md"
MAX_BYTES, MAX_BYTES_IN_ALL = 60_000, 700_000


def pages_with_pictures() -> Iterator[tuple[Path, str, str]]:
    """Each picture of a screen on a page of docs/: the page, the alternative text, and the name of the file."""
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for alt, name in re.findall(r"!\[([^]]*)\]\(\.\./pictures/screens/([\w.-]+)\)", page.read_text("utf-8")):
            yield page, alt, name


def test_each_screen_is_on_its_page_with_words_for_those_who_do_not_see_it() -> None:
    shown = {name for page, _, name in pages_with_pictures() if page == PAGE}
    assert shown == {path.name for path in PICTURES.iterdir()}
    for page, alt, name in pages_with_pictures():
        assert (PICTURES / name).is_file(), f"{page}: {name} is missing"
        assert len(alt) > 30, f"{page}: what does {name} show?"


def test_the_page_has_a_caption_for_each_page_of_the_playground() -> None:
    text = PAGE.read_text("utf-8")
    assert with_playground(text) == text, "run: python tests/docs/test_screens.py playground"


def test_the_screens_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in PICTURES.iterdir()}
    assert {name: size for name, size in sizes.items() if size > MAX_BYTES} == {}
    assert sum(sizes.values()) < MAX_BYTES_IN_ALL


def test_the_pictures_need_no_other_files() -> None:
    for path in PICTURES.glob("*.svg"):
        drawn = path.read_text("utf-8")
        assert not re.search(r"href|@font-face|url\(|<(script|image|style)", drawn)


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are shown as a Unix shell runs them")
def test_the_screens_say_what_the_commands_print_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for screen, printed in replay.replayed(tmp_path, monkeypatch):
        drawn = replay.lines_of(replay.drawn(PICTURES / f"{screen.name}.svg"), tmp_path)
        today = replay.lines_of(printed, tmp_path)
        assert drawn, screen.name
        assert drawn - today == set(), f"{screen.name}: run python tests/docs/test_screens.py {screen.name}"
        # Other hosts have other findings, whose cures follow them.
        new = {line for line in today - drawn if not line.startswith("→")}
        assert new == set(), f"{screen.name}: run python tests/docs/test_screens.py {screen.name}"


def save(name: str, picture: Image.Image) -> None:
    """Save *picture*, in the best quality that is small enough. One with few colours is saved without loss."""
    path = PICTURES / f"{name}.webp"
    if picture.mode == "P":
        picture.convert("RGB").save(path, lossless=True, method=6, quality=100)
        return
    for quality in range(85, 20, -5):
        picture.save(path, quality=quality, method=6)
        if path.stat().st_size < MAX_BYTES * 0.85:
            return


def with_playground(text: str) -> str:
    """Return the page with the pictures of the playground that there are."""
    shown = [
        f"![{window.title}](../pictures/screens/{name}.webp)\n\n{window.title}."
        for name, window in browser.PLAYGROUND.items()
        if (PICTURES / f"{name}.webp").exists()
    ]
    part = "\n\n".join(["<!-- playground -->", *shown, "<!-- /playground -->"])
    return re.sub(r"<!-- playground -->.*<!-- /playground -->", part, text, flags=re.DOTALL)


def write_playground() -> None:
    for name, picture in browser.playground():
        save(name, picture)
    PAGE.write_text(with_playground(PAGE.read_text("utf-8")), "utf-8")


def write(names: list[str]) -> None:
    """Make the screens called *names* again, or all. ``playground`` stands for all pages of it."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    terminals = {screen.name for screen in commands.SCREENS}
    if not names or terminals & {*names}:
        for name, drawn in commands.draw_all():
            if not names or name in names:
                (PICTURES / f"{name}.svg").write_text(drawn, "utf-8")
    with tempfile.TemporaryDirectory() as folder:
        if not names or "toolbar" in names:
            save("toolbar", browser.toolbar(Path(folder, "toolbar")))
        if not names or "dashboard" in names:
            from docs.screens import dashboard

            save("dashboard", dashboard.draw(Path(folder, "dashboard")))
    if not names or "playground" in names:
        write_playground()


if __name__ == "__main__":
    write(sys.argv[1:])
