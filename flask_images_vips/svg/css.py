"""Write style sheets anew, from what is allowed.

The tokens of a style sheet are read, and those rules and declarations are written that consist of known tokens alone.
Browsers therefore never read more than this module has understood. Nothing that is written can fetch a file: a
``url(…)`` names an element of the same drawing, and no at-rule loads another style sheet or a font.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import LimitExceeded
from .allowed import FUNCTIONS, PROPERTIES

_MAX_RULES = 5000
_MAX_NESTED = 4  # at-rules
_GROUPS = frozenset({"media", "supports", "keyframes", "-webkit-keyframes"})
_SELECTED_BY = frozenset(
    (
        *("not", "is", "where", "has", "lang", "nth-child", "nth-last-child", "nth-of-type", "nth-last-of-type"),
        *("dir",),
    )
)
_NEEDS_READING = re.compile(r"[^\w\s.,;%#+-]")
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[\w.%#+-]+")
# Names of fonts and values of attributes. Whatever looks like more is left out, although browsers take it for a string.
_STRING = re.compile(r""""[^"\\\n\r\f(){};:@/]*"|'[^'\\\n\r\f(){};:@/]*'""")
_FRAGMENT = re.compile(r"""\s*(["']?)#([^\s"'()\\<>]+)\1\s*\)""")
# A string, or a URL without quotes, to where a browser ends it. A string also ends before the end of its line.
_ANY_STRING = re.compile(r""""(?:[^"\\\n\r\f]|\\(?:\r\n|[\s\S])?)*"?|'(?:[^'\\\n\r\f]|\\(?:\r\n|[\s\S])?)*'?""")
_BARE_URL = re.compile(r"""\(\s*(?![\s"'])(?:[^)\\]|\\[\s\S]?)*\)?""")
_PLAIN = frozenset(",/*+-!:;{}()[]@#<>~|=.$^%&?")
_OF_VALUES = frozenset(",/*+-()<>=%.#")
_OF_SELECTORS = frozenset(",.#*+~>:|=^$()[]")
_OF_CONDITIONS = frozenset(",():<>=/.%#*+-")
_VARIABLE = re.compile(r"--[\w-]+")
_NAMES = re.compile(r"[.#]")
# Properties that refer to elements, and are not inherited unless somebody asks: no limit covers that.
_OWN = frozenset({"clip-path", "mask", "filter"})
_INHERIT = re.compile(r"\binherit\b", re.IGNORECASE)


class Token(NamedTuple):
    """A token: its *kind*, and how it is written. Functions include their parenthesis, and ``url`` is complete.

    The *kind* is the character itself if it is a mark, or one of ``space``, ``word``, ``string``, ``function``, ``url``
    and ``bad``, which nothing that is written contains.
    """

    kind: str
    text: str


_BAD = Token("bad", "")
_SPACED = Token("space", " ")
_MARK = Token("!", "!")


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of *text*. Comments are read as spaces."""
    position, size = 0, len(text)
    while position < size:
        letter = text[position]
        if found := _SPACE.match(text, position):
            position = found.end()
            yield _SPACED
        elif text.startswith("/*", position):
            end = text.find("*/", position + 2)
            position = size if end < 0 else end + 2
            yield _SPACED
        elif found := _WORD.match(text, position):
            names_rule, position = text[position - 1 : position] == "@", found.end()
            if names_rule or not text.startswith("(", position):
                yield _BAD if found[0].lower() == "url" else Token("word", found[0])
            elif found[0].lower() == "url":
                fragment = _FRAGMENT.match(text, position + 1)
                whole = fragment or _BARE_URL.match(text, position)
                position = position + 1 if whole is None else whole.end()
                yield _BAD if fragment is None else Token("url", f"url(#{fragment[2]})")
            else:
                position += 1
                yield Token("function", f"{found[0]}(")
        elif string := _ANY_STRING.match(text, position):
            position = string.end()
            yield Token("string", string[0]) if _STRING.fullmatch(string[0]) else _BAD
        else:
            position += 1
            yield Token(letter, letter) if letter in _PLAIN else _BAD


def _is_taken_over(name: str, text: str) -> bool:
    return name in _OWN and _INHERIT.search(text) is not None


def fragment_of(token: Token) -> str:
    """Return the name of the element that a *token* of the kind ``url`` refers to."""
    return token.text[len("url(#") : -1]


@dataclass(slots=True)
class Styles:
    """The references of what was written.

    *fragments* are the names of elements that attributes and values refer to, each as often as they do. *rules* are
    the words of the selector of each rule that refers to elements, with these.
    """

    fragments: list[str] = field(default_factory=list)
    rules: list[tuple[frozenset[str], list[str]]] = field(default_factory=list)
    _counted: int = 0

    def value(self, name: str, text: str, *, links: bool = True) -> str | None:
        """Return *text*, the value of the attribute *name*, written anew, or None if it is not allowed.

        Without *links*, it is a value that an animation gives to an element that is not known: it may refer to none.
        """
        if _is_taken_over(name, text) or not (links or _INHERIT.search(text) is None):
            return None
        if not _NEEDS_READING.search(text):
            return text
        return self._value([*tokens(text)], own=frozenset(";"), links=links)

    def declarations(self, text: str) -> str:
        """Return the allowed declarations of *text*, the value of an attribute ``style``."""
        return ";".join(self._declarations(_statements(tokens(text))))

    def sheet(self, text: str) -> str:
        """Return the allowed rules of *text*, the content of an element ``style``.

        Raises:
            LimitExceeded: If it has too many rules.
        """
        read = _Reader(tokens(text.replace("<!--", " ").replace("-->", " ")))
        return "".join(self._rules(read, 0))

    def _count(self) -> None:
        self._counted += 1
        if self._counted > _MAX_RULES:
            what = "the style sheets of the SVG have at least {:,} rules"
            raise LimitExceeded(what, self._counted, _MAX_RULES, set_by="this package")

    def _rules(self, read: _Reader, depth: int, *, in_frames: bool = False) -> Iterator[str]:
        for prelude, opened in read.statements():
            if not opened:
                continue
            self._count()
            name = prelude[1].text.lower() if len(prelude) > 1 and prelude[0].kind == "@" else ""
            if not name and (selector := _written(prelude, _OF_SELECTORS, _SELECTED_BY)) is not None:
                before = len(self.fragments)
                found = ";".join(self._declarations(read.declarations(), links=not in_frames))
                if len(self.fragments) > before:
                    self.rules.append((_words(prelude), self.fragments[before:]))
                    del self.fragments[before:]
                if found and selector:
                    yield f"{selector}{{{found}}}"
                continue
            condition = _written(_trimmed(prelude[2:]), _OF_CONDITIONS, ())
            if name in _GROUPS and depth < _MAX_NESTED and condition is not None:
                inside = self._rules(read, depth + 1, in_frames=in_frames or name.endswith("keyframes"))
                yield f"@{name} {condition}{{{''.join(inside)}}}"
            else:
                read.skip()

    def _declarations(self, statements: Iterable[Sequence[Token]], *, links: bool = True) -> Iterator[str]:
        for statement in statements:
            name, value = _split(statement)
            lower = name.lower()
            if lower not in PROPERTIES and not _VARIABLE.fullmatch(name):
                continue
            before = _trimmed(value[:-1])
            marked = before[-1:] == [_MARK] and value[-1].text.lower() == "important"
            # A variable is read where it is used, maybe by many elements, so it refers to nothing.
            text = self._value(_trimmed(before[:-1]) if marked else value, links=links and lower in PROPERTIES)
            if text and not _is_taken_over(lower, text):
                yield f"{name if name.startswith('--') else lower}:{text}{'!important' if marked else ''}"

    def _value(self, read: Sequence[Token], own: frozenset[str] = frozenset(), *, links: bool = True) -> str | None:
        text = _written(read, _OF_VALUES | own, FUNCTIONS, strings=True, links=links)
        if text is not None:
            self.fragments += [fragment_of(token) for token in read if token.kind == "url"]
        return text


class _Reader:
    """The rules of a style sheet, one after the other."""

    def __init__(self, read: Iterator[Token]) -> None:
        self._tokens = read

    def statements(self) -> Iterator[tuple[list[Token], bool]]:
        """Yield what precedes each block, and True, or each statement without a block, and False.

        Ends with the block that contains them. The caller must read each block, or skip it.
        """
        prelude: list[Token] = []
        for token in self._tokens:
            if token.kind in ("{", ";"):
                yield _trimmed(prelude), token.kind == "{"
                prelude = []
            elif token.kind == "}":
                return
            else:
                prelude.append(token)

    def declarations(self) -> Iterator[list[Token]]:
        """Yield the declarations of the block, without those that contain blocks, up to its end."""
        statement: list[Token] = []
        for token in self._tokens:
            if token.kind == "{":
                self.skip()
                statement = []
            elif token.kind in (";", "}"):
                yield statement
                statement = []
                if token.kind == "}":
                    return
            else:
                statement.append(token)
        yield statement

    def skip(self) -> None:
        """Read to the end of the block."""
        depth = 1
        for token in self._tokens:
            depth += (token.kind == "{") - (token.kind == "}")
            if not depth:
                return


def _statements(read: Iterator[Token]) -> Iterator[list[Token]]:
    """Yield the declarations of the value of an attribute."""
    statement: list[Token] = []
    for token in read:
        if token.kind == ";":
            yield statement
            statement = []
        else:
            statement.append(token)
    yield statement


def _split(statement: Sequence[Token]) -> tuple[str, list[Token]]:
    """Return the name and the value of a declaration. The name is empty if it is none."""
    trimmed = _trimmed(statement)
    rest = _trimmed(trimmed[1:])
    if len(rest) < 2 or trimmed[0].kind != "word" or rest[0].kind != ":":
        return "", []
    return trimmed[0].text, _trimmed(rest[1:])


def _trimmed(read: Sequence[Token]) -> list[Token]:
    begin, end = 0, len(read)
    while begin < end and read[begin].kind == "space":
        begin += 1
    while begin < end and read[end - 1].kind == "space":
        end -= 1
    return list(read[begin:end])


def _written(
    read: Sequence[Token],
    marks: frozenset[str],
    functions: frozenset[str] | tuple[()],
    *,
    strings: bool = False,
    links: bool = False,
) -> str | None:
    """Return how *read* is written, or None if it contains anything else than *marks*, *functions* and words.

    Parentheses and brackets are balanced in what is returned.
    """
    parts, closing = [], []
    for kind, text in read:
        if kind in ("space", "word"):
            pass
        elif kind == "function":
            if text[:-1].lower() not in functions:
                return None
            closing.append(")")
        elif kind in "([" and kind in marks:
            closing.append(")" if kind == "(" else "]")
        elif kind in ")]":
            if not closing or closing.pop() != kind:
                return None
        elif kind == "string":
            if not (strings or closing[-1:] == ["]"]):
                return None
        elif kind == "url":
            if not links:
                return None
        elif kind not in marks:
            return None
        parts.append(text)
    return None if closing else "".join(parts)


def _words(prelude: Sequence[Token]) -> frozenset[str]:
    """Return the names of elements, classes and identifiers in a selector, or ``*`` if it may select any element."""
    if any(token.kind in "*[:" for token in prelude):
        return frozenset("*")
    names = (name for token in prelude if token.kind == "word" for name in _NAMES.split(token.text))
    return frozenset(name for name in names if name)
