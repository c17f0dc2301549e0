"""Wait for what a script of a page does. The page's policy forbids Playwright's own ``wait_for_function``."""

from __future__ import annotations

import time
from typing import Any

from servers import PATIENCE_SECONDS


def until(page: Any, expression: str) -> None:
    """Wait until the JavaScript *expression* is true in *page*."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        time.sleep(0.02)
