"""Files are written whole, with fixed modes, also where the file system has no files without a name."""

from __future__ import annotations

import io
import os
import stat
import time
from pathlib import Path

import pytest

from flask_images_vips.errors import NotStored
from flask_images_vips.uploads.folder import UploadFolder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes of files")


@pytest.fixture(params=[True, False], ids=["without names", "with names"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UploadFolder:
    if not request.param:
        monkeypatch.setattr("flask_images_vips.uploads.folder._WITHOUT_NAME", 0)
    return UploadFolder(str(tmp_path), ["uploads"], [], 3600)


def store(folder: UploadFolder, name: str = "a.jpg", *folders: str) -> None:
    folder.store(folders, name, io.BytesIO(b"bytes"), "image/jpeg")


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_do_not_depend_on_the_umask(folder: UploadFolder, tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store(folder, "a.jpg", "photos", "2026")
    finally:
        os.umask(before)
    path = tmp_path / "uploads" / "photos" / "2026" / "a.jpg"
    assert path.read_bytes() == b"bytes"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert stat.S_IMODE(path.parent.stat().st_mode) == stat.S_IMODE(path.parents[2].stat().st_mode) == 0o711


def test_a_file_is_removed_once(folder: UploadFolder) -> None:
    store(folder)
    assert folder.remove((), "a.jpg")
    assert not folder.remove((), "a.jpg")
    assert not folder.remove(("missing",), "a.jpg")


def test_a_folder_is_not_removed_as_a_file(folder: UploadFolder, tmp_path: Path) -> None:
    store(folder, "a.jpg", "photos")
    with pytest.raises(NotStored, match=r"photos cannot be removed"):
        folder.remove((), "photos")


def test_what_a_killed_process_has_left_is_removed_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_images_vips.uploads.folder._WITHOUT_NAME", 0)
    folder = UploadFolder(str(tmp_path), ["uploads"], [], 3600)
    store(folder)
    old, young = (tmp_path / "uploads" / ".partial" / name for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 4000, time.time() - 4000))
    store(folder, "b.jpg")
    assert not old.exists()
    assert young.exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(folder: UploadFolder, tmp_path: Path) -> None:
    (tmp_path / "uploads").mkdir(0o500)
    with pytest.raises(NotStored, match=r"uploads: Permission denied\. Let the user of this process write there"):
        store(folder)
