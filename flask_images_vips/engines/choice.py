"""Choose the engine for each rendition: libvips if possible, otherwise Pillow.

Only this module decides which engines can be used in the current process. It imports them on first use, because both
are slow to import and pyvips may be missing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, TypeVar

from ..config.keys import Config
from ..errors import ConfigError, InvalidOption, UnsupportedSource
from ..formats import Format
from ..options.options import Options
from .engine import DecodesOnce, Engine
from .vips.fork_safety import forked_after_pixels

logger = logging.getLogger("flask_images_vips")

T = TypeVar("T")

_INSTALL = "Install it with: pip install 'flask-images-vips[binary]'"


class Engines:
    """The engines that one configuration allows, the preferred one first. Each is imported on first use.

    With *maps_files*, they may map sources into memory, which saves time and memory. Then the kernel kills the process
    if a source is overwritten in place while it is decoded, so only renderers may do that.
    """

    def __init__(self, config: Config, *, maps_files: bool = False) -> None:
        self._config = config
        self._maps_files = maps_files
        self._lock = threading.RLock()

    def __iter__(self) -> Iterator[Engine]:
        """Yield the engines to use in this process. Only Pillow, if libvips would hang here, see `vips.fork_safety`.

        Raises:
            ConfigError: If the configured engine cannot be imported.
        """
        vips = None
        if self._config.engine != "pillow" and not forked_after_pixels():
            with self._lock:
                vips = self._vips
            if vips is not None:
                yield vips
        if vips is None or self._config.engine != "vips":
            with self._lock:
                pillow = self._pillow
            yield pillow

    def able(self, options: Options, format: Format) -> Iterator[Engine]:
        """Yield the engines that can render *options* as *format*, the preferred one first.

        Raises:
            InvalidOption: If no engine can render them.
        """
        refusals, found = [], False
        for engine in self:
            refusal = engine.refusal(options, format)
            if refusal is None:
                found = True
                yield engine
            else:
                refusals.append(refusal)
        if not found:
            first = refusals[0]
            expected = dict.fromkeys(refusal.expected for refusal in refusals)
            raise InvalidOption(first.name, first.value, expected=" or ".join(expected))

    def decoding_once(self, options: Options, format: Format) -> DecodesOnce | None:
        """Return the engine that renders *options* as *format*; None if it cannot share a decode, see `DecodesOnce`.

        Raises:
            InvalidOption: If no engine can render them.
        """
        best = next(self.able(options, format))
        return best if isinstance(best, DecodesOnce) else None

    def first(self, work: Callable[[Engine], T], among: Iterable[Engine] | None = None) -> T:
        """Return the result of *work*, called with the first engine that can load the source.

        *among* replaces the engines of this process.

        Raises:
            UnsupportedSource: If no engine can load it.
        """
        unsupported: UnsupportedSource | None = None
        for engine in self if among is None else among:
            try:
                return work(engine)
            except UnsupportedSource as error:
                unsupported = error
        assert unsupported is not None
        raise unsupported

    @cached_property
    def _pillow(self) -> Engine:
        from .pillow.engine import PillowEngine  # noqa: PLC0415

        return PillowEngine(inputs=self._config.input_formats, **self._common)

    @cached_property
    def _vips(self) -> Engine | None:
        """The engine for libvips, or None if it cannot be imported, which is logged."""
        config = self._config
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
            return None
        inputs = (*config.input_formats, "svg") if config.svg else config.input_formats
        return VipsEngine(inputs=inputs, fail_on=config.fail_on, headroom=config.headroom, **self._common)

    @property
    def _common(self) -> dict[str, Any]:
        config = self._config
        return {
            "auto_orient": config.auto_orient,
            "timeout": config.render_timeout,
            "effort": config.effort,
            "maps_files": self._maps_files,
        }
