"""A remembered failure is raised again, and says that it is an old one."""

from __future__ import annotations

import pytest

from flask_images_vips.errors import ImagesError, UnreadableSource
from flask_images_vips.failures import Failures


@pytest.mark.parametrize("error", [UnreadableSource("a.jpg", "it is broken"), ImagesError("it is broken")])
def test_a_failure_that_is_remembered_again_says_so_once(error: ImagesError) -> None:
    failures = Failures()
    for _ in range(3):
        failures.add("key", error, 60)
        with pytest.raises(type(error), match="it is broken") as raised:
            failures.check("key")
        error = raised.value
    assert str(error).count("failed a moment ago: ") == 1
