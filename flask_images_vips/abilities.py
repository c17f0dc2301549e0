"""Find out which formats can be written here, and keep the answer.

An image library may lack an encoder, and only the process that renders can know this. So a renderer is asked, when a
page or a request first depends on the answer. The answer is kept in memory and in the disk cache, until a library is
installed, updated or removed.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import inf
from typing import Any, NamedTuple

from .cache.disk import DiskCache
from .cache.entry import Key
from .cache.stored import json_object, parsed
from .config.keys import Config
from .engines.encoder_settings import settings_of
from .engines.vips.fork_safety import forked_after_pixels
from .errors import Busy, ImagesError, InvalidOption
from .formats import EXTRA_OUTPUTS, FORMATS, NEGOTIABLE, SVG, Format
from .hashing import digest
from .installed import installation
from .options.options import Options
from .pool.outcome import Budget
from .pool.renderers import Renderers
from .rendering.request import Request, Work

logger = logging.getLogger("flask_images_vips")

REVISION = 3
"""Increment this when the stored form of the answer changes."""

_ENGINES = {"auto": ("vips", "pillow"), "vips": ("vips",), "pillow": ("pillow",), "boxes": ("pillow",)}
_WRITTEN = {engine: frozenset(settings_of(engine)) for engine in ("vips", "pillow")}
_ALWAYS = (_WRITTEN["vips"] & _WRITTEN["pillow"]) - {*NEGOTIABLE}
_TURN_SECONDS = 0.5  # to wait for a renderer, because a page waits for the answer
_WORK_SECONDS = 5.0
_REF = "a picture of one pixel"  # instead of a source, in messages
_BUSY_SECONDS = 10.0  # to the next attempt, if no renderer was free
_REST_SECONDS = 60.0  # to the next attempt after another failure, such as an encoder that crashes
_PROVISIONAL_SECONDS = 60.0  # to keep the answer of a renderer that may have loaded libraries before they changed
_CURE = "pip install --upgrade Pillow"  # on every system, Pillow brings all formats


@dataclass(frozen=True, slots=True)
class Library:
    """What an image library can do here.

    *path* is the file that it was loaded from. *mode* is how pyvips calls libvips: ``API`` or ``ABI``. *packages* names
    the Python packages that load it, with their versions. *parts* are libraries of the system that it uses, such as
    ``libheif 1.23.4``. *inputs* and *outputs* are names of formats. *note* is a sentence about the installation,
    *warning* a sentence about what is wrong with it, and *problem* is the reason why the library cannot be used. They
    may be empty.
    """

    name: str
    version: str = ""
    path: str = ""
    mode: str = ""
    packages: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    note: str = ""
    warning: str = ""
    problem: str = ""

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Library:
        """Read a description that an engine has made. Unknown fields are ignored.

        Raises:
            TypeError, AttributeError: If it is something else.
        """
        lists = {name: tuple(map(str, fields.get(name, ()))) for name in ("inputs", "outputs", "parts")}
        texts = {
            name: str(fields.get(name, ""))
            for name in ("name", "version", "path", "mode", "packages", "note", "warning", "problem")
        }
        return cls(**{**texts, **lists})  # type: ignore[arg-type]

    def __str__(self) -> str:
        return f"{self.name} {self.version}".rstrip()


Libraries = Mapping[str, Library]
"""The image libraries of an application, by the names of their engines."""


_NOT_AN_ANSWER = (ValueError, TypeError, KeyError, AttributeError)


class _Answer(NamedTuple):
    """The answer of a renderer, which loaded the libraries at the Unix time *loaded* or later."""

    libraries: Libraries
    loaded: float

    @classmethod
    def parse(cls, fields: Any) -> _Answer:
        """Read what `engines.abilities.abilities_of` has returned, or what `to_json` has written.

        Raises an error of `_NOT_AN_ANSWER` if it is something else.
        """
        libraries = {str(name): Library.from_json(library) for name, library in fields["libraries"].items()}
        return cls(libraries, float(fields["loaded"]))

    def to_json(self) -> bytes:
        libraries = {name: asdict(library) for name, library in self.libraries.items()}
        return json.dumps({"libraries": libraries, "loaded": self.loaded}).encode()


class Abilities:
    """Which formats can be written with *config*. *renderers* are asked, and their answer is stored in *cache*."""

    def __init__(self, config: Config, cache: DiskCache, renderers: Renderers) -> None:
        self._engine = config.engine
        self._work_seconds = min(_WORK_SECONDS, config.render_timeout)
        self._patience = config.lock_timeout
        self._cache = cache
        self._renderers = renderers
        self._libraries: Libraries | None = None
        self._valid_until = 0.0
        self._common: frozenset[str] = frozenset()  # formats that each library is known to write
        self._lacking: frozenset[str] = frozenset()  # formats that none is known to write
        self._logged: set[str] = set()

    def writes(self, format: Format, options: Options | None = None) -> bool:
        """Return whether *format* can be written for a rendition with *options*. True if that is not known."""
        if format.name in _ALWAYS or format.name in self._common:
            return True
        if format.name in self._lacking and time.monotonic() < self._valid_until:
            return False
        return self.refusal(format, options) is None

    def refusal(self, format: Format, options: Options | None = None) -> InvalidOption | None:
        """Return an error that explains why *format* cannot be written, or None. The reason is logged once.

        None also if no renderer can be asked just now. Then the render fails if the format cannot be written.
        """
        if format is SVG:  # passed through without an engine
            return None
        engines = _ENGINES[self._engine]
        if not any(format.name in _WRITTEN[engine] for engine in engines):
            return _refusal(format, [name for engine in engines for name in _WRITTEN[engine]])
        libraries = self.known() if format.name in NEGOTIABLE else None  # all libraries can write other formats
        if libraries is None:
            return None
        usable = {engine: library for engine, library in libraries.items() if not library.problem}
        able = usable if options is None else _able(usable, options)
        if any(format.name in library.outputs for library in able.values()):
            return None
        if not any(format.name in library.outputs for library in usable.values()):
            self._log(format, usable)
        reason = f" ({' and '.join(map(str, able.values()))} cannot write it here)"
        if format.name in EXTRA_OUTPUTS:
            reason += f". To add it, run: pip install 'flask-images-vips[{format.name}]'"
        return _refusal(format, [name for library in able.values() for name in library.outputs], reason)

    def find(self) -> Libraries:
        """Ask a renderer what the libraries can do, and wait for it as long as for a render. Nothing is stored.

        Raises:
            ImagesError: If no renderer answers.
        """
        try:
            libraries = self._ask(self._patience).libraries
        except _NOT_AN_ANSWER as error:
            raise ImagesError(f"the answer is invalid ({error})") from error
        self._keep(libraries, _PROVISIONAL_SECONDS)
        return libraries

    def _log(self, format: Format, libraries: Libraries) -> None:
        if format.name not in self._logged and format.name not in EXTRA_OUTPUTS:
            self._logged.add(format.name)
            logger.warning(
                "%s cannot be written here, so it is not offered to browsers: %s no encoder for it. To add one, run: "
                "%s. `flask images check` lists other ways.",
                format.name.upper(),
                f"{' and '.join(map(str, libraries.values()))} {'have' if len(libraries) > 1 else 'has'}",
                _CURE,
            )

    def known(self) -> Libraries | None:
        """Return the libraries. A renderer is asked unless they are known; None if none could be asked lately."""
        if time.monotonic() >= self._valid_until:
            try:
                self._find()
            except (ImagesError, OSError, *_NOT_AN_ANSWER) as error:
                logger.info("It is not known which formats can be written: %s", error)
                self._keep(None, _BUSY_SECONDS if isinstance(error, Busy) else _REST_SECONDS)
        return self._libraries

    def _keep(self, libraries: Libraries | None, seconds: float) -> None:
        self._libraries, self._valid_until = libraries, time.monotonic() + seconds
        written = [{*library.outputs} for library in (libraries or {}).values()]
        self._common = frozenset(NEGOTIABLE).intersection(*written) if written else frozenset()
        self._lacking = frozenset(EXTRA_OUTPUTS).difference(*written) if written else frozenset()

    def _find(self) -> None:
        installed = installation()
        where = "a thread" if self._renderers.pool is None else "a renderer", forked_after_pixels()
        name = digest(repr((REVISION, self._engine, where, installed.name)), 16)
        key = digest("abilities", 16), f"abilities-{name}.txt"  # in a folder of its own, like the facts of a source

        def ask() -> _Answer:
            stored = self._stored(key)
            if stored is not None:  # another process was faster
                return stored
            answer = self._ask(min(_TURN_SECONDS, self._patience))
            if answer.loaded > installed.changed:
                with suppress(OSError):
                    self._cache.put_bytes(key, answer.to_json(), time.time_ns(), shared=False)
            return answer

        answer = self._stored(key) or self._cache.once(key, ask)
        self._keep(answer.libraries, inf if answer.loaded > installed.changed else _PROVISIONAL_SECONDS)

    def _stored(self, key: Key) -> _Answer | None:
        entry = self._cache.get(key)
        if entry is None:
            return None
        with entry:
            return parsed(entry, lambda data: _Answer.parse(json_object(data)))

    def _ask(self, patience: float) -> _Answer:
        request = Request(work=Work.ABILITIES, settings={"engine": self._engine})
        since = time.monotonic() + patience - self._patience
        done = self._renderers.run(request, (), [_REF], since=since, budget=Budget(self._work_seconds))
        return _Answer.parse(done.result.abilities)


def _able(libraries: Libraries, options: Options) -> Libraries:
    """Return those of *libraries* that can render *options*, or all of them if none can."""
    unable = set()
    if options.transform is not None:
        unable.add("vips")
    if options.settled().gravity.by_libvips:
        unable.add("pillow")
    return {engine: library for engine, library in libraries.items() if engine not in unable} or libraries


def _refusal(format: Format, names: Collection[str], reason: str = "") -> InvalidOption:
    written = ", ".join(format.name for format in FORMATS if format.name in names)
    return InvalidOption("format", format.name, expected=f"one of {written}{reason}")
