"""Write and read the files of `sums`: one file per process, and the total of processes that have ended.

The file of a process is a sequence of records: the length of the key in bytes and the count of numbers, the numbers,
and the key, padded to 8 bytes. Numbers are 8 bytes each at a multiple of 8, so a reader never sees half a number.
"""

from __future__ import annotations

import json
import os
import struct
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from .families import OTHER

Key = tuple[str, ...]

Numbers = dict[Key, tuple[float, ...]]

_HEAD = struct.Struct("<II")
_LONGEST_KEY, _MOST_NUMBERS = 4096, 64


def written(numbers: Sequence[float]) -> bytes:
    """Return *numbers* as they are stored."""
    return struct.pack(f"<{len(numbers)}d", *numbers)


def add_numbers(total: Numbers, more: Numbers) -> None:
    """Add *more* to *total*. Keys whose count of numbers differs, as after an update, are replaced."""
    for key, numbers in more.items():
        own = total.get(key)
        same = own is not None and len(own) == len(numbers)
        total[key] = tuple(map(sum, zip(own, numbers, strict=True))) if own is not None and same else numbers


def within_limit(numbers: Numbers, total: Numbers, most: int) -> Numbers:
    """Return *numbers* with keys that *total* may get: at most *most* that begin with the same string.

    The numbers of the others are added up. All labels of their key are `OTHER`.
    """
    kept: Numbers = {}
    count = Counter(key[0] for key in total)
    for key, values in numbers.items():
        count[key[0]] += key not in total
        is_too_much = key not in total and count[key[0]] > most
        add_numbers(kept, {(key[0], *[OTHER] * len(key[1:])) if is_too_much else key: values})
    return kept


def encoded(key: Key, numbers: Sequence[float]) -> tuple[bytes, int]:
    """Return the record of *key*, and where its numbers begin in it.

    Raises:
        ValueError: If the key is so long that `read_records` would stop at it.
    """
    name = json.dumps(key).encode()
    if len(name) > _LONGEST_KEY:
        raise ValueError(f"a key of {len(name)} bytes; expected at most {_LONGEST_KEY}")
    return _HEAD.pack(len(name), len(numbers)) + written(numbers) + name.ljust(_padded(len(name))), _HEAD.size


def read_records(path: str) -> Numbers:
    """Return the numbers in the file *path*, up to the first record that is not complete. Empty if it is gone.

    Raises:
        OSError: If it cannot be read now, as without free descriptors.
    """
    found: Numbers = {}
    data = b""
    with suppress(FileNotFoundError), open(path, "rb") as file:
        data = file.read()
    start = 0
    while start + _HEAD.size <= len(data):
        length, count = _HEAD.unpack_from(data, start)
        numbers = start + _HEAD.size
        name = numbers + 8 * count
        end = name + _padded(length)
        if not 0 < length <= _LONGEST_KEY or not 0 < count <= _MOST_NUMBERS or end > len(data):
            break
        try:
            key = _key(json.loads(data[name : name + length]))
        except ValueError:
            break
        found[key] = struct.unpack_from(f"<{count}d", data, numbers)
        start = end
    return found


def _padded(length: int) -> int:
    return -(-length // 8) * 8


def read_total(path: str) -> tuple[Numbers, set[str]]:
    """Return the total in the file *path*, and the names of the files that it includes. Empty if it is damaged.

    Raises:
        OSError: If it cannot be read now, as without free descriptors. It must not be replaced then.
    """
    damaged = (FileNotFoundError, ValueError, KeyError, TypeError, OverflowError, RecursionError)
    with suppress(*damaged), open(path, encoding="utf-8") as file:
        fields = json.load(file)
        numbers = {_key(key): tuple(map(float, values)) for key, values in fields["numbers"]}
        return numbers, {str(name) for name in fields["files"]}
    return {}, set()


def write_total(path: str, total: Numbers, files: Sequence[str]) -> None:
    """Replace the total in the file *path*, at once.

    Raises:
        OSError: If it cannot be written. The old one remains.
    """
    temporary = f"{path}.new"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump({"files": files, "numbers": list(total.items())}, file)
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _key(found: object) -> Key:
    if not found or not isinstance(found, list) or not all(isinstance(part, str) for part in found):
        raise ValueError("not a key")
    return tuple(found)
