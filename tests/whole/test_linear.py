"""Work grows linearly with what a client or a file sends: regular expressions, parsers, the outlines of files.

The adversaries are generated from the patterns themselves, so a new pattern is tested without being named here.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import itertools
import re
import re._constants as sre
import re._parser as sre_parser
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import opened, url_of
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

import flask_images_vips
from flask_images_vips import urls
from flask_images_vips.engines import frame_count, gif_frames
from flask_images_vips.engines.copyright import rights_of_tiff
from flask_images_vips.engines.pillow import reader
from flask_images_vips.engines.pillow.engine import PillowEngine
from flask_images_vips.errors import ImagesError, LimitExceeded
from flask_images_vips.formats import NEGOTIABLE, by_name, negotiate
from flask_images_vips.nginx.front_door import FrontDoor
from flask_images_vips.options.options import DECLARED, Options
from flask_images_vips.sources import remote
from flask_images_vips.sources.guard import Guard

PACKAGE = Path(flask_images_vips.__file__).parent

# From 1,000 to 16,000 characters, and from 4,000 to 64,000, linear work becomes 16 times as much, quadratic 256 times.
LADDER = (1000, 4000, 16_000, 64_000)
MOST_GROWTH = 64
FLOOR_SECONDS = 50e-6  # below, the clock and the call count for more than the work
ATTEMPTS = 6

Adversary = Callable[[int], str]


def is_linear(work: Callable[[str], object], adversary: Adversary) -> bool:
    """Whether *work* grows linearly over the ladder. Noise only adds time, so one good attempt is enough."""
    for small, large in ((LADDER[0], LADDER[2]), (LADDER[1], LADDER[3])):
        texts = adversary(small), adversary(large)
        best = [float("inf")] * 2
        for _ in range(ATTEMPTS):
            for number, text in enumerate(texts):
                begin = time.thread_time()
                work(text)
                best[number] = min(best[number], time.thread_time() - begin)
            if best[1] < MOST_GROWTH * max(best[0], FLOOR_SECONDS):
                break
        else:
            return False
    return True


def repeated(before: str, pump: str, after: str) -> Adversary:
    return lambda length: before + pump * (length // len(pump)) + after


# Adversaries for any regular expression


def tokens_of(pattern: re.Pattern[str]) -> sre_parser.SubPattern:
    return sre_parser.parse(pattern.pattern, pattern.flags)


def parts(token: tuple[Any, Any]) -> list[Any]:
    """The patterns within *token*."""
    kind, value = token
    if kind is sre.SUBPATTERN:
        return [value[3]]
    if kind is sre.BRANCH:
        return value[1]
    if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return [value[2]]
    if kind in (sre.ASSERT, sre.ASSERT_NOT):
        return [value[1]]
    return [value] if kind is sre.ATOMIC_GROUP else []


def alphabet(tokens: Iterable[tuple[Any, Any]]) -> set[str]:
    """The characters that a pattern names, one each of the ranges."""
    found = set()
    for kind, value in tokens:
        if kind in (sre.LITERAL, sre.NOT_LITERAL):
            found.add(chr(value))
        elif kind is sre.IN:
            found |= alphabet(value)
        elif kind is sre.RANGE:
            found.add(chr(value[0]))
        elif kind is sre.CATEGORY:
            found |= {"1", " ", "a"}
        for part in parts((kind, value)):
            found |= alphabet(part)
    return found


def matched_by(token: tuple[Any, Any], letters: Iterable[str]) -> list[str]:
    """Those of *letters* that the single character *token* matches."""
    state = sre_parser.State()
    state.str = ""
    compiled = re._compiler.compile(sre_parser.SubPattern(state, [token]))
    return [letter for letter in letters if compiled.fullmatch(letter)]


def example(tokens: Iterable[tuple[Any, Any]], letters: list[str]) -> str:
    """A short string that the pattern matches, as far as it is simple."""
    text = ""
    for kind, value in tokens:
        if kind in (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY):
            text += next(iter(matched_by((kind, value), letters)), "x")
        elif kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            text += example(value[2], letters) * max(1, value[0])
        elif kind not in (sre.ASSERT, sre.ASSERT_NOT):
            text += next((example(part, letters) for part in parts((kind, value))), "")
    return text


def pumps(tokens: Iterable[tuple[Any, Any]], letters: list[str], before: str = "") -> Iterator[tuple[str, str]]:
    """What leads to each repetition in a pattern, and what it repeats."""
    for token in tokens:
        kind, value = token
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            body = value[2]
            yield before, example(body, letters)
            if len(body) == 1 and body[0][0] in (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY):
                yield from ((before, letter) for letter in matched_by(body[0], letters))
        for part in parts(token):
            yield from pumps(part, letters, before)
        before += example([token], letters)


def adversaries(pattern: re.Pattern[str]) -> set[tuple[str, str, str]]:
    """What comes before, what is repeated, and what comes after it."""
    tokens = tokens_of(pattern)
    letters = [*sorted(alphabet(tokens)), "x"]
    single = {("", letter) for letter in letters}
    found = {(before, pump) for before, pump in pumps(tokens, letters) if pump} | single
    return {(*case, after) for case in found for after in ("", "\0", '"', ",")}


def weakness(pattern: re.Pattern[str], method: str) -> tuple[str, str, str] | None:
    """The first adversary for which the *method* of *pattern* is not linear."""

    def work(text: str) -> object:
        subject = text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text
        return pattern.sub("_", text) if method == "sub" else getattr(pattern, method)(subject)

    return next((case for case in sorted(adversaries(pattern)) if not is_linear(work, repeated(*case))), None)


# The regular expressions of the package


class Use(NamedTuple):
    where: str
    pattern: re.Pattern[str]
    method: str


def compiled_in(value: object) -> list[re.Pattern[str]]:
    if isinstance(value, re.Pattern):
        return [value]
    held = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [pattern for each in held for pattern in compiled_in(each)]


def uses() -> Iterator[Use]:
    """Every regular expression of the package, and the method that is called of it."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join([PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.ImportFrom) and node.module == "re" for node in ast.walk(tree)):
            raise AssertionError(f"{name}: write `import re`, or this test cannot see the patterns")
        if any(isinstance(node, ast.Import) and any(each.name == "re" for each in node.names) for node in tree.body):
            yield from uses_in(name, tree, vars(importlib.import_module(name)))


def uses_in(name: str, tree: ast.Module, module: dict[str, Any]) -> Iterator[Use]:
    known = {key: found for key, value in module.items() if not key.startswith("__") and (found := compiled_in(value))}
    assigned = {
        id(node) for statement in tree.body if isinstance(statement, ast.Assign) for node in ast.walk(statement)
    }
    called = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        where = f"{name}:{node.lineno}"
        holder = node.func.value.value if isinstance(node.func.value, ast.Subscript) else node.func.value
        called_on = holder.id if isinstance(holder, ast.Name) else ""
        if called_on in known:
            called.add(called_on)
            yield from (Use(where, pattern, node.func.attr) for pattern in known[called_on])
        elif called_on == "re" and node.func.attr != "escape" and id(node) not in assigned:
            assert isinstance(node.args[0], ast.Constant), f"{where}: this test cannot see a pattern that is computed"
            yield Use(where, re.compile(node.args[0].value), node.func.attr)
    assert called == known.keys(), f"{name}: patterns that are not called by their names"


USES = list(uses())


def test_the_patterns_of_the_package_are_found() -> None:
    modules = {use.where.partition(":")[0].removeprefix(f"{PACKAGE.name}.") for use in USES}
    options = {f"options.{module}" for module in ("parsing", "presets", "scalars", "transforms", "values")}
    others = {"config.checks", "formats", "nginx.front_door", "page.html", "serving.headers", "sources.guard"}
    assert modules >= options | others


@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use.where}-{use.method}")
def test_every_pattern_of_the_package_is_linear(use: Use) -> None:
    assert weakness(use.pattern, use.method) is None


def printed_patterns(app: Flask) -> list[re.Pattern[str]]:
    """Those of the nginx configuration, in Python's spelling."""
    printed = app.test_cli_runner().invoke(args=["images", "nginx"]).output
    found = re.findall(r'^\s*"~(\*?)(.*)"', printed, re.MULTILINE) + re.findall(r'!~(\*?) "(.*)"', printed)
    return [
        re.compile(text.replace("(?<i", "(?P<i").replace("(?<s", "(?P<s"), bool(star) * re.I) for star, text in found
    ]


def test_every_printed_pattern_is_linear(make_app: Any) -> None:
    app = make_app(IMAGES_FRONT_DOOR=True, IMAGES_ACCEL_REDIRECT="/cache")
    patterns = printed_patterns(app)
    assert len(patterns) > 8
    for pattern in patterns:
        assert weakness(pattern, "search") is None, pattern.pattern


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"[+-]?(?:\d+\.?\d*|\.\d+)\Z", "match"),
        (
            r"(?:^|,)[ \t]*image/avif[ \t]*(?:;(?![ \t]*q[ \t]*="
            r"(?![ \t]*(?=[0-9.]*[1-9])[0-9]*\.?[0-9]*[ \t]*(?:[,;]|$)))[^,;]*)*(?:,|$)",
            "search",
        ),
        (r"\s+$", "search"),
        (r'([Ww]/)?(?:"(.*?)"|(.*?))(?:\s*,\s*|$)', "match"),
    ],
)
def test_the_adversaries_find_what_is_not_linear(pattern: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ATTEMPTS", 1)  # they would all fail, slowly
    assert weakness(re.compile(pattern), method)


# Parsers as a whole

PUMPS = (
    "1",
    "0",
    ".",
    "1.",
    ",",
    "1,",
    ";",
    ";q=1",
    ";q=",
    " ",
    "\t",
    "-",
    "/",
    "../",
    ":",
    "x",
    "%",
    "(",
    '"',
    'W/"',
    "é",
)


def assert_linear(read: Callable[[str], object], befores: Iterable[str]) -> None:
    def work(text: str) -> None:
        with contextlib.suppress(ImagesError):
            read(text)

    for case in itertools.product(befores, PUMPS, ("", "x", " b")):
        assert is_linear(work, repeated(*case)), case


def test_choosing_a_format_is_linear() -> None:
    modern = [by_name(name) for name in NEGOTIABLE]
    befores = ("", "image/avif", "image/avif;q=", "image/avif;q=0.", ",")
    assert_linear(lambda accept: negotiate("a.png", accept, modern), befores)


@pytest.mark.parametrize("name", DECLARED)
def test_reading_an_option_is_linear(name: str) -> None:
    befores = {"transform": ("", "EXTENT,0,0,", "AFFINE,1,1,0,0,0,0,0,"), "sharpen": ("", "0.3,"), "aspect": ("", "1:")}
    assert_linear(lambda text: Options.parse({DECLARED[name].short: text}), befores.get(name, ("", "a,")))


def test_decoding_a_url_is_linear() -> None:
    url = urls.encode("a.png", {"w": "9"}, "abc", "a secret").partition("?")[2]
    befores = ("", "w=", "w=9&s=")
    assert_linear(lambda text: urls.decode("a.png", text.encode(), ["a secret"], legacy=True), befores)
    assert_linear(lambda text: urls.decode(text, url.encode(), ["a secret"], legacy=True), befores)
    assert_linear(urls.checked_path, ("", "http://a/"))
    assert_linear(lambda text: FrontDoor("door", lambda: "0" * 32).path_of(text, ".jpg"), ("", "a?v=", "a/"))


def test_reading_what_a_remote_server_says_is_linear() -> None:
    assert_linear(Guard().check, ("", "http://", "http://[", "http://a/"))
    assert_linear(remote._directives, ("", "max-age="))
    assert_linear(remote._time, ("", "Mon, ", "Mon, 01 Jan 2024 00:00:00 +"))


@pytest.mark.parametrize("header", ["Accept", "If-None-Match", "If-Match", "If-Modified-Since", "If-Range", "Range"])
def test_answering_a_request_is_linear(header: str, app: Flask, draw: Any) -> None:
    draw("a.png")
    client, url = app.test_client(), url_of(app, "a.png", width=8, format="auto")
    others = {"If-Range": {"Range": "bytes=0-1"}, "If-Match": {"Range": "bytes=0-1"}}.get(header, {})
    befores = {"Accept": ("image/avif;q=",), "Range": ("bytes=", "bytes=1-")}.get(header, ("a", '"'))

    def ask(value: str) -> None:
        client.get(url, headers={**others, header: value.encode("ascii", "replace").decode()})

    assert_linear(ask, befores)


@given(st.text(alphabet="01. \t;x", max_size=12))
def test_a_weight_is_a_number_above_zero(text: str) -> None:
    number = re.fullmatch(r"[ \t]*([0-9]+\.?[0-9]*|\.[0-9]+)[ \t]*", text.partition(";")[0])
    above_zero = number is not None and float(number[1]) > 0
    assert (negotiate("a.png", f"image/avif;q={text}", [by_name("avif")]).name == "avif") == above_zero


def test_numbers_of_many_digits_are_refused() -> None:
    for text in ("1." + "0" * 5000, "1:1." + "0" * 5000, "." + "1" * 5000):
        with pytest.raises(ImagesError):
            Options.parse({"ar": text})


# The outlines of files


def gif(blocks: int) -> bytes:
    """Two frames, the second in so many blocks of one byte."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01"
    start = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return start + frame + b"\0" + frame + b"\x01\0" * blocks + b"\0;"


def test_a_gif_of_tiny_blocks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gif_frames, "MAX_STEPS", 1000)
    monkeypatch.setattr(reader, "_MAX_READS", 2000)
    engine = PillowEngine()
    with opened(tmp_path / "some.gif", gif(900)) as descriptor:
        gif_frames.check_gif(descriptor, "some.gif", 2)
        assert engine.header(descriptor, "some.gif").frames == 2
    with opened(tmp_path / "many.gif", gif(3000)) as descriptor, pytest.raises(LimitExceeded):
        engine.header(descriptor, "many.gif")
    extensions = gif(1)[:19] + b"\x21\xfe\0" * 3000 + gif(1)[19:]
    with opened(tmp_path / "extensions.gif", extensions) as descriptor, pytest.raises(LimitExceeded):
        gif_frames.check_gif(descriptor, "extensions.gif", 2)


def tiff(pages: int, following: int, order: str = "<") -> bytes:
    """So many pages without a tag; the last one leads to the offset *following*."""
    offsets = [8 + 6 * number for number in range(pages)] + [following]
    start = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
    return start + b"".join(struct.pack(f"{order}HI", 0, offset) for offset in offsets[1:])


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_loop_of_pages_is_seen_at_once(order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []

    class Counted(io.FileIO):
        def read(self, size: int | None = -1) -> bytes | None:
            reads.append(size)
            return super().read(size)

    monkeypatch.setattr(frame_count, "FileIO", Counted)
    for pages, following in ((1, 8), (3, 8), (3, 14)):
        reads.clear()
        with opened(tmp_path / "loop.tif", tiff(pages, following, order)) as descriptor, pytest.raises(LimitExceeded):
            frame_count.check_frames(descriptor)
        assert len(reads) <= 2 * pages
    with opened(tmp_path / "pages.tif", tiff(frame_count.MAX_FRAMES, 0, order)) as descriptor:
        frame_count.check_frames(descriptor)
    more = tiff(frame_count.MAX_FRAMES + 1, 0, order)
    with opened(tmp_path / "more.tif", more) as descriptor, pytest.raises(LimitExceeded):
        frame_count.check_frames(descriptor)


def test_a_tag_that_is_repeated_is_read_once() -> None:
    reads = []

    class Counted(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            reads.append(size)
            return super().read(size)

    tag = struct.pack("<HHII", 0x8298, 2, 4096, 8)
    data = b"II*\0" + struct.pack("<IH", 8, 65_535) + tag * 65_535
    assert rights_of_tiff(Counted(data))
    assert len(reads) < 10
