"""The errors: when each is raised, the answer that a client gets, and what to do."""

from __future__ import annotations

import inspect

from flask_images_vips import errors
from flask_images_vips.errors import ImagesError
from flask_images_vips.serving.views import _REASONS, _STATUS

from .markup import docstring, linked_keys, table

CURES: dict[str, str] = {
    "ImagesError": "Catch this one to catch all errors of the package.",
    "ConfigError": "Change the configuration as the message says. [Typical mistakes](../operating/mistakes.md) has "
    "examples.",
    "InvalidPath": "Pass the path of a file below `IMAGES_PATH`, with `/` between its parts and without `..`, or a URL "
    "that begins with `http://` or `https://`.",
    "InvalidOption": "Correct the value: [Options](options.md) lists those of each option. If visitors cause it, your "
    "code puts their input into a URL unchecked.",
    "BadSignature": "Build image URLs by the helpers only. See [Why 404?](../start/faq.md#why-404).",
    "WrongSignature": "Give all processes and hosts the same `SECRET_KEY`. Keep an old key in `SECRET_KEY_FALLBACKS`.",
    "Expired": "Nothing, if you have set `expires`. The next page has a new URL.",
    "NotAuthorized": "Nothing, if the visitor may not see it. Otherwise mend your `authorize` callback: see [Private "
    "images](../guides/private-images.md).",
    "SourceError": "See the errors below, which are kinds of this one.",
    "SourceNotFound": "Put the file where the message says, or mend the path in the template. `flask images url PATH` "
    "tells where it is looked for.",
    "Forgotten": "Nothing, or `flask images allow PATH` to serve it again.",
    "NotForgotten": "Do it again, as the message says. What was done stays done.",
    "NotPurged": "Do it again once those caches answer.",
    "RemoteFailed": "Ask for the URL from the host of the site. If the message names a block, see [Remote "
    "sources](../guides/remote-sources.md).",
    "SourceChanged": "Nothing: the client may ask again. If it happens often, write the file under another name and "
    "rename it.",
    "UnreadableSource": "Replace the file. `flask images url PATH --render` shows the message of the decoder.",
    "CrashedDecoder": "Replace the file, and do not trust where it comes from: it may be an attack.",
    "UnsupportedSource": "Convert the file, or let both engines work (`IMAGES_ENGINE = 'auto'`).",
    "UnsupportedHere": "Install what is missing: `flask images check` prints the command.",
    "LimitExceeded": "Ask for less, or raise the limit that the message names. See [Limits](../security/limits.md).",
    "UploadRefused": "Show `message` to the person. See [Uploads](../guides/uploads.md).",
    "NotStored": "Look at the log for the reason, such as a full disk. The person may try again.",
    "Busy": "Nothing at a short peak: the client may ask again. If it lasts, see [Tuning](../deploying/tuning.md) and "
    "[Warming](../operating/warming.md).",
    "WaitedTooLong": "As for `Busy`.",
    "QuotaExceeded": "Nothing, or a larger `Quota` for this tenant.",
}
"""What to do about each error."""

NOT_ANSWERED: dict[str, str] = {
    "NotForgotten": "none: `images.forget` and `flask images forget` raise it",
    "NotPurged": "none: `images.purge` and `flask images purge` raise it",
    "UploadRefused": "none as an image. A view that lets it pass answers 400, 413, 415 or 422 with the message, "
    "unless the application handles it",
    "NotStored": "none as an image. A view that lets it pass answers 503, unless the application handles it",
}
"""Errors that no image is answered with."""

CACHED = {"public, max-age=60": "a minute", "no-store": "not kept"}


def classes() -> list[type[ImagesError]]:
    """The public errors, in the order of the code."""
    return [
        found
        for _, found in vars(errors).items()
        if inspect.isclass(found) and issubclass(found, ImagesError) and found.__module__ == errors.__name__
    ]


def answer_of(error: type[ImagesError]) -> tuple[int, str] | None:
    """The status and the Cache-Control of the answer to an image, or None if there is no such answer."""
    return next((_STATUS[kind] for kind in error.__mro__ if kind in _STATUS), None)


def answers() -> str:
    """The statuses of images, with the errors that each one may stand for."""
    rows = []
    for status in sorted(_REASONS):
        found = [error for error in classes() if (answer := answer_of(error)) and answer[0] == status]
        names = ", ".join(f"[`{error.__name__}`](#{error.__name__.lower()})" for error in found)
        kept = {CACHED[answer[1]] for error in found if (answer := answer_of(error))}
        rows.append([f"[{status}](../start/faq.md#why-{status})", _REASONS[status], names, ", ".join(sorted(kept))])
    return table(["status", "text for the client", "errors", "kept by caches"], rows)


def text() -> str:
    return "\n\n".join(entry(error) for error in classes())


def entry(error: type[ImagesError]) -> str:
    name, base = error.__name__, error.__mro__[1].__name__
    answer = answer_of(error)
    seen = f"status {answer[0]}" if answer else NOT_ANSWERED.get(name, "depends on its kind")
    facts = [f"- A client sees: {seen}.", f"- What to do: {CURES[name]}"]
    if base != "Exception":
        facts.insert(0, f"- A kind of: [`{base}`](#{base.lower()})")
    return "\n\n".join([f"### `{name}`", docstring(error), linked_keys("\n".join(facts))])
