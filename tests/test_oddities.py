"""What is odd about a configuration that works: one sentence each, and none if nothing is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from flask_images_vips.config.keys import Config
from flask_images_vips.formats import raw
from flask_images_vips.oddities import (
    auto_without_scores,
    boxes_for_visitors,
    missing_fallback,
    own_numbers,
    unusable_folders,
    unused_keys,
)
from flask_images_vips.rendering import scores


def config(**keys: Any) -> Config:
    return Config.read({f"IMAGES_{name.upper()}": value for name, value in keys.items()})


def test_a_number_that_may_be_meant_for_an_encoder_is_named() -> None:
    (sentence,) = own_numbers(config(quality={"avif": 60, "jpeg": 80, "webp": raw(70)}))
    assert sentence.startswith("IMAGES_QUALITY: 60 for avif is the quality of a JPEG that looks the same")
    assert sentence.endswith("write raw(60).")
    assert [*own_numbers(config(quality=60))] == []


def test_auto_without_its_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = config(quality={"jpeg": "auto"}), config(presets={"a": {"quality": "auto"}}), config(quality="auto")
    monkeypatch.setattr(scores, "PACKAGE", "no_such_package")
    for each in wanted:
        (sentence,) = auto_without_scores(each)
        assert sentence.startswith("quality='auto' keeps the usual quality, because ssimulacra2 is not installed.")
    assert [*auto_without_scores(config(quality=70))] == []
    monkeypatch.setattr(scores, "PACKAGE", "pytest")
    assert [*auto_without_scores(wanted[0])] == []
    assert [*own_numbers(config(quality={"avif": "auto"}))] == []


def test_keys_that_presets_make_useless_are_named() -> None:
    keys = {"dpr_quality": {2: 55}, "by_visitor": {"accept": True}}
    found = [*unused_keys(config(**keys, only_presets=True, presets={"a": {"width": 9}}))]
    assert [sentence.partition(" ")[0] for sentence in found] == ["IMAGES_DPR_QUALITY", "IMAGES_BY_VISITOR"]
    assert [*unused_keys(config(**keys))] == []


@pytest.mark.parametrize(("engine", "tested", "count"), [("boxes", False, 1), ("boxes", True, 0), ("auto", False, 0)])
def test_boxes_are_for_tests(engine: str, tested: bool, count: int) -> None:
    assert len([*boxes_for_visitors(config(engine=engine), tested=tested)]) == count


def test_folders_that_cannot_be_used_are_named_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "file").touch()
    (sentence,) = unusable_folders(config(path=["here", "gone", "file"]), str(tmp_path))
    assert f"{tmp_path / 'gone'} (does not exist), {tmp_path / 'file'} (is not a folder). " in sentence
    assert f"Relative folders start at {tmp_path}, the application's root path." in sentence
    assert [*unusable_folders(config(path=["here"]), str(tmp_path))] == []


def test_a_fallback_that_is_in_no_folder_is_named(tmp_path: Path) -> None:
    found = [*missing_fallback(config(path=["here"], fallback="none.png"), str(tmp_path))]
    assert [sentence.partition(" (")[0] for sentence in found] == [
        "IMAGES_FALLBACK = 'none.png' is not a file in IMAGES_PATH"
    ]
    os.makedirs(tmp_path / "here")
    (tmp_path / "here" / "none.png").touch()
    assert [*missing_fallback(config(path=["here"], fallback="none.png"), str(tmp_path))] == []
    assert [*missing_fallback(config(), str(tmp_path))] == []
