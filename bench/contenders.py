"""Render one picture with each engine, and measure the least work that rendering with libvips takes.

Each contender runs in a process of its own. The libraries are imported inside of the functions, so that the memory of
the process is that of its contender alone.
"""

from __future__ import annotations

import functools
import io
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import WrongAnswer, check, peak_mb, reset_peak
from bench.workload import Case

Render = Callable[[Path, Case], bytes]


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to render. *make* returns the function that renders; *able* says whether it can render a case."""

    name: str
    make: Callable[[], Render]
    able: Callable[[Case], bool]
    what: str


def _of_package(engine_name: str) -> Render:
    """Render with this package's engine, as a renderer does: open, read the header, plan, render."""
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
        from flask_images_vips.engines.vips import small_jpeg, turbo
        from flask_images_vips.engines.vips.engine import VipsEngine

        small_jpeg.load()
        turbo.load()
        engine = VipsEngine(maps_files=True)
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
    """Render as Flask-Images does: decode all pixels, then resize. It is rewritten here."""
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
    """Render the same file with the least pyvips code, without checks or a plan."""
    import pyvips

    from flask_images_vips.engines.vips.abilities import set_up

    set_up()  # one thread and no cache, also where the binding of an older wheel has no functions for that

    def render(path: Path, case: Case) -> bytes:
        asked = case.operation
        crop = {"crop": "centre"} if asked.mode == "crop" else {}
        picture = pyvips.Image.thumbnail(str(path), asked.width, height=asked.height, **crop)
        if asked.mode == "pad":
            picture = picture.gravity("centre", asked.width, asked.height)
        return _saved(picture, case)

    return render


def _limit() -> Render:
    """Decode, at reduced size if the format allows it, and encode a result made earlier.

    An engine that decodes and encodes with libvips cannot do less.
    """
    import pyvips

    from flask_images_vips.engines.vips.abilities import set_up

    set_up()  # one thread and no cache, also where the binding of an older wheel has no functions for that
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
        # Reading the last line decodes all lines, and keeps none.
        picture.crop(0, picture.height - 1, picture.width, 1).write_to_memory()
        return _saved(result, case)

    return render


def no_metadata() -> dict[str, Any]:
    """Return the option with which pyvips writes no metadata. libvips has renamed it."""
    import pyvips

    return {"keep": "none"} if "keep" in pyvips.Introspect.get("pngsave_buffer").optional_input else {"strip": True}


def _saved(picture: Any, case: Case) -> bytes:
    """Encode *picture* with the settings of this package for photographs, so that the files are the same."""
    from flask_images_vips.engines.encoder_settings import arguments_of
    from flask_images_vips.formats import by_name
    from flask_images_vips.options.options import Options

    settings = arguments_of("vips", "balanced", by_name(case.output), Options(quality=case.quality), flat=False)
    data: bytes = picture.write_to_buffer(f".{case.output}", **no_metadata(), **settings)
    return data


def scaled(size: tuple[int, int], case: Case) -> tuple[int, int]:
    """Return the size to which a picture of *size* is scaled before cropping or padding, rounded down."""
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
            "this package's libvips engine: open, header, plan, render",
        ),
        Contender(
            PILLOW,
            functools.partial(_of_package, "pillow"),
            lambda case: True,
            "this package's Pillow engine, used if libvips is missing or cannot render the request",
        ),
        Contender(
            BARE,
            _bare_pyvips,
            lambda case: case.operation.transform is None and case.operation.sharpen is None,
            "thumbnail() and write_to_buffer() alone, without checks",
        ),
        Contender(
            FULL, _full_decode, lambda case: True, "what Flask-Images does, rewritten: decode all pixels, then resize"
        ),
        Contender(
            LIMIT,
            _limit,
            lambda case: True,
            "libvips' decoding (at reduced size if the format allows it) and encoding, without the work in between",
        ),
    )
}


# One process for each contender.


@dataclass(frozen=True, slots=True)
class Sample:
    """The cost of one rendition, and its file."""

    cpu_ms: float
    wall_ms: float
    data: bytes


class Worker:
    """One contender in a fresh process, so that its memory and CPU time can be measured alone."""

    def __init__(self, contender: str) -> None:
        self.contender = contender
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(contender, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def render(self, path: Path, case: Case) -> Sample:
        """Render *case* from the file at *path*, and check the result.

        Raises:
            WrongAnswer: If the contender failed, or made another picture than the one asked for.
        """
        sample: Sample = self._ask((path, case))
        check(self.contender, sample.data, case.size, case.output)
        return sample

    def peak_mb(self) -> float:
        """Return the peak memory of the process since the last call, in MB."""
        peak: float = self._ask("peak")
        return peak

    def _ask(self, request: object) -> Any:
        self._pipe.send(request)
        try:
            answer = self._pipe.recv()
        except EOFError:
            raise WrongAnswer(f"{self.contender}: its process ended") from None
        if isinstance(answer, Exception):
            raise WrongAnswer(f"{self.contender}: {type(answer).__name__}: {answer}") from answer
        return answer

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._process.join(5)
        self._process.kill()


def _serve(contender: str, pipe: Any) -> None:
    """Answer the requests of a `Worker` in its process, until it closes the pipe."""
    try:
        render = CONTENDERS[contender].make()
    except Exception as error:
        pipe.send(RuntimeError(f"cannot be made: {error}"))
        return
    while True:
        try:
            request = pipe.recv()
        except EOFError:
            return
        if request == "peak":
            pipe.send(peak_mb(os.getpid()))
            reset_peak(os.getpid())
            continue
        try:
            cpu, wall = time.process_time(), time.perf_counter()
            data = render(*request)
            pipe.send(Sample(1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - wall), data))
        except Exception as error:
            pipe.send(RuntimeError(f"{type(error).__name__}: {error}"))
