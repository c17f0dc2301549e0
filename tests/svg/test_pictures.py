"""Pictures within an SVG: see test_drawing.py for how they are written."""

from __future__ import annotations

import base64

import pytest

from flask_images_vips.svg.pictures import embedded

_FRAME = b",\x00\x00\x00\x00\x07\x00\x05\x00\x00\x02\x02\x44\x01\x00"
GIF = base64.b64encode(b"GIF89a\x07\x00\x05\x00\x00\x00\x00" + _FRAME + b";").decode()


def test_the_pixels_are_told() -> None:
    assert embedded(f" data:image/png;charset=utf-8;base64,{GIF}", "a.svg") == (f"data:image/gif;base64,{GIF}", 35)


@pytest.mark.parametrize(
    "link",
    [
        "",
        "#a",
        "a.png",
        f"data:image/svg+xml;base64,{GIF}",
        f"data:image/gif,{GIF}",
        f"data:;base64,{GIF}",
        "data:image/gif;base64,R0lGODlh",
        "data:image/gif;base64,é",
    ],
)
def test_others_are_not_allowed(link: str) -> None:
    assert embedded(link, "a.svg") is None
