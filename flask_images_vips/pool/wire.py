"""Send and receive requests and results over a socket.

A message consists of a head of fixed size, a JSON object, and the bytes of files. Open files are sent along with the
first byte. Neither side trusts the other: each length is limited, and anything that is not a message raises
`BrokenWire`.

A request has two answers: a `Begun` when a renderer begins with it, and a message when it is done.
"""

from __future__ import annotations

import io
import json
import os
import select
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from math import inf
from typing import Any, NamedTuple

from ..config.fonts import MOST_FONTS
from ..errors import (
    Busy,
    ConfigError,
    ImagesError,
    InvalidOption,
    LimitExceeded,
    SourceChanged,
    SourceError,
    UnreadableSource,
    UnsupportedSource,
)
from ..geometry import Box, Size
from ..rendering.placeholders import is_valid
from ..rendering.request import header_from_json
from ..rendering.result import Result

LISTENERS = ("visitors", "background", "leases")
"""The sockets of a pool: for requests of visitors, for background work, and for leases."""
FIRST_DESCRIPTOR = 3
"""The first of the descriptors as which the nursery inherits the listeners."""

_MAGIC = b"FIV1"  # the last byte is the version of the protocol
_HEAD = struct.Struct(">4sIQ")  # the magic, the length of the JSON, the length of all files
_BEGUN = struct.Struct(">4sI")
_MAX_JSON = 1 << 20
MAX_NOTES = 20
"""The number of messages that a renderer may send for the log."""
MAX_DESCRIPTORS = 2 + MOST_FONTS
"""A request comes with its source, its watermark and the fonts of its text."""
_PIECE = 1 << 20
_MAX_NOTE = 500  # characters
_MAX_SPANS, _LONGEST_SECONDS = 100, 1e6


class BrokenWire(ConnectionError):
    """The other side has closed the connection, or has sent something that is not a message."""


class Failed(ImagesError):
    """The job failed because of a bug or of the environment. The message is the renderer's traceback."""


class Begun(NamedTuple):
    """The renderer with the process ID *pid* has begun with the request. The deadline counts from now."""

    pid: int


class Message(NamedTuple):
    """*fields* is the JSON object. The receiver must close the *descriptors*."""

    fields: dict[str, Any]
    files: list[bytes]
    descriptors: list[int]


def send(
    connection: socket.socket, fields: Mapping[str, Any], files: Sequence[bytes] = (), descriptors: Sequence[int] = ()
) -> None:
    """Send a message.

    Raises:
        OSError: If the other side has closed the connection, or does not read in time.
    """
    text = json.dumps({**fields, "files": [len(file) for file in files]}, separators=(",", ":")).encode()
    head = _HEAD.pack(_MAGIC, len(text), sum(map(len, files))) + text
    sent = socket.send_fds(connection, [head], list(descriptors)) if descriptors else 0
    for rest in (head[sent:], *files):
        if rest:  # sending nothing would fail if the other side has answered and closed the connection
            connection.sendall(rest)


def receive(connection: socket.socket, *, max_bytes: int = 0, max_descriptors: int = 0) -> Message:
    """Receive a message whose files have at most *max_bytes* in total, with at most *max_descriptors*.

    All of it must arrive within the timeout of *connection*.

    Raises:
        BrokenWire: If the other side has closed the connection, or sends something else.
        TimeoutError: If it does not send in time.
    """
    until = _end_of(connection)
    first, descriptors, flags, _ = socket.recv_fds(connection, _HEAD.size, max_descriptors)
    try:
        if flags & getattr(socket, "MSG_CTRUNC", 0):
            raise BrokenWire("more descriptors than expected")
        head = first + _exactly(connection, _HEAD.size - len(first), until)
        magic, json_bytes, file_bytes = _HEAD.unpack(head)
        if magic != _MAGIC or json_bytes > _MAX_JSON or file_bytes > max_bytes:
            raise BrokenWire("not a message")
        fields = json.loads(_exactly(connection, json_bytes, until), parse_constant=_refuse_constant)
        lengths = fields.pop("files")
        if not all(type(length) is int and length >= 0 for length in lengths) or sum(lengths) != file_bytes:
            raise BrokenWire("files of other lengths")
        return Message(fields, [_exactly(connection, length, until) for length in lengths], descriptors)
    except BaseException as error:
        for descriptor in descriptors:
            os.close(descriptor)
        if isinstance(error, (ValueError, TypeError, KeyError, AttributeError, RecursionError)):
            raise BrokenWire("not a message") from error
        raise


def _refuse_constant(name: str) -> float:
    """Refuse the numbers ``Infinity`` and ``NaN``, which are not JSON, although Python reads them."""
    raise ValueError(name)


def send_begun(connection: socket.socket) -> None:
    """Tell the client that this process has begun with its request."""
    connection.sendall(_BEGUN.pack(b"BGUN", os.getpid()))


def receive_begun(connection: socket.socket) -> Begun:
    """Wait until a renderer has begun with the request. Raises the same errors as `receive`."""
    magic, pid = _BEGUN.unpack(_exactly(connection, _BEGUN.size, _end_of(connection)))
    if magic != b"BGUN":
        raise BrokenWire("not a renderer")
    return Begun(pid)


def _end_of(connection: socket.socket) -> float:
    """Return the monotonic time at which the timeout of *connection* ends, if it begins now."""
    return time.monotonic() + (connection.gettimeout() or inf)


def _exactly(connection: socket.socket, count: int, until: float) -> bytes:
    """Receive *count* bytes. A timeout of a socket counts for each call, so it is set anew for each."""
    data, have = io.BytesIO(bytes(count)), 0  # a buffer whose bytes are returned without a copy
    with data.getbuffer() as view:
        while have < count:
            if until < inf:
                connection.settimeout(max(0.001, until - time.monotonic()))
            got = connection.recv_into(view[have : have + _PIECE])
            if not got:
                raise BrokenWire("the other side has closed the connection")
            have += got
    return data.getvalue()


def has_gone(connection: socket.socket) -> bool:
    """Return whether the other side has closed the connection, if it has nothing to send. Does not wait."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def is_own_user(connection: socket.socket) -> bool:
    """Return whether the process on the other side belongs to the user of this process."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return bool(user == os.geteuid())


def printable(text: str) -> str:
    """Return *text* as it may be logged: in one line, and not too long."""
    return "".join(char if char.isprintable() else " " for char in text[:_MAX_NOTE])


def result_to_json(result: Result) -> dict[str, Any]:
    """Return the fields of *result*, without its files."""
    fields: dict[str, Any] = {"by": result.by, "size": result.size, "exceeds": result.exceeds, "box": result.box}
    if result.header is not None:
        fields["header"] = asdict(result.header)
    fields["abilities"] = result.abilities
    fields["focus"] = None if result.focus is None else list(result.focus)
    fields["complaint"] = result.complaint or None
    fields["unkept"] = result.unkept or None
    fields["placeholders"] = dict(result.placeholders) or None
    fields["quality"], fields["score"] = result.quality, result.score
    fields["encodes"] = [[round(each, 6) for each in times] for times in result.encodes] or None
    return {name: value for name, value in fields.items() if value is not None}


def result_from_json(fields: Mapping[str, Any], files: Sequence[bytes]) -> Result:
    """Read what `result_to_json` wrote.

    Raises:
        BrokenWire: If it is something else.
    """
    try:
        placeholders = dict(fields.get("placeholders", {}))
        if not all(is_valid(kind, placeholder) for kind, placeholder in placeholders.items()):
            raise BrokenWire("not a placeholder")
        return Result(
            by=printable(str(fields["by"])),
            files=files,
            size=Size(*map(int, fields["size"])) if "size" in fields else None,
            exceeds=fields.get("exceeds"),
            header=header_from_json(fields["header"]) if "header" in fields else None,
            box=Box(*map(int, fields["box"])) if "box" in fields else None,
            abilities=dict(fields["abilities"]) if "abilities" in fields else None,
            complaint=printable(str(fields.get("complaint", ""))),
            unkept=printable(str(fields.get("unkept", ""))),
            placeholders=placeholders,
            encodes=_spans(fields.get("encodes", ())),
            quality=_quality(fields.get("quality")),
            score=float(fields["score"]) if "score" in fields else None,
            focus=_focus(fields["focus"]) if "focus" in fields else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenWire("not a result") from error


def _focus(found: Sequence[float]) -> list[float]:
    """Return the point *found*, or nothing. Raises ValueError if it is something else."""
    point = list(map(float, found))
    if len(point) not in (0, 2) or not all(0 <= part <= 1 for part in point):
        raise ValueError("not a point")
    return point


def _spans(found: Sequence[Sequence[float]]) -> tuple[tuple[float, float], ...]:
    """Return the pairs of times in *found*. Raises ValueError if they are something else."""
    spans = tuple((float(begin), float(end)) for begin, end in found[:_MAX_SPANS])
    if not all(0 <= begin <= end < _LONGEST_SECONDS for begin, end in spans):
        raise ValueError("not times")
    return spans


def _quality(found: int | None) -> int | None:
    """Return the quality *found*. Raises ValueError if it is something else."""
    if found is not None and (type(found) is not int or not 1 <= found <= 100):
        raise ValueError("not a quality")
    return found


def error_to_json(error: Exception) -> dict[str, Any]:
    """Return the fields of *error*. An error of another package becomes a `Failed` on the other side."""
    name = type(error).__name__
    if isinstance(error, LimitExceeded):
        return {"error": name, "values": [error.what, error.value, error.limit, error.set_by]}
    if isinstance(error, InvalidOption):
        return {"error": name, "values": [error.name, str(error.value), error.expected]}
    if isinstance(error, SourceError):
        return {"error": name, "values": [error.ref, error.reason]}
    if isinstance(error, (Busy, ConfigError)):
        return {"error": name, "values": [str(error)]}
    return {"error": "Failed", "values": ["".join(_traceback(error))]}


def error_from_json(fields: Mapping[str, Any]) -> ImagesError:
    """Read the error that `error_to_json` wrote.

    Raises:
        BrokenWire: If it is something else.
    """
    with suppress(KeyError, TypeError, ValueError):
        values = fields["values"]
        if fields["error"] != "LimitExceeded" and not all(isinstance(value, str) for value in values):
            raise BrokenWire("not an error")
        match fields["error"]:
            case "LimitExceeded":
                return _limit_exceeded(*values)
            case "InvalidOption":
                option, value, expected = values
                return InvalidOption(option, value, expected=expected)
            case "SourceChanged":
                return SourceChanged(*values)
            case "UnreadableSource":
                return UnreadableSource(*values)
            case "UnsupportedSource" | "UnsupportedHere":
                return UnsupportedSource(*values)
            case "Busy" | "ConfigError" | "Failed" as name:
                by_name: dict[str, type[ImagesError]] = {"Busy": Busy, "ConfigError": ConfigError, "Failed": Failed}
                return by_name[name](*values)
    raise BrokenWire("not an error")


def _limit_exceeded(what: str, value: float, limit: float, set_by: str) -> LimitExceeded:
    """Return the error, or raise ValueError if *what* is not the format string of one.

    A renderer that was taken over may send any format string. Some take gigabytes to format.
    """
    numbers = all(isinstance(number, (int, float)) for number in (value, limit))
    if not isinstance(what, str) or "{" in what.replace("{:,}", "", 1) or not numbers:
        raise ValueError(what)
    return LimitExceeded(what, value, limit, set_by=set_by)


def _traceback(error: Exception) -> list[str]:
    import traceback  # noqa: PLC0415  (slow to import, and rarely needed)

    return traceback.format_exception(error)
