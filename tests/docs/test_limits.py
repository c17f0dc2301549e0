"""docs/security/limits.md lists each limit of the configuration, with its default, and the fixed ones."""

from __future__ import annotations

import re
from dataclasses import fields

from conftest import ROOT

from flask_images_vips import urls
from flask_images_vips.config.keys import Config
from flask_images_vips.engines.gif_frames import MAX_FRAMES
from flask_images_vips.formats import FORMATS
from flask_images_vips.options.text import LONGEST
from flask_images_vips.rendering.limits import _FEWEST_ROWS, _LONGEST_SIDE
from flask_images_vips.serving.views import _STATUS
from flask_images_vips.sources.guard import LONGEST_URL

TEXT = (ROOT / "docs" / "security" / "limits.md").read_text("utf-8")
ROWS = dict(re.findall(r"^\| `(IMAGES_\w+)` \| (.*?) \|", TEXT, re.MULTILINE))
DEFAULTS = {item.metadata["key"].name: item.default for item in fields(Config)}
WORDS = {  # how the page says a default
    "IMAGES_OUTPUT_FORMATS": ("all", tuple(format.name for format in FORMATS)),
    "IMAGES_ALLOWED_WIDTHS": ("all", ()),
    "IMAGES_RENDER_MEMORY": ("half of the memory, divided by the renders, at most 768 MB", None),
    "IMAGES_MAX_RENDERS": ("one per processor", None),
    "IMAGES_MAX_RENDERS_IN_ALL": ("no limit", None),
    "IMAGES_CACHE_MIN_FREE": ("5 % of the disk", 0.05),
    "IMAGES_COPIES_SHARE": ("a quarter of the cache", 0.25),
    "IMAGES_REMOTE_CACHE_SHARE": ("a quarter of the cache", 0.25),
    "IMAGES_STORE_CACHE_SHARE": ("a quarter of the cache", 0.25),
    "IMAGES_TEMP_MAX_AGE": ("an hour", 3600.0),
    "IMAGES_REMOTE_HOSTS": ("any public host", None),
    "IMAGES_REMOTE_ALLOW_PRIVATE": ("no private network", ()),
}


def test_every_maximum_of_the_configuration_is_on_the_page() -> None:
    limits = {name for name in DEFAULTS if "_MAX_" in name or name.endswith(("_TIMEOUT", "_SHARE"))}
    ages = {name for name in limits if name.endswith("_MAX_AGE") and name != "IMAGES_TEMP_MAX_AGE"}
    assert limits - ages <= set(re.findall(r"IMAGES_\w+", TEXT))


def test_the_defaults_are_those_of_the_code() -> None:
    for name, said in ROWS.items():
        value = DEFAULTS[name]
        assert said in _spellings(name, value), (name, said, value)
    for name, said in (("ERROR_TTL", 60.0), ("STORE_TIMEOUT", 5.0), ("REDIS_TIMEOUT", 0.5)):
        assert next(value for key, value in DEFAULTS.items() if key.endswith(name)) == said


def _spellings(name: str, value: object) -> list[str]:
    """How the page may say that *value* is the default of *name*."""
    if name in WORDS:
        said, meant = WORDS[name]
        assert value == meant, name
        return [said]
    plain = list(value) if isinstance(value, tuple) else value
    spelled = [f"`{plain!r}`"]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        spelled += [f"{value:,g}", f"{value:,.0f}", f"{value:g}", f"{value:g} s"]
        spelled += [f"{value / 1e6:g} MB", f"{value / 1e9:g} GB"]
    elif isinstance(plain, list):
        spelled.append(f"`{plain}`")
    return spelled


def test_the_fixed_limits_are_those_of_the_code() -> None:
    assert f"| pixels of a side | {_LONGEST_SIDE:,}, or a {_FEWEST_ROWS}th of" in TEXT
    assert f"| frames of a GIF or WebP, pages of a TIFF | {MAX_FRAMES:,} |" in TEXT
    assert f"| parameters of an image URL | {urls._MAX_FIELDS} |" in TEXT
    assert f"| characters of its query | {urls._LONGEST_QUERY:,} |" in TEXT
    assert f"| characters of the URL of a remote source | {LONGEST_URL:,} |" in TEXT
    assert f"| letters of the option `text` | {LONGEST} |" in TEXT
    for name in ("jpeg", "webp", "avif", "ico"):
        (side,) = {format.max_side for format in FORMATS if format.name == name}
        assert re.search(rf"\b{side:,} (pixels )?for {name}\b", TEXT, re.IGNORECASE), name


def test_the_statuses_are_some_that_are_answered() -> None:
    assert set(re.findall(r"\| ([45]\d\d)\b", TEXT)) <= {str(status) for status, _ in _STATUS.values()}
