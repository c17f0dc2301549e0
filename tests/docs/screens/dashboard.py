"""Draw the dashboard of docker/grafana.json, with the answers of a real Prometheus server under real load.

Grafana itself is not needed: its panels are queries in the language of Prometheus, which answers them. The site is the
shop, behind gunicorn with two workers, and its visitors ask for images for a minute.
"""

from __future__ import annotations

import io
import itertools
import json
import math
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from conftest import ROOT
from monitoring.prometheus_server import Prometheus, prometheus
from PIL import Image

from . import shop

SECONDS = 60
PATH = "/metrics/images"
INTERVAL = "10s"
COLUMNS, CELL, ROW = 24, 50, 36  # of the grid of Grafana, in pixels
INK, FAINT, PAPER, PANEL = "#d8d9da", "#8e8e96", "#111217", "#181b1f"
PALETTE = ("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#b877d9", "#5794f2", "#fade2a", "#37872d", "#ca95e5")

URLS = """\
from shop import app
from flask_images_vips import resized_img_src
with app.test_request_context():
    for width in range(40, 600):
        for name in ("canyon", "cat", "coffee", "flower", "rocket"):
            print(resized_img_src(f"photos/{name}.jpg", width=width, format=("jpeg", "webp", "avif")[width % 3]))
"""


def draw(folder: Path) -> Image.Image:
    """Return the dashboard. The shop is built in *folder*."""
    shop.build(folder)
    environment = {**shop.environment(), "FLASK_IMAGES_METRICS": PATH}
    command = [sys.executable, "-c", URLS]
    urls = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout
    with _served(folder, environment) as port, prometheus(folder, port, PATH) as scraper:
        begin = time.time()
        _visit(port, urls.split())
        return _drawn(scraper, begin + 12, time.time())


@contextmanager
def _served(folder: Path, environment: dict[str, str]) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "gunicorn.conf.py").write_text("control_socket_disable = True\n")
    command = [sys.executable, "-m", "gunicorn", "--workers=2", "--threads=4", f"--bind=127.0.0.1:{port}", "shop:app"]
    with (
        (folder / "gunicorn.log").open("wb") as log,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            for _ in range(100):
                with suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                    break
                time.sleep(0.1)
            yield port
        finally:
            server.terminate()


def _visit(port: int, urls: list[str]) -> None:
    """Ask for images for a minute, as visitors do: mostly what others have asked for, and at times something new."""
    end = time.monotonic() + SECONDS

    def visitor(number: int) -> None:
        for step in itertools.count(number):
            now = time.monotonic()
            if now > end:
                return
            elapsed = SECONDS - (end - now)
            known = 20 + int(elapsed * 6)
            busy = 1.5 if 20 < elapsed < 40 else 1
            target = urls[step * 37 * (number + 3) % known * 7 % len(urls)]
            target = f"{target}x" if step % 60 == 0 else target.replace("cat", "dog") if step % 97 == 0 else target
            request = urllib.request.Request(f"http://127.0.0.1:{port}{target}")
            request.add_header("Referer", f"http://127.0.0.1:{port}/")
            with suppress(urllib.error.HTTPError):
                urllib.request.urlopen(request, timeout=30).close()
            time.sleep(0.02 / busy)

    threads = [threading.Thread(target=visitor, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _drawn(scraper: Prometheus, begin: float, end: float) -> Image.Image:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = json.loads((ROOT / "docker" / "grafana.json").read_text("utf-8"))["panels"]
    answers = {panel["id"]: list(_series(panel, scraper, begin, end)) for panel in panels}
    panels = _closed_up([panel for panel in panels if answers[panel["id"]]])
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels) * ROW
    size = COLUMNS * CELL / 100, height / 100
    with pyplot.rc_context({"font.size": 8, "text.color": INK, "font.family": "DejaVu Sans"}):
        figure = pyplot.figure(figsize=size, dpi=100, facecolor=PAPER)
        for panel in panels:
            _draw_panel(figure, panel, answers[panel["id"]], (COLUMNS * CELL, height))
        picture = io.BytesIO()
        figure.savefig(picture, format="png")
        pyplot.close(figure)
    return Image.open(picture).convert("RGB").quantize(48, dither=Image.Dither.NONE)


def _closed_up(panels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out rows of which one panel has data at most, and let the others take the place of those without data."""
    rows = sorted({panel["gridPos"]["y"] for panel in panels})
    y, placed = 0, []
    for row in rows:
        members = [panel for panel in panels if panel["gridPos"]["y"] == row]
        if len(members) < 2:
            continue
        width = COLUMNS // len(members)
        for index, panel in enumerate(members):
            placed.append({**panel, "gridPos": {**panel["gridPos"], "y": y, "x": index * width, "w": width}})
        y += members[0]["gridPos"]["h"]
    return placed


def _series(panel: dict[str, Any], scraper: Prometheus, begin: float, end: float) -> Iterator[tuple[str, list[Any]]]:
    for target in panel["targets"]:
        expression = target["expr"].replace("$__rate_interval", INTERVAL).replace("$job", ".*")
        query = urllib.parse.urlencode({"query": expression, "start": begin, "end": end, "step": 1})
        with urllib.request.urlopen(
            f"http://127.0.0.1:{scraper.port}/api/v1/query_range?{query}", timeout=60
        ) as answer:
            for found in json.load(answer)["data"]["result"]:
                label = re.sub(
                    r"\{\{(\w+)\}\}",
                    lambda name, labels=found["metric"]: labels.get(name[1], ""),
                    target["legendFormat"],
                )
                label = re.sub(r" 127\.0\.0\.1:\d+", "", label)
                values = [(float(moment) - begin, float(value)) for moment, value in found["values"]]
                if not all(math.isnan(value) for _, value in values):
                    yield label, values


def _draw_panel(figure: Any, panel: dict[str, Any], series: list[tuple[str, list[Any]]], size: tuple[int, int]) -> None:
    place, unit = panel["gridPos"], panel["fieldConfig"]["defaults"].get("unit", "short")
    left, top = place["x"] * CELL + 4, place["y"] * ROW + 4
    width, height = place["w"] * CELL - 8, place["h"] * ROW - 8

    def box(x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
        return x / size[0], 1 - (y + h) / size[1], w / size[0], h / size[1]

    frame = figure.add_axes(box(left, top, width, height), facecolor=PANEL)
    frame.set_xticks([])
    frame.set_yticks([])
    frame.spines[:].set_color("#2a2d33")
    frame.text(10 / width, 1 - 15 / height, panel["title"], fontsize=8.5, va="center", transform=frame.transAxes)
    if panel["type"] == "stat":
        last = [value for _, value in series[0][1] if not math.isnan(value)][-1]
        frame.text(0.5, 0.42, shown(last, unit), fontsize=19, color=PALETTE[0], ha="center", va="center")
        return
    legend = min(len(series), 6)
    rows = -(-legend // 3)
    axes = figure.add_axes(box(left + 54, top + 30, width - 68, height - 62 - 14 * rows), facecolor=PANEL)
    for (label, values), colour in zip(series, itertools.cycle(PALETTE), strict=False):
        axes.plot(*zip(*values, strict=True), color=colour, linewidth=1.2, label=label.strip() or panel["title"])
    axes.set_ylim(bottom=0)
    axes.margins(x=0)
    axes.grid(color="#25282e", linewidth=0.7)
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=FAINT, length=0, labelsize=7)
    axes.yaxis.set_major_formatter(lambda value, _: shown(value, unit))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} s")
    handles, labels = axes.get_legend_handles_labels()
    options = {"ncols": 3, "fontsize": 7, "frameon": False, "labelcolor": INK, "handlelength": 1, "columnspacing": 1.2}
    frame.legend(handles[:6], labels[:6], loc="lower left", bbox_to_anchor=(0.02, 0), borderaxespad=0.2, **options)


def shown(value: float, unit: str) -> str:
    """Return *value* as Grafana shows it in this *unit*."""
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "s":
        return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s"
    if unit in ("bytes", "Bps"):
        sizes = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
        scaled = next(((value / size, name) for size, name in sizes if value >= size), (value, "B"))
        return f"{scaled[0]:.3g} {scaled[1]}" + ("/s" if unit == "Bps" else "")
    return f"{value:.3g}" + {"reqps": " /s", "cps": " /s"}.get(unit, "")
