"""Define `Rights`: who made a picture, who may use it, and whether a machine made it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..errors import InvalidOption
from ..hashing import digest

MAX_TEXT = 2000
"""The maximum length of one text, in characters."""

MAX_TEXTS = 8000
"""The maximum length of all texts of a record together, in characters. So they fit into any file, also escaped."""

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""The beginning of the terms of IPTC for the kind of a picture's source."""

_MAX_CREATORS = 20
_DIGEST_BYTES = 6
_LICENSOR = "licensor", "licensor_url"
# What XML 1.0 forbids, and the controls of ISO 8859.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_TERM = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Who made a picture, who may use it, and whether a machine made it. Empty texts are not known.

    - *creator*: the names of those who made it. One name may be a plain string.
    - *credit*: whom to name beside the picture.
    - *copyright*: the copyright notice, such as ``© 2026 Anna Bell``.
    - *licensor* and *licensor_url*: who grants a licence, and the page where one can be had.
    - *web_statement*: the URL of the page that states the rights or the licence.
    - *usage_terms*: what may be done with the picture, in words.
    - *digital_source_type*: a term of https://cv.iptc.org/newscodes/digitalsourcetype/, such as
      ``trainedAlgorithmicMedia`` for a picture that a machine made, or its whole URI.
    - *alt*: the text for those who do not see the picture. It is for pages only, not for files.

    Raises:
        InvalidOption: If a value is not text, if one has more than 2,000 characters or all have more than 8,000, or if
            there are more than 20 creators.
    """

    creator: str | Sequence[str] = ()
    credit: str = ""
    copyright: str = ""
    licensor: str = ""
    licensor_url: str = ""
    web_statement: str = ""
    usage_terms: str = ""
    digital_source_type: str = ""
    alt: str = field(default="", metadata={"page": True})

    def __post_init__(self) -> None:
        names = [self.creator] if isinstance(self.creator, str) else self.creator
        if not isinstance(names, Sequence) or len(names) > _MAX_CREATORS:
            raise InvalidOption("creator", self.creator, expected=f"a name, or a list of at most {_MAX_CREATORS} names")
        object.__setattr__(self, "creator", tuple(filter(None, (_text("creator", name) for name in names))))
        for each in fields(self)[1:]:
            object.__setattr__(self, each.name, _text(each.name, getattr(self, each.name)))
        if _TERM.fullmatch(self.digital_source_type):
            object.__setattr__(self, "digital_source_type", SOURCE_TYPES + self.digital_source_type)
        length = sum(map(len, self.creator)) + sum(len(getattr(self, each.name)) for each in fields(self)[1:])
        if length > MAX_TEXTS:
            raise InvalidOption("rights", f"{length:,} characters", expected=f"at most {MAX_TEXTS:,} characters")

    @classmethod
    def found(cls, values: Mapping[str, Any]) -> Rights:
        """Return the record of *values* that a file states. Values that no record can have are left out."""
        kept: dict[str, Any] = {}
        for name, value in values.items():
            try:
                cls(**{**kept, name: value})
            except InvalidOption:
                continue
            kept[name] = value
        return cls(**kept)

    @property
    def in_file(self) -> dict[str, Any]:
        """The values that are written into files, by name. Empty ones are left out."""
        known = {each.name: getattr(self, each.name) for each in fields(self) if not each.metadata.get("page")}
        return {name: list(value) if name == "creator" else value for name, value in known.items() if value}

    @property
    def digest(self) -> str:
        """Hexadecimal digits that differ if files differ."""
        return digest(json.dumps(self.in_file, sort_keys=True), _DIGEST_BYTES)

    def or_else(self, other: Rights) -> Rights:
        """Return this record with what only *other* knows. The name and the URL of a licensor belong together."""
        mine = {name: value for name, value in asdict(self).items() if value}
        known = {*mine, *(_LICENSOR if not mine.keys().isdisjoint(_LICENSOR) else ())}
        return Rights.found({**mine, **{name: value for name, value in asdict(other).items() if name not in known}})


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        shown = value if not isinstance(value, str) else f"{value[:40]}…"
        raise InvalidOption(name, shown, expected=f"a string of at most {MAX_TEXT:,} characters")
    return _FORBIDDEN.sub("", value).strip()
