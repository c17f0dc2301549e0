"""Write the rights that a rendition keeps into its file: those that the application says, and those of its source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UnsupportedSource
from ..rights.file import Unfit
from ..rights.files import read_rights, with_rights
from ..rights.record import Rights
from .request import SOURCE


def found(said: Mapping[str, Any], descriptor: int) -> Rights:
    """Return the rights that the application has *said*, and what else the source at *descriptor* states."""
    return Rights.found(said).or_else(read_rights(descriptor))


def written(data: bytes, rights: Rights) -> bytes:
    """Return the file *data* of a rendition, with *rights*.

    Raises:
        UnsupportedSource: If its encoder has written a file of an unknown kind.
    """
    try:
        return with_rights(data, rights)
    except Unfit as error:
        raise UnsupportedSource(SOURCE, f"its rights cannot be written into the rendition: {error}") from error
