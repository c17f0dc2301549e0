"""Draw docs/pictures/request.svg, the way of a request.

The drawing has a background of its own and follows the colour scheme of the reader's system, so it can be read on light
and on dark pages.
"""

from __future__ import annotations

from html import escape

from conftest import ROOT

FILE = ROOT / "docs" / "pictures" / "request.svg"

WIDTH, HEIGHT = 760, 704
LEFT, BOX, HIGH, STEP = 68, 318, 52, 78

STYLE = """
.paper { fill: #fbfcfc; stroke: #dde3e8; }
.lane { fill: #f1f5f4; stroke: #d5dedb; }
.walls { fill: #fdf4ec; stroke: #e3b98f; }
.box { fill: #ffffff; stroke: #b9c6c1; }
.start { fill: #0b6e4f; }
text { fill: #1f2933; font: 14px system-ui, sans-serif; }
.name { font-weight: 600; }
.small { fill: #5f6b78; font-size: 12px; }
.lane-name { fill: #5f6b78; font-size: 12px; }
.on-start { fill: #ffffff; font: 13px ui-monospace, monospace; }
.status { fill: #b3402a; font-size: 12px; font-weight: 600; }
.arrow { stroke: #5f6b78; stroke-width: 1.6; fill: none; }
.hit { stroke: #0b6e4f; stroke-width: 2; fill: none; }
.hit-name { fill: #0b6e4f; font-size: 12px; font-weight: 600; }
.head { fill: #5f6b78; }
.hit-head { fill: #0b6e4f; }
@media (prefers-color-scheme: dark) {
.paper { fill: #15191d; stroke: #2c343c; }
.lane { fill: #1b2226; stroke: #2f3a3f; }
.walls { fill: #2a2018; stroke: #7a5630; }
.box { fill: #232b31; stroke: #47545c; }
.start { fill: #1f7a5a; }
text { fill: #e6eaee; }
.small, .lane-name { fill: #a9b4be; }
.on-start { fill: #ffffff; }
.status { fill: #f0917b; }
.arrow { stroke: #a9b4be; }
.hit { stroke: #3ecf9a; }
.hit-name { fill: #3ecf9a; }
.head { fill: #a9b4be; }
.hit-head { fill: #3ecf9a; }
}
"""

STEPS = (
    ("serving/hit.py", "Verify", "signature, options, format", "400 · 404 · 410"),
    ("access.py", "Permit", "your authorize callback", "403"),
    ("sources/finder.py", "Find", "the source, at one version", "404 · 502"),
    ("cache/disk.py", "Look up", "the rendition, by its key", ""),
    ("cache/once.py", "Wait or go on", "one render per picture", "503"),
)
"""What a web worker does: the module, the step, what it is about, and how it refuses."""

RENDERING = (
    ("headers/read.py", "Header"),
    ("rendering/limits.py", "Limits"),
    ("geometry.py", "Sizes"),
    ("engines/choice.py", "Decode, scale, encode"),
)
"""What a renderer does."""

REFUSING = ("rendering/limits.py", "engines/choice.py")
"""The modules of a renderer that refuse what is too large, or broken."""


def box(x: int, y: int, width: int, name: str, module: str, about: str = "") -> str:
    second = f"{module}: {about}" if about else module
    return (
        f'<rect class="box" x="{x}" y="{y}" width="{width}" height="{HIGH}" rx="8"/>'
        f'<text class="name" x="{x + 14}" y="{y + 22}">{escape(name)}</text>'
        f'<text class="small" x="{x + 14}" y="{y + 40}">{escape(second)}</text>'
    )


def arrow(path: str, kind: str = "arrow") -> str:
    head = "hit-tip" if kind == "hit" else "tip"
    return f'<path class="{kind}" d="{path}" marker-end="url(#{head})"/>'


def drawing() -> str:
    middle, right = LEFT + BOX // 2, LEFT + BOX
    first = 118
    look_up, last = first + 3 * STEP, first + 4 * STEP
    store, respond = last + STEP + 18, last + 2 * STEP + 18
    parts = [
        f'<rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="14"/>',
        f'<rect class="start" x="{LEFT}" y="24" width="{BOX}" height="40" rx="20"/>',
        f'<text class="on-start" x="{middle}" y="49" text-anchor="middle">GET …/cat.jpg?w=400&amp;s=…</text>',
        f'<rect class="lane" x="24" y="88" width="{BOX + 66}" height="{HEIGHT - 112}" rx="12"/>',
        f'<text class="lane-name" x="{right}" y="108" text-anchor="end">a web worker</text>',
        arrow(f"M{middle} 64 V{first - 6}"),
    ]
    for number, (module, name, about, status) in enumerate(STEPS):
        y = first + number * STEP
        parts.append(box(LEFT, y, BOX, name, module, about))
        parts.append(f'<text class="status" x="{right - 12}" y="{y + 22}" text-anchor="end">{status}</text>')
        if number + 1 < len(STEPS):
            parts.append(arrow(f"M{middle} {y + HIGH} V{y + STEP - 6}"))
    parts.append(f'<text class="small" x="{middle + 10}" y="{look_up + HIGH + 18}">not there</text>')
    parts += renderer(last, store)
    parts.append(box(LEFT, store, BOX, "Store", "cache/disk.py", "written aside, then renamed"))
    parts.append(arrow(f"M{middle} {store + HIGH} V{respond - 6}"))
    parts.append(box(LEFT, respond, BOX, "Respond", "serving/responses.py", "bytes, 304, a range"))
    turn = LEFT - 16
    parts.append(arrow(f"M{LEFT} {look_up + 26} H{turn} V{respond + 26} H{LEFT - 6}", "hit"))
    parts.append(
        f'<text class="hit-name" x="{turn - 5}" y="{last + 60}" transform="rotate(-90 {turn - 5} {last + 60})" '
        'text-anchor="middle">in the cache</text>'
    )
    return page("".join(parts))


def renderer(last: int, store: int) -> list[str]:
    """The lane of the renderer, which gets its work from the step at *last* and hands it to the one at *store*."""
    x, width = 466, 258
    top, high = last - 150, len(RENDERING) * 68 + 38
    parts = [
        f'<rect class="walls" x="{x - 22}" y="{top - 40}" width="{width + 36}" height="{high}" rx="12"/>',
        f'<text class="lane-name" x="{x - 6}" y="{top - 18}">a renderer: a process of its own, behind walls</text>',
    ]
    for number, (module, name) in enumerate(RENDERING):
        y = top + number * 68
        parts.append(box(x, y, width, name, module))
        if module in REFUSING:
            parts.append(f'<text class="status" x="{x + width - 12}" y="{y + 22}" text-anchor="end">422</text>')
        if number + 1 < len(RENDERING):
            parts.append(arrow(f"M{x + width // 2} {y + HIGH} V{y + 62}"))
    side, bottom = LEFT + BOX, top + 3 * 68 + 26
    parts.append(arrow(f"M{side} {last + 26} H{side + 40} V{top + 26} H{x - 6}"))
    parts.append(arrow(f"M{x} {bottom} H{side + 46} V{store + 26} H{side + 6}"))
    return parts


def page(content: str) -> str:
    tips = "".join(
        f'<marker id="{name}" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path class="{kind}" d="M0 0 L8 4 L0 8 Z"/></marker>'
        for name, kind in (("tip", "head"), ("hit-tip", "hit-head"))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img"><title>The way of a request</title><style>{STYLE}</style><defs>{tips}</defs>{content}</svg>\n'
    )
