"""What does the route answer to any bytes that call themselves a picture? A picture, or a refusal; never an exception.

`test_hostile` asks this of seeded mutants, for a minute. For as long as you like, guided by what it reaches:

    pip install atheris
    python tests/fuzz_route.py pillow corpus/ -max_total_time=3600

The first word is the engine; the rest is libFuzzer's: folders of files to begin with, and its flags. Without any,
begin with ``seeds()``, written to a folder: ``python tests/fuzz_route.py seeds corpus/``. atheris sees into Pillow's
parsers, which are Python; of libvips it only sees that it did not crash.
"""

from __future__ import annotations

import io
import logging
import os
import random
import struct
import sys
import tempfile
import time
import types
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask
from itsdangerous import Signer
from PIL import Image, ImageCms

from flask_images_vips import Images

QUERIES = (
    "c=&f=jpeg&w=20",
    "c=&f=png&h=30&m=crop&w=20",
    "c=&f=webp&h=40&m=pad&w=40",
    "c=&e=1&f=png&usm=0.3%2C250%2C2&w=70",
    "c=&f=png",
    "c=&f=jpeg&x=EXTENT_50p_50p_0_0_200_100",
)
"""What is asked of each file. Nothing is cached: each answer is made. The last is for Pillow alone."""

STATUSES = {200, 422}


class Route:
    """An application whose sources are any bytes; what it raises is raised here."""

    def __init__(self, folder: Path, engine: str, **config: Any) -> None:
        self.app = Flask("site", root_path=str(folder))
        self.app.secret_key = "a secret"
        self.app.testing = True
        self.app.config.update(IMAGES_CACHE=str(folder / "cache"), IMAGES_ENGINE=engine, **config)
        Images(self.app)
        self.static = folder / "static"
        self.static.mkdir(exist_ok=True)
        self.slowest_seconds = 0.0
        self._client = self.app.test_client()
        self._queries = QUERIES[:-1] if engine == "vips" else QUERIES
        self._count = 0

    def status(self, data: bytes, kind: int) -> int:
        """The status that a file of *data* is answered with, once the answer has been found to be what it says.

        *kind*, any number, chooses what is asked of it.
        """
        self._count += 1
        query = self._queries[kind % len(self._queries)]
        name = f"{self._count}.bin"  # a new one each time: a failure is remembered for a while
        path = self.static / name
        path.write_bytes(data)
        os.utime(path, (1e9, 1e9))  # a young file may still be written, and what cannot be read of it is 503
        begin = time.perf_counter()
        try:
            response = self._client.get(signed_path(name, query))
        finally:
            path.unlink()
        self.slowest_seconds = max(self.slowest_seconds, time.perf_counter() - begin)
        assert response.status_code in STATUSES, (response.status_code, response.text)
        if response.status_code == 200:
            with Image.open(io.BytesIO(response.data)) as picture:
                picture.load()
                assert Image.MIME[str(picture.format)] == response.mimetype
        return response.status_code


def signed_path(name: str, query: str) -> str:
    signature = Signer("a secret").get_signature(f"{name}?{query}").decode()
    return f"/imgsizer/{name}?{query}&s={signature}"


def seeds() -> dict[str, bytes]:
    """Small whole pictures of every format that is read, in several of its kinds."""
    colours = Image.frombytes("RGB", (40, 30), random.Random(0).randbytes(3 * 40 * 30))
    clear = colours.copy()
    clear.putalpha(Image.linear_gradient("L").resize((40, 30)))
    frames = {"save_all": True, "append_images": [colours.rotate(180)] * 3, "duration": 50}
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds: list[tuple[str, Image.Image, str, dict[str, Any]]] = [
        ("jpg", colours, "JPEG", {"exif": exif, "comment": b"x" * 20}),
        ("progressive.jpg", colours, "JPEG", {"progressive": True}),
        ("cmyk.jpg", colours.convert("CMYK"), "JPEG", {}),
        ("png", clear, "PNG", {"exif": exif}),
        ("palette.png", colours.quantize(16), "PNG", {"transparency": 3}),
        ("16 bits.png", colours.convert("I;16"), "PNG", {}),
        ("gif", colours.quantize(32), "GIF", {}),
        ("animated.gif", colours.quantize(16), "GIF", frames),
        ("webp", clear, "WEBP", {"exif": exif}),
        ("lossless.webp", clear, "WEBP", {"lossless": True}),
        ("animated.webp", colours, "WEBP", frames),
        ("avif", clear, "AVIF", {"speed": 10, "exif": exif}),
        ("tif", colours, "TIFF", {}),
        ("lzw.tif", clear, "TIFF", {"compression": "tiff_lzw"}),
        ("jpeg.tif", colours, "TIFF", {"compression": "jpeg"}),
    ]
    made = {}
    for name, picture, format, save in kinds:
        file = io.BytesIO()
        picture.save(file, format, **save)
        made[name] = file.getvalue()
    made["interlaced.png"] = _interlaced_png()
    return made


def varied_seeds() -> dict[str, bytes]:
    """The seeds, and more of their kinds: other modes, depths, compressions and metadata."""
    made = seeds()
    noise = Image.frombytes("RGB", (24, 20), random.Random(1).randbytes(3 * 24 * 20))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    moving = {"save_all": True, "append_images": [noise.rotate(90), noise.rotate(180)], "duration": [20, 500, 70]}
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        *(("JPEG", mode, {"quality": 30}) for mode in ("L", "RGB", "CMYK")),
        *(("JPEG", "RGB", {"subsampling": number, "progressive": bool(number % 2)}) for number in range(3)),
        *(("JPEG", "RGB", more) for more in ({"icc_profile": profile}, {"restart_marker_rows": 1}, {"optimize": True})),
        *(("PNG", mode, {"icc_profile": profile}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        *(("GIF", "P", {**moving, "disposal": number}) for number in range(4)),
        *(("GIF", mode, {"interlace": number, "comment": b"c"}) for number, mode in enumerate(("L", "P"))),
        *(("WEBP", mode, {"lossless": mode != "RGBA", "icc_profile": profile}) for mode in ("RGB", "RGBA", "L")),
        *(("WEBP", "RGB", {**moving, "lossless": number, "minimize_size": number}) for number in (False, True)),
        *(("AVIF", "RGB", {"speed": 10, "subsampling": kind}) for kind in ("4:0:0", "4:2:0", "4:4:4")),
        ("AVIF", "RGBA", {"speed": 10, "icc_profile": profile}),
        *(("TIFF", mode, {}) for mode in ("1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F", "LAB", "YCbCr")),
        *(("TIFF", "RGB", {"compression": each}) for each in ("tiff_adobe_deflate", "packbits", "zstd", "raw")),
        *(("TIFF", "RGB", {"big_tiff": True}), ("TIFF", "1", {"compression": "group4"}), ("TIFF", "L", moving)),
    ]
    for number, (format, mode, save) in enumerate(kinds):
        file = io.BytesIO()
        noise.convert(mode).save(file, format, **save)
        made[f"{number} {mode}.{format.lower()}"] = file.getvalue()
    return made


def _interlaced_png() -> bytes:
    """Of 8 by 8 pixels, in Adam7's passes, which Pillow does not write."""
    passes = ((1, 1), (1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 4))
    rows = b"".join((b"\0" + bytes(range(7 * width, 8 * width)) * 3) * height for width, height in passes)
    return png(8, 8, rows, interlace=1)


def png(width: int, height: int, rows: bytes, *, depth: int = 8, colour: int = 2, interlace: int = 0) -> bytes:
    """A PNG with any header: *rows* need not fit it."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def mutants(chance: random.Random, count: int, bases: list[bytes] | None = None) -> Iterator[bytes]:
    """So many files that were whole once: *bases*, or the seeds."""
    bases = bases or list(seeds().values())
    for number in range(count):
        data = bytearray(bases[number % len(bases)])
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            _mutate(data, chance, bases)
        yield bytes(data)


def _mutate(data: bytearray, chance: random.Random, bases: list[bytes]) -> None:
    kind = chance.randrange(8)
    # Headers, where the sizes stand, are hit half of the time.
    at = chance.randrange(max(1, min(len(data), chance.choice((64, 64, len(data))))))
    if kind <= 2:
        for _ in range(chance.choice((1, 1, 2, 8))):
            data[at : at + 1] = bytes([chance.randrange(256)])
            at = chance.randrange(max(1, len(data)))
    elif kind == 3:
        data[at : at + 4] = chance.choice(
            (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4), b"\0\0\xea\x60", b"\x60\xea\0\0")
        )
    elif kind == 4:
        del data[at:]
    elif kind == 5:
        other = chance.choice(bases)
        data[at:] = other[chance.randrange(len(other)) :]
    elif kind == 6:
        data += chance.choice((chance.randbytes(200), bytes(2000), bytes(data[at:])))
    else:
        del data[at : at + chance.randrange(1, 64)]


def fuzz(engine: str, arguments: list[str]) -> None:
    import atheris

    Image.init()
    for name, module in list(sys.modules.items()):
        if name.startswith("PIL.") and name.endswith("ImagePlugin"):
            for member in vars(module).values():
                if isinstance(member, type) and member.__module__ == name:
                    _instrument(atheris, member)
    warnings.simplefilter("ignore")
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        route = Route(Path(folder), engine)

        def one(data: bytes) -> None:
            route.status(data[1:], data[0] if data else 0)

        atheris.Setup([sys.argv[0], *arguments], one)
        atheris.Fuzz()


def _instrument(atheris: Any, parser: type) -> None:
    """Lets atheris see which branches of the class *parser* a file reaches."""
    for name, method in list(vars(parser).items()):
        if isinstance(method, types.FunctionType):
            setattr(parser, name, atheris.instrument_func(method))


if __name__ == "__main__":
    if sys.argv[1:2] == ["seeds"]:
        Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
        for number, (name, data) in enumerate(seeds().items()):
            (Path(sys.argv[2]) / name).write_bytes(bytes([number]) + data)
    else:
        fuzz(sys.argv[1], sys.argv[2:])
