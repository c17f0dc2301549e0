"""Choose the engine for each rendition: libvips if possible, otherwise Pillow. In tests of a site, it may be a box.

Only this module decides which engines can be used in the current process. It imports them on first use, because both
are slow to import and pyvips may be missing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any, TypeVar

from ..cache.per_process import PerProcess, Said
from ..config.keys import Config
from ..errors import ConfigError, InvalidOption, UnsupportedHere, UnsupportedSource
from ..formats import EXTRA_INPUTS, INPUTS, Format
from ..lazy import Lazy
from ..options.options import Options
from ..system_errors import is_passing
from .encoder_settings import decoded_once
from .engine import DecodesOnce, Engine
from .vips.fork_safety import forked_after_pixels
from .vips.installed import INSTALL, missing, unusable

logger = logging.getLogger("flask_images_vips")

T = TypeVar("T")

_SLOWER = "so images are rendered by Pillow, which is slower and needs more memory"


class Engines:
    """The engines that one configuration allows, the preferred one first. Each is imported on first use.

    *own_process* is set in renderers, where no other code runs. There, engines may map sources into memory, which saves
    time and memory, although the kernel kills the process if a source is overwritten in place while it is decoded.
    Pillow's own limit on pixels, which applies to the whole process, is lifted there.
    """

    def __init__(self, config: Config, *, own_process: bool = False) -> None:
        self._config = config
        self._own_process = own_process
        self._lock = PerProcess(threading.RLock)

    def __iter__(self) -> Iterator[Engine]:
        """Yield the engines to use in this process. Only Pillow, if libvips would hang here, see `vips.fork_safety`.

        Raises:
            ConfigError: If the configured engine cannot be imported.
        """
        if self._config.engine == "boxes":
            yield self._boxes
            return
        vips = None
        if self._config.engine != "pillow" and not forked_after_pixels():
            with self._lock.get():
                vips = self._vips
            if vips is not None:
                yield vips
        if vips is None or self._config.engine != "vips":
            with self._lock.get():
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
        if decoded_once(options, format):
            for engine in self._substitute():
                if engine.refusal(options, format) is None:
                    found = True
                    yield engine
        if not found:
            first = refusals[0]
            expected = dict.fromkeys(refusal.expected for refusal in refusals)
            raise InvalidOption(first.name, first.value, expected=" or ".join(expected))

    def _substitute(self) -> Iterator[Engine]:
        """If only libvips is configured, yield Pillow, for what the libvips that is installed here lacks."""
        if self._config.engine == "vips":
            with self._lock.get():
                pillow = self._pillow
            yield pillow

    def decoding_once(self, options: Options, format: Format) -> DecodesOnce | None:
        """Return the engine that renders *options* as *format*; None if it cannot share a decode, see `DecodesOnce`.

        Raises:
            InvalidOption: If no engine can render them.
        """
        best = next(self.able(options, format))
        return best if isinstance(best, DecodesOnce) else None

    def first(self, work: Callable[[Engine], T], among: Iterable[Engine] | None = None) -> T:
        """Return the result of *work*, called with the first engine that can load the source.

        *among* replaces the engines of this process. If only libvips is configured, Pillow still does what libvips
        could do, but not the libvips that is installed here.

        Raises:
            UnsupportedSource: If no engine can load it. The reason is that of the first engine that lacks nothing here.
        """
        unsupported: UnsupportedSource | None = None
        for engine in chain(self, self._substitute()) if among is None else among:
            try:
                return work(engine)
            except UnsupportedSource as error:
                if unsupported is None or isinstance(unsupported, UnsupportedHere):
                    unsupported = error
                if self._config.engine == "vips" and not isinstance(error, UnsupportedHere):
                    break
        assert unsupported is not None
        raise unsupported

    @Lazy
    def _pillow(self) -> Engine:
        from .pillow.engine import PillowEngine  # noqa: PLC0415
        from .pillow.reader import lift_limit  # noqa: PLC0415

        if self._own_process:
            lift_limit()
        return PillowEngine(inputs=self._config.input_formats, fail_on=self._config.fail_on, **self._common)

    @Lazy
    def _boxes(self) -> Engine:
        from .pillow.boxes import BoxEngine  # noqa: PLC0415

        config = self._config
        others = Engines(replace(config, engine="auto"))
        return BoxEngine(others.first, auto_orient=config.auto_orient, inputs=config.input_formats)

    @Lazy
    def _vips(self) -> Engine | None:
        """The engine for libvips, or None if it cannot be used, which is logged."""
        config = self._config
        try:
            from .vips import abilities  # noqa: PLC0415
            from .vips.engine import VipsEngine  # noqa: PLC0415
        except Exception as error:  # pyvips raises any exception if libvips is missing, too old or fails to start
            if isinstance(error, OSError) and is_passing(error):
                raise
            self._go_without(unusable(error), INSTALL, error)
            return None
        problem = abilities.problem()
        if problem is not None:
            self._go_without(problem, abilities.cure())
            return None
        if abilities.is_overwritten():
            _warn_once(abilities.overwritten())
        drawings = ["svg"] if config.svg else []
        inputs = [name for name in config.input_formats if name in (*INPUTS, *EXTRA_INPUTS)] + drawings
        listed = inputs if config.engine == "vips" else [*config.input_formats, *drawings]
        return VipsEngine(
            inputs=inputs, fail_on=config.fail_on, headroom=config.headroom, listed=listed, **self._common
        )

    def _go_without(self, problem: str, cure: str, error: Exception | None = None) -> None:
        """Log that Pillow takes the place of libvips, because of *problem*.

        Raises:
            ConfigError: If only libvips is configured.
        """
        if self._config.engine == "vips":
            raise _unusable(problem, cure) from error
        _warn_once(f"{problem}, {_SLOWER}. {cure}")

    @property
    def _common(self) -> dict[str, Any]:
        config = self._config
        return {
            "auto_orient": config.auto_orient,
            "timeout": config.render_timeout,
            "effort": config.effort,
            "maps_files": self._own_process,
        }


def check_engine(engine: object) -> None:
    """Check cheaply whether *engine*, the value of ``IMAGES_ENGINE``, can be used.

    Raises:
        ConfigError: If it is ``vips``, and libvips is certainly missing or too old.
    """
    problem = missing() if engine == "vips" else None
    if problem is not None:
        raise _unusable(*problem)


def check_extras(engine: str, inputs: Iterable[str]) -> None:
    """Check cheaply whether the extras are installed that sources in the formats *inputs* need. *engine* is as above.

    Raises:
        ConfigError: If one is missing or too old.
    """
    if engine != "boxes" and "heic" in inputs:
        from .heic import problem  # noqa: PLC0415  (few sites have HEICs)

        if (lacking := problem()) is not None:
            raise ConfigError(f"IMAGES_INPUT_FORMATS lists heic, but {lacking}")


def extras_for(engine: str) -> tuple[str, ...]:
    """Return the formats that *engine* reads by the extras that are installed. *engine* is as above."""
    from . import heic, jxl  # noqa: PLC0415  (few sites have such files)

    found = {"heic": heic.problem() is None, "jxl": engine != "vips" and jxl.is_installed()}
    return tuple(name for name, is_here in found.items() if is_here)


def _unusable(problem: str, cure: str) -> ConfigError:
    return ConfigError(f"IMAGES_ENGINE = 'vips', but {problem}. {cure}")


def _warn_once(message: str) -> None:
    """Log *message*, once in each process."""
    if _said.add(message):
        logger.warning("%s", message)


_said = Said()
