"""A playground removes its temporary folders, and those of one that was killed, but none that is in use."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import ROOT

from flask_images_vips.demo.scratch import scratch_folder

CREATE = """
import sys, time
from flask_images_vips.demo.scratch import scratch_folder
print(scratch_folder(), flush=True)
sys.stdin.read()
"""


def test_a_folder_goes_with_its_process_and_after_a_kill_with_the_next_playground(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CREATE]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        subprocess.Popen(command, env=environment, **pipes) as ended,
        subprocess.Popen(command, env=environment, **pipes) as killed,
        subprocess.Popen(command, env=environment, **pipes) as running,
    ):
        folders = [Path(each.stdout.readline().strip()) for each in (ended, killed, running)]
        assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in folders)
        ended.communicate()
        killed.kill()
        killed.wait()
        assert [folder.exists() for folder in folders] == [False, True, True]
        young = scratch_folder()
        assert folders[1].exists()  # it might be about to be locked
        for folder in (*folders[1:], young):
            os.utime(folder, (0, 0))
        (tmp_path / "flask-images-demo-of-another").mkdir()
        os.utime(tmp_path / "flask-images-demo-of-another", (0, 0))
        scratch_folder()
        assert [folder.exists() for folder in (*folders, young)] == [False, False, True, True]
        assert (tmp_path / "flask-images-demo-of-another").exists()
