"""Estimate whether making copies of a source costs less than it saves.

A copy is made together with a rendition. Its cost is the time that this takes longer than the rendition alone. It saves
most of a decode for each later rendition. Nobody knows how many will follow. For a source that was requested in several
sizes, one more is likely, so its copies may cost as much as one later rendition saves.

Prices are CPU milliseconds per million pixels, as measured for photographs on one machine. Only their ratios matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..engines.engine import SPARE_OF_COPIES, Header
from ..geometry import Size

# Decoding and scaling down. TIFF is priced as if it were hardly compressed.
_DECODE = {"png": 16, "avif": 22, "heic": 28, "tiff": 5, "webp": 19}
_DECODE_JPEG = {1: 6, 2: 3.7, 4: 2.9, 8: 2.3}  # by the factor that the decoder shrinks each side by
_DECODE_WEBP, _SHRINK_WEBP = 7, 9  # of a WebP that the decoder shrinks; the second, divided by that factor, is added
_STORE, _LOAD = 14, 2.5  # a copy, without its decode

_MIN_WEBP_SHRINK = 1.5  # as in `engines.vips.reader`, which needs libvips
_EXPECTED, _EXPECTED_OF_LONE = 1.0, 0.25  # later renditions of a source, and of one that was not requested before


def pays(header: Header, scaled: Size, copies: Sequence[Size], headroom: float, *, lone: bool) -> bool:
    """Return whether to make *copies*, largest first, together with a rendition of the size *scaled*.

    *headroom* is ``IMAGES_HEADROOM``. *lone* is whether no other rendition of the source was requested lately.
    """
    alone = _decoding(header, scaled, headroom)
    loading = _LOAD * copies[-1].pixels / 1e6
    costs = _decoding(header, copies[0], headroom / SPARE_OF_COPIES) - alone + loading
    costs += _STORE * sum(copy.pixels for copy in copies) / 1e6
    return costs <= (alone - loading) * (_EXPECTED_OF_LONE if lone else _EXPECTED)


def _decoding(header: Header, size: Size, headroom: float) -> float:
    """Return the price of decoding a source for a picture of *size*. Decoders leave it *headroom* times as large."""
    spare = min(header.size.width / size.width, header.size.height / size.height) / headroom
    price = _DECODE.get(header.format, 0.0)
    if header.format == "jpeg":
        price = _DECODE_JPEG[2 ** min(3, int(math.log2(max(1, spare))))]
    elif header.format == "webp" and spare >= _MIN_WEBP_SHRINK and not header.alpha:
        price = _DECODE_WEBP + _SHRINK_WEBP / spare
    return price * header.size.pixels / 1e6
