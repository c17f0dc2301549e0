"""Rights in files of every format: they are read, written and read back by exiftool, and hostile files say nothing."""

from __future__ import annotations

import importlib.util
import io
import os
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from conftest import MAY_SKIP, share
from fuzz_route import mutants
from PIL import Image

from flask_images_vips import Rights, read_rights
from flask_images_vips.rights import exif, heif, jpeg, jxl, png, tiff, webp
from flask_images_vips.rights.file import Unfit
from flask_images_vips.rights.files import with_rights
from flask_images_vips.rights.xmp import packet_of
from rights.samples import FORMATS, HAS_JXL, RIGHTS, can_write, exiftool, picture, said_by, tags_of

HAS_HEIF = not MAY_SKIP or importlib.util.find_spec("pillow_heif") is not None


def written() -> dict[str, bytes]:
    """A picture of each format that can be written here, without metadata."""
    return {
        format: picture(format)
        for format in dict.fromkeys([*FORMATS, *(["jxl"] if HAS_JXL else [])])
        if can_write(format)
    }


def saved(format: str, mode: str, **save: Any) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((65, 49), 50).convert(mode).save(file, format.upper(), **save)
    return file.getvalue()


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGBA").tobytes()


def test_exiftool_reads_from_every_format_what_was_written(tmp_path: Path) -> None:
    paths = {}
    for format, data in written().items():
        made = with_rights(data, RIGHTS)
        assert read_rights(made) == RIGHTS, format
        assert pixels(made) == pixels(data), format
        paths[format] = tmp_path / f"a.{format}"
        paths[format].write_bytes(made)
    for format, tags in zip(paths, tags_of(*paths.values()), strict=True):
        assert said_by(tags) == RIGHTS.in_file, format
        assert (tags["IFD0:Artist"], tags["IFD0:Copyright"]) == ("Anna Bell; Ó <Șt>", RIGHTS.copyright), format
        assert not [name for name in tags if name.endswith(("Warning", "Error"))], (format, tags)


def test_every_kind_of_file_is_written() -> None:
    kinds = [("webp", "RGB", {"lossless": True}), ("webp", "RGBA", {"lossless": True}), ("webp", "RGBA", {})]
    kinds += [("webp", "RGB", {"icc_profile": b"x" * 201}), ("png", "P", {}), ("png", "LA", {}), ("jpeg", "CMYK", {})]
    kinds += [("jpeg", "L", {"progressive": True}), ("tiff", "L", {"compression": "tiff_lzw"})]
    kinds += [("tiff", "RGB", {"big_tiff": True})]
    kinds += [("avif", "RGBA", {}), ("avif", "RGB", {"icc_profile": b"x" * 128})] if can_write("avif") else []
    for format, mode, save in kinds:
        data = saved(format, mode, **save)
        made = with_rights(data, RIGHTS)
        assert read_rights(made) == RIGHTS, (format, mode, save)
        assert pixels(made) == pixels(data), (format, mode, save)


def test_an_animation_is_still_one() -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "lime", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:])
    made = with_rights(file.getvalue(), RIGHTS)
    with Image.open(io.BytesIO(made)) as image:
        assert image.n_frames == 3
    assert read_rights(made) == RIGHTS


def test_a_record_that_says_nothing_changes_nothing() -> None:
    data = picture("jpeg")
    assert with_rights(data, Rights(alt="A cup")) == data
    assert read_rights(data) == Rights()
    assert read_rights(picture("gif")) == Rights()


def test_exif_that_is_there_stays_and_xmp_that_is_there_is_refused() -> None:
    for format, data in written().items():
        with pytest.raises(Unfit, match="XMP already"):
            with_rights(with_rights(data, RIGHTS), RIGHTS)
        if format in ("jpeg", "png", "webp"):
            tags = Image.Exif()
            tags[0x0112], tags[exif.ARTIST] = 6, "Another"
            made = with_rights(saved(format, "RGB", exif=tags), RIGHTS)
            with Image.open(io.BytesIO(made)) as image:
                assert dict(image.getexif()) == {0x0112: 6, exif.ARTIST: "Another"}


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"II*\0\xff\xff\xff\xff", b"\xff\x0a"]
)
def test_what_cannot_hold_rights_is_refused(data: bytes) -> None:
    if data == b"\xff\x0a":
        data = jxl.SIGNATURE + b"\0\0\0\1"
    with pytest.raises(Unfit):
        with_rights(data, RIGHTS)


def test_the_largest_record_fits_into_every_format() -> None:
    record = Rights(creator=["&" * 2000] * 3, copyright="\U0001f4f7" * 2000)
    for format, data in written().items():
        assert read_rights(with_rights(data, record)).creator == record.creator, format


def test_rights_of_others_are_read_from_every_format(planted: dict[str, Path]) -> None:
    for format, path in planted.items():
        with path.open("rb") as file:
            assert read_rights(file.fileno()) == RIGHTS, format


def test_the_older_forms_count_where_xmp_says_nothing(planted: dict[str, Path], tmp_path: Path) -> None:
    iptc, tags = Rights(creator="Another", copyright="Another"), Rights(creator="Another", copyright="Another")
    exiftool("-XMP:all=", "-EXIF:all=", "-o", tmp_path / "iptc.jpg", planted["jpeg"])
    exiftool("-XMP:all=", "-IPTC:all=", "-o", tmp_path / "exif.jpg", planted["jpeg"])
    exiftool("-XMP:all=", "-EXIF:Artist=", "-EXIF:Copyright=", "-o", tmp_path / "iptc.tif", planted["tiff"])
    for name, expected in {"iptc.jpg": iptc, "exif.jpg": tags, "iptc.tif": iptc}.items():
        assert read_rights((tmp_path / name).read_bytes()) == expected, name


@pytest.mark.parametrize("notice", [b"", b" ", b"\0", b"x" * 2001])
def test_a_notice_that_cannot_count_hides_no_older_one(notice: bytes) -> None:
    datasets = b"\x1c\2\x74" + len(notice).to_bytes(2, "big") + notice
    resources = b"8BIM\4\4\0\0" + len(datasets).to_bytes(4, "big") + datasets
    block = exif.write({exif.COPYRIGHT: b"Anna"})
    data = picture("jpeg")
    segments = b"".join(
        b"\xff" + marker + (len(content) + 2).to_bytes(2, "big") + content
        for marker, content in ((b"\xe1", exif.PREFIX + block), (b"\xed", b"Photoshop 3.0\0" + resources))
    )
    assert read_rights(data[:2] + segments + data[2:]) == Rights(copyright="Anna")


@pytest.mark.skipif(not HAS_HEIF, reason="pillow-heif is not installed")
@pytest.mark.parametrize("file", ["a.jpg", Path("a.jpg"), io.BytesIO()])
def test_a_path_and_a_file_object_are_refused_with_the_way_out(file: Any) -> None:
    with pytest.raises(TypeError, match=r"expected bytes or an open descriptor, such as file\.fileno\(\)"):
        read_rights(file)


def test_rights_are_read_from_heic() -> None:
    import pillow_heif

    file = io.BytesIO()
    block = exif.PREFIX + exif.write({exif.ARTIST: b"Another"})
    image = Image.new("RGB", (64, 64))
    pillow_heif.from_pillow(image).save(file, format="HEIF", quality=50, xmp=packet_of(RIGHTS), exif=block)
    assert read_rights(file.getvalue()) == RIGHTS
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, format="HEIF", quality=50, exif=block)
    assert read_rights(file.getvalue()) == Rights(creator="Another")


def segment(content: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


def with_extended(pieces: list[tuple[int, bytes]], digest: str = "A" * 32) -> bytes:
    """A JPEG with an extended packet in *pieces*, with the offset of each."""
    note = (
        '<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description '
        f'xmlns:n="http://ns.adobe.com/xmp/note/" n:HasExtendedXMP="{"A" * 32}"/></r:RDF>'
    )
    segments = segment(b"http://ns.adobe.com/xap/1.0/\0" + note.encode())
    for offset, piece in pieces:
        head = b"http://ns.adobe.com/xmp/extension/\0" + digest.encode() + struct.pack(">II", 99, offset)
        segments += segment(head + piece)
    data = picture("jpeg")
    return data[:2] + segments + data[2:]


def test_an_extended_packet_is_read_whatever_the_order_of_its_pieces() -> None:
    whole = packet_of(RIGHTS)
    pieces = [(at, whole[at : at + 100]) for at in range(0, len(whole), 100)]
    assert read_rights(with_extended(pieces)) == RIGHTS
    assert read_rights(with_extended(pieces[::-1])) == RIGHTS
    assert read_rights(with_extended(pieces[:3] + pieces[4:])) == Rights()
    assert read_rights(with_extended(pieces, "B" * 32)) == Rights()
    assert read_rights(with_extended([(2**32 - 1, whole), (5, whole)])) == Rights()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(kind: bytes, data: bytes, *, last: bool = False) -> bytes:
    whole = picture("png")
    at = len(whole) - 12 if last else 33
    return whole[:at] + chunk(kind, data) + whole[at:]


def test_xmp_of_a_png_may_be_compressed_and_stand_behind_the_pixels() -> None:
    packed = b"XML:com.adobe.xmp\0\1\0en\0x\0" + zlib.compress(packet_of(RIGHTS))
    assert read_rights(with_chunk(b"iTXt", packed)) == RIGHTS
    assert read_rights(with_chunk(b"iTXt", packed, last=True)) == RIGHTS
    bomb = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(5_000_000))
    assert read_rights(with_chunk(b"iTXt", bomb)) == Rights()
    assert read_rights(with_chunk(b"iTXt", packed[:40] + b"broken")) == Rights()


def hostile_boxes() -> dict[str, bytes]:
    base = with_rights(picture("avif"), RIGHTS) if can_write("avif") else b""
    assert not base or b"iloc\0\0\0\0\x44\0" in base
    start = b"\0\0\0\x18ftypavif\0\0\0\0avifmif1"
    return {
        "a box in a box": start + b"".join(struct.pack(">I4s", 2**31, b"meta") for _ in range(1000)),
        "empty boxes": start + struct.pack(">I4s", 8, b"free") * 1_000_000,
        "many items": base.replace(b"iinf", b"iinf\1\0\0\0\xff\xff\xff\xff", 1),
        "no lengths": base.replace(b"iloc\0\0\0\0\x44\0", b"iloc\0\0\0\0\0\0", 1),
        "large offsets": base.replace(b"iloc\0\0\0\0\x44\0", b"iloc\0\0\0\0\x88\x80", 1),
    }


HOSTILE = {
    **hostile_boxes(),
    "segments": b"\xff\xd8" + b"\xff\xe1\0\2" * 1_000_000,
    "fill": b"\xff" * 3_000_000,
    "short segment": b"\xff\xd8\xff\xe1\0\0" * 100_000,
    "chunks": picture("png")[:33] + chunk(b"eXIf", b"") * 200_000,
    "large chunk": picture("png")[:33] + b"\xff\xff\xff\xffiTXt",
    "riff": b"RIFF\xff\xff\xff\xffWEBP" + b"XMP \0\0\0\0" * 300_000,
    "tags": b"II*\0\x08\0\0\0\xff\xff" + struct.pack("<HHII", 700, 1, 2**32 - 1, 8) * 65_535 + bytes(4),
    "tag in itself": b"II*\0\x08\0\0\0\x05\0" + struct.pack("<HHII", 700, 1, 60, 8) * 5 + bytes(4),
    "jxl": jxl.SIGNATURE + struct.pack(">I4sQ", 1, b"xml ", 2**63),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_file_says_nothing_after_few_small_reads(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    read = os.pread

    def counted(descriptor: int, count: int, offset: int) -> bytes:
        sizes.append(count)
        return read(descriptor, count, offset)

    path = tmp_path / "a"
    path.write_bytes(HOSTILE[name])
    monkeypatch.setattr("os.pread", counted)
    with path.open("rb") as file:
        assert read_rights(file.fileno()) in (Rights(), RIGHTS)
    assert len(sizes) <= 30_001
    assert sum(sizes) <= 4 << 20


def test_mutants_end_in_a_record_or_a_refusal() -> None:
    chance = random.Random(1)
    plain = list(written().values())
    for data in mutants(chance, share(10_000), [with_rights(each, RIGHTS) for each in plain]):
        read_rights(data)
    for data in mutants(chance, share(10_000), plain):
        try:
            made = with_rights(data, RIGHTS)
        except Unfit:
            continue
        assert packet_of(RIGHTS) in made


def test_each_format_has_a_reader_and_a_writer() -> None:
    for module in (heif, jpeg, jxl, png, tiff, webp):
        assert callable(module.find)
        assert callable(module.insert)
