"""Keys: two URLs share an entry of the cache if they ask for the same rendering, and only then."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from flask_images_vips.config.keys import Config
from flask_images_vips.formats import NEGOTIABLE, by_name, choose, negotiate
from flask_images_vips.options.options import DECLARED, Options
from flask_images_vips.rendition import Rendition
from flask_images_vips.sources.source import Source

CONFIG = Config.read({"IMAGES_QUALITY": {"jpeg": 75, "webp": 70, "avif": 55}})
SOURCE = Source("a.png", "/", "/a.png", 1, 1)


def key_of(query: dict[str, str], accept: str = "") -> tuple[Rendition, tuple[str, str]]:
    """The rendition that a URL with *query* asks for, decided as the line does, and its key."""
    options = Options.parse(query)
    format = choose(SOURCE.ref, options.format)
    if options.format is not None and options.format.name == "auto":
        format = negotiate(SOURCE.ref, accept, [by_name(name) for name in NEGOTIABLE])
    if not query.get("q") and format.lossy:
        options = replace(options, quality=CONFIG.quality_of(format.name))
    rendition = Rendition(SOURCE, options, format)
    return rendition, rendition.key


queries = st.fixed_dictionaries(
    {},
    optional={
        "w": st.sampled_from(["1", "2", "2.0", "0", ""]),
        "h": st.sampled_from(["1", "2", "0"]),
        "m": st.sampled_from(["fit", "crop", "pad", "reshape", ""]),
        "e": st.sampled_from(["1", "0", "true", ""]),
        "f": st.sampled_from(["jpg", "JPEG", "png", "webp", "avif", "auto", "AUTO", ""]),
        "q": st.sampled_from(["55", "70", "75", "100", "250", ""]),
        "mb": st.sampled_from(["1", "10", "10.0", ""]),
        "b": st.sampled_from(["black", "#000", "#fff", "transparent", ""]),
        "usm": st.sampled_from(["1,2,3", "1:2:3", "1.0,2,3", ""]),
        "d": st.sampled_from(["1", "name", ""]),
        "exp": st.sampled_from(["1", "2", ""]),
        "c": st.sampled_from(["", "1"]),
    },
)
accepts = st.sampled_from(["", "image/avif,image/webp", "image/webp"])


@given(queries, queries, accepts, accepts)
def test_two_urls_share_a_key_where_they_ask_for_one_rendering_and_only_there(
    one: dict[str, str], other: dict[str, str], accept: str, another: str
) -> None:
    (first, key), (second, other_key) = key_of(one, accept), key_of(other, another)
    same = first.format is second.format and all(
        getattr(first.options, name) == getattr(second.options, name)
        for name, declared in DECLARED.items()
        if declared.keyed
    )
    assert (key == other_key) == same


@given(queries, accepts)
def test_other_spellings_of_one_wish_share_its_key(query: dict[str, str], accept: str) -> None:
    rendition, key = key_of(query, accept)
    spelled = {**query, "exp": "5", "d": "x", "f": rendition.format.name.upper(), "q": str(rendition.options.quality)}
    assert key_of(spelled)[1] == key
