"""Read the errors of obstore, which tell what a store has answered only in their messages."""

from __future__ import annotations

import re

_BUSY_STATUSES = {"408", "425", "429"}
_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>", re.ASCII)
_CREDENTIALS = re.compile(r"://[^/@\s]{1,300}@")
_LONGEST_REASON = 300  # characters
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
