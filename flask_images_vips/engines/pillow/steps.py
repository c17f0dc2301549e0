"""Define the steps that turn an opened picture into a finished one, with Pillow.

Each step takes one still picture and the `Spec`, and returns a picture. `FINISH` and `STEPS` list steps of the same
names, in the same order, as `engines.vips.steps`.
"""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image, ImageCms, ImageFilter

from ...formats import Format
from ...geometry import Box, Geometry, Size
from ...options.options import Options
from ...options.transforms import Transform
from ...options.values import Mode
from ..colour import is_srgb, keeps_profile
from ..engine import TINY_WEBP, Spec
from .abilities import can_write
from .effects import blur, frame, has_alpha, on_canvas, pad, recolour, round_corners, text, turned, watermark
from .gif import with_clear_parts
from .reader import DECODED_WHOLE
from .samples import from_16_bits, from_light
from .writer import encode

Step = Callable[[Image.Image, Spec], Image.Image]

# Shrinking while decoding, and Pillow's coarse first reduction, leave the picture at least this many times as large as
# the output, per side.
_COARSE_FACTOR = 2.0
# Pillow's coarse first reduction divides inexactly: if it averages blocks with longer sides than this, the result is
# too dark.
_MAX_REDUCED = 32
_SRGB = ImageCms.createProfile("sRGB")


def scale(image: Image.Image, spec: Spec) -> Image.Image:
    """Make the picture upright and scale it. Convert it to 8-bit sRGB or grey unless it keeps its profile."""
    geometry, upright = spec.geometry, spec.upright
    profile = image.info.get("icc_profile")
    # The coordinates of a transform refer to the full size, so the picture is not shrunk while it is decoded.
    if spec.options.transform:
        whole = expanded(image)
        if whole.mode == "CMYK":  # it has no transparent pixels
            whole, profile = _in_srgb(whole, profile), None
        clear = leaves_clear(image)
        picture = resized(turned(whole, upright), spec.options, geometry, clear=clear)
    else:
        cut = geometry.cut and upright.undone(geometry.cut, Size(*image.size))
        picture = turned(_resampled(image, upright.size(geometry.upright), cut), upright)
    return picture if spec.profile is not None else _in_srgb(picture, profile)


def turn(picture: Image.Image, spec: Spec) -> Image.Image:
    """Rotate and mirror, unless there is a transform: it applies to the turned picture, so `scale` has turned it."""
    return picture if spec.options.transform else turned(picture, spec.geometry.turn)


def keep_tiny(picture: Image.Image, spec: Spec) -> Image.Image:
    """Fill in the tiny picture, if one is wanted. This step comes right after `scale`, before others change pixels."""
    tiny = spec.tiny
    if tiny is not None and tiny.fits(spec, Size(*picture.size)):
        small = _in_srgb(picture.resize(tiny.size, Image.Resampling.LANCZOS), spec.profile)
        if tiny.wants_rgba:
            tiny.rgba = small.convert("RGBA").tobytes()
        if tiny.wants_webp and can_write("webp"):
            half = small.resize(tiny.half, Image.Resampling.LANCZOS)
            tiny.webp = encode([half], Spec(*TINY_WEBP, Geometry(tiny.half, tiny.half)), "balanced", {}, iter)
    return picture


def flatten(picture: Image.Image, spec: Spec) -> Image.Image:
    """Put the picture on the background colour if the format has no alpha."""
    if not has_alpha(picture) or spec.format.alpha:
        return picture
    canvas = Image.new("RGBA", picture.size, (*spec.options.background[:3], 255))
    canvas.alpha_composite(picture.convert("RGBA"))
    return canvas.convert("RGB")


def place(picture: Image.Image, spec: Spec) -> Image.Image:
    """Crop the picture to the canvas, or lay it on the canvas."""
    geometry, options = spec.geometry, spec.options
    if options.mode is Mode.PAD:
        return on_canvas(picture, geometry.offset, geometry.canvas, options.background, spec.format)
    if geometry.canvas == geometry.scaled:
        return picture
    left, top = geometry.offset
    return picture.crop((-left, -top, geometry.canvas.width - left, geometry.canvas.height - top))


def sharpen(picture: Image.Image, spec: Spec) -> Image.Image:
    """Sharpen with Pillow's unsharp mask."""
    wanted = spec.options.sharpen
    return picture.filter(ImageFilter.UnsharpMask(*wanted)) if wanted else picture


FINISH: tuple[Step, ...] = (recolour, flatten, place, blur, sharpen, watermark, text, pad, frame, round_corners)
"""The steps after the picture has been scaled and turned.

`recolour` comes first, before any step adds a background. The steps around the canvas are in the order of a CSS box:
first the padding, then the border, and last the corners of both.
"""
STEPS: tuple[Step, ...] = (scale, keep_tiny, turn, *FINISH)


def finish(picture: Image.Image, options: Options, format: Format, geometry: Geometry) -> Image.Image:
    """Apply the steps of `FINISH`, without a watermark."""
    spec = Spec(options, format, geometry)
    for step in FINISH:
        picture = step(picture, spec)
    return picture


def leaves_clear(image: Image.Image) -> bool:
    """Return whether a transform of *image* leaves pixels outside of it transparent, as in Flask-Images.

    Otherwise they are black. They are always transparent if the image has transparent pixels itself.
    """
    return not image.mode.startswith("RGB") or image.format == "GIF"


def resized(picture: Image.Image, options: Options, geometry: Geometry, *, clear: bool = False) -> Image.Image:
    """Cut, turn, transform and resize a picture that is decoded and upright.

    If *clear*, pixels that a transform takes from outside of the picture are transparent.
    """
    picture = expanded(picture)
    if (cut := geometry.cut) is not None:
        picture = picture.crop((cut.left, cut.top, cut.left + cut.width, cut.top + cut.height))
    picture = turned(picture, geometry.turn)
    if (transform := options.transform) is not None:
        picture = _transformed(picture, transform, clear=clear)
    return picture.resize(geometry.scaled, Image.Resampling.LANCZOS)


def _transformed(picture: Image.Image, transform: Transform, *, clear: bool) -> Image.Image:
    def apply(whole: Image.Image) -> Image.Image:
        kind, data = Image.Transform[transform.kind.name], transform.data(whole.size)
        return whole.transform(transform.size(whole.size), kind, data, Image.Resampling.BILINEAR)

    result = apply(picture)
    if clear and not has_alpha(picture):
        inside = apply(Image.new("L", picture.size, 255))
        if inside.getextrema() != (255, 255):
            result = result.convert("RGB") if result.mode == "CMYK" else result
            result.putalpha(inside)
    return result


def expanded(image: Image.Image) -> Image.Image:
    """Convert *image* to 8 bits per band without a palette, in the mode L, LA, RGB, RGBA or CMYK."""
    if image.mode.startswith("I"):  # 16 bits or more
        return from_16_bits(image)
    if image.mode == "F":
        return from_light(image)
    image = with_clear_parts(image)
    mode = _expanded_mode(image)
    return image if image.mode == mode else image.convert(mode)


def kept_profile(image: Image.Image, options: Options, format: Format) -> bytes | None:
    """Return the ICC profile of *image*, or None if the rendition does not keep it."""
    profile: bytes | None = image.info.get("icc_profile")
    is_rgb = _expanded_mode(image) in ("RGB", "RGBA")
    return profile if keeps_profile(profile, options, format, is_rgb_picture=is_rgb) else None


def _expanded_mode(image: Image.Image) -> str:
    if image.mode.startswith("I"):
        return "L"
    if image.mode == "PA" or "transparency" in image.info:
        return "RGBA"
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
        return image.mode
    return "L" if image.mode in ("1", "F") else "RGB"


def _resampled(image: Image.Image, size: Size, cut: Box | None) -> Image.Image:
    """Scale *image*, or its part *cut*, to *size* in pixels. A JPEG is shrunk while it is decoded."""
    whole = Size(*image.size)
    part = cut or Box(0, 0, *whole)
    across, down = size.width / part.width, size.height / part.height
    wanted = round(whole.width * across * _COARSE_FACTOR), round(whole.height * down * _COARSE_FACTOR)
    drafted = None if image.info.get(DECODED_WHOLE) else image.draft(None, wanted)
    # The part of the shrunk image that the picture fills. It may end within a pixel, because the sides of the shrunk
    # image were rounded up.
    box: tuple[float, float, float, float] | None = drafted[1] if drafted else None
    picture = expanded(image)
    if cut is not None:
        right, bottom = (box or (0, 0, *whole))[2:]
        left, top = part.left * right / whole.width, part.top * bottom / whole.height
        width, height = part.width * right / whole.width, part.height * bottom / whole.height
        box = left, top, min(left + width, picture.width), min(top + height, picture.height)
        reduction = max(width / size.width, height / size.height)
    else:
        if box is None and picture.size == size:
            return picture.copy()
        reduction = max(picture.width / size.width, picture.height / size.height)
    gap = max(_COARSE_FACTOR, reduction / _MAX_REDUCED)
    return picture.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=gap)


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert *picture* from the colour space of *profile* to sRGB. CMYK without a usable profile becomes RGB."""
    if profile and not is_srgb(profile):
        mode = "RGBA" if has_alpha(picture) else "RGB"
        colour = {"LA": "L", "RGBA": "RGB"}.get(picture.mode, picture.mode)
        try:
            converted = ImageCms.profileToProfile(
                picture.convert(colour), ImageCms.ImageCmsProfile(io.BytesIO(profile)), _SRGB, outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            converted = None  # ignore a profile that is broken, or made for another kind of image
        if converted is not None:
            if mode == "RGBA":
                converted.putalpha(picture.getchannel("A"))
            return converted
    return picture.convert("RGB") if picture.mode == "CMYK" else picture
