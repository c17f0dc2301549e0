"""The checks of configuration keys, one by one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flask_images_vips.config import checks, pictures, places
from flask_images_vips.errors import ConfigError

Check = Callable[[str, Any], Any]


@pytest.mark.parametrize(
    ("check", "value", "used"),
    [
        (checks.text, "a", "a"),
        (checks.optionally_one_of("a", "b"), None, None),
        (checks.optionally_one_of("a", "b"), "b", "b"),
        (places.base_url, "https://cdn.example.com/site", "https://cdn.example.com/site"),
        (places.base_url, "//cdn.example.com", "//cdn.example.com"),
        (places.location, "/_images/", "/_images/"),
        (places.view_path, "/health/images", "/health/images"),
        (places.view_path, None, None),
        (places.local_path, "errors/.missing.png", "errors/.missing.png"),
        (checks.header_value, "https://example.com", "https://example.com"),
        (checks.texts, "a", ("a",)),
        (checks.optional_texts, ["a", "b"], ("a", "b")),
        (checks.one_of("mtime", "hash"), "hash", "hash"),
        (pictures.copies, False, None),
        (pictures.copies, "jpeg", "jpeg"),
        (checks.flag, True, True),
        (checks.secrets, None, ()),
        (checks.secrets, ["a", b"b", ""], ("a", b"b")),
        (places.url_prefix, "img/", "/img"),
        (places.url_prefix, "/", ""),
        (places.paths, Path("static"), ("static",)),
        (places.optional_path, Path("a"), "a"),
        (places.folder_or_bucket, "C:/cache", "C:/cache"),
        (places.front_door, None, False),
        (places.front_door, True, True),
        (places.networks, False, ()),
        (places.networks, "10.0.0.0/8", ("10.0.0.0/8",)),
        (places.ports, 443, (443,)),
        (places.schemes, "https", ("https",)),
        (checks.count, 1, 1),
        (checks.count_from_zero, 0, 0),
        (checks.optional_count_from_zero, None, None),
        (pictures.widths, {640, 320}, (320, 640)),
        (pictures.dpr_quality, {3: 45, 1.5: 60}, ((1.5, 60), (3.0, 45))),
        (pictures.dpr_quality, None, ()),
        (pictures.score, 80, 80.0),
        (pictures.widths, None, ()),
        (checks.seconds, timedelta(minutes=1), 60.0),
        (checks.whole_seconds, 1.9, 1),
        (checks.some_seconds, 0.5, 0.5),
        (checks.size, "1.5 KiB", 1536),
        (checks.share, 0, 0.0),
        (pictures.headroom, 4, 4.0),
        (pictures.some_formats(("jpeg", "png")), ["jpg"], ("jpeg",)),
        (pictures.negotiable, ["webp", "avif"], ("webp", "avif")),
        (pictures.quality, {"jpg": 30, "avif": 50}, {"jpeg": 30, "avif": 50}),
        (pictures.presets, {"avatar": {"width": 96}}, {"avatar": {"width": 96}}),
    ],
)
def test_a_value_is_returned_as_the_package_uses_it(check: Check, value: Any, used: Any) -> None:
    found = check("IMAGES_KEY", value)
    assert (found, type(found)) == (used, type(used))


@pytest.mark.parametrize(
    ("check", "value", "expected"),
    [
        (checks.text, "", "a string that is not empty"),
        (checks.texts, ["a", 5], "a list of strings"),
        (checks.one_of("auto", "vips", "pillow"), "gd", "'auto', 'vips' or 'pillow'"),
        (checks.one_of("mtime", "hash"), "size", "'mtime' or 'hash'"),
        (pictures.copies, "png", "'tiff', 'jpeg' or False"),
        (places.url_prefix, "https://a.example/img", "a path, such as '/images'. A host belongs in IMAGES_BASE_URL"),
        (places.url_prefix, "/<lang>/img", "a path, such as '/images'. A host belongs in IMAGES_BASE_URL"),
        (checks.flag, 1, "True or False"),
        (places.front_door, 3, "True, False or a folder"),
        (places.front_door, "\0", "True, False or a folder"),
        (places.base_url, "cdn.example.com", "the beginning of a URL, such as 'https://cdn.example.com', or None"),
        (places.location, True, "an internal location of nginx, such as '/_images/', or None"),
        (places.local_path, "/missing.png", "a path in IMAGES_PATH, such as 'missing.png', or None"),
        (places.local_path, "https://example.com/a.png", "a path in IMAGES_PATH, such as 'missing.png', or None"),
        (checks.header_value, "*\n", "the value of an HTTP header, such as '*', or None"),
        (places.paths, 5, "a list of folders, such as ['static']"),
        (places.optional_path, 5, "a folder, or None"),
        (places.networks, ["10.0.0.1/8"], "networks such as '10.0.0.0/8' (10.0.0.1/8 has host bits set)"),
        (places.ports, [0], "a list of ports, such as [80, 443]"),
        (places.schemes, ["ftp"], "'http', 'https' or both"),
        (checks.count, 0, "a whole number, at least 1"),
        (checks.count, True, "a whole number, at least 1"),
        (checks.count_from_zero, -1, "a whole number, at least 0"),
        (pictures.widths, "320", "a list of widths in pixels, such as [320, 640], or None for all widths"),
        (pictures.widths, range(0), "a list of widths in pixels, such as [320, 640], or None for all widths"),
        (pictures.dpr_quality, {2: 101}, "qualities (1 to 100) by density (1 to 4), such as {2: 55, 3: 45}, or None"),
        (pictures.dpr_quality, 55, "qualities (1 to 100) by density (1 to 4), such as {2: 55, 3: 45}, or None"),
        (pictures.widths, [], "a list of widths in pixels, such as [320, 640], or None for all widths"),
        (checks.seconds, -1, "seconds (0 and up) or a timedelta"),
        (checks.some_seconds, 0, "more than 0 seconds"),
        (checks.size, "much", "a whole number of bytes, or a string such as '2GB'"),
        (checks.share, 1, "a share such as 0.25, from 0 to less than 1"),
        (pictures.headroom, 5, "a number from 1 to 4"),
        (pictures.some_formats(("jpeg", "png")), ["gif"], "a list of some of jpeg, png"),
        (pictures.some_formats(("jpeg", "png")), [], "a list of some of jpeg, png"),
        (pictures.negotiable, ["avif", "avif"], "a list of some of jxl, avif, webp, the best first, such as ['webp']"),
        (
            pictures.quality,
            101,
            "a number from 1 to 100, 'auto', or these by format, as in {'jpeg': 80, 'avif': raw(60)}",
        ),
        (
            pictures.quality,
            {"jpeg": "auto", "webp": "best"},
            "a number from 1 to 100, 'auto', or these by format, as in {'jpeg': 80, 'avif': raw(60)}",
        ),
        (pictures.score, 99, "a SSIMULACRA2 score from 30 to 95, such as 70"),
        (pictures.score, True, "a SSIMULACRA2 score from 30 to 95, such as 70"),
        (pictures.quality, {"png": 75}, "only formats that have a quality; png has none"),
        (
            places.folder_or_bucket,
            "s3:/bucket",
            "a folder, or a bucket and a prefix in it, such as 's3://bucket/prefix'",
        ),
        (
            places.folder_or_bucket,
            "file:///var/cache",
            "a folder, or a bucket and a prefix in it, such as 's3://bucket/prefix'",
        ),
        (places.optional_path, "s3://bucket/cache", "a folder on the disk of this host, or None"),
        (pictures.presets, {"a": 5}, "options by name, as in {'avatar': {'width': 96, 'height': 96, 'mode': 'crop'}}"),
    ],
)
def test_an_error_names_the_key_and_the_value_and_what_was_expected(check: Check, value: Any, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check("IMAGES_KEY", value)
    assert caught.value.faults == (f"IMAGES_KEY = {value!r}: expected {expected}.",)
    assert str(caught.value).endswith("If such a key is your application's own, rename it.")


def test_a_long_value_is_shortened_in_the_error() -> None:
    with pytest.raises(ConfigError) as caught:
        pictures.presets("IMAGES_PRESETS", ["a preset"] * 1000)
    assert "['a preset', " in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("value", [["hidden", 5], {"hidden": 5}.items(), 5, True, object])
def test_the_error_of_a_secret_does_not_show_it(value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        checks.secrets("SECRET_KEY", value)
    assert str(caught.value) == "SECRET_KEY: expected a string, bytes, or a list of them."
