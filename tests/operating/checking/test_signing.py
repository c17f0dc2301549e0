"""``flask images check`` signs a picture, if the site signs pictures. Its faults are planted in `planted`."""

from __future__ import annotations

import pytest
from rights.certificates import lay_certificates

from flask_images_vips.operating.checking.finding import Level
from operating.checking.ground import Ground


def test_a_right_certificate_is_found_and_its_last_day_named(ground: Ground) -> None:
    pytest.importorskip("c2pa")
    lay_certificates(ground.folder)
    ground.config["IMAGES_C2PA"] = {"cert": "chain.pem", "key": "key.pem"}
    (found,) = (finding for finding in ground.examine() if finding.name == "signatures")
    assert (found.level, found.cure) == (Level.OK, "")
    assert found.message.startswith("images can be signed until 20")


def test_a_site_that_signs_nothing_is_not_told_of_it(ground: Ground) -> None:
    assert not [finding for finding in ground.examine() if finding.name == "signatures"]
