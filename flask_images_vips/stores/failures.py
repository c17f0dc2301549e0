"""Read the errors of obstore, which tell what a store has answered only in their messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

_BUSY_STATUSES = {"408", "425", "429"}
_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>", re.ASCII)
_CREDENTIALS = re.compile(r"://[^/@\s]{1,300}@")
_LONGEST_REASON = 300  # characters
_ROLE_SERVERS = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")
_STATUS = re.compile(r"returned non-2xx status code: ([0-9]{3})", re.ASCII)


def refusal(error: Exception) -> str | None:
    """Return the status with which a store refused a request, or None if it could not handle it now."""
    found = _STATUS.search(str(error))
    status = "" if found is None else found[1]
    return status if status.startswith("4") and status not in _BUSY_STATUSES else None


def reason(error: Exception) -> str:
    """Return what *error* says, with the code of the store's answer. The rest are structures of obstore and XML.

    What precedes the host of a URL is left out, because logs are no place for credentials.
    """
    lines, code = str(error).strip().splitlines(), _CODE.search(str(error))
    first = lines[0].partition(": <")[0] if lines else type(error).__name__
    return f"{_CREDENTIALS.sub('://', first)[:_LONGEST_REASON]}{f' ({code[1]})' if code else ''}"


def lacks_credentials(problem: str) -> bool:
    """Return whether *problem*, a message about a request, is that no credentials were found.

    obstore then asks the cloud for the role of the machine, and reports the address that it has asked.
    """
    return any(f"//{address}/" in problem for address in _ROLE_SERVERS)


@contextmanager
def panics_as_errors() -> Iterator[None]:
    """Raise an OSError in place of the exception by which Rust code gives up, which is no `Exception`.

    An endpoint in the environment that is no URL leads to one, for example.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # it is in no module that can be imported
            raise
        raise OSError(f"obstore crashed: {error}") from None
