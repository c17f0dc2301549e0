"""The report about image libraries, which ``flask images check`` prints."""

from __future__ import annotations

from dataclasses import replace

from flask_images_vips.abilities import Library
from flask_images_vips.engines.encoder_settings import settings_of
from flask_images_vips.formats import INPUTS
from flask_images_vips.report import cures, report

VIPS = Library(
    *("libvips", "8.16.1", "/usr/lib/libvips.so.42", "ABI", "pyvips 3.2.0"),
    (*INPUTS, "svg"),
    tuple(settings_of("vips")),
)
PILLOW = Library("Pillow", "12.0.0", inputs=INPUTS, outputs=tuple(settings_of("pillow")))


def without(library: Library, *formats: str) -> Library:
    kept = [tuple(name for name in names if name not in formats) for names in (library.inputs, library.outputs)]
    return Library(library.name, library.version, inputs=kept[0], outputs=kept[1])


def test_where_nothing_is_missing_the_libraries_are_described() -> None:
    assert report("auto", "processes of their own", {"vips": VIPS, "pillow": PILLOW}) == [
        "engine: auto (libvips 8.16.1 before Pillow 12.0.0)",
        "rendered in: processes of their own",
        "",
        "libvips 8.16.1",
        "  loaded from: /usr/lib/libvips.so.42",
        "  mode: ABI, by pyvips 3.2.0",
        "  reads: jpeg, png, gif, webp, avif, tiff, svg",
        "  writes: jpeg, png, webp, avif, jxl, gif",
        "",
        "Pillow 12.0.0",
        "  reads: jpeg, png, gif, webp, avif, tiff",
        "  writes: jpeg, png, webp, avif, jxl, gif, tiff, bmp, ico",
    ]


def test_a_missing_format_is_listed_with_the_commands_that_add_it() -> None:
    lines = report("auto", "the web worker", {"vips": without(VIPS, "avif"), "pillow": without(PILLOW, "webp")})
    at = lines.index("  cannot read or write: avif")
    assert [line.partition(":")[0].strip() for line in lines[at + 1 : at + 5]] == [
        *("any system", "Debian 13, Ubuntu 24.04", "Alpine", "macOS")
    ]
    assert "    Alpine: apk add vips-heif" in lines
    at = lines.index("  cannot read or write: webp")
    assert lines[at + 1 :] == ["    any system: pip install --upgrade Pillow"]


def test_a_format_that_can_only_be_read_is_missing_as_an_output() -> None:
    library = Library("libvips", "8.16.1", inputs=VIPS.inputs, outputs=without(VIPS, "avif").outputs)
    assert "  cannot write: avif" in report("vips", "the web worker", {"vips": library})


def test_a_library_that_cannot_be_used_is_named_with_the_reason_and_the_cure() -> None:
    broken = Library("libvips", problem="libvips cannot be loaded (libvips.so.42: not found)")
    lines = report("auto", "the web worker", {"vips": broken, "pillow": PILLOW})
    assert lines[0] == "engine: auto (Pillow 12.0.0)"
    at = lines.index("  cannot be used: libvips cannot be loaded (libvips.so.42: not found)")
    assert lines[at + 1] == "    any system: pip install --upgrade pyvips pyvips-binary"
    assert "    Debian, Ubuntu: apt install libvips42" in lines
    assert report("vips", "the web worker", {"vips": broken})[0] == "engine: vips (none can be used)"


def test_what_is_wrong_with_a_library_and_the_libraries_that_it_uses_are_listed() -> None:
    library = replace(VIPS, parts=("libheif 1.23.4", "libwebp 1.5.0"), note="A note.", warning="A warning.")
    lines = report("auto", "the web worker", {"vips": library})
    at = lines.index("  with: libheif 1.23.4, libwebp 1.5.0")
    assert lines[at + 1 : at + 3] == ["  note: A warning.", "  note: A note."]


def test_the_commands_that_bring_a_format_fit_into_one_line() -> None:
    assert cures("pillow", "webp") == "any system: pip install --upgrade Pillow"
    assert cures("vips", "avif").endswith("; macOS: brew reinstall vips libheif")
    assert cures("pillow", "heic") == "any system: pip install 'flask-images-vips[heic]'"
