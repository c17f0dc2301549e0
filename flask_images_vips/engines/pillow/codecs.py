"""Load codecs of Pillow, without the rest of the engine."""

from __future__ import annotations

from contextlib import suppress


def load_avif() -> None:
    """Load Pillow's AVIF codec, if it has one."""
    with suppress(ImportError):
        import PIL._avif  # noqa: F401, PLC0415
