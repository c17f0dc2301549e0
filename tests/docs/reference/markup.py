"""Turn sentences of the code into the Markdown of the reference."""

from __future__ import annotations

import inspect
import re
import textwrap

from flask_images_vips.config.keys import KEYS

_FIELD = re.compile(r"^(Raises|Returns):\n((?:    .*\n?|\n)+)", re.MULTILINE)
_ENTRY = re.compile(r"^    (?P<names>[\w, .]+): (?P<text>(?:.*\n?)(?:^ {5,}.*\n?)*)", re.MULTILINE)


def sentence(text: str, page: str) -> str:
    """Return *text* of a declaration for *page*, such as ``reference/options.md``: its links become relative.

    Configuration keys become links, except on their own page.
    """
    text = re.sub(r"\]\(docs/", "](../", text)
    if page == "reference/configuration.md":
        return text
    return linked_keys(text)


def linked_keys(text: str) -> str:
    def link(match: re.Match[str]) -> str:
        return f"[`{match[1]}`]({CONFIGURATION}#{match[1].lower()})" if match[1] in KEYS else match[0]

    return re.sub(r"`(IMAGES_[A-Z0-9_]+)`", link, text)


CONFIGURATION = "../reference/configuration.md"


def docstring(documented: object) -> str:
    """Return the docstring of an object as Markdown, with what it raises as a list at the end."""
    text = re.sub(r"``(.+?)``", r"`\1`", inspect.getdoc(documented) or "")
    assert text, f"{documented} has no docstring"
    return linked_keys(_FIELD.sub(_fields, text + "\n").strip())


def _fields(match: re.Match[str]) -> str:
    lines = [f"**{match[1]}**", ""]
    for entry in _ENTRY.finditer(match[2]):
        names = ", ".join(error(name) for name in re.split(r",\s*", entry["names"]))
        lines.append(f"- {names}: {' '.join(entry['text'].split())}")
    return "\n".join(lines) + "\n"


def error(name: str) -> str:
    """Return a link to the error called *name*, or the name alone if it is one of Python."""
    from flask_images_vips import errors

    return f"[`{name}`](errors.md#{name.lower()})" if hasattr(errors, name) else f"`{name}`"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += ["| {} |".format(" | ".join(cell.replace("|", "\\|") for cell in row)) for row in rows]
    return "\n".join(lines)


WIDTH = 120
_KEPT = re.compile(r"[|#<!]|\s*$")
_ITEM = re.compile(r" *(?:-|\d+\.) ")


def wrapped(text: str) -> str:
    """Return Markdown with its paragraphs and items filled to the width of the repository's lines."""
    lines: list[str] = []
    paragraph: list[str] = []
    is_code = False

    def end() -> None:
        if paragraph:
            item = _ITEM.match(paragraph[0])
            rest = " " * len(item[0]) if item else ""
            filled = " ".join([paragraph[0].rstrip(), *(line.strip() for line in paragraph[1:])])
            lines.extend(
                textwrap.wrap(filled, WIDTH, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False)
            )
            paragraph.clear()

    for line in text.splitlines():
        is_fence = line.lstrip().startswith("```")
        if is_fence or is_code or _KEPT.match(line):
            end()
            lines.append(line)
            is_code ^= is_fence
            continue
        if _ITEM.match(line):
            end()
        paragraph.append(line)
    end()
    return "\n".join(lines)
