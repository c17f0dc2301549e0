"""Remember which renditions a page offers together, so that all of them can be made from one decode.

A set is the same picture of one source in several widths, as in a ``srcset``. The worker that renders the page
announces the set, and any worker that serves the images can make it: all members at once, or a copy for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from ..cache.disk import DiskCache
from ..cache.entry import Key
from ..cache.stored import parsed, text
from ..engines.engine import Header
from ..expiring import Expiring
from ..formats import JPEG, Format, Raw
from ..geometry import lay_out
from ..hashing import digest
from ..options.options import DEFAULTS, Options
from ..options.scalars import Quality
from ..rendition import Rendition, source_folder
from ..sources.source import Source
from .copies import copy_sizes, takes_copies, usable_sizes

Sides = tuple[int | None, int | None]
"""The width and the height in a URL, in pixels. None if the URL does not have it."""

Member = tuple[int | None, int | None, str]
"""The sides of a member, and its quality as in a URL. The quality is empty if it is the usual one of the format."""

Set = tuple[Key, list[Rendition]]
"""The key of an announcement, and the members, which differ only in width, height and quality."""

_AT_ONCE = (JPEG,)
"""The formats whose members are all made at the first request.

Other formats are slower to encode, so the first visitor would wait too long for the whole set.
"""
_SET, _COPY = "-set", "-copy"  # the end of the name of an announcement: in a format of `_AT_ONCE`, or in others

_MAX_PIXELS = 4_000_000  # the limit of a member: larger ones are rarely requested, and would need a larger decode
_MAX_PIXELS_OF_SET = 16_000_000  # the limit of all members together: the first visitor waits for all of them
_ANNOUNCED_SECONDS = 600.0  # after this time, the announcement is checked again, because its file may have been purged
_NAME_BYTES = 8
_LINE = r"[0-9]{1,7} [0-9]{1,7}(?: (?:raw)?[0-9]{1,3}| auto)?"
_FORM = re.compile(rf"{_LINE}(?:\n{_LINE})*")


class Sets:
    """Announces and finds the sets of one application. Each is announced by a file in *store*, the store of the copies.

    *quality_of* returns the quality of URLs that name none, for the name of a format.
    """

    def __init__(self, store: DiskCache, quality_of: Callable[[str], int | Raw]) -> None:
        self.store = store
        self.quality_of = quality_of
        self._announced: Expiring[bool] = Expiring()

    def offer(
        self,
        source: Source,
        options: Options,
        format: Format,
        sides: Sequence[Sides],
        header: Callable[[], Header],
        qualities: Sequence[int | None] = (),
    ) -> None:
        """Announce that a page offers *source* with *options* as *format* at each of *sides*.

        If *qualities* are given, they are those of the sides, and None stands for that of *options*. Announcing again
        costs little. A set is announced only if it saves work: at least two members must be small
        enough to be made from copies of the source. *format* may be ``auto``. *header* returns the source's header.

        Raises:
            UnreadableSource, LimitExceeded, Busy: If *header* raises them.
        """
        ending = _SET if format in _AT_ONCE else _COPY
        offered = source.identity, options, ending, *sides, *qualities
        if offered in self._announced:
            return
        found = header() if takes_copies(options) else None
        self._announced.add(offered, True, _ANNOUNCED_SECONDS)
        if found is None:
            return
        usual = self._written(options.quality, format)
        numbers = [usual if each is None else str(each) for each in qualities or [None] * len(sides)]
        members = [(*each, number) for each, number in zip(sides, numbers, strict=True)]
        scaled = {each: lay_out(found.size, _at(options, each)).upright for each in members}
        copies = copy_sizes(found)
        if sum(bool(usable_sizes(copies, size)) for size in set(scaled.values())) < 2:
            return
        lines, pixels = [], 0
        for (width, height, quality), size in sorted(scaled.items(), key=lambda member: member[1].pixels):
            pixels += size.pixels
            if size.pixels >= _MAX_PIXELS or pixels > _MAX_PIXELS_OF_SET:
                break
            lines.append(f"{width or 0} {height or 0} {quality}".rstrip())
        written = "\n".join(lines)
        key = source_folder(source.ref), f"{_name(source, options)}-{digest(written, _NAME_BYTES)}{ending}"
        if self.store.usable() and not self.store.has(key):
            with suppress(OSError):  # without the file, each member is rendered separately
                self.store.put_bytes(key, written.encode(), source.mtime_ns, in_use=True)

    def is_announced(self, source: Source) -> bool:
        """Return whether any set of this version of *source* is announced."""
        return bool(self.store.siblings(source_folder(source.ref), _version(source)))

    def find(self, rendition: Rendition) -> list[Set]:
        """Return the sets that *rendition* belongs to, with members of its format. The page may offer other formats."""
        options = rendition.options.settled()
        name, found = _name(rendition.source, options), []
        own = options.width, options.height, self._written(options.quality, rendition.format)
        for key in self.store.siblings(source_folder(rendition.source.ref), name):
            entry = self.store.get(key)
            if entry is None:
                continue
            with entry:
                members = parsed(entry, _members)
            if members is not None and own in members:
                usual = options.quality if not own[2] else self.quality_of(rendition.format.name)
                made = [_at(replace(options, quality=usual), each) for each in members]
                found.append((key, [replace(rendition, options=each) for each in made]))
        return found

    def are_made_at_once(self, sets: Sequence[Set]) -> bool:
        """Return whether all members of *sets*, the result of `find`, are made when one of them is requested.

        If the page offers other formats too, a copy for all of them saves more.
        """
        return all(members[0].format in _AT_ONCE and file.endswith(_SET) for (_, file), members in sets)

    def forget(self) -> None:
        """Forget which sets are announced, so that they are announced again. Call this when their files are removed."""
        self._announced.clear()

    def _written(self, quality: int | Raw, format: Format) -> str:
        """Return *quality* as in a URL. It is empty if it is that of URLs of *format* that name none."""
        return "" if quality in (DEFAULTS["quality"], self.quality_of(format.name)) else str(quality)


def _name(source: Source, options: Options) -> str:
    """Return the beginning of the file names of all sets of *source* with *options*, in any sizes and formats."""
    return f"{_version(source)}-{digest(options.canonical(('width', 'height', 'quality')), _NAME_BYTES)}"


def _members(data: bytes) -> list[Member]:
    """Read the members of a set, which `Sets.offer` has written."""
    lines = [line.split() for line in text(data, lambda found: _FORM.fullmatch(found) is not None).splitlines()]
    return [(int(width) or None, int(height) or None, "".join(quality)) for width, height, *quality in lines]


def _at(options: Options, member: Member) -> Options:
    width, height, quality = member
    chosen = Quality.parse(quality) if quality else options.quality
    return replace(options, width=width, height=height, quality=chosen)


def _version(source: Source) -> str:
    return digest(source.identity, _NAME_BYTES)
