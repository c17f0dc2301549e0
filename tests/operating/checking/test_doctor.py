"""The checks find each fault that is planted, and none in a right set-up."""

from __future__ import annotations

import sys

import pytest
from flask import Flask
from nginx.test_nginx import open_folder
from servers import IN_THREAD

from flask_images_vips.abilities import Library
from flask_images_vips.errors import Busy
from flask_images_vips.operating.checking import doctor
from flask_images_vips.operating.checking.finding import Level
from operating.checking.ground import Ground, bad
from operating.checking.planted import PLANTED

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


def test_the_configuration_of_an_nginx_with_a_server_of_its_own_for_images_fits(ground: Ground) -> None:
    ground.config["IMAGES_FRONT_DOOR"] = True
    ground.options["nginx"] = (str(ground.folder / "images.conf"),)
    options = ["--upstream", "a:1", "--images-upstream", "a:2", "--scheme", "$http_x_forwarded_proto", "--listen", "81"]

    def write(app: Flask) -> None:
        text = app.test_cli_runner().invoke(args=["images", "nginx", *options]).output
        (ground.folder / "images.conf").write_text(text.replace("a:2", "a:3"))

    ground.later.append(write)
    (found,) = (finding for finding in ground.examine() if finding.name == "nginx-file")
    assert (found.level, found.message.partition(" fits")[1]) == (Level.OK, " fits")


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


def test_the_cure_of_an_old_libheif_is_the_package_that_contains_it(ground: Ground) -> None:
    for part, command in (("libheif 1.20.2 (pillow-heif 1.9.0)", "pillow-heif"), ("libheif 1.20.2", "pyvips-binary")):
        ground.libraries(Library("Pillow", "13.0.0", outputs=("webp", "avif"), parts=(part,)))
        (found,) = (each for each in ground.examine() if each.name == "versions" and each.level is Level.WARNING)
        assert found.cure.endswith(f" {command}")
