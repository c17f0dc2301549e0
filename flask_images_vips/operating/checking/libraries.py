"""Check the image libraries: whether they can be used, their known holes, and the formats that they lack."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...formats import EXTRA_OUTPUTS, NEGOTIABLE
from ...installed import outdated
from ...report import cures, usable
from .finding import Finding, error, ok, warning
from .site import Site

# The first versions of libraries of the system without a hole through which a file can do harm.
_MENDED = {
    "libheif": ((1, 23, 3), "an AVIF or a HEIC can overflow its memory and run code"),
    "libwebp": ((1, 3, 2), "a WebP can overflow its memory and run code (CVE-2023-4863)"),
}
_UPGRADE = "Run: pip install --upgrade"


def engines(site: Site) -> Iterator[Finding]:
    """Find libraries that cannot be used."""
    if site.problem:
        yield error(
            "engine",
            f"No renderer has answered, so no image can be rendered: {site.problem}",
            "Look into the log of the site. If the host is busy, try again later.",
        )
        return
    for name, library in site.libraries.items():
        if library.problem:
            message = f"{library} cannot be used: {library.problem}. Images are rendered by another engine."
            yield warning("engine", message, cures(name, "libvips"))
        elif library.warning:
            yield warning("engine", library.warning, "Run the command above.")
    if usable(site.libraries):
        yield ok("engine", f"{site.config.engine}: {' before '.join(map(str, usable(site.libraries)))}")


def versions(site: Site) -> Iterator[Finding]:
    """Find libraries that are older than this package needs, or have known holes."""
    found = [warning("versions", sentence, "Run the command above.") for sentence in outdated()]
    parts = [part for library in site.libraries.values() for part in library.parts]
    for part in parts:
        name, _, version = part.partition(" ")
        mended, hole = _MENDED.get(name, ((), ""))
        if _numbers(version) < mended:
            message = (
                f"{part} of this system is older than {'.'.join(map(str, mended))}: unless your distribution has "
                f"mended it, {hole}."
            )
            cure = f"Update the system, or use the libvips of pyvips-binary. {_UPGRADE} pyvips pyvips-binary"
            found.append(warning("versions", message, f"{_UPGRADE} pillow-heif" if "pillow-heif" in part else cure))
    yield from found or [ok("versions", "no known holes" + (f" in {', '.join(parts)}" if parts else ""))]


def formats(site: Site) -> Iterator[Finding]:
    """Find formats that are configured, but that no library reads or writes here."""
    libraries = usable(site.libraries)
    if not libraries:
        return
    written = {name for library in libraries for name in library.outputs}
    read = {name for library in libraries for name in library.inputs}
    lacking = [
        (name, f"IMAGES_FORMATS lists {name}, but no library here can write it, so it is not offered.")
        for name in site.config.formats
        if name not in written and not (name in EXTRA_OUTPUTS and site.config.formats == NEGOTIABLE)
    ]
    lacking += [
        (name, f"IMAGES_INPUT_FORMATS lists {name}, but no library here can read it.")
        for name in site.config.input_formats
        if name not in read
    ]
    if site.config.svg and site.config.engine != "pillow" and not any("svg" in each.inputs for each in libraries):
        such = "SVGs are" if site.config.svg is True else "SVGs whose options need pixels are"
        lacking.append(
            ("svg", f"IMAGES_SVG = {site.config.svg!r}, but no library here can draw an SVG: {such} refused.")
        )
    yield from (
        warning("formats", message, cures("vips" if name == "svg" else "pillow", name)) for name, message in lacking
    )
    if not lacking:
        sent = [name for name in site.config.formats if name in written]
        yield ok("formats", f"auto sends {' or '.join((*sent, 'the format of the path'))}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
