"""Provide ``flask images warm``, which renders images before they are requested."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from ..errors import printable
from ..formats import JXL, Format
from ..state import AppImages, current_images
from .terminal import progress, stoppable
from .warming.plan import Plan, plan
from .warming.runner import CannotStore, Result, Run
from .warming.search import Found, count, find
from .warming.wanted import label

_INTERRUPTED = 130  # the exit code of programs that Ctrl-C has ended
_SITEMAP = "/sitemap.xml"


@click.command()
@click.option("--templates", is_flag=True, help="Make what the templates show. This is the default.")
@click.option("--page", "pages", multiple=True, metavar="PATH", help="Make what a page shows. May be repeated.")
@click.option(
    "--sitemap",
    is_flag=False,
    flag_value=_SITEMAP,
    metavar="PATH",
    help=f"Make what the pages in this sitemap show. Without PATH, it is {_SITEMAP}.",
)
@click.option(
    "--access-log",
    "logs",
    multiple=True,
    metavar="FILE",
    help="Make what visitors have requested, by a log in common or combined format. The file may be compressed with "
    "gzip; - is the standard input. The most requested come first. May be repeated.",
)
@click.option(
    "--from-manifest", "manifest", is_flag=True, help="Make what visitors have requested, as this package recorded it."
)
@click.option(
    "--folder", "folders", multiple=True, metavar="FOLDER", help="Make all pictures in a folder of IMAGES_PATH."
)
@click.option("--preset", "presets", multiple=True, metavar="NAME", help="The preset for --folder. May be repeated.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="NAME",
    help="Make images with format='auto' in this one of IMAGES_FORMATS only. May be repeated.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Make N renditions at most.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Make N renditions at the same time. The default is IMAGES_MAX_RENDERS, or else one per processor.",
)
@click.option("--background", is_flag=True, help="Make one rendition at a time, and let requests of visitors go first.")
@click.option("--dry-run", is_flag=True, help="List what would be made, but make nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@with_appcontext
@click.pass_context
def command(context: click.Context, /, **given: Any) -> None:
    """Render images before they are requested.

    Without options, these are the images in your templates. Image calls that depend on data are listed with their file
    and line; find their images with --page, --sitemap, --access-log, --from-manifest or --folder, which may be
    combined.

    What is cached already is not made again, so you can stop this with Ctrl-C and run it again. Run it as the same user
    as the site.

    The exit code is 0 if everything is cached now, 1 if there was nothing to make or some of it cannot be made, and 130
    after Ctrl-C.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    images, say = current_images(), (lambda text: None) if given["as_json"] else click.echo
    _check_cache(images)  # also for a dry run, which keeps what it learns of the sources
    formats = _formats(images, given["formats"])
    result = Result()
    with stoppable():
        try:
            found = find(app, images, given, partial(progress, hidden=given["as_json"]))
            _say_found(found, say)
            todo = plan(images, found.wanted, found.placeholders, formats)
            todo.problems = dict.fromkeys([*found.problems, *todo.problems])
            if given["limit"]:
                todo.limit(given["limit"])
            _say_plan(todo, say)
            if given["dry_run"]:
                _list(todo, say)
            elif todo.missing or todo.linkless or todo.placeholders:
                result = _run(app, images, todo, given)
        except KeyboardInterrupt:
            click.echo("Stopped. Run this command again to go on.", err=True)
            context.exit(_INTERRUPTED)
        except CannotStore as error:
            raise click.ClickException(str(error)) from None
    _report(found, todo, result, given)
    context.exit(_exit_code(found, todo, result))


def _formats(images: AppImages, names: Sequence[str]) -> list[Format]:
    """Return the formats for ``format='auto'``: those of *names*, or all."""
    pipeline = images.pipeline
    known = {
        format.name: format
        for format in pipeline.formats.negotiable
        if not (format is JXL and pipeline.formats.prefers_jxl_to_avif)  # it is made with the AVIF, if it is smaller
    }
    for name in names:
        if name.lower() not in known:
            expected = ", ".join(known) or "none can be written here"
            raise click.UsageError(f"--format {name}: expected one of IMAGES_FORMATS ({expected}).")
    return [known[name.lower()] for name in names] or list(known.values())


def _check_cache(images: AppImages) -> None:
    """Refuse to run as another user than the site, which could then not read or replace what is written.

    If there is no cache yet, root must not create it in a folder of another user.
    """
    cache, user = images.pipeline.cache, os.geteuid() if hasattr(os, "geteuid") else 0
    existing = cache.folder
    while not os.path.exists(existing):
        existing = os.path.dirname(existing)
    owner = os.stat(existing).st_uid
    if owner != user and (existing == cache.folder or not user):
        raise click.ClickException(
            f"{existing} belongs to user {owner}, but this command runs as user {user}. Run it as the same user as the "
            "site, which must be able to read and replace the files in its cache."
        )
    if not os.access(existing, os.W_OK):
        raise click.ClickException(f"The cache cannot be written: this user may not write to {existing}.")


def _run(app: Flask, images: AppImages, todo: Plan, given: dict[str, Any]) -> Result:
    pool = images.pipeline.producer.renderers.pool
    # Background work has one renderer, and without renderers of their own, renders take turns.
    workers = 1 if given["background"] or pool is None else given["workers"] or pool.count
    run = Run(app, images, todo, workers, yields=given["background"])
    with progress(len(run), "Renditions", hidden=given["as_json"]) as tell:
        return run.run(lambda result: tell(result.done))


def _say_found(found: Found, say: Callable[[str], object]) -> None:
    for note in found.notes:
        say(f"{note}.")
    for call in found.unknown:
        say(f"  {call.place}: {call.reason}\n    {call.source}")


def _say_plan(todo: Plan, say: Callable[[str], object]) -> None:
    parts = [f"{len(todo.missing)} to make", f"{todo.cached} cached already"]
    if todo.linkless:
        parts.append(f"{len(todo.linkless)} without a link for nginx")
    if todo.placeholders:
        parts.append(f"{count(len(todo.placeholders), 'placeholder')} to make")
    if todo.skipped:
        parts.append(f"{todo.skipped} left out, because their URLs expire or forbid caching")
    say(f"Renditions: {', '.join(parts)}.")


def _list(todo: Plan, say: Callable[[str], object]) -> None:
    for task in todo.missing:
        say(f"  {label(task.verified.url)}  ({task.origin})")
    for each in todo.placeholders:
        say(f"  {each.ref}, placeholder {each.kind}  ({each.origin})")


def _report(found: Found, todo: Plan, result: Result, given: dict[str, Any]) -> None:
    problems = [*todo.problems, *result.problems]
    if given["as_json"]:
        fields = {
            "made": result.made,
            "cached": todo.cached + result.found,
            "missing": [label(task.verified.url) for task in todo.missing] if given["dry_run"] else result.left,
            "linked": result.linked,
            "skipped": todo.skipped,
            "stopped": result.stopped,
            "not_known": [{"place": c.place, "source": c.source, "reason": c.reason} for c in found.unknown],
            "problems": [{"origin": problem.origin, "reason": problem.reason} for problem in problems],
        }
        click.echo(json.dumps(fields, indent=2))
        return
    for problem in problems:
        click.echo(printable(f"{problem.origin}: {problem.reason}"), err=True)
    if given["dry_run"]:
        return
    links = f" {count(result.linked, 'link')} made for nginx." if result.linked else ""
    click.echo(f"{result.made} made.{links}" + (f" {len(problems)} cannot be made." if problems else ""))
    if result.stopped:
        click.echo(f"Stopped. {result.left} are left: run this command again to make them.")
    elif not found:
        click.echo("There was nothing to make. Try --page, --sitemap or --access-log.")


def _exit_code(found: Found, todo: Plan, result: Result) -> int:
    if result.stopped:
        return _INTERRUPTED
    return 1 if todo.problems or result.problems or not found else 0
