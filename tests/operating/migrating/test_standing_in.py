"""This package stands in for Flask-Images during a block, and only then."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest

import flask_images_vips
from flask_images_vips.operating.migrating.standing_in import standing_in


def test_all_ways_to_import_flask_images_work_in_the_block_and_no_longer_after_it() -> None:
    with standing_in():
        namespace: dict[str, object] = {}
        exec(
            "import flask_images, flask_images.core as core\n"
            "from flask_images import Images, modes\n"
            "from flask_images.size import ImageSize\n"
            "from flask_images.transform import Transform\n"
            "from flask_images.modes import CROP, ALL\n"
            "from flask.ext.images import resized_img_src\n",
            namespace,
        )
        assert namespace["Images"] is flask_images_vips.Images
        assert namespace["CROP"] == "crop"
        with pytest.raises(ImportError):
            exec("from flask_images import nothing")
    assert "flask_images" not in sys.modules


def test_an_installed_flask_images_is_not_used_in_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = ModuleType("flask_images")
    monkeypatch.setitem(sys.modules, "flask_images", installed)
    with standing_in():
        assert importlib.import_module("flask_images").Images is flask_images_vips.Images
    assert sys.modules["flask_images"] is installed
