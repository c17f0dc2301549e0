"""Files that attack an upload form, each with the reason for which it must be refused, or what must not be stored."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import NamedTuple

from conftest import gradient
from fuzz_route import png, png_chunk
from headers.containers import gif, gif_frame, saved, segment, with_segments
from PIL import Image

MARK = b"alert(document.domain)"
"""What the script of an attack does. It must not be in any stored file."""

SCRIPT = b"<script>" + MARK + b"</script>"
PHP = b"<?php system($_GET[0]); /*" + MARK + b"*/ ?>"


class Attack(NamedTuple):
    """*reasons* are those of the refusal, of which one must be given. Without any, a clean file must be stored."""

    data: bytes
    reasons: tuple[str, ...] = ()
    name: str = "photo.jpg"
    kind: str = "image/jpeg"


def jpeg(**save: object) -> bytes:
    return saved(gradient((64, 48)), "JPEG", **save)


def png_picture(**save: object) -> bytes:
    return saved(gradient((64, 48)), "PNG", **save)


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("shell.php", PHP)
    return file.getvalue()


def with_chunk(data: bytes, kind: bytes, content: bytes) -> bytes:
    return data[:33] + png_chunk(kind, content) + data[33:]


def bomb(side: int) -> bytes:
    """A PNG of many equal pixels."""
    pack = zlib.compressobj(9)
    row = b"\0" + bytes(side // 8)
    rows = b"".join(pack.compress(row * 100) for _ in range(side // 100)) + pack.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def scans(count: int) -> bytes:
    """A progressive JPEG that repeats a scan."""
    data = jpeg(progressive=True)
    at = data.rindex(b"\xff\xda")
    return data[:at] + data[at:-2] * count + b"\xff\xd9"


def flat_gif(frames: int) -> bytes:
    return gif(3000, 3000, *[gif_frame(0, 0, 3000, 3000, blocks=1)] * frames)


def exif_with(text: str) -> bytes:
    exif = Image.Exif()
    exif[0x8298] = text
    return jpeg(exif=exif)


def _thumbnail() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = MARK.decode()
    return with_segments(jpeg(exif=exif), segment(0xE2, b"MPF\0" + MARK))


FILES: dict[str, Callable[[], Attack]] = {
    # A picture and something else at the same time: the picture is stored, the rest is not.
    "a JPEG and a ZIP archive behind it": lambda: Attack(jpeg() + archive() + MARK),
    "a JPEG and a page behind it": lambda: Attack(jpeg() + SCRIPT, (), "photo.jpg.html", "text/html"),
    "a JPEG with other data inside of its last scan": lambda: Attack(jpeg()[:-2] + MARK + jpeg()[-2:]),
    "a JPEG with other data inside of its first scan": lambda: Attack(in_first_scan(), ("damaged",)),
    "a JPEG with a script in a comment": lambda: Attack(jpeg(comment=SCRIPT)),
    "a JPEG with a script between segments": lambda: Attack(jpeg()[:2] + segment(0xE5, SCRIPT) + jpeg()[2:]),
    "a JPEG with PHP in EXIF's Copyright": lambda: Attack(exif_with(PHP.decode()), (), "photo.php.jpg"),
    "a JPEG with a short PHP tag in EXIF's Copyright": lambda: Attack(exif_with("<?=`id`?>" + MARK.decode())),
    "a JPEG with a script in EXIF and in another application's segment": lambda: Attack(_thumbnail()),
    "a JPEG with a script in its colour profile": lambda: Attack(jpeg(icc_profile=bytes(128) + SCRIPT)),
    "a JPEG and a PDF behind it": lambda: Attack(jpeg() + b"%PDF-1.7\n" + MARK, (), "photo.pdf"),
    "a JPEG and another JPEG behind it": lambda: Attack(jpeg() + jpeg(comment=MARK)),
    "a PNG with PHP in a text": lambda: Attack(with_chunk(png_picture(), b"tEXt", b"Comment\0" + PHP), (), "a.php"),
    "a PNG with a script behind it": lambda: Attack(png_picture() + SCRIPT, (), "a.png.svg", "image/svg+xml"),
    "a PNG with a script in a private chunk": lambda: Attack(with_chunk(png_picture(), b"zzZz", SCRIPT)),
    "a GIF and a script": lambda: Attack(gif_script(), ("damaged",), "a.js", "text/javascript"),
    "a GIF with a script in a comment": lambda: Attack(gif_comment(), (), "a.gif"),
    "a WebP with a script behind it": lambda: Attack(saved(gradient((64, 48)), "WEBP") + SCRIPT),
    "a TIFF with a script behind it": lambda: Attack(saved(gradient((64, 48)), "TIFF") + SCRIPT, (), "a.tif.asp"),
    # Files that only claim to be pictures.
    "a page": lambda: Attack(b"<!doctype html><title>a</title>" + SCRIPT, ("not_a_picture",)),
    "a page with the first bytes of a PNG": lambda: Attack(
        b"\x89PNG\r\n\x1a\n<html>" + SCRIPT, ("damaged",), "a.png", "image/png"
    ),
    "a page with the first bytes of a GIF": lambda: Attack(b"GIF89a<html>" + SCRIPT + bytes(40), ("damaged",), "a.gif"),
    "a page with the first bytes of a JPEG": lambda: Attack(
        b"\xff\xd8\xff\xe0<html>" + SCRIPT + bytes(99), ("damaged",)
    ),
    "an SVG with a script": lambda: Attack(
        b'<svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>", ("wrong_format",), "a.svg", "image/svg+xml"
    ),
    "an SVG called JPEG": lambda: Attack(b'<svg onload="' + MARK + b'"/>', ("wrong_format",), "a.jpg"),
    "an archive": lambda: Attack(archive(), ("not_a_picture",)),
    "a PDF": lambda: Attack(b"%PDF-1.7\n" + jpeg(), ("not_a_picture",), "a.pdf", "application/pdf"),
    "a PostScript program": lambda: Attack(
        b"%!PS-Adobe-3.0 EPSF-3.0\n(%pipe%id) (r) file", ("not_a_picture",), "a.eps"
    ),
    "a program of ImageMagick": lambda: Attack(b"push graphic-context\nfill 'url(|id)'", ("not_a_picture",), "a.mvg"),
    "a program for Linux": lambda: Attack(b"\x7fELF\2\1\1" + bytes(90), ("not_a_picture",)),
    "PHP": lambda: Attack(PHP, ("not_a_picture",), "shell.php", "image/png"),
    "a server's configuration": lambda: Attack(
        b"AddType application/x-httpd-php .jpg\n", ("not_a_picture",), ".htaccess"
    ),
    "a BMP that is a page": lambda: Attack(b"BM" + SCRIPT + bytes(60), ("damaged", "not_a_picture"), "a.bmp"),
    "an icon that is a page": lambda: Attack(b"\0\0\1\0\1\0" + SCRIPT, ("damaged", "not_a_picture"), "favicon.ico"),
    "a video": lambda: Attack(b"\0\0\0\x18ftypmp42" + bytes(90), ("not_a_picture",), "a.mp4"),
    "zeros": lambda: Attack(bytes(100_000), ("not_a_picture",)),
    "nothing": lambda: Attack(b"", ("empty",)),
    "one byte": lambda: Attack(b"\xff", ("not_a_picture",)),
    # Files that would take all memory or time.
    "a PNG of 10,000 × 10,000 pixels in few bytes": lambda: Attack(bomb(10_000), ("too_large",)),
    "a PNG that claims to have very many pixels": lambda: Attack(
        png(2**31 - 1, 2**31 - 1, b""), ("too_large", "damaged")
    ),
    "a PNG whose text grows a thousandfold": lambda: Attack(
        with_chunk(png_picture(), b"zTXt", b"a\0\0" + zlib.compress(bytes(9_000_000), 9))
    ),
    "an animation of many large frames": lambda: Attack(flat_gif(400), ("too_many_frames", "damaged")),
    "a JPEG of very many scans": lambda: Attack(scans(2000), ("damaged", "too_complex")),
    "a JPEG of very many segments": lambda: Attack(
        with_segments(jpeg(), *[segment(0xE5, b"")] * 20_000), ("too_complex", "damaged")
    ),
    # Broken files.
    "a JPEG without its second half": lambda: Attack(jpeg()[: len(jpeg()) // 2], ("damaged",)),
    "a PNG without its end": lambda: Attack(saved(Image.effect_noise((64, 48), 90), "PNG")[:-300], ("damaged",)),
    "a JPEG whose pixels are damaged": lambda: Attack(damaged_pixels(), ("damaged",)),
}


def in_first_scan() -> bytes:
    data = jpeg(progressive=True)
    second = data.index(b"\xff\xc4", data.index(b"\xff\xda"))
    return data[:second] + MARK + data[second:]


def damaged_pixels() -> bytes:
    data = bytearray(jpeg(quality=95))
    middle = len(data) * 2 // 3
    data[middle : middle + 40] = b"\0" * 40
    return bytes(data)


def gif_script() -> bytes:
    """A GIF whose size begins a comment of JavaScript, which ends behind the picture."""
    return b"GIF89a" + b"/*" + b"\0\0\0\0\0" + b"\x2c" + bytes(40) + b"*/=1;" + MARK


def gif_comment() -> bytes:
    data = saved(gradient((64, 48)).quantize(8), "GIF", comment=SCRIPT)
    return data + MARK


NAMES = (
    *(
        "../../etc/passwd",
        "..\\..\\boot.ini",
        "/etc/cron.d/x",
        "C:\\autoexec.bat",
        "....//....//a.jpg",
        "%2e%2e%2fa.jpg",
    ),
    *("a\0.php", "a.php\0.jpg", "shell.php.jpg", "shell.jpg.php", ".htaccess", "web.config", "a.jpg;.asp"),
    *("photo\u202egnp.exe", "a\u2028b.jpg", "\ufeff.jpg", "\ud800.jpg", "ａ．ｐｈｐ", "a\r\nSet-Cookie: x=1.jpg"),
    *("CON", "nul.jpg", "COM1.png", "aux ", "LPT1.", "a:b.jpg", "a.jpg::$DATA", "~", "-rf", "--help.jpg"),
    *(
        "x" * 5000 + ".jpg",
        "x/" * 4000,
        "",
        ".",
        "..",
        "...",
        " ",
        "\t",
        "<script>.jpg",
        "'; DROP TABLE a; --.jpg",
    ),
    *(
        "$(id).jpg",
        "`id`.jpg",
        "|id",
        "a\u0301\u0301.jpg",
        "\U0001f600.jpg",
        "{{7*7}}.jpg",
        "%s%n.jpg",
        "cat.gif[n=-1]",
    ),
)
"""Names of files that lead elsewhere, or that a program takes for something else."""
