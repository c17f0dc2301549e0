"""The messages in the log: what each means, and what to do where the message does not say it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from .logged import Logged, messages
from .markup import linked_keys, table

AREAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Images that are refused": (
        "Each image that is not served gets one line.",
        ("serving/views.py", "serving/fallback.py", "tenants.py", "access.py"),
    ),
    "Pages and templates": (
        "A mistake in a call never breaks a page. The line begins with the helper and the place of the call, such as "
        "`resized_img_tag in index.html, line 3`. Outside debug mode, those about values without effect are logged "
        "once in each process.",
        ("page/", "debugging.py", "late_facts.py", "rights/asking.py"),
    ),
    "The configuration": (
        "These are logged when the application starts, or at its first image. `flask images check` shows most of "
        "them too.",
        (
            "config/",
            "oddities.py",
            "exposure.py",
            "startup.py",
            "wiring.py",
            "compat.py",
            "background_renders.py",
            "installed.py",
        ),
    ),
    "Libraries and engines": ("What is missing on this host.", ("engines/", "abilities.py")),
    "Renderers and renders": (
        "Who renders, and what came of it.",
        (
            "pool/",
            "producer.py",
            "serving/server_threads.py",
            "background_thread.py",
            "shared_decode/",
            "auto_quality.py",
            "recompression.py",
            "smaller_jxl.py",
            "events.py",
        ),
    ),
    "The cache": (
        "If the cache fails, images are still served, but each one is rendered again. Each reason is logged once.",
        ("cache/", "recording/"),
    ),
    "Sources": ("Files, URLs and object stores.", ("sources/", "stores/")),
    "nginx and CDN": ("What is in front of the application.", ("nginx/", "in_front.py", "serving/responses.py")),
    "Several hosts": (
        "What hosts tell each other through Redis, and share in an object store.",
        ("fleet/", "following.py", "learning.py", "parts.py"),
    ),
    "Monitoring": ("The files in which processes count.", ("monitoring/",)),
    "Uploads": ("Of `images.accept`, forms and columns.", ("uploads/",)),
    "Signatures (C2PA)": ("Of images with `keep='rights'`, if `IMAGES_C2PA` is set.", ("rights/signing.py",)),
}
"""The sections of the page: a sentence, and the modules whose messages it lists, or their folders."""

NOTES: dict[str, str] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
"""What a message means, by how it begins, and what to do. Empty if the message itself says both."""


def text() -> str:
    found = messages()
    areas = {
        area: [each for module in modules for each in found if each.module.startswith(module)]
        for area, (_, modules) in AREAS.items()
    }
    missed = [each for each in found if not any(each in listed for listed in areas.values())]
    assert not missed, f"add the module to an area in tests/docs/reference/messages.py: {missed}"
    parts = []
    for area, listed in areas.items():
        parts += [f"## {area}", linked_keys(AREAS[area][0])]
        grave = [each for each in listed if each.level in ("warning", "error")]
        if grave:
            parts.append(table(["message", "meaning and cure"], [row(each) for each in grave]))
        usual = [each for each in listed if each not in grave]
        if usual:
            parts.append("\n".join(["In normal operation:", "", *(f"- {each.level}: `{each.text}`" for each in usual)]))
    return "\n\n".join(parts)


def row(message: Logged) -> list[str]:
    text = message.text.replace("`", "")  # which would end the code
    level = "**Error.** " if message.level == "error" else ""
    return [f"`{text}`", (level + linked_keys(note_of(message))).strip()]


def note_of(message: Logged) -> str:
    """The note of the longest beginning that fits."""
    fitting = [start for start in NOTES if message.text.startswith(start)]
    assert fitting, f"add a note in tests/docs/reference/messages.py: {message}"
    return NOTES[max(fitting, key=len)]


def unused() -> list[str]:
    """Beginnings that no message has any more."""
    texts = [each.text for each in messages()]
    return [start for start in NOTES if not any(each.startswith(start) for each in texts)]
