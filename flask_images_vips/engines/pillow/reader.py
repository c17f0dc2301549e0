"""Open a source with Pillow."""

from __future__ import annotations

import io
import os
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from PIL import Image, UnidentifiedImageError

from ...errors import ImagesError, LimitExceeded, UnreadableSource, UnsupportedSource
from ...formats import EXTRAS
from ...geometry import ORIENTATIONS, Turn
from ...headers import heif, png
from ...headers.coding import read_coding
from ...headers.icons import is_icon, largest_picture
from ...headers.jpeg import is_jpeg, is_lossless
from ...headers.kinds import SVG, kind_of, refusal
from ...system_errors import is_passing
from .. import heic
from ..coded_colour import profile_of
from ..engine import overtime
from .jxl_file import is_jxl, opened
from .samples import correct_info
from .unended import check_pixels, completed

_ORIENTATION = 0x0112
# Where Pillow also looks for an orientation. libvips and browsers follow that of EXIF alone.
_NOT_EXIF = "xmp", "XML:com.adobe.xmp", "Raw profile type exif"
DECODED_WHOLE = "decoded whole"
"""What `Reader` notes in ``image.info``: whether the image must not be shrunk while it is decoded."""
_MAX_READS = 2_000_000  # a GIF of 256 MB takes about this many
_MAX_READS_OF_JPEG = 100_000  # one of 1 GB takes less, unless other data stands between its segments


@dataclass(frozen=True, slots=True)
class Reader:
    """Opens sources. The fields are the arguments of `PillowEngine`."""

    inputs: Sequence[str]
    auto_orient: bool
    timeout: float
    maps_files: bool = False
    strict: bool = False

    @contextmanager
    def open(self, descriptor: int, ref: str, *, only_header: bool = False) -> Iterator[tuple[Image.Image, Turn]]:
        """Open the file for the block.

        Yields the image, of which only the header has been read, and the turn that makes it upright. A HEIC is decoded
        already. With *only_header*, the pixels cannot be read either if the file lacks its end.

        Raises:
            UnsupportedSource: If the file is not an image, or its format is not one of *inputs*.
            UnreadableSource: If Pillow fails within the block, because the image is broken.
            LimitExceeded: If reading takes longer than the timeout, or takes too many steps.
            OSError: If the file cannot be read at the moment.
        """
        try:
            if heic.takes(descriptor, self.inputs):
                yield _decoded_heic(descriptor, ref), Turn()
                return
            os.lseek(descriptor, 0, os.SEEK_SET)
            icon = largest_picture(descriptor, ref) if "ico" in self.inputs and is_icon(descriptor) else None
            # List the formats, or Pillow would start Ghostscript for an EPS file that is named cat.jpg.
            own = [name.upper() for name in self.inputs if name not in EXTRAS]
            formats = own if icon is None else ["ICO", "PNG"]
            with (
                self._file(descriptor, only_header) if icon is None else io.BytesIO(icon) as file,
                opened(descriptor, ref, only_header=only_header)
                if "jxl" in self.inputs and is_jxl(descriptor)
                else Image.open(file, formats=formats) as image,
            ):
                if icon is not None:
                    image.format = "ICO"
                if image.format == "AVIF" and heif.is_cropped(descriptor):
                    raise UnsupportedSource(ref, "Pillow does not crop an AVIF where the file says so (clap)")
                correct_info(image)
                image.info[DECODED_WHOLE] = is_jpeg(descriptor) and is_lossless(descriptor)
                if image.format in ("PNG", "AVIF") and "icc_profile" not in image.info and not only_header:
                    _add_profile(image, descriptor)
                if self.strict and not only_header and image.format in ("JPEG", "MPO"):
                    check_pixels(descriptor, ref)
                yield image, self._turn_left(image)
        except (ImagesError, MemoryError):
            raise
        except Image.DecompressionBombError as error:
            what = "it has more pixels than Pillow allows in the web worker (twice PIL.Image.MAX_IMAGE_PIXELS)"
            raise UnreadableSource(ref, what) from error
        except UnidentifiedImageError as error:
            raise UnsupportedSource(ref, self._unidentified(descriptor)) from error
        except Exception as error:  # Pillow's parsers may raise any exception
            if isinstance(error, OSError) and is_passing(error):
                raise
            raise UnreadableSource(ref, f"Pillow cannot decode it: {_reason(error, descriptor)}") from error

    def _unidentified(self, descriptor: int) -> str:
        """Return why Pillow does not open the file."""
        kind = kind_of(descriptor)
        if kind == SVG:
            return f"the file is {kind}. SVG needs libvips, and no option that only Pillow renders"
        fault = png.fault(descriptor)
        return f"Pillow cannot open it: {fault}" if fault else refusal(kind, self.inputs, "Pillow")

    def _file(self, descriptor: int, only_header: bool) -> BinaryIO:
        most = _MAX_READS_OF_JPEG if (jpeg := is_jpeg(descriptor)) else _MAX_READS
        if not only_header and jpeg and (data := completed(descriptor)):
            return io.BytesIO(data)
        reader = _CountedReader if self.maps_files else _UnmappedReader
        return reader(_TimedFile(os.dup(descriptor), self.timeout), most)

    def _turn_left(self, image: Image.Image) -> Turn:
        """Return the turn that is left to do after Pillow has decoded *image*."""
        upright = orientation(image)
        if image.format == "TIFF":
            # Pillow always turns TIFFs upright. If this is not wanted, the turn must be undone.
            return Turn() if self.auto_orient else upright.back
        if image.format == "JXL":
            return Turn()  # its decoder turns it
        if image.format == "AVIF":
            return upright  # always applied: in AVIF, the rotation is part of the format and not of EXIF
        return upright if self.auto_orient else Turn()


def lift_limit() -> None:
    """Lift Pillow's own limit on pixels in this process. `rendering.limits` checks sources before they are decoded."""
    Image.MAX_IMAGE_PIXELS = None


def _reason(error: Exception, descriptor: int) -> str:
    text = str(error).strip()
    if not text:  # such as of a failed assertion
        frame = list(traceback.walk_tb(error.__traceback__))[-1][0]
        text = f"in {frame.f_code.co_name}()"
    fault = png.fault(descriptor)
    return f"{type(error).__name__}: {text}"[:300] + (f" ({fault})" if fault else "")


def _decoded_heic(descriptor: int, ref: str) -> Image.Image:
    picture = heic.decoded(descriptor, ref)
    image = Image.frombuffer(picture.mode, picture.size, picture.data, "raw", picture.mode, 0, 1)
    if picture.mode.endswith("a"):
        image = image.convert(picture.mode.upper())
    image.format = "HEIC"
    found = {"icc_profile": picture.profile, "exif": picture.exif, DECODED_WHOLE: True}
    image.info.update({name: value for name, value in found.items() if value})
    return image


def _add_profile(image: Image.Image, descriptor: int) -> None:
    """Add a profile to *image* if the file states by numbers how its colours are coded, which Pillow ignores."""
    coding = read_coding(descriptor, str(image.format).lower())
    is_grey = image.mode[:1] in ("1", "L", "I")
    profile = profile_of(coding, grey=is_grey) if coding is not None else None
    if profile is not None:
        image.info["icc_profile"] = profile


def orientation(image: Image.Image) -> Turn:
    """Return the turn that EXIF states, or for AVIF the one that the format itself states.

    From now on, Pillow does not follow any other statement in *image* either.
    """
    for name in _NOT_EXIF:
        image.info.pop(name, None)
    # Call the method of the base class. PngImageFile's own method would decode all pixels, to look for EXIF after them.
    return ORIENTATIONS.get(Image.Image.getexif(image).get(_ORIENTATION, 1), Turn())


class _TimedFile(io.FileIO):
    """A file that cannot be read any more after *limit* seconds.

    This stops Pillow's parsers, and those decoders that read the file piece by piece.
    """

    def __init__(self, descriptor: int, limit: float) -> None:
        super().__init__(descriptor)
        self.limit = limit
        self.begin = time.monotonic()

    def readinto(self, buffer: Any) -> int | None:
        if (seconds := time.monotonic() - self.begin) > self.limit:
            raise overtime(seconds, self.limit)
        return super().readinto(buffer)


class _CountedReader(io.BufferedReader):
    """A file that can be read at most *most* times.

    This stops Pillow's parsers: that of GIF reads twice per block, and that of JPEG for each byte between segments.
    """

    def __init__(self, file: io.RawIOBase, most: int) -> None:
        super().__init__(file)
        self.most = most
        self.reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > self.most:
            raise LimitExceeded(
                "reading the file takes at least {:,} steps", self.reads, self.most, set_by="this package"
            )
        return super().read(size)


class _UnmappedReader(_CountedReader):
    """A file that hides its descriptor. Given that, libtiff would map the file. So Pillow reads TIFFs into memory."""

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")
