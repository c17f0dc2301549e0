"""Give log lines about an image fields of their own, for logs that are searched and counted by programs."""

from __future__ import annotations

from .errors import printable, without_secrets


def fields(event: str, ref: str, **more: object) -> dict[str, object]:
    """Return the ``extra`` of a line of the log: ``image_event``, ``image_ref`` and each of *more* as ``image_<name>``.

    The user name, the password and the values in the query of a URL are left out of ``image_ref``, and characters that
    cannot be printed are replaced.
    """
    return {
        "image_event": event,
        "image_ref": printable(without_secrets(ref)),
        **{f"image_{name}": value for name, value in more.items()},
    }
