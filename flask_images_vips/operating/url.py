"""Provide ``flask images url``, which builds, reads and explains signed image URLs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from ..errors import ImagesError, InvalidOption, InvalidPath, printable
from ..state import current_images
from .explaining.answer import explain
from .explaining.signature import parts_of
from .quiet import no_log

_PARAMETERS = ("self", "local_path")  # of `Images.build_url`
_WIDTH = 11  # of the names before each line


@click.command()
@click.argument("target", metavar="PATH|URL")
@click.argument("options", nargs=-1, metavar="[OPTION=VALUE]...")
@click.option("--only", is_flag=True, help="Print nothing but the URL.")
@click.option("--accept", default="", metavar="HEADER", help="The Accept header of the browser, for format=auto.")
@click.option("--render", is_flag=True, help="Render the picture if it is not cached, and fetch it if it is remote.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object, for programs.")
@with_appcontext
def command(target: str, options: tuple[str, ...], only: bool, accept: str, render: bool, as_json: bool) -> None:
    """Build a signed image URL, or explain one.

    PATH is that of a picture in IMAGES_PATH, as templates name it, or the URL of a remote picture. The options are
    those of the template helpers, such as width=400 mode=crop preset=avatar external=true.

    URL is an image URL of this application: its path and query or, if it is signed, the whole URL.

    The command prints who signed the URL, its options, the source, each step of the render, the key in the cache, and
    each header of the answer. The exit code is 1 if the URL is refused. Quote URLs, because shells read & and ?.
    """
    images = current_images()
    abilities = images.pipeline.abilities
    with suppress(ImagesError, OSError):
        abilities.find()  # it does not write to the cache: the user of this command may be another one
    parts = parts_of(target, images)
    if parts is not None and options:
        raise click.UsageError("An image URL has its options already. Give a PATH to build another URL.")
    url = target
    if parts is None:
        url = _built(target, options)
        parts = parts_of(url, images)
        assert parts is not None
    if only:
        click.echo(printable(url))
        return
    found = {**explain(parts, images, accept, render=render), "url": url}
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(_lines(found)))
    if found["status"] != 200:
        raise click.exceptions.Exit(1)


def _built(path: str, options: tuple[str, ...]) -> str:
    """Return the URL of *path* with *options*, such as ``width=400``.

    Raises:
        ClickException: If they are invalid.
    """
    keywords: dict[str, Any] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not (equals and name) or name in _PARAMETERS:
            raise click.UsageError(f"{option!r}: expected OPTION=VALUE, such as width=400.")
        if name in keywords:
            raise click.UsageError(f"{name} is given twice. Give each option once.")
        keywords[name] = {"true": True, "false": False}.get(value.lower(), value)
    try:
        with no_log():  # what is odd about the options is printed as notes
            url: str = current_app.extensions["images"].build_url(path, **keywords)
    except (InvalidPath, InvalidOption, ValueError, RuntimeError) as error:
        raise click.ClickException(str(error)) from None
    return url


def _lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines that a person reads: a name, then what there is to say."""
    for name, texts in _sections(found):
        for number, text in enumerate(texts):
            yield f"{'' if number else name:<{_WIDTH}}{printable(text)}"  # a URL may come from a log


def _sections(found: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    yield "url", [found["url"]]
    yield "answer", [found["answer"]]
    yield "signature", [found["signature"]]
    yield "picture", [found["ref"]]
    if (source := found.get("source")) is not None:
        size = f"{source['width']}×{source['height']} {source['format']}, {source['size_bytes']:,} bytes"
        yield "source", [source["path"], f"{size}, of {source['modified']}"]
        current = "the current version" if found["version"] == source["version"] else f"now it is {source['version']}"
        yield "version", [f"{found['version']}, {current}" if found["version"] else "none in the URL"]
    yield "options", [f"{name}={value}" for name, value in found["options"].items()] or ["none"]
    yield "notes", found["notes"]
    if "plan" in found:
        yield "plan", [*found["plan"], *(["(from a reduced copy of the source)"] if found["from_copy"] else [])]
        yield "key", [found["key"]]
        yield "entry", [_entry(found["entry"])]
    if "link" in found:
        yield "link", [_link(found["link"])]
    unknown = ["(ETag and Content-Length are known once it is rendered: pass --render)"]
    is_rendered = found["status"] != 200 or "size_bytes" in found.get("entry", {})
    yield "headers", [*(f"{name}: {value}" for name, value in found["headers"]), *([] if is_rendered else unknown)]
    if "private_cache_control" in found:
        yield "", [f"Cache-Control: {found['private_cache_control']} (if the callback returns True)"]


def _entry(entry: dict[str, Any]) -> str:
    if entry["path"] is None:
        return "never cached"
    size = f", {entry['size_bytes']:,} bytes" if "size_bytes" in entry else ""
    return f"{entry['path']} ({'cached' if entry['cached'] else 'not cached'}{size})"


def _link(link: dict[str, Any] | None) -> str:
    if link is None:
        return "none: nginx always asks the application for this URL"
    return f"{link['path']} ({'nginx sends it' if link['exists'] else 'not made yet'})"
