"""Formats are compared with JPEG at the default quality, and with each other at equal scores."""

from __future__ import annotations

import functools

import pytest
from PIL import Image

from bench import drawings
from bench.parts import looks
from bench.tables import Table
from flask_images_vips.engines.pillow.writer import is_flat


def found(table: Table) -> dict[str, str]:
    return {name: value for name, _, value in table.rows}


def row(format: str, size: int, score: float, *, content: str = "photograph", width: int = 640) -> dict[str, object]:
    file = {"picture": "a", "content": content, "width": width, "format": format}
    return {**file, "bytes": size, "score": score, "cpu_ms": 10.0}


def test_the_bytes_at_a_score_are_interpolated() -> None:
    curve = [(70.0, 1000), (80.0, 4000)]
    assert looks._bytes_at(75, curve) == pytest.approx(2000)
    assert looks._bytes_at(60, curve) == pytest.approx(1000)
    assert looks._bytes_at(81, curve) == float("inf")


def test_every_line_compares_with_the_jpeg() -> None:
    rows = [
        *(row("jpeg", 1000, 75.0, content=content) for content in ("photograph", "flat")),
        *(row(format, 700, 70.0, content=content) for format in ("webp", "avif") for content in ("photograph", "flat")),
        row("avif small", 600, 74.0),
        row("jxl", 630, 71.0),
    ]
    mixed = [{"picture": "a", "content": "photograph", "times": {"avif ÷ webp": times}} for times in (0.9, 1.2)]
    (table,) = looks.tables({"rows": rows, "mixed": mixed})
    lines = found(table)
    assert lines["AVIF ÷ JPEG, bytes, photographs"] == "0.70"
    assert lines["AVIF ÷ JPEG, bytes, photographs, effort small"] == "0.60"
    assert lines["score less JPEG's, median, AVIF, photographs"] == "-5.00"
    assert lines["lower by more than 4, WEBP, photographs"] == "1 of 1"
    assert lines["photographs whose AVIF is larger"] == "0 of 1"
    assert lines["JPEG XL ÷ AVIF, bytes, photographs"] == "0.90"
    assert lines["photographs whose JPEG XL is smaller than the AVIF"] == "1 of 1"
    assert lines["score less AVIF's, median, JPEG XL, photographs"] == "1.00"
    assert lines["mixed pictures of which auto sends more than 1.1 × another format"] == "1 of 2"


def test_a_picture_is_encoded_in_every_format() -> None:
    pytest.importorskip("ssimulacra2")
    picture = looks.Picture("a form", "flat", drawings.window)
    rows = looks._rows([160], picture)
    assert [one["format"] for one in rows] == ["jpeg", "webp", "avif", "avif small", "jxl"]
    assert all(one["bytes"] > 0 and 50 < one["score"] <= 100 for one in rows)


def test_what_auto_sends_is_compared_with_what_it_could_send(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ssimulacra2")
    monkeypatch.setattr(looks, "MIXED_WIDTH", 120)
    clear = functools.partial(Image.linear_gradient("L").resize((64, 48)).convert, "RGBA")
    for content, others in (("overlay", ("webp", "jpeg")), ("alpha", ("webp", "png"))):
        picture = looks.Picture("a gradient", content, clear if content == "alpha" else drawings.poster)
        times = looks._compared(picture)["times"]
        assert times.keys() == {*(f"avif ÷ {other}" for other in others), f"webp ÷ {others[1]}"}
        assert all(0 <= value < 20 for value in times.values())


def test_there_are_60_mixed_pictures_with_25_further_photographs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_PHOTOGRAPHS", raising=False)
    own, clear = looks._photographs(), looks._with_alpha()
    assert len(own) + 25 + len(looks._drawings()) + looks.OVERLAYS + len(clear) >= 59
    assert all(picture.load().getextrema()[3] == (0, 255) for picture in clear)
    assert len(looks._overlays(own)) == min(len(own), looks.OVERLAYS)


@pytest.mark.parametrize("draw", drawings.ALL)
def test_drawings_are_flat(draw: looks.Draw) -> None:
    assert is_flat(draw())
