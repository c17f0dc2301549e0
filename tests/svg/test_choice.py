"""Which options leave a drawing as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flask_images_vips.config.keys import Config
from flask_images_vips.formats import SVG
from flask_images_vips.options.options import DECLARED, DEFAULTS, Options
from flask_images_vips.svg.choice import is_drawing, passes

PASSING = replace(Config(), svg="pass")
KEPT = [
    {"w": "9"},
    {"w": "9", "h": "9"},
    {"w": "9", "h": "9", "m": "fit", "e": "1"},
    {"w": "9", "ar": "2", "dpr": "2"},
    {"f": "auto", "q": "9", "mb": "9", "b": "red", "k": "icc", "ll": "1", "pr": "1"},
    {"d": "1", "c": "", "exp": "1900000000"},
    {"g": "west", "fp": "0.5,0.5"},
]


@pytest.mark.parametrize("query", KEPT)
def test_sizes_and_what_concerns_pixels_leave_it(query: dict[str, str]) -> None:
    assert passes(PASSING, "a.SVG", Options.parse(query))


@pytest.mark.parametrize("config", [Config(), replace(Config(), svg=True)])
def test_only_a_site_that_says_so_passes_drawings(config: Config) -> None:
    assert not is_drawing(config, "a.svg")
    assert not passes(config, "a.svg", Options())


def test_only_the_extension_decides() -> None:
    for name in ("svg", "a.png", "a.svg.png", "a.svgz", ""):
        assert not is_drawing(PASSING, name)


@pytest.mark.parametrize("query", [{"m": "crop"}, {"m": "pad"}, {"f": "png"}, {"an": ""}, {"bl": "3"}, {"ra": "max"}])
def test_others_need_pixels(query: dict[str, str]) -> None:
    assert not passes(PASSING, "a.svg", Options.parse(query))


def test_a_chosen_format_is_kept() -> None:
    assert passes(PASSING, "a.svg", Options(format=SVG))


def test_each_option_was_thought_of() -> None:
    kept = {DECLARED[name].short for name in ("mode", "rights", "depth")}
    tried = kept.union(*KEPT)
    needing = {short for name, short in ((name, each.short) for name, each in DECLARED.items()) if short not in tried}
    for name, declared in DECLARED.items():
        if declared.short in needing:
            assert not passes(PASSING, "a.svg", _changed(name)), name


def _changed(name: str) -> Options:
    default = DEFAULTS[name]
    return replace(Options(), **{name: not default if isinstance(default, bool) else object()})
