"""A process knows that it was forked after libvips had made pixels, whoever made them."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from flask_images_vips.engines.vips import fork_safety as forks

PATIENCE_SECONDS = 30
BY_C = "import ctypes; fork = ctypes.PyDLL(None).fork"  # as uWSGI forks: Python is not told
CHECK = """
import os, sys
{fork}
from flask_images_vips.engines.vips.fork_safety import forked_after_pixels

assert "pyvips" not in sys.modules
{before}
child = fork()
if not child:
    os._exit(forked_after_pixels() is not {late})
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert not forked_after_pixels()
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has made no pixels yet."""
    monkeypatch.setattr(forks, "_noted", False)
    monkeypatch.setattr(forks, "_known", (os.getpid(), False))
    monkeypatch.setattr(forks, "_warned_pid", None)


def test_the_process_that_makes_pixels_may_go_on(caplog: pytest.LogCaptureFixture) -> None:
    assert not forks.forked_after_pixels()
    forks.note_pixels()
    assert not forks.forked_after_pixels()
    assert caplog.records == []


def test_another_process_may_not_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    forks.note_pixels()
    for child in (os.getpid() + 1, os.getpid() + 2):
        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "flask_images_vips"):
            patch.setattr(os, "getpid", lambda child=child: child)
            caplog.clear()
            for _ in range(3):
                assert forks.forked_after_pixels()
                forks.note_pixels()  # changes nothing
            (record,) = caplog.records
            assert "gunicorn --preload" in record.getMessage()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process fork once it has loaded such libraries")
@pytest.mark.parametrize("fork", ["from os import fork", BY_C])
@pytest.mark.parametrize(
    ("before", "late"),
    [
        ("", False),
        ("import pyvips", False),
        ("import pyvips; assert pyvips.Image.black(9, 9).width", False),
        ("import pyvips; pyvips.Image.black(9, 9).avg()", True),
        ("import pyvips; pyvips.Image.black(9, 9).write_to_buffer('.png'); pyvips.cache_set_max(0)", True),
    ],
)
def test_pixels_of_the_application_count_too(fork: str, before: str, late: bool) -> None:
    run_alone(CHECK.format(fork=fork, before=before, late=late))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process fork once it has loaded such libraries")
def test_pixels_after_the_fork_do_not_count() -> None:
    run_alone("""
import os
from flask_images_vips.engines.vips.fork_safety import forked_after_pixels

for late in (False, True):
    child = os.fork()
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    assert forked_after_pixels() is late
    if not late:
        import pyvips
        assert pyvips.Image.black(9, 9).avg() == 0
        assert not forked_after_pixels()
""")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process fork once it has loaded such libraries")
def test_an_unknown_libvips_may_have_made_pixels() -> None:
    run_alone("""
import os, sys
from flask_images_vips.engines.vips.fork_safety import forked_after_pixels

sys.modules["pyvips"] = sys.modules["_libvips"] = os  # neither has such a function
child = os.fork()
if not child:
    os._exit(not forked_after_pixels())
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
""")


def run_alone(code: str) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert run.returncode == 0, run.stderr
