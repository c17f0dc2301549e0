"""What commands show in a terminal, and how they are stopped."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from flask_images_vips.operating.terminal import progress, stoppable


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: signals")
def test_sigterm_stops_as_ctrl_c_does() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), stoppable():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_progress_shows_the_rate_and_the_time_left_in_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress(10, "Renditions") as move:
        move(4)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with progress(10, "Renditions", hidden=True) as move:
        move(4)
    assert capsys.readouterr().out == ""
    with progress(10, "Renditions") as move:
        move(4)
        move(4)
        move(9)
    shown = capsys.readouterr().out
    assert "Renditions" in shown
    assert "9/10" in shown
    assert "/s" in shown


def test_a_command_may_run_in_another_thread() -> None:
    done: list[bool] = []

    def run() -> None:
        with stoppable():
            done.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert done == [True]
