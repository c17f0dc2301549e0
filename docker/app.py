"""Show the photographs of the demo behind nginx, on any number of hosts.

All hosts need the same ``FLASK_SECRET_KEY``. The rest of the configuration comes from the environment as well, such as
``FLASK_IMAGES_CACHE=s3://bucket/prefix``.
"""

from __future__ import annotations

from importlib.resources import files

from flask import Flask, render_template_string, request
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_images_vips import Images

PAGE = """<!doctype html>
<html lang="en">
<title>Photographs</title>
{% for name in photographs %}
{{ resized_img_tag('photos/' ~ name, width=width, height=240, mode='crop', format='webp', alt='', loading='lazy') }}
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
    IMAGES_HEALTH="/health/images",
    IMAGES_METRICS="/metrics/images",
)
app.config.from_prefixed_env()
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=2)  # of the front, and of nginx on the host
Images(app)


@app.get("/")
def index() -> str:
    width = min(max(request.args.get("width", 320, type=int), 16), 1600)
    return render_template_string(PAGE, photographs=PHOTOGRAPHS, width=width)


@app.get("/up")
def up() -> tuple[str, int]:
    """Tell load balancers that this process answers. Whether it can render is told by IMAGES_HEALTH."""
    return "", 204
