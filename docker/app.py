"""Show the photographs of the demo behind nginx, with any number of replicas that share one cache.

All replicas need the same ``FLASK_SECRET_KEY``.
"""

from __future__ import annotations

from importlib.resources import files

from flask import Flask, render_template_string

from flask_images_vips import Images

PAGE = """<!doctype html>
<html lang="en">
<title>Photographs</title>
{% for name in photographs %}
{{ resized_img_tag('photos/' ~ name, width=320, height=240, mode='crop', format='webp', alt='', loading='lazy') }}
{% endfor %}
</html>
"""
STATIC = str(files("flask_images_vips") / "demo" / "static")
PHOTOGRAPHS = ("coffee.jpg", "cat.jpg", "rocket.jpg", "canyon.jpg", "flower.jpg", "earth.jpg", "cup.png")

app = Flask(__name__)
app.config.update(
    IMAGES_PATH=[STATIC],
    IMAGES_CACHE="/var/cache/images",
    IMAGES_FRONT_DOOR=True,
    IMAGES_ACCEL_REDIRECT="/_images/",
)
app.config.from_prefixed_env()
Images(app)


@app.get("/")
def index() -> str:
    return render_template_string(PAGE, photographs=PHOTOGRAPHS)
