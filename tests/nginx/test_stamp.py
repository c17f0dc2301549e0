"""Which settings decide whether the links of another configuration may stay."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from flask_images_vips.config.keys import Config
from flask_images_vips.nginx.stamp import WITHOUT_EFFECT, stamp_of

CONFIG = Config.read({})
NAMES = [field.name for field in fields(Config)]


def test_what_has_no_effect_are_settings() -> None:
    assert set(NAMES) >= WITHOUT_EFFECT


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_counts_unless_it_has_no_effect(name: str) -> None:
    changed = stamp_of(replace(CONFIG, **{name: "another"}))
    assert (changed == stamp_of(CONFIG)) is (name in WITHOUT_EFFECT)


def test_what_else_decides_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    stamps = [stamp_of(CONFIG), stamp_of(CONFIG, ("a key",)), stamp_of(CONFIG, ("a key", "a former key"))]
    monkeypatch.setattr("flask_images_vips.nginx.stamp.REVISION", -1)
    stamps.append(stamp_of(CONFIG))
    assert len(set(stamps)) == 4
