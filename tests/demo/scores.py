"""Print the scores that Lighthouse gives to pages of the playground, on a phone and on a desk.

Run it by ``nox -s lighthouse``. It needs Node.js, npm and Chromium. Arguments are paths of pages. Scores depend on the
machine and on what else it does, so no test requires them. The exit status is 1 if one is below 95.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CATEGORIES = ("performance", "accessibility", "best-practices")
LEAST = 95
_SECONDS = 60.0
_SWITCHES = "--headless=new --no-sandbox --disable-dev-shm-usage"


@contextmanager
def running() -> Iterator[str]:
    """Run the playground in a process of its own, and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "flask", "--app", "flask_images_vips.demo", "run", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url, end = f"http://127.0.0.1:{port}", time.monotonic() + _SECONDS
        while not answers(url):
            assert process.poll() is None, "the playground has ended"
            assert time.monotonic() < end, "the playground does not answer"
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10):
            return True
    except OSError:
        return False


def report(lighthouse: str, url: str, *switches: str) -> dict[str, dict[str, object]]:
    """Run *lighthouse* on the page at *url*, and return its categories and audits."""
    command = [lighthouse, url, "--quiet", "--output=json", f"--only-categories={','.join(CATEGORIES)}"]
    command += [f"--chrome-flags={_SWITCHES}", *switches]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, dict[str, object]] = json.loads(done.stdout)
    return found


def show(path: str, where: str, found: dict[str, dict[str, object]]) -> bool:
    """Print the scores of one page, and what keeps them from 100. Returns whether all are high enough."""
    scores = {name: round(100 * found["categories"][name]["score"]) for name in CATEGORIES}  # type: ignore[index]
    values = {
        name: found["audits"][name]["displayValue"] for name in ("largest-contentful-paint", "cumulative-layout-shift")
    }  # type: ignore[index]
    print(f"{path:12} {where:8}", *(f"{name} {score:3}" for name, score in scores.items()), *values.values(), sep="  ")
    for name in CATEGORIES:
        for audit in found["categories"][name]["auditRefs"]:  # type: ignore[index]
            each = found["audits"][audit["id"]]
            if audit["weight"] and each["score"] is not None and each["score"] < 0.9:  # type: ignore[index]
                print(f"{'':14}{each['id']}: {each['title']} {each.get('displayValue', '')}")  # type: ignore[index,attr-defined]
    return min(scores.values()) >= LEAST


def main(paths: list[str]) -> int:
    lighthouse = os.environ.get("LIGHTHOUSE", "lighthouse")
    good = True
    with running() as url, tempfile.TemporaryDirectory() as folder:
        os.environ["HOME"] = str(Path(folder))
        for path in paths or ["/", "/gallery"]:
            report(lighthouse, url + path)  # its pictures are rendered now
            good &= show(path, "phone", report(lighthouse, url + path))
            good &= show(path, "desk", report(lighthouse, url + path, "--preset=desktop"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
