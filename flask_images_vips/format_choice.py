"""Choose the format of a rendition: by its URL, the client's Accept header, and what can be written here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .abilities import Abilities
from .config.keys import Config
from .formats import (
    AUTO,
    AVIF,
    JPEG,
    JXL,
    NEGOTIABLE,
    PNG,
    SVG,
    Auto,
    Format,
    Raw,
    accepts,
    by_name,
    choose,
    negotiate,
    prefers_jxl_to_avif,
)
from .options.options import Options
from .rendition import Rendition
from .svg.choice import is_drawing, passes
from .urls import ImageUrl


class FormatChoice:
    """Chooses the formats of one application's renditions. *abilities* tells which ones can be written here."""

    def __init__(self, config: Config, abilities: Abilities) -> None:
        self._config = config
        self._abilities = abilities
        self._negotiable = tuple(by_name(name) for name in config.formats if name in config.output_formats)
        self._without_jxl = tuple(format for format in self._negotiable if format is not JXL)
        self.prefers_jxl_to_avif = prefers_jxl_to_avif([format.name for format in self._negotiable])

    @property
    def negotiable(self) -> tuple[Format, ...]:
        """The formats that ``format=auto`` may choose, the preferred one first, as far as they can be written here."""
        return tuple(format for format in self._negotiable if self._abilities.writes(format))

    def negotiated(self, url: ImageUrl, accept: str) -> Format:
        """Return the format for a *url* with ``format=auto``, negotiated with *accept*, the client's Accept header.

        It is AVIF also if JPEG XL is preferred to it, because one may not be smaller: see `may_be_jxl`.
        """
        if self.prefers_jxl_to_avif and self._best(url, accept, self._without_jxl) is AVIF:
            return AVIF
        return self._best(url, accept, self._negotiable)

    def may_be_jxl(self, url: ImageUrl, accept: str | None = None) -> bool:
        """Return whether a JPEG XL is to be sent in place of an AVIF of *url*, if there is one that is smaller.

        *accept* is the client's Accept header. None stands for a client that reads JPEG XL.
        """
        wanted = JXL.media_type if accept is None else accept
        if not self.prefers_jxl_to_avif or JXL.name not in wanted.lower():  # before the header is parsed
            return False
        quality = self._config.quality_of(AVIF.name) if url.default_quality else url.options.quality
        # The AVIF becomes smaller when its quality is found, so a JPEG XL that is smaller now may be larger then.
        return not isinstance(quality, Auto) and accepts(wanted, JXL) and self._best(url, wanted, (JXL,)) is JXL

    def in_place_of_avif(self, avif: Rendition, *, default_quality: bool) -> Rendition:
        """Return the rendition in JPEG XL that is kept only if it is smaller than *avif*.

        It has a key of its own, because a URL can also ask for JPEG XL.
        """
        quality = self._config.quality_of(JXL.name) if default_quality else avif.options.quality
        options = replace(avif.options, quality=quality)
        than = "AVIF" if not self._config.recompress_after else "recompressed AVIF"
        return replace(avif, options=options, format=JXL, settings=f"{avif.settings}\nif smaller than {than}")

    def of(self, file_name: str, options: Options) -> Format:
        """Return the format of renditions of *file_name* with *options*, whose format is not ``auto``.

        JPEG replaces the format of the path, if that cannot be written here.
        """
        if self.passes(file_name, options):
            return SVG
        format = choose(file_name, options.format)
        if options.format is not None:
            return format
        return self._own(file_name, format if self._abilities.writes(format, options) else JPEG)

    def passes(self, file_name: str, options: Options) -> bool:
        """Return whether the rendition of *file_name* with *options* is an SVG that is passed through."""
        return passes(self._config, file_name, options)

    def looks_as_asked(self, format: Format, file_name: str, options: Options, *, default_quality: bool) -> bool:
        """Return whether *format* can look as good as *options* ask for. If not, it may be larger and look worse.

        *default_quality* is true if the URL has no quality.
        """
        quality = self._config.quality_of(format.name) if default_quality else options.quality
        own = choose(file_name, None)
        no_better = own.animated or own.name in NEGOTIABLE  # a GIF never looks better; not all browsers show an AVIF
        if (options.keep.icc and not format.profile) or (options.depth > 8 and format is JXL):
            return False
        return isinstance(quality, Raw) or quality <= format.max_quality or options.lossless or no_better

    def writes(self, options: Options) -> bool:
        """Return whether the format that *options* ask for, if any, can be written here."""
        format = options.format
        return format is None or format is AUTO or self._abilities.writes(format, options)

    def _best(self, url: ImageUrl, accept: str, preferred: Sequence[Format]) -> Format:
        options = url.options
        if self.passes(url.file_name, options):
            return SVG
        while True:
            format = negotiate(url.file_name, accept, preferred)
            writable = self._abilities.writes(format, options)
            if format not in preferred:  # it is the format of the path
                return self._own(url.file_name, format if writable else JPEG)
            if writable and self.looks_as_asked(format, url.file_name, options, default_quality=url.default_quality):
                return format
            preferred = tuple(other for other in preferred if other is not format)

    def _own(self, file_name: str, format: Format) -> Format:
        """Return *format*, that of the path, but PNG for the pixels of an SVG, most of which are transparent."""
        return PNG if is_drawing(self._config, file_name) else format
