"""Renditions with ``keep='rights'``: the rights of the source are in them, and nothing else of its metadata."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import gradient, url_of
from flask import Flask
from PIL import Image
from rights.conftest import planted  # noqa: F401  (a fixture)
from rights.samples import FORMATS, RIGHTS, picture, said_by, secrets_in, tags_of

from flask_images_vips import Rights, read_rights
from flask_images_vips.errors import UnsupportedSource
from flask_images_vips.formats import by_name
from flask_images_vips.rendering.kept_rights import written
from flask_images_vips.rights.files import with_rights
from flask_images_vips.state import images_of

MakeApp = Callable[..., Flask]

ENGINES = ("vips", "pillow")
# What exiftool says of the file itself, of its layout, and of a profile.
LAYOUT = (
    *(
        "System:",
        "File:",
        "ExifTool:",
        "JFIF:",
        "PNG:",
        "RIFF:",
        "Meta",
        "QuickTime:",
        "Composite:",
        "PNG-",
        "Adobe:",
        "Jpeg2000:",
    ),
    "ICC",
)
LAYOUT_OF_TIFF = {
    *("ImageWidth", "ImageHeight", "BitsPerSample", "Compression", "PhotometricInterpretation", "StripOffsets"),
    *("SamplesPerPixel", "RowsPerStrip", "StripByteCounts", "PlanarConfiguration", "XResolution", "YResolution"),
    *("ResolutionUnit", "SampleFormat", "Orientation", "Predictor", "TileWidth", "TileLength", "FillOrder"),
}


def rendered(app: Flask, name: str, format: str, **options: object) -> bytes | None:
    """The rendition, or None if its format cannot be written here."""
    if not images_of(app).pipeline.abilities.writes(by_name(format)):
        return None
    answer = app.test_client().get(url_of(app, name, width=40, format=format, **options))
    assert answer.status_code == 200, (name, format, answer.text)
    return answer.data


@pytest.mark.parametrize(("engine", "keep"), [("vips", "rights"), ("pillow", "copyright,rights,icc")])
def test_rights_are_kept_and_nothing_else(
    engine: str,
    keep: str,
    make_app: MakeApp,
    static: Path,
    planted: dict[str, Path],  # noqa: F811
    tmp_path: Path,
) -> None:
    app = make_app(IMAGES_ENGINE=engine, IMAGES_INPUT_FORMATS=FORMATS, IMAGES_OUTPUT_FORMATS=FORMATS)
    paths: list[Path] = []
    for source, path in planted.items():
        if source == "jxl" and engine == "vips":  # only Pillow's engine loads it
            continue
        shutil.copy(path, static)
        for format in FORMATS:
            data = rendered(app, path.name, format, keep=keep)
            if data is not None:
                assert read_rights(data) == RIGHTS, (source, format)
                assert not secrets_in(data), (source, format)
                paths.append(tmp_path / f"{source}.{format}")
                paths[-1].write_bytes(data)
    assert len(paths) >= 9
    for path, tags in zip(paths, tags_of(*paths), strict=True):
        assert said_by(tags) == RIGHTS.in_file, path
        others = {name for name in tags if not name.startswith((*LAYOUT, "XMP")) and name != "SourceFile"}
        others = {name.partition(":")[2] for name in others}
        assert others - (LAYOUT_OF_TIFF if path.suffix == ".tiff" else set()) == {"Artist", "Copyright"}, path
        xmp = {name for name in tags if name.startswith("XMP")} - {"XMP-x:XMPToolkit"}
        assert len(xmp) == len(RIGHTS.in_file), (path, xmp)


@pytest.mark.parametrize("engine", ENGINES)
def test_without_the_option_nothing_is_kept(
    engine: str,
    make_app: MakeApp,
    static: Path,
    planted: dict[str, Path],  # noqa: F811
) -> None:
    shutil.copy(planted["jpeg"], static)
    app = make_app(IMAGES_ENGINE=engine, IMAGES_OUTPUT_FORMATS=(*FORMATS, "gif", "bmp"))
    for format in FORMATS:
        data = rendered(app, "planted.jpeg", format)
        assert data is None or (read_rights(data) == Rights() and not secrets_in(data) and b"Anna" not in data)
        data = rendered(app, "planted.jpeg", format, keep="copyright")
        assert data is None or read_rights(data) == Rights(creator="Another", copyright="Another")
    for format in ("gif", "bmp"):
        data = rendered(app, "planted.jpeg", format, keep="rights")
        assert data is None or b"Anna" not in data


@pytest.mark.parametrize("engine", ENGINES)
def test_a_picture_without_rights_is_the_same_file(engine: str, make_app: MakeApp, draw: Callable[..., Path]) -> None:
    draw("a.png")
    app = make_app(IMAGES_ENGINE=engine)
    for format in ("jpeg", "webp"):
        assert rendered(app, "a.png", format, keep="rights") == rendered(app, "a.png", format)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_animation_keeps_its_rights(engine: str, make_app: MakeApp, static: Path) -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "lime", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:])
    (static / "a.webp").write_bytes(with_rights(file.getvalue(), RIGHTS))
    data = rendered(make_app(IMAGES_ENGINE=engine), "a.webp", "webp", keep="rights")
    assert data is not None
    with Image.open(io.BytesIO(data)) as image:
        assert image.n_frames == 3
    assert read_rights(data) == RIGHTS


@pytest.mark.parametrize("engine", ENGINES)
def test_the_limit_of_bytes_counts_the_rights(engine: str, make_app: MakeApp, static: Path) -> None:
    file = io.BytesIO()
    Image.effect_noise((400, 300), 60).convert("RGB").save(file, "JPEG", quality=95)
    (static / "a.jpg").write_bytes(with_rights(file.getvalue(), RIGHTS))
    app = make_app(IMAGES_ENGINE=engine)
    url = url_of(app, "a.jpg", width=200, keep="rights", max_bytes=8000)
    data = app.test_client().get(url).data
    assert len(data) <= 8000
    assert read_rights(data) == RIGHTS


def test_a_turned_picture_is_turned_once(make_app: MakeApp, static: Path) -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    gradient((64, 48)).save(static / "a.jpg", exif=tags)
    (static / "a.jpg").write_bytes(with_rights((static / "a.jpg").read_bytes(), RIGHTS))
    data = rendered(make_app(), "a.jpg", "jpeg", keep="rights")
    assert data is not None
    with Image.open(io.BytesIO(data)) as image:
        assert image.height > image.width
        assert 0x0112 not in image.getexif()


def test_small_pngs_and_renders_in_the_thread_keep_them_too(make_app: MakeApp, static: Path) -> None:
    (static / "a.png").write_bytes(with_rights(picture("png"), RIGHTS))
    for config in ({"IMAGES_EFFORT": "small"}, {"IMAGES_MAX_RENDERS": 0}):
        data = rendered(make_app(**config), "a.png", "png", keep="rights")
        assert data is not None
        assert read_rights(data) == RIGHTS


def test_a_file_that_cannot_hold_them_is_an_error_of_its_encoder() -> None:
    with pytest.raises(UnsupportedSource, match="rights cannot be written"):
        written(b"GIF89a", RIGHTS)
