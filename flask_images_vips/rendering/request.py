"""Define the request for a job, in a form that can be sent to another process.

A request contains no names of files, unless they are to be drawn. Sources
and watermarks are passed as open descriptors. This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from ..config.keys import Config
from ..engines.engine import Header
from ..formats import ALL_INPUTS, Format, stored
from ..geometry import Box, Size
from ..options.options import DECLARED, DEFAULTS, Options, write_query
from ..options.scalars import ROUND

# The configuration values that affect the pixels, or whether a picture is rendered.
_SETTINGS = (
    *("engine", "auto_orient", "fail_on", "effort", "headroom", "input_formats", "svg"),
    *("max_source_pixels", "max_frames", "max_width", "max_height", "max_output_pixels"),
)
_KEYED = [name for name, declared in DECLARED.items() if declared.keyed]

_MAX_NUMBER = 2**31
SOURCE, WATERMARK = "source", "watermark"
"""The names of the two descriptors in errors."""


class Work(StrEnum):
    """The kinds of work. The first descriptor is the source, except for `COPY` and `ABILITIES`."""

    RENDER = "render"
    """One rendition. The second descriptor, if any, is the watermark. The last ones are the fonts of its text."""
    SET = "set"
    """Several renditions from one decode."""
    REDUCE = "reduce"
    """One rendition, and the source at each of ``sizes``, to be kept as copies."""
    COPY = "copy"
    """One rendition. The descriptor is a copy of the source, and ``header`` is the source's."""
    TRIM = "trim"
    """The box that remains of ``region`` after a trim."""
    AUTO = "auto"
    """One rendition at the lowest quality that scores at least ``target``, and no more than that of its options.

    The second descriptor, if any, is the watermark. A picture that cannot be compared has the quality of its options.
    """
    FOCUS = "focus"
    """The point that a crop is centred on, so that it keeps the faces."""
    HEADER = "header"
    """The source's header."""
    ABILITIES = "abilities"
    """What the image libraries can do. There is no source, and only the setting ``engine`` matters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The description of one job. Each kind of work uses the fields that it needs, see `Work`.

    *settings* are the configuration values that differ from the defaults. *suffix* is the extension of the
    source's name, such as ``.jpg``. *source_bytes* is the size of the source's file. *copy_format* is ``tiff`` or
    ``jpeg``. *placeholders* are the kinds to make of the source on the way, if that is possible. *label* is the ref of
    the source, if the engine writes it into the picture, and otherwise empty. *rights* are those that the application
    says, see `Rights.in_file`, if it says any. *text_style* is that of the text, if there is one, see
    `TextStyle.to_json`, and *fonts* is the number of its files. *focus* is the point of the faces, if it is known: x
    and y as fractions of the upright source, or nothing if there are none. *target* is a SSIMULACRA2 score, and
    *seconds* is the time after which the search for it ends with what it has found.
    """

    work: Work
    settings: Mapping[str, Any]
    options: Sequence[Options] = ()
    format: Format | None = None
    suffix: str = ""
    source_bytes: int = 0
    header: Header | None = None
    trimmed: Box | None = None
    region: Box | None = None
    threshold: int = 0
    sizes: Sequence[Size] = ()
    copy_format: str = ""
    placeholders: Sequence[str] = ()
    label: str = ""
    target: float = 0.0
    seconds: float = 0.0
    text_style: Mapping[str, Any] | None = None
    fonts: int = 0
    focus: Sequence[float] | None = None
    rights: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        fields = {name: value for name in self.__slots__ if (value := getattr(self, name)) not in (None, (), "", 0)}
        if self.options:
            fields["options"] = [_query(options) for options in self.options]
        if self.format is not None:
            fields["format"] = self.format.name
        if self.header is not None:
            fields["header"] = asdict(self.header)
        return fields

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Request:
        """Read what `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError, ImagesError: If it is something else.
        """
        values = dict(fields)
        values["work"] = Work(values["work"])
        if "options" in values:
            values["options"] = [Options.parse(query) for query in values["options"]]
        if "format" in values:
            values["format"] = stored(values["format"])
        if "header" in values:
            values["header"] = header_from_json(values["header"])
        for name in ("trimmed", "region"):
            if name in values:
                values[name] = Box(*values[name])
        values["sizes"] = [Size(*size) for size in values.get("sizes", ())]
        return cls(**values)


def settings_of(config: Config) -> dict[str, Any]:
    """Return the *settings* for the requests of an application."""
    default = Config()
    return {name: value for name in _SETTINGS if (value := getattr(config, name)) != getattr(default, name)}


def header_from_json(fields: Mapping[str, Any]) -> Header:
    """Read the fields of a header.

    Raises:
        KeyError, TypeError, ValueError: If they are something else.
    """
    header = Header(**{**fields, "size": Size(*fields["size"])})
    numbers = all(type(number) is int and 0 < number < _MAX_NUMBER for number in (*header.size, header.frames))
    flags = header.alpha, header.whole, header.palette
    kinds = isinstance(header.format, str) and all(isinstance(flag, bool) for flag in flags)
    if not numbers or not kinds or header.format not in (*ALL_INPUTS, "svg"):
        raise ValueError("not a header")
    return header


def _query(options: Options) -> dict[str, str]:
    if options.watermark is not None:
        options = replace(options, watermark=options.watermark._replace(ref=WATERMARK))
    changed = {name: value for name in _KEYED if (value := getattr(options, name)) != DEFAULTS[name]}
    # The values of these two are not valid in templates.
    if options.keep != DEFAULTS["keep"]:
        changed["keep"] = str(options.keep)
    if options.radius == ROUND:
        changed["radius"] = "max"
    return write_query(changed)
