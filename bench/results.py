"""Keep results as JSON: one file for each benchmark, which also states the machine, the versions and the revision."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.parts import PARTS

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "bench" / "results"
_NUMBERS = re.compile(r"\[\s+([-\d.,\s]+?)\s+\]")  # a list of numbers, to be written on one line
_PACKAGES = (
    "pyvips",
    "pyvips-binary",
    "pillow",
    "flask",
    "werkzeug",
    "gunicorn",
    "numpy",
    "scikit-image",
    "obstore",
    "redis",
)

Results = dict[str, dict[str, Any]]
"""The stored data of each benchmark, by its name."""


def save(part: str, data: dict[str, Any], *, quick: bool, folder: Path = FOLDER, **versions: str) -> Path:
    """Write *data* as the result of *part*, with the *versions* of other programs, and return the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{part}.json"
    text = json.dumps({"environment": environment(**versions), "quick": quick, **data}, indent=1, ensure_ascii=False)
    path.write_text(_NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n", "utf-8")
    return path


def load(folder: Path = FOLDER) -> Results:
    """Return all results in *folder*."""
    return {
        part: json.loads((folder / f"{part}.json").read_text("utf-8"))
        for part in PARTS
        if (folder / f"{part}.json").exists()
    }


def environment(**versions: str) -> dict[str, Any]:
    """Return the machine, the versions of the programs, the revision and the date."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": _revision(),
        "machine": {
            "system": f"{platform.system()} {platform.release()}",
            "architecture": platform.machine(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        },
        "versions": {"Python": platform.python_version(), **_package_versions(), "libvips": _libvips(), **versions},
    }


def output_of(*command: str) -> str:
    """Return everything that *command* prints, or an empty string if it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return ""
    return (done.stdout + done.stderr).strip()


def _package_versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _libvips() -> str:
    code = "import pyvips; print('.'.join(str(pyvips.version(part)) for part in range(3)))"
    return output_of(sys.executable, "-c", code).rpartition("\n")[
        2
    ]  # in another process: this one stays free of libvips


def _revision() -> str:
    if not shutil.which("git"):
        return "unknown"
    revision = output_of("git", "-C", str(ROOT), "rev-parse", "--short=10", "HEAD")
    changed = output_of("git", "-C", str(ROOT), "status", "--porcelain", "--", "flask_images_vips", "bench/*.py")
    return revision + (" with changes" if changed else "")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
