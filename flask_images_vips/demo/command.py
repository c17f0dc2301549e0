"""What does ``flask --app flask_images_vips.demo run`` print first, and which server does it start?

Flask's ``run`` cannot be replaced by an application, and its server warns in red that it is for development. Importing
the playground within that command therefore replaces the two functions that the command calls next: the one that prints
its banner, and the one that serves. With ``--debug``, ``--reload`` or ``--cert``, or without waitress, Flask's own
server runs. However else the playground is imported, nothing is replaced.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import click
import flask.cli
import werkzeug.serving
from flask.cli import run_command
from flask.helpers import get_debug_flag

from .uploads import MAX_BYTES

_OWN_HOSTS = ("127.0.0.1", "::1", "localhost")
_THREADS = 8
# Waitress stores a whole body before it calls the application, by default up to 1 GB. A picture that is less than this,
# but too large for the playground, gets its page, with a sentence.
_MOST_BYTES = 4 * MAX_BYTES


def take_over(render_one: Callable[[], object]) -> None:
    """If this process is ``flask run``, print what to try, and serve with waitress.

    *render_one* renders a picture, so that renderers run when the first visitor comes.
    """
    context = click.get_current_context(silent=True)
    if context is None or context.command is not run_command or werkzeug.serving.is_running_from_reloader():
        return
    reason = _reason_for_flask(context.params)
    if reason:
        host, port = context.params["host"], context.params["port"]
        scheme = "https" if context.params.get("cert") else "http"
        _say(host, port, scheme=scheme, note=f" This is Flask's development server, because {reason}.")
        return
    flask.cli.show_server_banner = _say_nothing
    serve = partial(_serve, render_one)
    werkzeug.serving.run_simple = serve  # read from here by Flask 2.2
    if hasattr(flask.cli, "run_simple"):
        flask.cli.run_simple = serve


def _reason_for_flask(parameters: dict[str, Any]) -> str:
    """Return why Flask's own server must run with the *parameters* of the command, or an empty string."""
    if get_debug_flag():
        return "debug mode is on"
    if parameters.get("reload"):
        return "it reloads code"
    if parameters.get("cert"):
        return "it serves HTTPS"
    try:
        import waitress  # noqa: F401, PLC0415  (an extra)
    except ImportError:
        return "waitress is not installed: pip install 'flask-images-vips[demo]'"
    return ""


def _say_nothing(*_: Any, **__: Any) -> None:
    """Print no banner."""


def _serve(
    render_one: Callable[[], object], host: str, port: int, app: Any, *, threaded: bool = True, **_: Any
) -> None:
    """Serve *app* until Ctrl-C, SIGTERM or SIGHUP. The first line is printed once the port is open."""
    from waitress import create_server  # noqa: PLC0415  (an extra)

    _stop_in_order()
    try:
        server = create_server(
            app,
            host=host,
            port=port,
            threads=_THREADS if threaded else 1,
            ident="flask_images_vips",
            max_request_body_size=_MOST_BYTES,
        )
    except OSError as error:
        raise click.ClickException(
            f"{host}:{port} cannot be opened: {os.strerror(error.errno or 0)}. Try another port, with --port."
        ) from None
    _say(host, getattr(server, "effective_port", port))
    render_one()
    server.run()


def _stop_in_order() -> None:
    """Let SIGTERM, and the SIGHUP of a closed terminal, end this process with its temporary folder removed."""
    signal.signal(signal.SIGTERM, _stop)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # nohup ignores it
        signal.signal(signal.SIGHUP, _stop)


def _stop(_: int, __: FrameType | None) -> None:
    sys.exit()


def _say(host: str, port: int, *, scheme: str = "http", note: str = "") -> None:
    """Print the line that says what to try, and where."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    if host not in _OWN_HOSTS:
        note = f" Whoever reaches this port sees them until then.{note}"
    click.echo(
        f"Open {scheme}://{shown}:{port} in a browser, and drop in a photograph of your own. "
        f"Ctrl-C stops the server and removes your photographs.{note}"
    )
