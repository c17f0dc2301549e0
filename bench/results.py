"""Where are results kept? One JSON file per subcommand, each with the machine, versions and revision it was made on."""

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

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "bench" / "results"
PARTS = ("engines", "cold", "mixed", "warm", "stampede", "memory", "quality")
_NUMBERS = re.compile(r"\[\s+([-\d.,\s]+?)\s+\]")  # a list of numbers takes one line, not one line each
_PACKAGES = ("pyvips", "pyvips-binary", "pillow", "flask", "werkzeug", "gunicorn", "numpy", "scikit-image")


def save(part: str, data: dict[str, Any], *, quick: bool, folder: Path = FOLDER, **versions: str) -> Path:
    """Keep *data* as the result of *part*, in place of an older one. *versions* are those of the servers met."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{part}.json"
    text = json.dumps({"environment": environment(**versions), "quick": quick, **data}, indent=1, ensure_ascii=False)
    path.write_text(_NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n", "utf-8")
    return path


def load(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """All results that are there, by subcommand."""
    return {
        part: json.loads((folder / f"{part}.json").read_text("utf-8"))
        for part in PARTS
        if (folder / f"{part}.json").exists()
    }


def environment(**versions: str) -> dict[str, Any]:
    """The machine, the versions of what is measured, the revision and the day."""
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
    """What *command* prints, on either channel, or nothing where it cannot be run."""
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
    return output_of(sys.executable, "-c", code).rpartition("\n")[2]  # elsewhere: this process is to stay without it


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
