"""The helpers of templates: their signatures, what they return, and an example of each."""

from __future__ import annotations

import inspect
import re

from flask_images_vips.page import helpers

from .markup import docstring, table

EXAMPLES: dict[str, str] = {
    "resized_img_src": """\
<a href="{{ resized_img_src('photos/canyon.jpg', width=1200) }}">A larger picture</a>""",
    "resized_img_size": """\
{% set size = resized_img_size('photos/cat.jpg', width=300) %}
<img src="{{ resized_img_src('photos/cat.jpg', width=300) }}" alt="A cat"
     width="{{ size.width }}" height="{{ size.height }}">""",
    "resized_img_attrs": """\
<img {{ resized_img_attrs('photos/cat.jpg', width=300, alt='A cat')|xmlattr }}>""",
    "resized_img_tag": """\
{{ resized_img_tag('photos/cat.jpg', width=400, alt='A cat', class_='round') }}
{{ resized_img_tag('photos/canyon.jpg', layout='full', aspect='21:9', mode='crop', alt='A canyon', priority=True) }}""",
    "resized_img_srcset": """\
<img src="{{ resized_img_src('photos/cat.jpg', width=300) }}" alt="A cat" sizes="50vw"
     srcset="{{ resized_img_srcset('photos/cat.jpg', widths=[300, 600]) }}">""",
    "resized_picture_tag": """\
{{ resized_picture_tag('photos/coffee.jpg', width=600, height=300, mode='crop', alt='Coffee',
                       sources=[{'media': '(max-width: 600px)', 'width': 300, 'height': 300}]) }}""",
    "resized_img_preload": """\
{{ resized_img_preload('photos/canyon.jpg', layout='full', priority=True) }}""",
    "resized_img_placeholder": """\
<div style="background: {{ resized_img_placeholder('photos/coffee.jpg', 'color') or '#eee' }}">
  {{ resized_img_tag('photos/coffee.jpg', width=300, alt='Coffee') }}
</div>""",
    "resized_img_json_ld": """\
{{ resized_img_tag('photos/coffee.jpg', width=600, alt='Coffee') }}
{{ resized_img_json_ld('photos/coffee.jpg', width=1200) }}""",
    "resized_img_hint": """\
from flask import render_template_string

from flask_images_vips import resized_img_hint


@app.get("/canyon")
def canyon():
    resized_img_hint("photos/canyon.jpg", layout="full", priority=True)
    return render_template_string(
        "{{ resized_img_tag('photos/canyon.jpg', layout='full', priority=True, alt='A canyon') }}"
    )""",
}
"""An example of each helper, which the test of the page's blocks runs."""

ALL = (*helpers.HELPERS, helpers.resized_img_hint)


def text() -> str:
    return "\n\n".join([overview(), *(entry(helper) for helper in ALL)])


def overview() -> str:
    rows = []
    for helper in ALL:
        first = re.split(r"(?<=\.)\s", docstring(helper), maxsplit=1)[0]
        rows.append([f"[`{helper.__name__}`](#{helper.__name__})", " ".join(first.split())])
    return table(["helper", "what it does"], rows)


def entry(helper: object) -> str:
    name: str = helper.__name__  # type: ignore[attr-defined]
    language = "python" if name == "resized_img_hint" else "jinja"
    body = re.sub(
        r"`(resized_\w+)`",
        lambda match: match[0] if match[1] == name else f"[{match[0]}](#{match[1]})",
        docstring(helper),
    )
    return "\n\n".join(
        [f"## `{name}`", f"```text\n{signature(helper)}\n```", body, f"```{language}\n{EXAMPLES[name]}\n```"]
    )


def signature(helper: object) -> str:
    """The call, without the types that say nothing to the author of a template."""
    original = inspect.unwrap(helper)  # type: ignore[arg-type]
    spec = inspect.signature(original)
    plain = spec.replace(
        parameters=[parameter.replace(annotation=inspect.Parameter.empty) for parameter in spec.parameters.values()],
        return_annotation=inspect.Signature.empty,
    )
    return f"{original.__name__}{plain} -> {spec.return_annotation}"
