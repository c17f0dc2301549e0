"""Add the commands ``flask images`` to an application."""

from __future__ import annotations

from importlib import import_module

import click
from flask import Flask
from flask.cli import AppGroup

from ..errors import ImagesError, printable
from ..system_errors import cause

COMMANDS = (
    *("allow", "check", "forget", "hosts", "manifest", "migrate", "nginx", "prune", "purge", "stats", "sync", "url"),
    "warm",
)
"""The names of the commands. ``flask images <name>`` is the object ``command`` of the module with that name."""


class _Images(AppGroup):
    """The commands, each imported at its first use. Their errors are one message, without a traceback."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*COMMANDS, *super().list_commands(context)})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            command: click.Command = import_module(f".{name}", __package__).command
            return command
        return super().get_command(context, name)

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except ImagesError as error:
            raise click.ClickException(_lines_of(str(error))) from None
        except OSError as error:  # such as a full disk, or a folder of another user
            where = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(_lines_of(f"{where}{cause(error)}")) from None
        except click.ClickException as error:
            message = error.format_message()
            safe = _lines_of(message)
            if safe == message:
                raise
            if isinstance(error, click.UsageError):
                raise click.UsageError(safe, error.ctx) from None
            raise click.ClickException(safe) from None


def _lines_of(message: str) -> str:
    """Return *message* without what controls a terminal. It may name files and URLs, which strangers choose."""
    return "\n".join(map(printable, message.split("\n")))


images = _Images("images", help="Manage the images of this application.")


def add_commands(app: Flask) -> None:
    """Add the commands to *app* as ``flask images``, unless that is taken, and as ``flask images-vips``.

    The second name is there for applications that have a command ``images`` of their own, or add one later.
    """
    is_taken = images.name in app.cli.commands
    if not is_taken:
        app.cli.add_command(images)
    app.cli.add_command(_Images("images-vips", help=images.help, hidden=not is_taken))
