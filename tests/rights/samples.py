"""Pictures of every format with rights, and with forty fields that must not get out."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from conftest import MAY_SKIP, gradient, needs
from PIL import Image, features

from flask_images_vips import Rights
from flask_images_vips.formats import OUTPUTS

RIGHTS = Rights(
    creator=["Anna Bell", "Ó <Șt>"],
    credit="Bell & Partners",
    copyright="© 2026 Anna Bell",
    licensor="Bell Ltd",
    licensor_url="https://example.org/buy?a=1&b=2",
    web_statement="https://example.org/licence",
    usage_terms='Only with "credit"',
    digital_source_type="trainedAlgorithmicMedia",
)
HAS_JXL = not MAY_SKIP or importlib.util.find_spec("pillow_jxl") is not None
FORMATS = ("jpeg", "png", "webp", "avif", "tiff", *(["jxl"] if HAS_JXL and "jxl" in OUTPUTS else []))
TAGS = {
    "creator": "Creator",
    "credit": "Credit",
    "copyright": "Rights",
    "licensor": "LicensorName",
    "licensor_url": "LicensorURL",
    "web_statement": "WebStatement",
    "usage_terms": "UsageTerms",
    "digital_source_type": "DigitalSourceType",
}
"""The names of exiftool for what a file says."""

SECRET = "SECRET"
# The value of each is SECRET with its number.
PLANTED = (
    *(
        "XMP-dc:Title",
        "XMP-dc:Description",
        "XMP-dc:Subject",
        "XMP-dc:Publisher",
        "XMP-dc:Contributor",
        "XMP-dc:Source",
    ),
    *("XMP-xmp:CreatorTool", "XMP-xmp:Label", "XMP-xmp:Nickname", "XMP-xmpMM:DocumentID", "XMP-xmpMM:InstanceID"),
    *("XMP-photoshop:City", "XMP-photoshop:Instructions", "XMP-photoshop:AuthorsPosition", "XMP-photoshop:Headline"),
    *("XMP-photoshop:CaptionWriter", "XMP-iptcCore:CreatorWorkEmail", "XMP-iptcCore:CreatorWorkTelephone"),
    *("XMP-iptcCore:Location", "XMP-iptcExt:PersonInImage", "XMP-crs:RawFileName", "XMP-aux:SerialNumber"),
    *("XMP-xmpRights:Owner", "XMP-plus:ImageSupplierName", "IPTC:Caption-Abstract", "IPTC:City", "IPTC:Keywords"),
    *("IPTC:Contact", "IPTC:SpecialInstructions", "EXIF:ImageDescription", "EXIF:Software", "EXIF:Make", "EXIF:Model"),
    *("EXIF:HostComputer", "EXIF:OwnerName", "EXIF:SerialNumber", "EXIF:LensSerialNumber", "EXIF:UserComment"),
    *("EXIF:GPSAreaInformation", "EXIF:ImageUniqueID"),
)
STRUCTURES = (
    "-XMP-xmpMM:History={Action=SECRET91,SoftwareAgent=SECRET92}",
    "-XMP-mwg-rs:RegionInfo={RegionList=[{Name=SECRET93,Type=Face}]}",
    "-XMP-xmpMM:DerivedFrom={DocumentID=SECRET94}",
    "-XMP-iptcExt:LocationShown={City=SECRET95}",
)
RECORD = (
    *("-XMP-dc:Creator=Anna Bell", "-XMP-dc:Creator=Ó <Șt>", f"-XMP-photoshop:Credit={RIGHTS.credit}"),
    *(f"-XMP-dc:Rights={RIGHTS.copyright}", f"-XMP-xmpRights:WebStatement={RIGHTS.web_statement}"),
    *(
        f"-XMP-xmpRights:UsageTerms={RIGHTS.usage_terms}",
        f"-XMP-iptcExt:DigitalSourceType={RIGHTS.digital_source_type}",
    ),
    f"-XMP-plus:Licensor={{LicensorName={RIGHTS.licensor},LicensorURL={RIGHTS.licensor_url}}}",
    *("-IPTC:By-line=Another", "-IPTC:CopyrightNotice=Another", "-EXIF:Artist=Another", "-EXIF:Copyright=Another"),
)


def exiftool(*arguments: str | Path) -> str:
    """What exiftool prints."""
    needs("exiftool", shutil.which("exiftool"), "apt-get install libimage-exiftool-perl")
    command = ["exiftool", "-charset", "utf8", "-charset", "iptc=utf8", "-m", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def tags_of(*paths: Path) -> list[dict[str, Any]]:
    """All tags that exiftool finds in each file."""
    found: list[dict[str, Any]] = json.loads(exiftool("-j", "-a", "-u", "-G1", *paths))
    return found


def said_by(tags: dict[str, Any]) -> dict[str, Any]:
    """The rights that exiftool found in XMP, by the names of `Rights`."""
    short = {name.rpartition(":")[2]: value for name, value in tags.items() if name.startswith("XMP")}
    found = {name: short[tag] for name, tag in TAGS.items() if tag in short}
    return {name: [value] if name == "creator" and isinstance(value, str) else value for name, value in found.items()}


def picture(format: str, size: tuple[int, int] = (64, 48)) -> bytes:
    """A picture without metadata."""
    if format == "jxl":
        import pillow_jxl  # noqa: F401  (it registers the format with Pillow)
    file = io.BytesIO()
    gradient(size).save(file, format.upper())
    return file.getvalue()


def can_write(format: str) -> bool:
    return format != "avif" or features.check("avif")


def plant(folder: Path, formats: tuple[str, ...] = FORMATS) -> dict[str, Path]:
    """Lay a picture of each of *formats* that says its rights, and everything of `PLANTED`."""
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0x927C: b"MakerNote SECRET99"})
    thumbnail = folder / "thumbnail.jpg"
    thumbnail.write_bytes(picture("jpeg", (16, 12))[:-2] + b"SECRET98\xff\xd9")
    if HAS_JXL:
        import pillow_jxl  # noqa: F401
    paths = {format: folder / f"planted.{format}" for format in formats if can_write(format)}
    for format, path in paths.items():
        gradient((64, 48)).save(path, format.upper(), **({} if format == "tiff" else {"exif": exif}))
    planted = [f"-{tag}={SECRET}{number}" for number, tag in enumerate(PLANTED, 10)]
    place = ["-GPSLatitude=48.2", "-GPSLatitudeRef=N", "-GPSLongitude=11.5", "-XMP-exif:GPSLatitude=48.2"]
    pictures = [f"-ThumbnailImage<={thumbnail}", "-Comment=SECRET97"]
    exiftool("-overwrite_original", *planted, *STRUCTURES, *RECORD, *place, *pictures, *paths.values())
    for path in paths.values():
        assert len(secrets_in(path.read_bytes())) > 40
    return paths


def secrets_in(data: bytes) -> set[bytes]:
    """Everything planted that stands in *data*, also in UTF-16."""
    return {*re.findall(rb"SECRET\d\d", data), *re.findall(rb"S\0E\0C\0R\0E\0T\0\d\0\d", data)}
