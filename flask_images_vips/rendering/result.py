"""Define the result of a request, as it travels from a renderer to the web worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from ..engines.engine import Header
from ..geometry import Box, Size


class Result(NamedTuple):
    """The result of a request: the encoded *files*, the name of the engine, and facts about them.

    *size* is the size of a rendition in pixels. *box* is the part of the source that remains after a trim. *exceeds* is
    the limit in bytes, if the file is larger even at the lowest quality. *abilities* describes the image libraries, see
    `engines.abilities`. *complaint* is what the library said about the source, although it could render it. *unkept* is
    why a gain map that was to be kept is missing. *placeholders* are those of the request that could be made, by kind.
    *encodes* are the begin and the end of each call of the engine that made files, in seconds since the job was
    created. *quality* is the one that a search has found, and *score* that of its file. *focus* is the point of the
    faces, if they were looked for, as in `Request`.
    """

    by: str = ""
    files: Sequence[bytes] = ()
    size: Size | None = None
    exceeds: int | None = None
    header: Header | None = None
    box: Box | None = None
    abilities: Mapping[str, Any] | None = None
    complaint: str = ""
    unkept: str = ""
    placeholders: Mapping[str, str] = MappingProxyType({})
    encodes: Sequence[tuple[float, float]] = ()
    quality: int | None = None
    score: float | None = None
    focus: Sequence[float] | None = None
