"""Find the single-coloured border around a picture, with libvips."""

from __future__ import annotations

from ...geometry import Box, Size
from .. import heic
from .deadline import Deadline
from .load import pyvips
from .reader import Reader, cut_out, orientation


def trim_box(reader: Reader, descriptor: int, ref: str, region: Box, threshold: int, deadline: Deadline) -> Box:
    """Implement `Engine.trim_box`."""
    format, image = reader.open(descriptor, ref)
    corner = deadline.watch(_comparable(cut_out(image, region._replace(width=1, height=1))))(0, 0)
    if format != heic.FORMAT:  # open it again: a stream can be read only once, from the top
        _, image = reader.open(descriptor, ref)
    piece = deadline.watch(_comparable(cut_out(image, region)))
    other = deadline.watch(((piece - corner).abs() > threshold).bandor())
    columns, rows = (bytes((sums > 0).write_to_memory()) for sums in other.project())
    left, top = columns.find(255), rows.find(255)
    if left < 0:
        return region
    found = Box(left, top, columns.rfind(255) + 1 - left, rows.rfind(255) + 1 - top)
    turn = orientation(image)
    found = turn.back.undone(found, turn.size(Size(piece.width, piece.height)))
    return found._replace(left=region.left + found.left, top=region.top + found.top)


def _comparable(image: pyvips.Image) -> pyvips.Image:
    """Convert to 8 bits per band, and make all transparent pixels the same colour."""
    if image.format == "ushort":
        image = image >> 8
    elif image.format != "uchar":
        image = image.colourspace("srgb")
    return (image[image.bands - 1] == 0).ifthenelse(0, image) if image.hasalpha() else image
