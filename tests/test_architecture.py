"""The layers of the package: the contracts in pyproject.toml hold, and each of them can fail."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, sample

pytest.importorskip("importlinter")

# An import that breaks each contract: the contract, the module to write it into, and the import.
FORBIDDEN = {
    "layers": ("geometry", "from . import urls"),
    "layers ": ("page/helpers", "from ..serving import views"),
    "circles": ("page/size", "from . import helpers"),
    "cache": ("cache/disk", "from .. import formats"),
    "flask": ("pipeline", "import flask"),
    "pyvips": ("rendering/job", "import pyvips"),
    "prometheus": ("monitoring/measure", "import prometheus_client"),
    "opentelemetry": ("monitoring/measure", "import opentelemetry"),
    "simplejpeg": ("engines/vips/reader", "import simplejpeg"),
    "pillow_heif": ("engines/pillow/reader", "import pillow_heif"),
    "pillow": ("facts", "from PIL import Image"),
    "pillow_jxl": ("rendering/job", "import pillow_jxl"),
    "flask_debugtoolbar": ("debugging", "import flask_debugtoolbar"),
    "filelock": ("recompression", "import filelock"),
    "opencv": ("facts", "import cv2"),
    "obstore": ("sources/remote", "import obstore"),
    "redis": ("cache/once", "import redis"),
    "itsdangerous": ("state", "import itsdangerous"),
    "wtforms": ("uploads/door", "import wtforms"),
    "sqlalchemy": ("uploads/door", "import sqlalchemy"),
    "c2pa": ("rights/files", "import c2pa"),
    "botocore": ("cdn/fastly", "import botocore"),
    "ssimulacra2": ("rendering/job", "import ssimulacra2"),
    "urllib3": ("sources/guard", "import urllib3"),
}


def broken(root: Path) -> set[str]:
    """The names of the contracts that the package below *root* breaks."""
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=root,
        env={"PYTHONPATH": str(root), "COLUMNS": "300", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Contracts: " in run.stdout, run.stdout + run.stderr
    return {name.strip() for name in re.findall(r"^(.*) BROKEN$", run.stdout, re.MULTILINE)}


def names() -> dict[str, str]:
    """The name of each contract, by its id."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    return dict(re.findall(r'^id = "(\w+)"\nname = "(.*)"$', text, re.MULTILINE))


def test_no_module_imports_what_its_layer_may_not() -> None:
    assert broken(ROOT) == set()


def test_every_contract_can_fail(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "flask_images_vips", tmp_path / "flask_images_vips", ignore=shutil.ignore_patterns("static"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert {contract.strip() for contract in FORBIDDEN} == names().keys()
    for contract, (module, forbidden) in sample(FORBIDDEN.items(), 4):
        path = tmp_path / "flask_images_vips" / f"{module}.py"
        text = path.read_text("utf-8")
        path.write_text(text + f"\n{forbidden}\n", "utf-8")
        assert names()[contract.strip()] in broken(tmp_path), contract
        path.write_text(text, "utf-8")


NOT_FOR_HITS = (
    *("pyexpat", "c2pa", "flask_images_vips.rights.files", "flask_images_vips.rights.signing"),
    *("html.parser", "prometheus_client", "opentelemetry", "flask_debugtoolbar"),
    *("wtforms", "sqlalchemy", "flask_images_vips.uploads.door", "flask_images_vips.uploads.rules"),
    *(f"flask_images_vips.{name}" for name in ("audit", "health", "toolbar")),
    *(f"flask_images_vips.monitoring.{name}" for name in ("measure", "prometheus", "telemetry", "server_timing")),
    *(f"flask_images_vips.operating.{name}" for name in ("check", "checking", "explaining", "migrating", "warming")),
)


def test_importing_the_package_imports_nothing_that_hits_do_not_need() -> None:
    code = "import sys; from flask_images_vips import Images; sys.exit(str({*sys.argv} & sys.modules.keys()))"
    command = [sys.executable, "-c", code, "PIL", "filelock", "pyvips", "urllib3", "obstore", "redis", *NOT_FOR_HITS]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).stderr.strip() == b"set()"


def test_the_public_names_are_listed_before_they_are_used() -> None:
    code = "import sys, flask_images_vips as package; sys.exit(not {*package.__all__} <= {*dir(package)})"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
