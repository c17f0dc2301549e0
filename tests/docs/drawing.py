"""Draw the pictures of the documentation with the package. `DRAWINGS` has a function for each."""

from __future__ import annotations

import io
import re
import shutil
from base64 import b64decode
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from conftest import PHOTOGRAPHS, fetch, url_of
from engines.lettering.conftest import dejavu
from engines.test_coded_colour import png
from flask import Flask
from PIL import Image, ImageDraw, ImageFont, ImageOps

from flask_images_vips import Images, resized_img_placeholder
from flask_images_vips.options.options import DECLARED
from flask_images_vips.options.values import MODES

GAP = 12
CAPTION = 32
SMALL = {"of_width": 176, "size": 18, "margin": 10}
LABEL = {**SMALL, "gravity": "northeast", "background": "#ffffffe0", "color": "#333", "padding": 5, "radius": 5}
CARD = {"size": 76, "min_size": 48, "lines": 3, "margin": 72, "shade": "#000000d8", "font": "bold"}
PLAIN = {"size": 84, "min_size": 52, "lines": 4, "margin": 88, "gravity": "west", "font": "bold"}
BOAT = (0.27, 0.72)
WALRUS = (0.825, 0.39)
CORNERS = "QUAD,0,0,12%,0,0,84%,88%,100%,100%,16%"


class Cell(NamedTuple):
    """One picture of a board, and the line below it."""

    caption: str
    picture: Image.Image


class Site:
    """An application with the demo's photographs, in a folder of its own."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.folder, self.static = folder, folder / "static"
        (self.static / "photos").mkdir(parents=True)
        for name in ("canyon.jpg", "cat.jpg", "coffee.jpg", "cup.png", "earth.jpg", "rocket.jpg", "walruses.jpg"):
            shutil.copy2(PHOTOGRAPHS / name, self.static / "photos")
        self.app = Flask("pictures", root_path=str(folder))
        bold = dejavu().with_name("DejaVuSans-Bold.ttf")
        self.app.config.update(SECRET_KEY="pictures", IMAGES_CACHE=str(folder / "cache"), **config)
        self.app.config["IMAGES_FONTS"] = {"title": str(dejavu()), "bold": str(bold)}
        styles = {"default": {**SMALL, "shade": "#000000c0"}, "label": LABEL}
        self.app.config["IMAGES_TEXT_STYLES"] = {**styles, "card": CARD, "plain": PLAIN}
        Images(self.app)

    def shown(self, name: str, **options: Any) -> Image.Image:
        """The rendition as a browser shows it on a white page."""
        picture = fetch(self.app, name, **{"format": "png", **options}).convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")

    def size_bytes(self, name: str, **options: Any) -> int:
        return len(self.app.test_client().get(url_of(self.app, name, **options)).data)


def board(cells: Iterable[Cell], across: int = 4) -> Image.Image:
    """Lay *cells* in rows, each in the middle of its place, with their captions below."""
    every, font = list(cells), ImageFont.load_default(18)
    wide = max(max(cell.picture.width, int(font.getlength(cell.caption)) + 1) for cell in every)
    high, rows = max(cell.picture.height for cell in every), -(-len(every) // across)
    sheet = Image.new("RGB", (across * (wide + GAP) - GAP, rows * (high + CAPTION + GAP) - GAP), "white")
    for index, (caption, picture) in enumerate(every):
        left, top = index % across * (wide + GAP), index // across * (high + CAPTION + GAP)
        sheet.paste(picture, (left + (wide - picture.width) // 2, top + (high - picture.height) // 2))
        ImageDraw.Draw(sheet).text((left + wide // 2, top + high + 6), caption, "#333", font, anchor="ma")
    return sheet


def beside(*sheets: Image.Image) -> Image.Image:
    """Lay *sheets* beside each other, with their captions in one line."""
    high = max(sheet.height for sheet in sheets)
    whole = Image.new("RGB", (sum(sheet.width + GAP for sheet in sheets) - GAP, high), "white")
    left = 0
    for sheet in sheets:
        whole.paste(sheet, (left, high - sheet.height))
        left += sheet.width + GAP
    return whole


def marked(picture: Image.Image, point: tuple[float, float]) -> Image.Image:
    """*picture* with a ring at *point*, which is given as fractions of its sides."""
    ring = picture.copy()
    x, y = point[0] * picture.width, point[1] * picture.height
    for radius, colour in ((15, "black"), (13, "white"), (11, "white")):
        ImageDraw.Draw(ring).ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=2)
    return ring


def crops_of_one(site: Site) -> Image.Image:
    """One photograph whose subject is far off the middle, in the shapes that a site needs."""
    kept = {"height": 270, "mode": "crop", "focal": WALRUS}
    ways = {
        "aspect='16:9'": {"aspect": "16:9", **kept},
        "aspect='1:1'": {"aspect": "1:1", **kept},
        "aspect='9:16'": {"aspect": "9:16", **kept},
        "radius='max'": {"region": (0.68, 0.08, 0.29, 0.6), "width": 270, "radius": "max", **kept},
    }
    return beside(*(board([Cell(text, site.shown("photos/walruses.jpg", **way))], 1) for text, way in ways.items()))


def modes(site: Site) -> Image.Image:
    options = {"width": 240, "height": 240, "background": "#cfdcd8"}
    order = ("reshape", "fit", "crop", "pad")
    assert {*order} == {*MODES}
    return board(Cell(mode, site.shown("photos/coffee.jpg", mode=mode, **options)) for mode in order)


def formats(site: Site) -> Image.Image:
    """A part of one photograph in three formats of the same quality, pixel by pixel, with the bytes of the whole."""
    cells = []
    for name in ("JPEG", "WebP", "AVIF"):
        options = {"width": 440, "format": name.lower()}
        picture, size = fetch(site.app, "photos/cat.jpg", **options), site.size_bytes("photos/cat.jpg", **options)
        cells.append(Cell(f"{name}: {size:,} bytes", picture.convert("RGB").crop((60, 30, 384, 260))))
    return board(cells, 3)


def qualities(site: Site) -> Image.Image:
    """A part of one photograph at five qualities, twice as large, with the bytes of the whole."""
    cells = []
    for quality in (20, 40, 60, 75, 90):
        options = {"width": 400, "format": "jpeg", "quality": quality}
        picture = fetch(site.app, "photos/cat.jpg", **options).convert("RGB").crop((110, 55, 204, 149))
        size = site.size_bytes("photos/cat.jpg", **options)
        cells.append(Cell(f"{quality}: {size:,} bytes", picture.resize((188, 188), Image.Resampling.NEAREST)))
    return board(cells, 5)


def crops(site: Site) -> Image.Image:
    box = {"width": 124, "height": 220, "mode": "crop"}
    whole = marked(site.shown("photos/canyon.jpg", height=220), BOAT)
    ways: dict[str, dict[str, Any]] = {
        "center": {},
        "east": {"gravity": "east"},
        "west": {"gravity": "west"},
        "attention": {"gravity": "attention"},
        "focal": {"focal": BOAT},
    }
    cut = [Cell(caption, site.shown("photos/canyon.jpg", **box, **options)) for caption, options in ways.items()]
    return beside(board([Cell("the picture, with the point", whole)], 1), board(cut, 5))


def cuts(site: Site) -> Image.Image:
    with_border(site)
    box = {"width": 240, "height": 180, "mode": "fit"}
    picture = site.shown("photos/coffee.jpg", **box)
    framed = ImageOps.expand(site.shown("framed.png", **box), 1, "#bbb")
    return board(
        [
            Cell("the picture", picture),
            Cell("region=(0.25, 0, 0.5, 1)", site.shown("photos/coffee.jpg", region=(0.25, 0, 0.5, 1), **box)),
            Cell("aspect='16:9', mode='crop'", site.shown("photos/coffee.jpg", width=240, aspect="16:9", mode="crop")),
            Cell("rotate=90", site.shown("photos/coffee.jpg", rotate=90, **box)),
            Cell("a picture with a border", framed),
            Cell("trim=True", site.shown("framed.png", trim=True, **box)),
            Cell("flip='horizontal'", site.shown("photos/coffee.jpg", flip="horizontal", **box)),
            Cell("transform='QUAD,…'", site.shown("photos/coffee.jpg", transform=CORNERS, **box)),
        ]
    )


def with_border(site: Site) -> None:
    """Save a picture with a white border, for `trim`."""
    with Image.open(PHOTOGRAPHS / "coffee.jpg") as image:
        ImageOps.expand(image.convert("RGB"), 120, fill="white").save(site.static / "framed.png")


def effects(site: Site) -> Image.Image:
    box = {"width": 240, "height": 160, "mode": "crop"}
    ways: dict[str, dict[str, Any]] = {
        "the picture": {},
        "grayscale=True": {"grayscale": True},
        "saturation=2": {"saturation": 2},
        "saturation=0.5": {"saturation": 0.5},
        "brightness=1.3": {"brightness": 1.3},
        "contrast=1.5": {"contrast": 1.5},
        "blur=4": {"blur": 4},
        "sharpen='2,150,3'": {"sharpen": "2,150,3"},
    }
    return board(Cell(caption, site.shown("photos/coffee.jpg", **box | options)) for caption, options in ways.items())


def additions(site: Site) -> Image.Image:
    """What can be laid over a picture or around it."""
    box = {"width": 240, "height": 160, "mode": "crop"}
    less = {"width": 208, "height": 128, "background": "#cfdcd8"}
    card = {"width": 204, "height": 124, "background": "#cfdcd8", "padding": 14, "border": (4, "#b5651d"), "radius": 24}
    ways: dict[str, dict[str, Any]] = {
        "watermark='photos/cup.png'": {"watermark": ("photos/cup.png", "se", 8, 1, 0.35)},
        "text='Good morning!'": {"text": "Good morning!"},
        "padding=16": {**less, "padding": 16},
        "border=(6, '#b5651d')": {"width": 228, "height": 148, "border": (6, "#b5651d")},
        "radius=24": {"radius": 24},
        "radius='max'": {"radius": "max"},
        "width=160, radius='max'": {"width": 160, "radius": "max"},
        "padding, border and radius": card,
    }
    return board(Cell(caption, site.shown("photos/coffee.jpg", **box | options)) for caption, options in ways.items())


def art_direction(site: Site) -> Image.Image:
    box = {"height": 240, "mode": "crop"}
    wide = Cell("wide screens: 640 by 240", site.shown("photos/rocket.jpg", width=640, **box))
    narrow = Cell("up to 600 px: 360 by 400", site.shown("photos/rocket.jpg", width=216, **box))
    return beside(board([wide], 1), board([narrow], 1))


def placeholders(site: Site) -> Image.Image:
    import blurhash

    size = (240, 160)
    with site.app.app_context():
        colour, lqip, hashed = (
            resized_img_placeholder("photos/coffee.jpg", kind) or "" for kind in ("color", "lqip", "blurhash")
        )
    with Image.open(io.BytesIO(b64decode(lqip.partition(",")[2]))) as tiny:
        scaled = tiny.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    pixels = np.array(blurhash.decode(hashed, *size), np.uint8)
    return board(
        [
            Cell(f"color: {colour}", Image.new("RGB", size, colour)),
            Cell(f"lqip: {len(lqip)} characters", scaled),
            Cell(f"blurhash: {len(hashed)} characters", Image.fromarray(pixels)),
            Cell("the picture", site.shown("photos/coffee.jpg", width=240, height=160, mode="crop")),
        ]
    )


def presets(site: Site) -> Image.Image:
    ways: dict[str, dict[str, Any]] = {
        "preset='avatar'": {"width": 96, "height": 96, "mode": "crop", "radius": "max"},
        "preset='thumbnail'": {"width": 240, "height": 160, "mode": "crop"},
        "preset='banner'": {"width": 420, "aspect": "5:2", "mode": "crop", "gravity": "north"},
    }
    cells = [Cell(name, site.shown("photos/cat.jpg", **options)) for name, options in ways.items()]
    return beside(*(board([Cell(caption, picture)], 1) for caption, picture in cells))


def cards(site: Site) -> Image.Image:
    Image.new("RGB", (1, 1), "#0b3d2e").save(site.static / "green.png")
    box = {"width": 492, "height": 258, "text": "How we moved forty million photographs", "enlarge": True}
    photo = site.shown("photos/canyon.jpg", **box, mode="crop", text_style="card")
    plain = site.shown("green.png", **box, text_style="plain")
    return board([Cell("preset='card'", photo), Cell("preset='plain'", plain)], 2)


def colours(site: Site) -> Image.Image:
    """A picture with the profile Adobe RGB: its numbers taken for sRGB, and what the package makes of them."""
    box = (400, 266)
    with Image.open(PHOTOGRAPHS / "rocket.jpg") as image:
        wrong = ImageOps.fit(image.convert("RGB"), box)
    right = site.shown("photos/rocket.jpg", width=box[0], height=box[1], mode="crop")
    return board([Cell("the profile ignored", wrong), Cell("converted to sRGB: the default", right)], 2)


def hdr(site: Site) -> Image.Image:
    """A picture in PQ: its numbers taken for sRGB, and tone-mapped."""
    with Image.open(PHOTOGRAPHS / "coffee.jpg") as image:
        values = np.asarray(ImageOps.fit(image.convert("RGB"), (400, 266)), float) / 255
    light = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    power = (light * 600 / 10_000) ** 0.1593017578125
    coded = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    picture = Image.fromarray((coded * 255).round().astype(np.uint8))
    (site.static / "pq.png").write_bytes(png(picture, {b"cICP": bytes([1, 16, 0, 1])}))
    return board([Cell("PQ, shown as it is", picture), Cell("tone-mapped: the default", site.shown("pq.png"))], 2)


def boxes(site: Site) -> Image.Image:
    drawn = Site(site.folder / "boxes", IMAGES_ENGINE="boxes", TESTING=True)
    cat = {"width": 320, "height": 200, "mode": "crop"}
    rocket = {"width": 320, "mode": "fit"}
    return board(
        [
            Cell("width=320, height=200, mode='crop'", drawn.shown("photos/cat.jpg", **cat)),
            Cell("width=320, mode='fit'", drawn.shown("photos/rocket.jpg", **rocket)),
        ],
        2,
    )


def faces(site: Site) -> Image.Image:
    """Crops of the portrait of Eileen Collins by NASA, which scikit-image carries. It is in the public domain."""
    from skimage.data import astronaut

    Image.fromarray(astronaut()).save(site.static / "ada.png")
    box = {"width": 394, "height": 160, "mode": "crop"}
    whole = board([Cell("the picture", site.shown("ada.png", height=160))], 1)
    middle = Cell("mode='crop'", site.shown("ada.png", **box))
    return beside(whole, board([middle, Cell("gravity='face'", site.shown("ada.png", **box, gravity="face"))], 2))


EXAMPLES = [name for name in list(DECLARED)[list(DECLARED).index("gravity") :] if name != "depth"]
_CELL = (176, 132)
_LINE = 18


def options(site: Site) -> Image.Image:
    """The picture itself, then the example of each option that changes how it looks."""
    with_border(site)
    named = ((DECLARED[name].example, keywords_of(name)) for name in EXAMPLES)
    examples: list[tuple[str, dict[str, Any]]] = [("the picture", {}), *named]
    across = 4
    width, height = _CELL[0] + 10, _CELL[1] + _LINE + 8
    sheet = Image.new("RGB", (across * width, -(-len(examples) // across) * height), "white")
    for index, (text, keywords) in enumerate(examples):
        source = "framed.png" if "trim" in keywords else "photos/coffee.jpg"
        sized = {"width", "height", "aspect"} & keywords.keys()
        box = {} if sized else {"width": _CELL[0], "height": _CELL[1], "mode": "fit"}
        picture = site.shown(source, **{"background": "white", **box, **keywords})
        picture.thumbnail(_CELL)
        left, top = index % across * width, index // across * height
        sheet.paste(picture, (left + (_CELL[0] - picture.width) // 2, top + (_CELL[1] - picture.height) // 2))
        caption = re.sub(r"(width|height)=(150|200), |mode='crop', |, (background='.*'|mode='crop')$", "", text)
        ImageDraw.Draw(sheet).text((left + 2, top + _CELL[1] + 2), caption, "#333", font=ImageFont.load_default(12))
    return sheet


def keywords_of(name: str) -> dict[str, Any]:
    """The keywords of the example of an option."""
    keywords: dict[str, Any] = eval(f"dict({DECLARED[name].example})")
    return keywords


def turning_earth(site: Site, **more: Any) -> bytes:
    """An animated WebP of the whole Earth in a circle, made from one with the sides of a map."""
    with Image.open(PHOTOGRAPHS / "earth.jpg") as image:
        strip = image.convert("RGB").resize((640, 320))
    twice = Image.new("RGB", (1280, 320))
    for left in (0, 640):
        twice.paste(strip, (left, 0))
    frames = [twice.crop((640 - step * 40, 0, 960 - step * 40, 320)) for step in range(16)]
    frames[0].save(site.static / "turning.webp", save_all=True, append_images=frames[1:], duration=120, quality=90)
    options = {"width": 160, "height": 160, "mode": "crop", "radius": "max"} | more
    data: bytes = site.app.test_client().get(url_of(site.app, "turning.webp", **options)).data
    return data


DRAWINGS: dict[str, Callable[[Site], Image.Image]] = {
    "additions": additions,
    "art-direction": art_direction,
    "boxes": boxes,
    "cards": cards,
    "colours": colours,
    "crops": crops,
    "crops-of-one": crops_of_one,
    "cuts": cuts,
    "effects": effects,
    "faces": faces,
    "formats": formats,
    "hdr": hdr,
    "modes": modes,
    "options": options,
    "placeholders": placeholders,
    "presets": presets,
    "qualities": qualities,
}
"""The function that draws ``docs/pictures/NAME.jpg``."""
