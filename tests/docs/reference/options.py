"""The options of a rendition, in groups: what each does, its values and an example."""

from __future__ import annotations

from typing import Any

from flask_images_vips.engines.pillow.engine import PillowEngine
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.formats import JPEG
from flask_images_vips.options.options import DECLARED, DEFAULTS, Option, Options, write_query

from .markup import sentence, table

PAGE = "reference/options.md"

GROUPS: dict[str, tuple[str, ...]] = {
    "Size and shape": ("width", "height", "aspect", "mode", "enlarge", "dpr"),
    "Which part is shown": ("gravity", "focal", "region", "trim", "rotate", "flip", "transform"),
    "Colours and sharpness": ("grayscale", "brightness", "contrast", "saturation", "blur", "sharpen"),
    "Over and around the picture": (*("watermark", "text", "text_style", "background", "padding", "border", "radius"),),
    "The file": (
        *("format", "quality", "max_bytes", "lossless", "progressive", "depth", "animated", "keep", "rights"),
    ),
    "How it is sent": ("download", "cache", "expires", "arm"),
}
"""The sections of the page. Each option is in one of them."""

GUIDES: dict[str, tuple[str, ...]] = {
    "[Crops](../guides/crops.md)": (
        *("width", "height", "mode", "enlarge", "aspect", "gravity", "focal", "region", "trim", "rotate", "flip"),
    ),
    "[Effects](../guides/effects.md)": (
        *("transform", "grayscale", "brightness", "contrast", "saturation", "blur", "sharpen", "watermark"),
        *("background", "padding", "border", "radius"),
    ),
    "[Social cards](../guides/social-cards.md)": ("text", "text_style"),
    "[Formats](../guides/formats.md)": ("format", "lossless", "progressive"),
    "[Quality](../guides/quality.md)": ("quality", "max_bytes"),
    "[Denser screens](../guides/quality.md#denser-screens)": ("dpr",),
    "[HDR and deep colour](../guides/hdr.md)": ("depth",),
    "[Animations](../guides/animations.md)": ("animated",),
    "[Metadata](../guides/colours-and-metadata.md#metadata)": ("keep",),
    "[Rights](../guides/rights.md)": ("rights",),
    "[Links that expire](../guides/private-images.md#links-that-expire)": ("expires",),
    "[By visitor](../guides/quality.md#by-visitor)": ("arm",),
}
"""The guides that show what options do."""

_GUIDE_OF = {name: guide for guide, names in GUIDES.items() for name in names}


def text() -> str:
    names = [name for group in GROUPS.values() for name in group]
    assert sorted(names) == sorted(DECLARED), "add the option to a group in tests/docs/reference/options.py"
    parts = []
    for title, group in GROUPS.items():
        parts.append(f"## {title}")
        parts += [entry(name, DECLARED[name]) for name in group]
    return "\n\n".join(parts)


def overview() -> str:
    """The groups with a link to each option, to find one at a glance."""
    rows = [
        [f"[{title}](#{title.lower().replace(' ', '-')})", ", ".join(f"[`{name}`](#{name})" for name in group)]
        for title, group in GROUPS.items()
    ]
    return table(["group", "options"], rows)


def entry(name: str, declared: Option) -> str:
    facts = [
        f"- Values: {declared.values}",
        f"- Default: {default_of(name) or 'none'}",
        f"- In URLs: `{declared.short}`",
        f"- Engine: {engines_of(declared)}",
        f"- Example: `{call(declared)}`",
        *([f"- Guide: {_GUIDE_OF[name]}"] if name in _GUIDE_OF else []),
    ]
    return "\n\n".join([f"### `{name}`", sentence(declared.doc, PAGE), "\n".join(facts)])


def call(declared: Option) -> str:
    """A call with the example of the option. It has a width, so that it can be pasted into a template as it is."""
    sized = {"width", "height", "aspect"} & keywords_of(declared).keys()
    return f"resized_img_src('photos/coffee.jpg', {'' if sized else 'width=300, '}{declared.example})"


def default_of(name: str) -> str:
    value = DEFAULTS[name]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"`{value}`"
    plain = f"{value:g}" if isinstance(value, float) else str(value)
    return {"background": "black", "padding": "0"}.get(name, "" if value is None else plain)


def engines_of(declared: Option) -> str:
    """The engines that can render the option's example."""
    options = Options.parse(write_query(keywords_of(declared)))
    able = [
        engine.name for engine in (VipsEngine(), PillowEngine()) if not engine.refusal(options, options.format or JPEG)
    ]
    return "both" if len(able) == 2 else {"vips": "libvips", "pillow": "Pillow"}[able[0]]


def keywords_of(declared: Option) -> dict[str, Any]:
    """The keywords of the option's example."""
    keywords: dict[str, Any] = eval(f"dict({declared.example})")
    return keywords
