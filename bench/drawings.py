"""Draw flat pictures of 1280 × 960 pixels: screens, diagrams, maps and posters, as sites publish them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from PIL import Image, ImageDraw

SIZE = 1280, 960
SENTENCE = "the river turned north and every house of the old town had its lamps lit long before evening came"
WORDS = SENTENCE.split()


def _sheet(colour: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", SIZE, colour)
    return picture, ImageDraw.Draw(picture)


def table() -> Image.Image:
    """A sheet of numbers, in stripes."""
    picture, pen = _sheet("white")
    chance = random.Random(1)
    for row in range(30):
        top = 32 * row
        pen.rectangle((0, top, 1280, top + 32), fill="#dce6f1" if row % 2 else "white")
        for column in range(8):
            text = f"Week {column}" if row == 0 else f"{chance.uniform(1, 9999):,.2f}"
            pen.text((160 * column + 150, top + 6), text, "black", font_size=18, anchor="ra")
    for column in range(9):
        pen.line((160 * column, 0, 160 * column, 960), fill="#a6b8cc", width=2)
    return picture


def editor() -> Image.Image:
    """A dark window with coloured code."""
    picture, pen = _sheet("#1e1e2e")
    chance = random.Random(2)
    for row in range(38):
        left = 80 + 40 * chance.randrange(4)
        pen.text((20, 14 + 25 * row), f"{row + 1:3}", "#6c7086", font_size=18)
        for _ in range(chance.randrange(7)):
            word = chance.choice(WORDS)
            pen.text(
                (left, 14 + 25 * row), word, chance.choice(("#cba6f7", "#a6e3a1", "#f9e2af", "#cdd6f4")), font_size=18
            )
            left += 14 + 10 * len(word)
    return picture


def town() -> Image.Image:
    """A map with streets, parks and a river."""
    picture, pen = _sheet("#f2efe9")
    chance = random.Random(3)
    for _ in range(9):
        left, top = chance.randrange(1100), chance.randrange(800)
        pen.polygon([(left + chance.randrange(240), top + chance.randrange(240)) for _ in range(5)], fill="#c8e6c0")
    bank = [(x, 480 + 160 * math.sin(x / 190)) for x in range(-20, 1320, 20)]
    pen.line(bank, fill="#aad3df", width=70, joint="curve")
    for _ in range(26):
        ends = chance.randrange(1280), chance.randrange(960), chance.randrange(1280), chance.randrange(960)
        pen.line(ends, fill="#c9b8a0", width=15)
        pen.line(ends, fill="white", width=11)
    for _ in range(40):
        place = chance.randrange(1200), chance.randrange(930)
        pen.text(place, chance.choice(WORDS).title(), "#444444", font_size=chance.choice((14, 18, 26)))
    return picture


def pie() -> Image.Image:
    """A pie chart with a legend."""
    picture, pen = _sheet("white")
    colours = ("#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f", "#edc948")
    begin = 0
    for number, (share, colour) in enumerate(zip((110, 80, 60, 50, 40, 20), colours, strict=True)):
        pen.pieslice((120, 180, 760, 820), begin, begin + share, fill=colour, outline="white", width=5)
        pen.rectangle((860, 260 + 70 * number, 900, 300 + 70 * number), fill=colour)
        pen.text((920, 262 + 70 * number), f"{WORDS[number].title()}: {share / 3.6:.1f} %", "#333333", font_size=30)
        begin += share
    pen.text((120, 60), "Where the visitors come from", "black", font_size=56)
    return picture


def boxes() -> Image.Image:
    """A diagram of boxes and arrows."""
    picture, pen = _sheet("#fbfbfd")
    for row in range(4):
        for column in range(4):
            left, top = 60 + 310 * column, 60 + 230 * row
            pen.rounded_rectangle((left, top, left + 220, top + 120), 14, fill="#e8f0fe", outline="#1a73e8", width=3)
            pen.text((left + 110, top + 60), WORDS[4 * row + column].title(), "#202124", font_size=30, anchor="mm")
            if column < 3:
                pen.line((left + 220, top + 60, left + 306, top + 60), fill="#5f6368", width=4)
                pen.polygon([(left + 310, top + 60), (left + 292, top + 50), (left + 292, top + 70)], fill="#5f6368")
            if row < 3:
                pen.line((left + 110, top + 120, left + 110, top + 226), fill="#5f6368", width=4)
    return picture


def window() -> Image.Image:
    """A form of a program."""
    picture, pen = _sheet("#ececec")
    pen.rectangle((0, 0, 1280, 48), fill="#3c3f41")
    pen.text((20, 10), "Settings", "white", font_size=24)
    for row in range(9):
        top = 90 + 80 * row
        pen.text((60, top + 8), f"{WORDS[row].title()} {WORDS[row + 5]}:", "black", font_size=22)
        pen.rounded_rectangle((380, top, 1000, top + 44), 6, fill="white", outline="#9e9e9e", width=2)
        pen.text((396, top + 9), " ".join(WORDS[row : row + 4]), "#222222", font_size=20)
        pen.ellipse(
            (1060, top + 6, 1092, top + 38), fill="#4caf50" if row % 3 else "#ececec", outline="#777777", width=2
        )
    pen.rounded_rectangle((980, 870, 1220, 930), 8, fill="#2979ff")
    pen.text((1100, 900), "Save", "white", font_size=26, anchor="mm")
    return picture


def poster() -> Image.Image:
    """Large letters and shapes."""
    picture, pen = _sheet("#fff3d6")
    for number, colour in enumerate(("#d62828", "#f77f00", "#fcbf49", "#003049")):
        pen.regular_polygon((280 + 240 * number, 640, 230), 3 + number, fill=colour)
    pen.text((640, 220), "SUMMER NIGHTS", "#003049", font_size=140, anchor="mm")
    pen.text((640, 350), "open air cinema, every Friday", "#d62828", font_size=60, anchor="mm")
    return picture


def comic() -> Image.Image:
    """Faces with outlines and speech bubbles."""
    picture, pen = _sheet("#9bd3f0")
    pen.rectangle((0, 700, 1280, 960), fill="#7cb46b")
    for left, skin in ((160, "#f6cfa8"), (700, "#b9865f")):
        pen.ellipse((left, 380, left + 320, 740), fill=skin, outline="black", width=8)
        pen.pieslice((left - 10, 350, left + 330, 700), 180, 360, fill="#4a2c17", outline="black", width=8)
        for eye in (80, 200):
            pen.ellipse((left + eye, 540, left + eye + 44, 590), fill="white", outline="black", width=5)
            pen.ellipse((left + eye + 14, 556, left + eye + 32, 580), fill="black")
        pen.arc((left + 90, 590, left + 230, 690), 20, 160, fill="black", width=8)
        pen.rounded_rectangle((left, 80, left + 400, 280), 40, fill="white", outline="black", width=6)
        pen.multiline_text(
            (left + 30, 110), "\n".join(" ".join(WORDS[n : n + 4]) for n in (0, 4, 8)), "black", font_size=34
        )
    return picture


ALL: tuple[Callable[[], Image.Image], ...] = (table, editor, town, pie, boxes, window, poster, comic)
