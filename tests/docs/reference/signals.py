"""The signals: when each is sent, and its arguments with their types."""

from __future__ import annotations

import ast
import inspect
import textwrap

from flask_images_vips import signals

from .markup import table

FIELDS: dict[str, tuple[str, str]] = {
    "ref": ("str", "The path or the URL of the source."),
    "options": ("Options", "The options, by the names of [Options](options.md), such as `options.width`."),
    "format": ("str", "The format of the file, such as `webp`."),
    "engine": ("str", "`vips`, `pillow` or `boxes`."),
    "size_bytes": ("int", "The size of the file."),
    "seconds": ("float", "The whole time of the render, with the time in the queue."),
    "waited_seconds": ("float", "The part of it that passed until a renderer was free."),
    "cpu_seconds": ("float", "The time that processors worked."),
    "visitor": ("bool", "False for work in the background."),
    "status": ("int", "The status of the response."),
    "cached": ("bool", "Whether the image was cached."),
    "error": ("ImagesError", "Why the image is refused, see [Errors](errors.md)."),
}
"""The type of each argument, and what it is. The test takes the arguments of each signal from the code."""

OTHERWISE: dict[tuple[str, str], str] = {
    ("image_served", "size_bytes"): "The size of the response without its headers: 0 with status 304.",
    (
        "image_failed",
        "ref",
    ): "The path or the URL of the source. If the URL of the image is invalid, the path of that URL.",
}
"""What an argument is with one signal, if that differs."""

EXAMPLES: dict[str, str] = {
    "image_rendered": """\
from flask_images_vips import image_rendered


@image_rendered.connect_via(app)
def note_render(sender, ref, format, cpu_seconds, **more):
    app.logger.info("%s as %s: %.3f s of CPU time", ref, format, cpu_seconds)""",
    "image_served": """\
from flask_images_vips import image_served

sent = {"hit": 0, "miss": 0}


@image_served.connect_via(app)
def count(sender, cached, **more):
    sent["hit" if cached else "miss"] += 1""",
    "image_failed": """\
from flask_images_vips import image_failed


@image_failed.connect_via(app)
def note_missing(sender, ref, status, error, **more):
    if status == 404:
        app.logger.warning("A page links to %s: %s", ref, error)""",
}
"""An example of each signal, which the test of the page's blocks runs."""

SENT: dict[str, str] = {
    "image_rendered": "Sent after a render, once the file is stored. Renders in the background send it too.",
    "image_served": "Sent for each response with an image, and for each response with status 304. Images that nginx, a "
    "CDN or a browser serves from its own copy do not reach the application, so it is not sent for them. With "
    "[`IMAGES_EARLY_HITS`](configuration.md#images_early_hits), it is not sent for cached images either.",
    "image_failed": "Sent for each image that is refused, whatever the reason.",
}


def text() -> str:
    return "\n\n".join(entry(name, arguments) for name, arguments in arguments_of_signals().items())


def entry(name: str, arguments: list[str]) -> str:
    rows = [
        [f"`{argument}`", f"`{FIELDS[argument][0]}`", OTHERWISE.get((name, argument), FIELDS[argument][1])]
        for argument in arguments
    ]
    return "\n\n".join(
        [
            f"## `{name}`",
            SENT[name],
            table(["argument", "type", "what it is"], rows),
            f"```python\n{EXAMPLES[name]}\n```",
        ]
    )


def arguments_of_signals() -> dict[str, list[str]]:
    """The arguments that each signal is sent with, in the code."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(signals.send_signals)))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".send")]
    return {
        ast.unparse(call.func).removesuffix(".send"): [keyword.arg for keyword in call.keywords if keyword.arg]
        for call in calls
    }
