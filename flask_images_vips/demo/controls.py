"""Which control does each option have?

Labels, groups and limits come from a small table. Everything else comes from the declarations of the options, so a new
option appears by itself: as a switch if it is a flag, otherwise as a field for text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from markupsafe import Markup, escape
from werkzeug.datastructures import MultiDict

from .. import formats
from ..options.options import DECLARED, DEFAULTS
from ..options.values import Flip, Gravity, Keep, Mode

SIZE, FORMAT, EFFECTS = "Size and crop", "Format and quality", "Effects"
AROUND, OVER, DELIVERY, MORE = "Around the picture", "Text and watermark", "Metadata and delivery", "More"
_OPEN = (SIZE, FORMAT)
_LONGEST = 600  # characters of a value


@dataclass(frozen=True, slots=True)
class Control:
    """The control of one option, or of one part of it.

    *kind* names the macro of ``controls.html`` that draws it. A ``slider`` has a field beside it, which may be empty.
    The first of *choices* is shown if the option is not given. *fallback* is the value of a part that is left empty
    while others are given; without one, the whole option is then omitted.
    """

    name: str = ""
    kind: str = "text"
    label: str = ""
    group: str = MORE
    least: float = 0
    most: float = 100
    step: float = 1
    start: float | None = None  # where the slider stands if the option is not given
    choices: tuple[tuple[str, str], ...] = ()
    parts: tuple[Control, ...] = ()
    placeholder: str = ""
    fallback: str | None = None
    numeric: bool = False  # whether a value is written as a number in code
    note: str = ""

    @property
    def doc(self) -> Markup:
        """The sentence of the option's declaration, as HTML."""
        return _as_html(DECLARED[self.name].doc)

    @property
    def values(self) -> Markup:
        return _as_html(DECLARED[self.name].values)

    @property
    def on(self) -> bool:
        """Whether a switch is on if the option is not given."""
        return DEFAULTS[self.name] is True

    def show(self, value: Any) -> str:
        """Return what the control shows for the *value* of its option, the opposite of `read`."""
        if self.kind == "moment" and isinstance(value, int):
            with suppress(ValueError, OverflowError, OSError):  # a year that no calendar has
                return datetime.fromtimestamp(value).isoformat()
        if isinstance(value, bool) and self.kind != "switch":  # a field for a number, such as that of `trim`
            return str(value).lower()
        return text_of(value)

    def split(self, text: str) -> list[str]:
        """Return what each of the parts shows, if the value of the option is *text*."""
        values = text.split(",") if text else []
        if self.name == "padding" and len(values) == 1:
            values *= 4
        return (values + [""] * len(self.parts))[: len(self.parts)]

    def joined(self, values: list[str]) -> str:
        """Return the value of the option whose parts are *values*, or an empty string if it is not given."""
        if not any(values) or (self.parts[0].fallback is None and not values[0]):
            return ""
        return ",".join(value or part.fallback or "" for value, part in zip(values, self.parts, strict=True))

    def read(self, text: str) -> Any:
        """Return the value for code of the *text* of a control. Invalid texts are returned as they are."""
        if self.kind == "switch":
            return text not in ("0", "false", "")
        if self.kind == "moment":
            return _seconds(text)
        if self.kind == "parts" and self.numeric:
            values = [_number(part) for part in text.split(",")]
            if self.name == "padding" and len(set(values)) == 1:
                return values[0]
            return tuple(values) if len(values) > 1 else values[0]
        return _number(text) if self.numeric else text


def _slider(group: str, least: float, most: float, step: float = 1, **more: Any) -> Control:
    return Control(kind="slider", group=group, least=least, most=most, step=step, numeric=True, **more)


def _chosen(kind: str, group: str, *values: str, **more: Any) -> Control:
    """Return a control with *values*. The first stands for the option not being given."""
    first, *others = values
    choices = (("", first), *((value, value) for value in others))
    return Control(kind=kind, group=group, choices=choices, **more)


def _part(label: str, most: float = 1, step: float = 0.01, fallback: str = "0", **more: Any) -> Control:
    return Control(kind="slider", label=label, least=0, most=most, step=step, fallback=fallback, **more)


_PLACES = ("southeast", *(each.value for each in Gravity if not each.smart and each is not Gravity.SOUTHEAST))

_CONTROLS: dict[str, Control] = {
    "width": _slider(SIZE, 16, 2000, start=720),
    "height": _slider(SIZE, 16, 2000, start=480),
    "mode": _chosen("segments", SIZE, *(mode.value for mode in Mode)),
    "aspect": Control(
        kind="suggest",
        group=SIZE,
        placeholder="16:9",
        choices=tuple((a, a) for a in ("1:1", "4:3", "3:2", "16:9", "21:9")),
    ),
    "gravity": _chosen("select", SIZE, *(gravity.value for gravity in Gravity)),
    "focal": Control(
        kind="parts",
        group=SIZE,
        label="Focal point",
        numeric=True,
        parts=(_part("x", start=0.5, fallback="0.5"), _part("y", start=0.5, fallback="0.5")),
    ),
    "region": Control(
        kind="parts",
        group=SIZE,
        numeric=True,
        parts=(
            _part("left"),
            _part("top"),
            _part("width", start=1, fallback="1"),
            _part("height", start=1, fallback="1"),
        ),
    ),
    "dpr": _slider(SIZE, 1, 4, 0.5, label="Density (dpr)"),
    "enlarge": Control(kind="switch", group=SIZE),
    "rotate": _chosen("segments", SIZE, "0", "90", "180", "270", numeric=True),
    "flip": _chosen("segments", SIZE, "none", *(flip.value for flip in Flip)),
    "trim": _slider(SIZE, 1, 255, start=1, label="Trim borders"),
    "transform": Control(group=SIZE, placeholder="EXTENT,0,0,10%,10%,90%,90%"),
    "format": _chosen("select", FORMAT, "as stored", *(f.name for f in (formats.AUTO, *formats.FORMATS))),
    "quality": _slider(FORMAT, 1, 100, start=formats.USUAL_QUALITY, placeholder="75"),
    "max_bytes": _slider(FORMAT, 1000, 200_000, 1000, label="Maximum bytes", start=200_000),
    "lossless": Control(kind="switch", group=FORMAT),
    "progressive": Control(kind="switch", group=FORMAT),
    "animated": Control(kind="switch", group=FORMAT),
    "depth": _chosen("segments", FORMAT, "8", "10", "12", numeric=True, label="Bits per band"),
    "brightness": _slider(EFFECTS, 0, 3, 0.05, start=1),
    "contrast": _slider(EFFECTS, 0, 3, 0.05, start=1),
    "saturation": _slider(EFFECTS, 0, 3, 0.05, start=1),
    "blur": _slider(EFFECTS, 0, 40, 0.5),
    "sharpen": Control(
        kind="parts",
        group=EFFECTS,
        parts=(
            _part("radius", 10, 0.1, "1"),
            _part("percent", 500, 1, "150"),
            _part("threshold", 50, 1, "2"),
        ),
    ),
    "grayscale": Control(kind="switch", group=EFFECTS),
    "background": Control(kind="colour", group=AROUND, placeholder="black"),
    "padding": Control(
        kind="parts",
        group=AROUND,
        numeric=True,
        parts=tuple(_part(side, 120, 1) for side in ("top", "right", "bottom", "left")),
    ),
    "border": Control(
        kind="parts",
        group=AROUND,
        numeric=True,
        parts=(_part("width", 40, 1, "2"), Control(kind="colour", label="colour", fallback="black")),
    ),
    "radius": _slider(AROUND, 0, 200, label="Corner radius", placeholder="0, or max"),
    "text": Control(kind="area", group=OVER, placeholder="Good morning!"),
    "text_style": Control(kind="select", group=OVER, choices=(("", "default"),)),
    "watermark": Control(
        kind="parts",
        group=OVER,
        parts=(
            Control(
                kind="select",
                label="picture",
                choices=(("", "none"), ("photos/cup.png", "cup.png"), ("photos/flower.jpg", "flower.jpg")),
            ),
            Control(kind="select", label="position", choices=tuple((p, p) for p in _PLACES), fallback="southeast"),
            _part("margin", 100, 1, "10", start=10),
            _part("opacity", fallback="1", start=1),
            _part("share", fallback="0.25", start=0.25),
        ),
    ),
    "keep": Control(kind="several", group=DELIVERY, choices=tuple((part, part) for part in Keep._fields)),
    "rights": Control(group=DELIVERY, label="Digest of rights", placeholder="12 hexadecimal digits"),
    "download": Control(group=DELIVERY, label="Download as", placeholder="cat.jpg"),
    "cache": Control(kind="switch", group=DELIVERY),
    "expires": Control(kind="moment", group=DELIVERY),
    "arm": _chosen("segments", DELIVERY, "none", "canary", "usual", label="Arm of a comparison"),
}


def controls(text_styles: Mapping[str, Any] | None) -> dict[str, Control]:
    """Return the control of every option. *text_styles* are those of the application, None without a font."""
    found = {name: _control(name) for name in sorted(DECLARED, key=_place)}
    if text_styles is None:
        note = 'No font was found on this machine. Name one: FLASK_IMAGES_FONTS=\'{"title": "/path/to/font.ttf"}\''
        found["text"] = replace(found["text"], note=note)
    else:
        names = [name for name in text_styles if name != "default"]
        choices = (("", "default"), *((name, name) for name in names))
        found["text_style"] = replace(found["text_style"], choices=choices)
    return found


def groups(found: Mapping[str, Control]) -> dict[str, list[Control]]:
    """Return the controls *found* by their group, in the order in which they are shown."""
    by_group: dict[str, list[Control]] = {}
    for group in (SIZE, FORMAT, EFFECTS, AROUND, OVER, DELIVERY, MORE):
        members = [control for control in found.values() if control.group == group]
        if members:
            by_group[group] = members
    return by_group


def is_open(group: str, options: Mapping[str, Any], members: list[Control]) -> bool:
    """Return whether *group* is shown opened: always for the first ones, else if one of its options is given."""
    return group in _OPEN or any(control.name in options for control in members)


def read_options(fields: MultiDict[str, str]) -> dict[str, Any]:
    """Return the options in the *fields* of a form or of a URL. Unknown names and empty fields are omitted."""
    options: dict[str, Any] = {}
    for name in DECLARED:
        control = _control(name)
        text = _text(control, fields)[:_LONGEST]
        if not text:
            continue
        value = control.read(text)
        if control.kind == "switch" and value is control.on:
            continue
        options[name] = value
    return options


def text_of(value: Any) -> str:
    """Return the *value* of an option as it is written into the URL of a page."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)


def _text(control: Control, fields: MultiDict[str, str]) -> str:
    """Return the value in *fields* of the option of *control*. Without a script, its parts arrive one by one."""
    given = [text.strip() for text in fields.getlist(control.name)]
    if control.kind == "several":
        return ",".join(filter(None, given))
    if control.parts and not any(given):
        return control.joined(
            [fields.get(f"{control.name}.{index}", "").strip() for index in range(len(control.parts))]
        )
    return given[-1] if given else ""


def _control(name: str) -> Control:
    usual = Control(kind="switch" if DECLARED[name].is_flag else "text", placeholder=DECLARED[name].example)
    control = _CONTROLS.get(name, usual)
    return replace(control, name=name, label=control.label or name.replace("_", " ").capitalize())


def _place(name: str) -> int:
    """Return the position of the option *name* in the table. New options come last."""
    return [*_CONTROLS, *(other for other in DECLARED if other not in _CONTROLS)].index(name)


def _number(text: str) -> int | float | str:
    text = text.strip()
    if re.fullmatch(r"[0-9]+", text):
        return int(text)
    return float(text) if re.fullmatch(r"[0-9]*\.[0-9]+", text) else text


def _seconds(text: str) -> int | str:
    """Return the seconds since 1970 of the local time *text*, as browsers send it. Other texts are returned as such."""
    try:
        return int(text) if text.isdigit() else int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError):
        return text


def _as_html(text: str) -> Markup:
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    pieces = (
        f"<code>{escape(piece)}</code>" if index % 2 else str(escape(piece))
        for index, piece in enumerate(plain.split("`"))
    )
    return Markup("".join(pieces))  # noqa: S704 (each piece is escaped)
