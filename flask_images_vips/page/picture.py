"""Look up the source of a template call, and list the renditions to offer the browser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from werkzeug.exceptions import NotFound

from .. import urls
from ..config.keys import Config
from ..errors import ImagesError, InvalidOption, reason_of, shown
from ..formats import Format
from ..geometry import Size, lay_out, plan
from ..lazy import Lazy
from ..options.options import Options
from ..options.values import Mode
from ..sources.source import Source
from ..state import current_images
from ..widths import IN_PIXELS
from . import responsive
from .arguments import LayoutRequest
from .calls import advise, warn
from .compat import overriding
from .links import find, ref_of, url_builder, with_allowed_width
from .pixels import measured, placeholder
from .quality import at_density, by_dpr
from .queries import QUALITY, options_of, parsed, query_of, refusal_of
from .responsive import Candidate, Layout, Limits
from .size import ImageSize
from .visitor import by_visitor

if TYPE_CHECKING:
    from ..engines.engine import Header

_HIDPI_QUALITY = 60
_MAX_DPR = 4.0
_FULL_WIDTH_SRC = 1280  # pixels: enough for a browser that does not read srcset


class Known(NamedTuple):
    """The header of a source, the parsed options, and the resulting size."""

    header: Header
    options: Options
    size: ImageSize


class Picture:
    """A source with the options of one rendition, as given in a template call.

    *keywords* must come from `Presets.expanded`. The source is looked up once. If the picture *same* has the same path,
    its source is reused. *filename* may be anything, see `ref_of`. With *formats*, the format may be one that the
    visitor's browser accepts, see `by_visitor`.
    """

    def __init__(
        self, filename: object, keywords: dict[str, Any], same: Picture | None = None, *, formats: bool = True
    ) -> None:
        self._formats = formats
        self.ref = ref_of(filename)
        self.source: Source | None = same.source if same is not None and same.ref == self.ref else find(self.ref)
        self._choose(keywords)

    def _choose(self, keywords: Mapping[str, Any]) -> None:
        """Set the keywords of the URL, and its query.

        They are *keywords* with what depends on the visitor and the screen, and with allowed sides.
        """
        chosen = {**keywords, **by_visitor(self.ref, keywords, formats=self._formats)}
        chosen |= by_dpr(self.ref, chosen)
        self.keywords = with_allowed_width(self.ref, self.source, chosen)
        self.query = query_of(self.keywords)

    @Lazy
    def url(self) -> Callable[..., str]:
        """A function that builds the URL of the rendition, or of one with other options: see `url_builder`."""
        build = overriding("build_url")
        if build is not None:
            return lambda **replaced: build(self.ref, **{**self.keywords, **replaced})
        return url_builder(self.ref, self.source, self.keywords, self.query)

    @Lazy
    def is_passed(self) -> bool:
        """Whether it is an SVG that is passed through, so that all of its sizes are the same file."""
        with suppress(InvalidOption):
            return current_images().pipeline.formats.passes(urls.name_of(self.ref), parsed(self.query))
        return False

    @Lazy
    def known(self) -> Known | None:
        """The header, options and size of the picture, or None if they are unknown.

        A failure is logged, unless it was logged before. That a remote image has not been fetched yet, or that the box
        of a trim is not known yet, is no failure.
        """
        try:
            options = parsed(self.query)
            if self.source is None and (urls.is_remote(self.ref) or self.ref == urls.NO_PICTURE):
                return None
            pipeline = current_images().pipeline
            source = self.source or pipeline.sources.here(self.ref)  # raises the reason why there is none
            found = measured(source, options)
            if found is None:
                return None
            header, trimmed = found
            if self.is_passed:  # the browser draws it as large as the page says
                options = replace(options, enlarge=True)
            size = ImageSize.planned(header.size, options, trimmed)
            size.describe(source.path, self.keywords)
            return Known(header, options, size)
        except ImagesError as error:
            warn("cannot tell the size of image %s: %s", shown(self.ref), reason_of(error, self.ref))
            return None

    @Lazy
    def size(self) -> ImageSize | None:
        """The size of the rendition, or None if it is unknown."""
        calculate = overriding("calculate_size")
        if calculate is not None:
            with suppress(NotFound):
                size: ImageSize = calculate(self.ref, **{"enlarge": False, **self.keywords})
                return size
            return None
        return None if self.known is None else self.known.size

    @property
    def expected_size(self) -> Size | None:
        """The size of a rendition whose remote source has not been fetched yet, if the options alone determine it.

        Without ``enlarge``, the rendition will be smaller if the source turns out to be smaller than requested.
        """
        with suppress(InvalidOption):
            settled = parsed(self.query).settled()
            if urls.is_remote(self.ref) and settled.width and settled.height and settled.mode is not Mode.FIT:
                return plan(Size(settled.width, settled.height), settled).final
        return None

    def at_density(self, scale: Any, overrides: Mapping[str, Any]) -> Picture | None:
        """Return this picture with *scale* times the width and height, or None if its source is too small for that.

        Returns None also if the size is unknown, or if the application does not allow the options. With ``enlarge``,
        the size does not matter. *overrides* are options that replace those of this picture.
        """
        if self.is_passed:
            return None
        expanded = current_images().pipeline.presets.expanded
        keywords = self.keywords | _scaled(self.keywords, scale)
        if not keywords.get("enlarge"):
            if self.size is None:
                return None
            larger = Picture(self.ref, expanded(keywords), same=self).size
            if larger is None or larger.needs_enlarge:
                return None
        usual = {"quality": _HIDPI_QUALITY} | at_density(self.ref, {}, _number(scale))
        dense = expanded({**usual, **keywords, **overrides})
        refusal = refusal_of(query_of(dense))
        if refusal is not None:
            advise("denser picture", f"hidpi={scale} has no effect on {shown(self.ref)}: {refusal}")
            return None
        return Picture(self.ref, dense, same=self)

    def placeholder(self, kind: str) -> str | None:
        """Return a placeholder of the picture, or None if it is not known yet or cannot be made.

        Rendering errors are logged; a missing source is not.
        """
        if self.source is None:
            return None
        try:
            return placeholder(self.source, kind)
        except ImagesError as error:
            warn("no placeholder for image %s: %s", shown(self.ref), reason_of(error, self.ref))
            return None


class ResponsivePicture(Picture):
    """A picture that is offered to the browser in several renditions.

    ``dpr`` is ignored, because the browser chooses by the density of its screen.
    """

    def __init__(
        self, filename: object, keywords: Mapping[str, Any], same: Picture | None = None, *, formats: bool = True
    ) -> None:
        own = {name: value for name, value in keywords.items() if name != "dpr"}
        super().__init__(filename, own, same, formats=formats)
        self.options = Options()
        self.start: Size | None = None
        """The size before scaling, or None if it is unknown."""
        self.shown: Size | None = None
        """The size in the page, in CSS pixels, or None if it is unknown."""
        if self.known is None:
            with suppress(InvalidOption):  # logged already
                self.options = parsed(self.query)
            return
        self.start = Size(self.known.size.image_width, self.known.size.image_height)
        self.options, self.shown = responsive.fitted(self.start, self.known.options)
        if "aspect" in self.keywords:
            # Each candidate has its own sides, and a URL cannot have all of aspect, width and height.
            del self.keywords["aspect"]
            sides = {"width": self.options.width, "height": self.options.height}
            self._choose(self.keywords | sides)

    @property
    def alpha(self) -> bool:
        return self.known is not None and self.known.header.alpha

    @property
    def frames(self) -> int:
        return 1 if self.known is None else self.known.header.frames

    @property
    def format(self) -> Format:
        return current_images().pipeline.formats.of(urls.name_of(self.ref), self.options)

    def can_become(self, format: Format) -> bool:
        """Return whether the picture can be written in *format* here, without losing frames of an animation."""
        if self.is_passed:
            return False
        loses_frames = self.frames > 1 and self.format.animated and not format.animated
        return not loses_frames and current_images().pipeline.abilities.writes(format, self.options)

    def looks_as_asked(self, format: Format) -> bool:
        """Return whether *format* can look as good as the options ask for."""
        formats, default_quality = current_images().pipeline.formats, not self.query.get(QUALITY)
        return formats.looks_as_asked(format, urls.name_of(self.ref), self.options, default_quality=default_quality)

    def offer(self, request: LayoutRequest, format: Format | None = None) -> Offer:
        """Return the renditions that the browser may choose from, in *format* or else in the picture's own format."""
        pipeline = current_images().pipeline
        more = {} if format is None else {"format": format.name}
        found = () if pipeline.presets.only or self.is_passed else self._candidates(request, format or self.format)
        if not found or self.shown is None:
            return Offer.of_one(self.url(**more))
        by_density, shown = _by_density(request), self.shown.width
        qualities = [
            at_density(self.ref, self.keywords | more, each.size.width / shown) if by_density else {} for each in found
        ]
        if len(found) > 1 and self.source is not None:
            with suppress(ImagesError):  # the page does not depend on it
                sides = [(each.width, each.height) for each in found]
                numbers = [each.get("quality") for each in qualities] if any(qualities) else []
                pipeline.offer(self.source, self.options, format or self.options.format or self.format, sides, numbers)
        built = [
            self.url(**more, **quality, width=each.width, height=each.height)
            for each, quality in zip(found, qualities, strict=True)
        ]
        descriptors = [f"{each.size.width / shown:.4g}x" if by_density else f"{each.size.width}w" for each in found]
        enough = min(shown, _FULL_WIDTH_SRC) if request.layout is Layout.FULL else shown
        wide = (url for url, each in zip(built, found, strict=True) if each.size.width >= enough)
        return Offer(
            next(wide, built[-1]),
            ", ".join([f"{url} {descriptor}" for url, descriptor in zip(built, descriptors, strict=True)]),
            None if by_density else responsive.sizes(request.layout, shown),
        )

    def _candidates(self, request: LayoutRequest, format: Format) -> tuple[Candidate, ...]:
        if self.known is None or self.start is None or self.shown is None:
            return ()
        pipeline, width = current_images().pipeline, self.shown.width
        wanted: Iterable[int] = request.widths or responsive.widths(request.layout, width)
        if request.densities:
            wanted = [round(width * float(density)) for density in request.densities]
        allowed = tuple(pipeline.widths.nearest(map(int, wanted)))
        limits = _limits(pipeline.config, format, pipeline.limits.frames(self.known.header, self.options, format))
        found = responsive.candidates(self.start, self.options, allowed, limits)
        return tuple(self._with_allowed_widths(self.known.header, found)) if pipeline.widths.restricting else found

    def _with_allowed_widths(self, header: Header, found: Iterable[Candidate]) -> Iterator[Candidate]:
        """Yield those of *found* that have the same size with sides that ``IMAGES_ALLOWED_WIDTHS`` allows."""
        for each in found:
            keywords = self.keywords | {"width": each.width, "height": each.height}
            keywords = with_allowed_width(self.ref, self.source, keywords)
            options = options_of(keywords)
            trimmed = None if self.source is None else current_images().pipeline.facts.pixels.trim(self.source, options)
            if lay_out(header.size, options, trimmed=trimmed).final == each.size:
                yield each._replace(width=keywords.get("width"), height=keywords.get("height"))


class Offer(NamedTuple):
    """The renditions that a tag offers. *srcset* lists all of them, or is None if *src* is the only one."""

    src: str
    srcset: str | None
    sizes: str | None

    @classmethod
    def of_one(cls, src: str) -> Offer:
        return cls(src, None, None)

    def attributes(self, sizes: object, *, lazy: bool) -> dict[str, Any]:
        """Return ``srcset`` and ``sizes``. *sizes* replaces the default for the layout.

        With lazy loading, the page is laid out before the image is chosen, so ``sizes`` may begin with ``auto``.
        """
        if self.sizes is None:
            return {"srcset": self.srcset}
        said = str(sizes or self.sizes)
        return {"srcset": self.srcset, "sizes": f"auto, {said}" if lazy and not said.startswith("auto") else said}


def _by_density(request: LayoutRequest) -> bool:
    return bool(request.densities) or (request.layout is Layout.FIXED and not request.widths)


def _limits(config: Config, format: Format, frames: int) -> Limits:
    """Return the limits of the configuration and of *format* for a rendition of *frames* frames."""
    most = format.max_side
    return Limits(min(config.max_width, most), min(config.max_height, most), config.max_output_pixels // frames)


def _scaled(keywords: Mapping[str, Any], scale: Any) -> dict[str, Any]:
    """Return width and height multiplied by *scale*. A side that is not a number is omitted.

    If other options are in pixels too, return ``dpr`` instead, which multiplies all of them.
    """
    if keywords.keys() & IN_PIXELS:
        with suppress(TypeError, ValueError):
            return {"dpr": min(float(scale) * float(keywords.get("dpr") or 1), _MAX_DPR)}
    scaled: dict[str, Any] = {}
    for side in ("width", "height"):
        with suppress(KeyError, TypeError, ValueError, OverflowError):
            scaled[side] = int(float(scale) * float(keywords[side]))
    return scaled


def _number(scale: Any) -> float:
    """Return *scale* as a number, or 1 if it is none."""
    with suppress(TypeError, ValueError):
        return float(scale)
    return 1.0
