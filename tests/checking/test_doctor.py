"""The checks find each fault that is planted, and none in a right set-up."""

from __future__ import annotations

import sys

import pytest
from nginx.test_nginx import open_folder
from servers import IN_THREAD

from checking.ground import Ground, bad
from checking.planted import PLANTED
from flask_images_vips.checking import doctor
from flask_images_vips.checking.finding import Level
from flask_images_vips.errors import Busy

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="plants faults of Linux: modes, mounts, /proc")

MACHINE = {"renderers", "malloc-arenas"} if IN_THREAD else set()
"""What is found because the tests render in their own process."""


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(ground: Ground, fault: str) -> None:
    plant, level, name, words = PLANTED[fault]
    plant(ground)
    found = ground.examine()
    matching = [finding for finding in found if finding.name == name and words in finding.message]
    assert [finding.level for finding in matching] == [level], found
    assert matching[0].cure
    assert "\n" not in matching[0].message


@pytest.mark.parametrize("served", [False, True])
def test_nothing_is_found_in_a_right_set_up(ground: Ground, served: bool) -> None:
    ground.libraries()
    if served:
        ground.worker()
    found = ground.examine()
    assert {finding.name for finding in bad(found)} == MACHINE, found
    assert not any(finding.cure for finding in found if finding.level is Level.OK)


@pytest.mark.parametrize("protected", [False, True])
def test_nothing_is_found_in_a_right_set_up_for_nginx(monkeypatch: pytest.MonkeyPatch, protected: bool) -> None:
    with open_folder() as folder:
        ground = Ground(folder, monkeypatch)
        ground.config |= {"IMAGES_FRONT_DOOR": True, "IMAGES_ACCEL_REDIRECT": "/_images/", "IMAGES_PATH": ["pictures"]}
        ground.draw("pictures/a.png")
        ground.libraries()
        ground.worker()
        if protected:
            ground.later.insert(0, lambda app: app.extensions["images"].authorize(lambda ref, options: True))
        found = ground.examine()
        assert [finding.name for finding in bad(found) if finding.name not in MACHINE] == [], found
        assert "nginx-access" in {finding.name for finding in found}


@pytest.mark.parametrize("problem", [PermissionError(13, "Permission denied", "/srv"), Busy("Permission denied")])
def test_a_check_that_fails_hides_no_other(ground: Ground, problem: Exception) -> None:
    def broken(site: object) -> object:
        raise problem
        yield

    ground.libraries()
    ground.patch.setattr(doctor, "CHECKS", (broken, *doctor.CHECKS))
    first, *others = ground.examine()
    assert (first.level, first.name) == (Level.WARNING, "test_doctor.broken")
    assert "Permission denied" in first.message
    assert len(others) > 10
