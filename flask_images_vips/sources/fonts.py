"""Find the font files of a site at their current versions, and the style and font of a text.

Fonts are named in the configuration, never in a URL.
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from ..config.keys import Config
from ..errors import ConfigError, Faults, SourceNotFound
from ..hashing import digest
from ..options.options import Options
from ..options.text import TextStyle, TextStyles
from ..system_errors import cause, passing_errors_are_busy
from .source import Source

_DIGEST_BYTES = 18
_VERSION_DIGITS = 6
_MARKS = (b"\0\1\0\0", b"OTTO", b"true", b"ttcf")  # of TrueType, OpenType, Apple's TrueType, and collections


@dataclass(frozen=True, slots=True)
class Lettering:
    """What a text is drawn with: a *style*, and the files of its font. The first one that has a letter draws it."""

    style: TextStyle
    fonts: tuple[Source, ...]

    @property
    def identity(self) -> str:
        """A string that identifies the style and the bytes of the fonts, on every host."""
        return "\n".join(["text", repr(self.style), *(str(font.content) for font in self.fonts)])

    @property
    def version(self) -> str:
        """The version, as it is written in a URL."""
        return digest(self.identity, 16)[:_VERSION_DIGITS]


class Fonts:
    """The *styles* of one application, and the absolute paths of its font files by the name of the font."""

    def __init__(self, styles: TextStyles, files: Mapping[str, Sequence[str]]) -> None:
        self._styles = styles
        self._files = files
        self._found: dict[str, tuple[int, Source]] = {}

    def lettering(self, options: Options, last: Lettering | None = None) -> Lettering | None:
        """Return what draws the text of *options*, or None if they have none. *last* is returned if still current.

        Raises:
            InvalidOption: If there is no such style.
            SourceNotFound: If a file of its font is missing.
            Busy: If that cannot be told at the moment.
        """
        if options.text is None:
            return None
        style = self._styles.find(options.text_style)
        found = Lettering(style, tuple(map(self._file, self._files[style.font])))
        return last if last == found else found

    def _file(self, path: str) -> Source:
        name = os.path.basename(path)
        try:
            with passing_errors_are_busy(name):
                real = os.path.realpath(path)
                status = os.stat(real)
                change_time, source = self._found.get(real, (0, None))
                version = status.st_size, status.st_mtime_ns, status.st_ctime_ns
                if source is None or (source.size_bytes, source.mtime_ns, change_time) != version:
                    content, root = _content(real), os.path.dirname(real)
                    source = Source(f"font {name}", root, real, status.st_size, status.st_mtime_ns, content)
                    self._found[real] = status.st_ctime_ns, source
                return source
        except OSError as error:
            raise SourceNotFound(name, f"as a font: {path} cannot be read: {cause(error)}") from None


def fonts_of(config: Config, root_path: str) -> Fonts:
    """Return the fonts of an application, whose root path is *root_path*.

    Raises:
        ConfigError: If a style is invalid, or a font file is missing. It lists them all.
    """
    faults, files = Faults(), {}
    for name, paths in (config.fonts or {}).items():
        with faults.catch():
            files[name] = [_path(name, path, config, root_path) for path in paths]
    faults.check()
    return Fonts(TextStyles(config), files)


def _path(name: str, path: str, config: Config, root_path: str) -> str:
    folders = [os.path.join(root_path, folder) for folder in config.folders]
    tried = [os.path.join(folder, path) for folder in (*folders, root_path)]
    found = next((each for each in tried if os.path.isfile(each)), None)
    if found is None:
        where = path if os.path.isabs(path) else " or ".join(dict.fromkeys(tried))
        raise ConfigError(f"IMAGES_FONTS[{name!r}]: there is no file {where}. Put the font there, or correct the path.")
    _check_kind(name, found)
    return found


def _check_kind(name: str, path: str) -> None:
    try:
        with open(path, "rb") as file:
            mark = file.read(4)
    except OSError as error:
        raise ConfigError(f"IMAGES_FONTS[{name!r}]: {path} cannot be read: {cause(error)}. Change its mode.") from None
    if mark not in _MARKS:
        web = " It is a web font: unpack it, or use the .ttf or .otf file." if mark in (b"wOFF", b"wOF2") else ""
        raise ConfigError(f"IMAGES_FONTS[{name!r}]: {path} is not a TrueType or OpenType font.{web}")


def _content(path: str) -> str:
    content = blake2b(digest_size=_DIGEST_BYTES)
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            content.update(piece)
    return urlsafe_b64encode(content.digest()).decode()
