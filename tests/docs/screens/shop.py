"""The site whose terminal is shown: a shop with a page, five photographs and some visitors."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from conftest import PHOTOGRAPHS, ROOT

SHOWN_FOLDER = "/srv/shop"
PHOTOS = ("canyon.jpg", "cat.jpg", "coffee.jpg", "flower.jpg", "rocket.jpg")

APP = '''\
"""A shop."""

from flask import Flask, render_template

from flask_images_vips import Images

app = Flask(__name__)
app.config.update(
    SECRET_KEY="3f2b7a0c96d14e58b1e7a9d05c8f6e24",
    IMAGES_CACHE="cache",
    IMAGES_PRESETS={"card": {"width": 300, "height": 200, "mode": "crop"}},
    IMAGES_REMOTE_HOSTS=["img.example.com"],
)
app.config.from_prefixed_env()
images = Images(app)


@app.get("/")
def home():
    return render_template("home.html", products=["cat", "flower"])
'''

HOME = """\
{{ resized_img_tag('photos/canyon.jpg', layout='full', aspect='21:9', mode='crop', alt='', priority=True) }}
{% for name in ['coffee.jpg', 'rocket.jpg'] %}
{{ resized_img_tag('photos/' ~ name, preset='card', alt='', layout='constrained') }}
{% endfor %}
{% for product in products %}{{ resized_img_tag('photos/' ~ product ~ '.jpg', preset='card', alt='') }}{% endfor %}
"""

VISITORS = """\
import html, re
from shop import app
client = app.test_client()
for visitor in range(40):
    page = html.unescape(client.get("/").text)
    for url in sorted(set(re.findall(r"/imgsizer/[^ ,\\"]+", page)))[visitor % 3 :: 3]:
        client.get(url, headers={"Referer": "http://localhost/"})
client.get("/imgsizer/photos/cat.jpg?w=9000&s=guessed")
"""


def build(folder: Path) -> None:
    """Write the shop into *folder*."""
    (folder / "static" / "photos").mkdir(parents=True, exist_ok=True)
    (folder / "templates").mkdir()
    (folder / "shop.py").write_text(APP)
    (folder / "visitors.py").write_text(VISITORS)
    (folder / "templates" / "home.html").write_text(HOME)
    for name in PHOTOS:
        copy = folder / "static" / "photos" / name
        shutil.copy2(PHOTOGRAPHS / name, copy)
        os.utime(copy, (1_784_851_200, 1_784_851_200))


def environment() -> dict[str, str]:
    """The environment of the shop's processes."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, "PATH": programs, "PYTHONPATH": str(ROOT), "FLASK_APP": "shop", "TERM": "xterm"}
