"""``docs/guides/faces.md``: its code runs."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from conftest import ROOT
from flask import render_template_string
from PIL import Image

TEXT = (ROOT / "docs" / "guides" / "faces.md").read_text("utf-8")
FILES = {match[1]: match[0] for match in re.finditer(r"(?<=```python\n)# (\w+)\.py\n.*?(?=```)", TEXT, re.DOTALL)}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """A function that imports a module of the page. They are in a folder with a portrait."""
    pytest.importorskip("cv2")
    data = pytest.importorskip("skimage.data")
    for name, code in FILES.items():
        (tmp_path / f"{name}.py").write_text(code)
    (tmp_path / "static" / "team").mkdir(parents=True)
    Image.fromarray(data.astronaut()).save(tmp_path / "static" / "team" / "ada.jpg")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield importlib.import_module
    for name in FILES:
        sys.modules.pop(name, None)


def test_the_tag_shows_an_avatar(site: Callable[[str], ModuleType]) -> None:
    module = site("app")
    with module.app.test_request_context():
        tag = render_template_string(module.AVATAR)
    (url,) = re.findall(r'src="([^"]+)"', tag)
    assert module.app.test_client().get(url.replace("&amp;", "&")).status_code == 200


def test_an_upload_finds_the_point_once_and_urls_have_it(site: Callable[[str], ModuleType]) -> None:
    upload, app = site("upload"), site("app").app
    upload.uploaded("team/ada.jpg")
    assert upload.points["team/ada.jpg"] == pytest.approx((0.436, 0.233), abs=0.03)
    with app.test_request_context():
        url = app.jinja_env.globals["resized_img_src"]("team/ada.jpg", width=96, height=96, mode="crop")
    assert "fp=0.4" in url
