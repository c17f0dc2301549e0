"""Who renders? Each engine as a function of a file and a case, and the limit that none of them can go below.

Imports stand in the functions: each contender runs in a process of its own, whose memory is to be its alone.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.workload import Case

Render = Callable[[Path, Case], bytes]

# libvips' settings of this package, so that bare pyvips and the limit write the same files.
_SAVE: dict[str, dict[str, Any]] = {
    "jpeg": {"optimize_coding": True},
    "png": {"compression": 3, "filter": "sub"},
    "webp": {"effort": 2},
    "avif": {"effort": 2},
    "gif": {"effort": 4, "dither": 0.5},
}
_WITH_QUALITY = {"jpeg", "webp", "avif"}


@dataclass(frozen=True, slots=True)
class Contender:
    """*make* gives the function that renders, in the process that will call it; *able* says of which cases."""

    name: str
    make: Callable[[], Render]
    able: Callable[[Case], bool]
    what: str


def _of_package(engine_name: str) -> Render:
    """What a cold request costs the engine: open, header, plan, render."""
    from flask_images_vips import formats
    from flask_images_vips.engines.engine import Engine
    from flask_images_vips.geometry import Size, plan
    from flask_images_vips.options.options import Options
    from flask_images_vips.options.transforms import Transform
    from flask_images_vips.options.values import Mode, Sharpen
    from flask_images_vips.rendition import Rendition
    from flask_images_vips.sources.local import LocalSources

    engine: Engine
    if engine_name == "vips":
        from flask_images_vips.engines.vips.engine import VipsEngine

        engine = VipsEngine()
    else:
        from flask_images_vips.engines.pillow.engine import PillowEngine

        engine = PillowEngine()

    def render(path: Path, case: Case) -> bytes:
        asked = case.operation
        transform = None
        if asked.transform:
            kind, width, height, numbers = asked.transform
            transform = Transform.parse(",".join(map(str, (kind, width, height, *numbers))))
        options = Options(
            width=asked.width,
            height=asked.height,
            mode=Mode(asked.mode),
            sharpen=Sharpen(*asked.sharpen) if asked.sharpen else None,
            transform=transform,
            quality=case.quality,
        )
        source = LocalSources([str(path.parent)]).find(path.name)
        with source.open() as descriptor:
            size = engine.header(descriptor, path.name).size
            start = Size(*transform.size(size)) if transform else size
            rendition = Rendition(source, options, formats.by_name(case.output))
            return engine.render(descriptor, rendition, plan(start, options))

    return render


def _full_decode() -> Render:
    """What Flask-Images does, written anew: decode everything, then resize."""
    from PIL import Image, ImageFilter

    def render(path: Path, case: Case) -> bytes:
        asked = case.operation
        with Image.open(path) as source:
            picture: Image.Image = source
            if picture.mode not in ("RGB", "RGBA"):
                picture = picture.convert("RGB")
            if asked.transform:
                kind, width, height, numbers = asked.transform
                picture = picture.transform((width, height), Image.Transform[kind], numbers, Image.Resampling.BILINEAR)
            picture = picture.resize(scaled(picture.size, case), Image.Resampling.LANCZOS)
        if asked.mode != "fit":
            left, top = ((own - wanted) // 2 for own, wanted in zip(picture.size, case.size, strict=True))
            if asked.mode == "crop":
                picture = picture.crop((left, top, left + case.size[0], top + case.size[1]))
            else:
                canvas = Image.new("RGB", case.size)
                canvas.paste(picture, (-left, -top))
                picture = canvas
        if asked.sharpen:
            picture = picture.filter(ImageFilter.UnsharpMask(*asked.sharpen))
        if picture.mode == "RGBA" and case.output == "jpeg":
            ground = Image.new("RGB", picture.size)
            ground.paste(picture, mask=picture.getchannel("A"))
            picture = ground
        file = io.BytesIO()
        picture.save(file, case.output, quality=case.quality)
        return file.getvalue()

    return render


def _bare_pyvips() -> Render:
    """The shortest way to the same file: no checks, no plan."""
    import pyvips

    pyvips.cache_set_max(0)
    pyvips.vips_lib.vips_concurrency_set(1)

    def render(path: Path, case: Case) -> bytes:
        asked = case.operation
        crop = {"crop": "centre"} if asked.mode == "crop" else {}
        picture = pyvips.Image.thumbnail(str(path), asked.width, height=asked.height, **crop)
        if asked.mode == "pad":
            picture = picture.gravity("centre", asked.width, asked.height)
        return _saved(picture, case)

    return render


def _limit() -> Render:
    """Decoding, at a fraction of the size where the format can, and encoding: no picture can be made without them."""
    import pyvips

    pyvips.cache_set_max(0)
    pyvips.vips_lib.vips_concurrency_set(1)
    whole = _bare_pyvips()

    @functools.cache
    def result_of(path: Path, case: Case) -> Any:
        plain = Case(case.picture, case.operation, "png")
        return pyvips.Image.new_from_buffer(whole(path, plain), "").copy_memory()

    def render(path: Path, case: Case) -> bytes:
        result = result_of(path, case)
        smaller = min(own / wanted for own, wanted in zip(case.picture.size, scaled_of(case), strict=True))
        fraction: dict[str, Any] = {}
        if case.picture.format == "jpeg":
            fraction = {"shrink": max(shrink for shrink in (1, 2, 4, 8) if shrink <= max(1, smaller))}
        elif case.picture.format == "webp":
            fraction = {"scale": min(1, 1 / smaller)}
        picture = pyvips.Image.new_from_file(str(path), access="sequential", **fraction)
        # The last line alone is asked for: all are decoded, and none is kept.
        picture.crop(0, picture.height - 1, picture.width, 1).write_to_memory()
        return _saved(result, case)

    return render


def _saved(picture: Any, case: Case) -> bytes:
    quality = {"Q": case.quality} if case.output in _WITH_QUALITY else {}
    data: bytes = picture.write_to_buffer(f".{case.output}", keep="none", **_SAVE[case.output], **quality)
    return data


def scaled(size: tuple[int, int], case: Case) -> tuple[int, int]:
    """What a picture of *size* is scaled to before it is laid on its canvas. Rounded down, as Flask-Images does."""
    box = case.operation.width, case.operation.height
    across, down = ((box[0], size[1] * box[0] // size[0]), (size[0] * box[1] // size[1], box[1]))
    return max(across, down) if case.operation.mode == "crop" else min(across, down)


def scaled_of(case: Case) -> tuple[int, int]:
    return scaled(case.operation.transform[1:3] if case.operation.transform else case.picture.size, case)


OURS, PILLOW, BARE, FULL, LIMIT = "vips", "pillow", "bare pyvips", "full decode", "the limit"

CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender(
            OURS,
            functools.partial(_of_package, "vips"),
            lambda case: case.operation.transform is None,
            "this package's engine by libvips: open, header, plan, render",
        ),
        Contender(
            PILLOW,
            functools.partial(_of_package, "pillow"),
            lambda case: True,
            "this package's engine by Pillow, where libvips is missing or cannot",
        ),
        Contender(
            BARE,
            _bare_pyvips,
            lambda case: case.operation.transform is None and case.operation.sharpen is None,
            "thumbnail() and write_to_buffer() alone, without a check",
        ),
        Contender(FULL, _full_decode, lambda case: True, "what Flask-Images does, written anew: decode all, resize"),
        Contender(
            LIMIT,
            _limit,
            lambda case: True,
            "decoding (scaled where the format can) and encoding alone: no picture comes of it",
        ),
    )
}
