"""Provide ``flask images check``, which finds out what is wrong with the images of a site."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import click
from flask.cli import with_appcontext

from ..errors import ConfigError, printable
from ..report import report
from ..state import current_images
from .checking.doctor import configuration_faults, examine
from .checking.finding import Finding, Level
from .checking.site import Site
from .quiet import no_log

_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.ERROR: "red"}
_INDENT = " " * 9
_NARROWEST = 60  # columns


@click.command()
@click.option(
    "--url", metavar="URL", help="Also ask the site at this URL for a picture, to check what is in front of it."
)
@click.option("--picture", metavar="PATH", help="The picture to ask for. The default is any in IMAGES_PATH.")
@click.option(
    "--nginx",
    metavar="FILE",
    multiple=True,
    help="The file with nginx' configuration for images. The default is to look for it in /etc/nginx. May be repeated.",
)
@click.option("--strict", is_flag=True, help="Exit with code 1 even if there are only warnings.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object, for programs.")
@with_appcontext
def command(url: str | None, picture: str | None, nginx: tuple[str, ...], strict: bool, as_json: bool) -> None:
    """Find what is wrong with the images of this site.

    Each line begins with ok, warning or error. A warning is about something that works, but may not be what you want.
    Below a warning or an error, a line says what to do. After that, the image libraries and their formats are listed.
    The exit code is 1 if there is an error.

    Run this as the user of the site, and with its environment, while the site runs: the web workers are checked too.
    Nothing is changed.
    """
    if url is not None and not _is_url(url):
        raise click.BadParameter("Expected a URL, such as https://example.com.", param_hint="--url")
    site: Site | None = None
    try:
        with no_log():
            site, findings = examine(current_images(), url=url, picture=picture, nginx=nginx)
    except ConfigError as problem:
        findings = configuration_faults(problem)
    if as_json:
        click.echo(json.dumps(_fields(site, findings), indent=2))
    else:
        _print(site, findings)
    levels = {finding.level for finding in findings}
    if Level.ERROR in levels or (strict and Level.WARNING in levels):
        raise click.exceptions.Exit(1)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").encode("idna")
        return parts.scheme in ("http", "https") and bool(host) and parts.port != 0
    except ValueError:  # such as of a port that is no number, or a host with a part that is too long
        return False


def _print(site: Site | None, findings: Sequence[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    indent = f"{_INDENT}{' ' * width}  "
    for finding in findings:
        level = click.style(finding.level.value.ljust(len(_INDENT)), fg=_COLOURS[finding.level], bold=True)
        click.echo(f"{level}{finding.name.ljust(width)}  {_wrapped(finding.message, indent)}")
        if finding.cure:
            click.echo(f"{indent}→ {_wrapped(finding.cure, indent + '  ')}")
    counts = Counter(finding.level for finding in findings)
    click.echo("\n" + ", ".join(_counted(counts[level], level) for level in Level))
    if site is not None and site.libraries:
        where = "the web worker" if site.pipeline.producer.renderers.pool is None else "processes of their own"
        click.echo("\n" + "\n".join(report(site.config.engine, where, site.libraries)))


def _wrapped(text: str, indent: str) -> str:
    """Return *text*, which begins after an *indent*, in the width of the terminal. Elsewhere, it stays one line."""
    width = shutil.get_terminal_size().columns
    text = printable(text)  # it may contain names of files
    if not sys.stdout.isatty() or width < _NARROWEST:
        return text
    return click.wrap_text(text, width, indent, indent).removeprefix(indent)


def _counted(count: int, level: Level) -> str:
    return f"{count} {level.value}{'s' if count != 1 and level is not Level.OK else ''}"


def _fields(site: Site | None, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    counts = Counter(finding.level.value for finding in findings)
    return {
        "errors": counts["error"],
        "warnings": counts["warning"],
        "findings": [{**asdict(finding), "level": finding.level.value} for finding in findings],
        "workers": [asdict(worker) for worker in site.workers] if site is not None else [],
        "libraries": {name: asdict(each) for name, each in site.libraries.items()} if site is not None else {},
    }
