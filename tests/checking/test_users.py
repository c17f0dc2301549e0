"""What a user may do with a file, by its mode."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flask_images_vips.checking.users import closed_folder, may, name_of, own_user

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: modes")

STRANGER = 54_321


@pytest.mark.parametrize(("mode", "read", "write"), [(0o600, False, False), (0o644, True, False), (0o666, True, True)])
def test_a_stranger_may_what_others_may(tmp_path: Path, mode: int, read: bool, write: bool) -> None:
    file = tmp_path / "a"
    file.touch()
    file.chmod(mode)
    assert (may(STRANGER, str(file)), may(STRANGER, str(file), write=True)) == (read, write)
    assert not may(STRANGER, str(tmp_path / "missing"))


def test_this_process_is_asked_directly(tmp_path: Path) -> None:
    assert may(own_user(), str(tmp_path), write=True)
    assert not may(own_user(), str(tmp_path / "missing"))


def test_the_administrator_may_everything(tmp_path: Path) -> None:
    assert may(0, str(tmp_path))


def test_the_first_closed_folder_is_named(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b" / "c"
    inner.mkdir(parents=True)
    (tmp_path / "a").chmod(0o700)
    found = closed_folder(str(inner))
    assert found is not None
    assert str(tmp_path / "a").startswith(found)
    assert closed_folder("/usr") is None


def test_users_have_names() -> None:
    assert name_of(0) == "root"
    assert name_of(STRANGER) == "user 54321"
