"""Results are kept with everything that is needed to read them later."""

from __future__ import annotations

import json
from pathlib import Path

from bench import results


def test_results_are_kept_with_their_machine_and_read_again(tmp_path: Path) -> None:
    path = results.save("cold", {"rounds": 2, "times": [1.5, 2, 3]}, quick=True, folder=tmp_path, thumbor="7")
    assert '"times": [1.5, 2, 3]' in path.read_text()  # a line, not one for each number
    found = results.load(tmp_path)
    assert found == {"cold": json.loads(path.read_text())}
    about = found["cold"]["environment"]
    assert about["versions"]["thumbor"] == "7"
    assert about["machine"]["cores"] >= 1
    assert about["versions"]["libvips"].count(".") == 2
    assert (about["date"][:2], found["cold"]["quick"]) == ("20", True)
