"""The diff for the code of a site, and what it leaves to a person."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from flask_images_vips.operating.migrating.code import find_edits

CODE = """import flask_images
import flask_images as fi, os
from flask_images import Images, resized_img_src  # comment
from flask_images.core import (
    Images as Base,
    secret_helper,
)
from flask_images.modes import CROP
from flask.ext.images import Images
from .flask_images import mine
import flask_images.size

class Mine(Base): ...
class Other(flask_images.Images):
    def resize(self, image): ...
    def build_url(self): ...

tag = "<p>" + resized_img_tag("a.jpg") + "</p>"
other = resized_img_tag("a.jpg").replace("<img", "<img alt")
mock.patch("flask_images.core.Images")
fi.Images
"""


def test_imports_are_changed_and_the_result_is_python(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(CODE)
    edits = find_edits(tmp_path)
    ((before, after),) = edits.changed.values()
    assert "".join(before) == CODE
    changed = [line.strip() for line, old in zip(after, before, strict=True) if line != old]
    assert changed == [
        "import flask_images_vips as flask_images",
        "import flask_images_vips as fi, os",
        "from flask_images_vips import Images, resized_img_src  # comment",
        "from flask_images_vips import (",
        "from flask_images_vips import CROP",
        "from flask_images_vips import Images",
    ]
    ast.parse("".join(after))


def test_what_a_person_has_to_change_is_noted_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(CODE)
    notes = [(int(where.rpartition(":")[2]), note) for where, note in find_edits(tmp_path).notes]
    expected = {
        4: "no public name secret_helper",
        8: "from flask_images_vips import modes",
        11: "import flask_images.size",
        14: "Other.resize is never called",
        18: "returns Markup",
        19: "returns Markup",
        20: "mock.patch",
    }
    assert {line for line, _ in notes} == {*expected}
    for line, note in notes:
        assert expected[line] in note


@pytest.mark.parametrize(
    ("name", "line", "changed"),
    [
        ("requirements.txt", "Flask-Images==3.0.2", "flask-images-vips[binary]"),
        ("requirements-dev.in", "flask_images >=2, <4  # why", "flask-images-vips[binary]  # why"),
        ("pyproject.toml", '    "Flask-Images>=3.0",', '    "flask-images-vips[binary]",'),
        ("setup.cfg", "    flask-images", "    flask-images-vips[binary]"),
        (
            "setup.py",
            "setup(install_requires=['Flask-Images'])",
            "setup(install_requires=['flask-images-vips[binary]'])",
        ),
        ("requirements.txt", "flask-images-vips==0.1", None),
        ("requirements.txt", "my-flask-images==1", None),
        ("pyproject.toml", 'Flask-Images = "^3.0"', None),
        ("notes.txt", "Flask-Images==3.0.2", None),
    ],
)
def test_requirements_are_changed(tmp_path: Path, name: str, line: str, changed: str | None) -> None:
    (tmp_path / name).write_text(f"{line}\n")
    edits = find_edits(tmp_path)
    found = ["".join(after) for _, after in edits.changed.values()]
    assert found == ([] if changed is None else [f"{changed}\n"])
    assert len(edits.notes) == ("^3.0" in line)


def test_environments_other_files_and_broken_code_are_left_alone(tmp_path: Path) -> None:
    for folder in ("venv", ".tox", "mine", "node_modules", "my-env"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.py").write_text("import flask_images\n")
    (tmp_path / "my-env" / "pyvenv.cfg").touch()
    (tmp_path / "broken.py").write_text("import flask_images (\n")
    (tmp_path / "latin.py").write_bytes(b"import flask_images\n# \xe9\n")
    edits = find_edits(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in edits.changed] == ["mine/a.py"]
    assert len(edits.notes) == 1
    assert "no valid Python" in edits.notes[0][1]


def test_the_diff_has_relative_paths_and_marks_a_missing_line_end(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"import os\r\nimport flask_images")
    assert find_edits(tmp_path).diff() == (
        "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n import os\r\n-import flask_images\n\\ No newline at end of file\n"
        "+import flask_images_vips as flask_images\n\\ No newline at end of file\n"
    )
