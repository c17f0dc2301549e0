"""Choose the engine for each rendition: libvips if possible, otherwise Pillow.

Only this module decides which engines can be used in the current process. It imports them on first use, because both
are slow to import and pyvips may be missing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from ..config.keys import Config
from ..errors import ConfigError, InvalidOption, UnsupportedSource
from ..formats import Format
from ..geometry import Size
from ..headers.read import read_header
from ..options.options import Options
from .engine import DecodesOnce, Engine
from .vips.fork_safety import forked_after_pixels

logger = logging.getLogger("flask_images_vips")

T = TypeVar("T")

_INSTALL = "Install it with: pip install 'flask-images-vips[binary]'"


class Engines:
    """The engines that one configuration allows, the preferred one first.

    *make* returns them, together with the engine to use instead in a process that was forked after libvips had computed
    pixels (see `vips.fork_safety`). It is called once, on first use.
    """

    def __init__(self, make: Callable[[], tuple[Sequence[Engine], Engine]]) -> None:
        self._make = make
        self._made: tuple[Sequence[Engine], Engine] | None = None
        self._lock = threading.Lock()

    @property
    def here(self) -> Sequence[Engine]:
        """The engines to use in this process, the preferred one first. Only Pillow, if libvips would hang here.

        Raises:
            ConfigError: If the configured engine cannot be imported.
        """
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = self._make()
        usual, after_fork = self._made
        return (after_fork,) if forked_after_pixels() else usual

    def __iter__(self) -> Iterator[Engine]:
        return iter(self.here)

    def able(self, options: Options, format: Format) -> list[Engine]:
        """Return the engines that can render *options* as *format*, the preferred one first.

        Raises:
            InvalidOption: If no engine can render them.
        """
        asked = [(engine, engine.refusal(options, format)) for engine in self.here]
        able = [engine for engine, refusal in asked if refusal is None]
        if able:
            return able
        first, *others = [refusal for _, refusal in asked if refusal is not None]
        expected = dict.fromkeys(refusal.expected for refusal in (first, *others))
        raise InvalidOption(first.name, first.value, expected=" or ".join(expected))

    def decoding_once(self, options: Options, format: Format) -> DecodesOnce | None:
        """Return the engine that renders *options* as *format*; None if it cannot share a decode, see `DecodesOnce`.

        Raises:
            InvalidOption: If no engine can render them.
        """
        best = self.able(options, format)[0]
        return best if isinstance(best, DecodesOnce) else None

    def first(self, work: Callable[[Engine], T], among: Sequence[Engine] | None = None) -> T:
        """Return the result of *work*, called with the first engine that can load the source.

        *among* replaces the engines of this process.

        Raises:
            UnsupportedSource: If no engine can load it.
        """
        *others, last = self.here if among is None else among
        for engine in others:
            try:
                return work(engine)
            except UnsupportedSource:
                continue
        return work(last)


def make_engines(config: Config, *, maps_files: bool = False) -> Engines:
    """Return the engines of *config*, without importing them yet.

    With *maps_files*, they may map sources into memory, which saves time and memory. Then the kernel kills the process
    if a source is overwritten in place while it is decoded, so only renderers may do that.
    """
    return Engines(partial(_imported, config, maps_files))


def _imported(config: Config, maps_files: bool) -> tuple[Sequence[Engine], Engine]:
    from .pillow.engine import PillowEngine  # noqa: PLC0415

    common: dict[str, Any] = {
        "auto_orient": config.auto_orient,
        "timeout": config.render_timeout,
        "effort": config.effort,
        "maps_files": maps_files,
    }
    pillow = PillowEngine(inputs=config.input_formats, **common)
    if config.engine == "pillow":
        return (pillow,), pillow
    try:
        from .vips.engine import VipsEngine  # noqa: PLC0415
    except (ImportError, OSError) as error:  # OSError: pyvips is installed, but libvips is not
        if config.engine == "vips":
            message = f"IMAGES_ENGINE = 'vips', but pyvips cannot be imported ({error}). {_INSTALL}"
            raise ConfigError(message) from error
        logger.warning(
            "pyvips cannot be imported (%s), so images are rendered by Pillow, which is slower and needs more "
            "memory. %s",
            error,
            _INSTALL,
        )
        return (pillow,), pillow
    inputs = (*config.input_formats, "svg") if config.svg else config.input_formats
    vips = VipsEngine(inputs=inputs, fail_on=config.fail_on, headroom=config.headroom, **common)
    return ((vips,) if config.engine == "vips" else (vips, pillow)), pillow


def size_of(descriptor: int, ref: str) -> Size:
    """Return the size of a file that an engine has made.

    Raises:
        UnreadableSource: If it is broken.
    """
    stated = read_header(descriptor, ref, auto_orient=True)
    if stated is not None:
        return stated.size
    from .pillow.engine import PillowEngine  # noqa: PLC0415

    return PillowEngine().header(descriptor, ref).size


def rgba(png: bytes) -> tuple[Size, bytes]:
    """Decode a small PNG that an engine has made.

    Returns its size, and its pixels in RGBA with 4 bytes per pixel, row by row.
    """
    from .pillow.engine import rgba as decode  # noqa: PLC0415

    return decode(png)
