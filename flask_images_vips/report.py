"""Describe the image libraries of an application, for its administrator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .abilities import Libraries, Library
from .engines.encoder_settings import settings_of
from .formats import EXTRA_OUTPUTS, EXTRAS, FORMATS, INPUTS

_SYSTEMS: dict[str, dict[str, str]] = {
    "avif": {
        "Debian 13, Ubuntu 24.04": "apt install libheif-plugin-aomenc libheif-plugin-dav1d",
        "Alpine": "apk add vips-heif",
        "macOS": "brew reinstall vips libheif",
    },
    "webp": {
        "Debian, Ubuntu": "apt install --reinstall libvips42",
        "Alpine": "apk add vips libwebp",
        "macOS": "brew reinstall vips webp",
    },
    "libvips": {
        "Debian, Ubuntu": "apt install libvips42",
        "Alpine": "apk add vips",
        "macOS": "brew install vips",
    },
}
"""The commands that add libvips, or a format that it lacks, by system."""
_EVERYWHERE = {
    "vips": "pip install --upgrade pyvips pyvips-binary",
    "pillow": "pip install --upgrade Pillow",
}


def report(engine: str, where: str, libraries: Libraries) -> list[str]:
    """Return the lines of a report. *engine* is the value of ``IMAGES_ENGINE``. *where* names what renders."""
    lines = [f"engine: {engine} ({' before '.join(map(str, usable(libraries))) or 'none can be used'})"]
    lines += [f"rendered in: {where}"]
    for name, library in libraries.items():
        lines += ["", *_description(library), *_missing(name, library)]
    return lines


def usable(libraries: Libraries) -> list[Library]:
    """Return those of *libraries* that can be used."""
    return [library for library in libraries.values() if not library.problem]


def _description(library: Library) -> Iterator[str]:
    yield str(library)
    if library.problem:
        yield f"  cannot be used: {library.problem}"
        return
    if library.path:
        yield f"  loaded from: {library.path}"
    if library.mode:
        yield f"  mode: {library.mode}, by {library.packages}"
    if library.parts:
        yield f"  with: {_joined(library.parts)}"
    for note in filter(None, (library.warning, library.note)):
        yield f"  note: {note}"
    yield f"  reads: {_joined(library.inputs)}"
    yield f"  writes: {_joined(library.outputs)}"


def _missing(name: str, library: Library) -> Iterator[str]:
    """Yield what *library*, the one of the engine *name*, lacks, and the commands that bring it."""
    if library.problem:
        yield from _commands(name, "libvips")
        return
    for format in FORMATS:
        if name == "vips" and format.name in EXTRA_OUTPUTS:
            continue  # both engines use the same package for it, so it is named once
        expected = {"read": (INPUTS, library.inputs), "write": (settings_of(name), library.outputs)}
        lacks = [verb for verb, (known, own) in expected.items() if format.name in known and format.name not in own]
        if lacks:
            yield f"  cannot {' or '.join(lacks)}: {format.name}"
            yield from _commands(name, format.name)


def _commands(name: str, missing: str) -> Iterator[str]:
    extra = f"pip install 'flask-images-vips[{missing}]'"
    yield f"    any system: {extra if missing in EXTRAS else _EVERYWHERE[name]}"
    if name == "vips":
        for system, command in _SYSTEMS.get(missing, {}).items():
            yield f"    {system}: {command}"


def cures(name: str, missing: str) -> str:
    """Return the commands that bring *missing*, a format or ``libvips``, to the engine *name*, in one line."""
    return "; ".join(command.strip() for command in _commands(name, missing))


def _joined(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"
