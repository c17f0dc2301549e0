"""The page of devices: one responsive page on a phone, a tablet and a desktop, over a slow network."""

from __future__ import annotations

import random
from typing import NamedTuple

from flask import Flask, Response, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from werkzeug.exceptions import NotFound

from ..state import current_images
from .photos import LARGE
from .templates_shown import template_source
from .throttle import NETWORKS, Lines
from .tiny import make_placeholders

_DEFAULT = "slow-3g"
_MOST_RUNS = 1_000_000


class Device(NamedTuple):
    """A window with its size in CSS pixels."""

    title: str
    width: int
    height: int


DEVICES = {
    "phone": Device("Phone", 390, 844),
    "tablet": Device("Tablet", 820, 1180),
    "desktop": Device("Desktop", 1440, 900),
}
LEAD, *REST = LARGE
"""The photographs of the page in the frames: the large one at the top, and the others below."""

_lines = Lines()


def add_to(app: Flask) -> None:
    app.add_url_rule("/devices", "devices", page)
    app.add_url_rule("/devices/<device>/page", "device_page", framed)
    app.add_url_rule("/devices/<device>/<network>/<int:run>/<path:picture>", "slow_picture", slow_picture)


def page() -> ResponseReturnValue:
    make_placeholders(LARGE)
    network = request.args.get("network", _DEFAULT)
    return render_template(
        "devices.html",
        title="Devices",
        devices=DEVICES,
        networks=NETWORKS,
        network=network if network in NETWORKS else _DEFAULT,
        run=random.randrange(_MOST_RUNS),  # noqa: S311  (only tells visits apart)
        original_bytes=sum(photo.size_bytes for photo in LARGE),
        pictures=len(LARGE),
        code=template_source("device_pictures.html"),
    )


def framed(device: str) -> ResponseReturnValue:
    """Return the page that the frames show."""
    network = request.args.get("network", _DEFAULT)
    if device not in DEVICES or network not in NETWORKS:
        raise NotFound
    run = request.args.get("run", 0, type=int)
    pictures = render_template("device_pictures.html", lead=LEAD, rest=REST)
    return render_template(
        "device.html", device=DEVICES[device], pictures=_slowed(pictures, device=device, network=network, run=run)
    )


def slow_picture(device: str, network: str, run: int, picture: str) -> ResponseReturnValue:
    """Return what the extension answers, slowly, and never from the browser's cache."""
    if device not in DEVICES or network not in NETWORKS:
        raise NotFound
    query = request.query_string.decode("ascii", "replace")
    answer = current_app.test_client(use_cookies=False).get(
        f"{current_images().url}/{picture}?{query}", headers={"Accept": request.headers.get("Accept", "")}
    )
    data = answer.get_data()
    body = _lines.send(f"{device} {network} {run}", NETWORKS[network], data)
    response = Response(body, answer.status_code, mimetype=answer.mimetype)
    response.content_length = len(data)
    response.headers["Cache-Control"] = "no-store"
    return response


def _slowed(html: str, *, device: str, network: str, run: int) -> Markup:
    """Return *html*, which only the template has written, with URLs of pictures that lead through `slow_picture`."""
    slow = url_for("slow_picture", device=device, network=network, run=run, picture="_").removesuffix("_")
    fast = f"{request.script_root}{current_images().url}/"
    return Markup(html.replace(fast, slow))  # noqa: S704
