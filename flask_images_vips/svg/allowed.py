"""List the elements, attributes and style properties that an SVG may keep.

Everything else is left out, so an addition to SVG or CSS is harmless until it is added here.
"""

from __future__ import annotations

SHAPES = frozenset({"path", "rect", "circle", "ellipse", "line", "polyline", "polygon"})

TEXT = frozenset({"text", "tspan", "textPath"})
"""The elements whose text is shown."""

WORDS = frozenset({"title", "desc"})
"""The elements that hold only text, which tells what the drawing shows."""

GROUPS = frozenset({"svg", "g", "defs", "symbol", "use", "switch", "a", "clipPath", "mask", "marker", "pattern"})

PAINT = frozenset({"linearGradient", "radialGradient", "stop"})

FILTERS = frozenset(
    (
        *("filter", "feBlend", "feColorMatrix", "feComponentTransfer", "feComposite", "feConvolveMatrix"),
        *("feDiffuseLighting", "feDisplacementMap", "feDistantLight", "feDropShadow", "feFlood", "feFuncA", "feFuncB"),
        *("feFuncG", "feFuncR", "feGaussianBlur", "feImage", "feMerge", "feMergeNode", "feMorphology", "feOffset"),
        *("fePointLight", "feSpecularLighting", "feSpotLight", "feTile", "feTurbulence"),
    )
)

ANIMATIONS = frozenset({"animate", "animateTransform", "animateMotion", "set"})
"""The elements that change an attribute of another element."""

PICTURES = frozenset({"image", "feImage"})
"""The elements that may embed a picture."""

ELEMENTS = SHAPES | TEXT | WORDS | GROUPS | PAINT | FILTERS | ANIMATIONS | PICTURES | {"style", "mpath"}
"""The elements that an SVG may have. A script, a ``foreignObject`` and everything of other namespaces is left out."""

LINKED = frozenset(
    {"use", "textPath", "mpath", "linearGradient", "radialGradient", "pattern", "filter", "feImage", *ANIMATIONS}
)
"""The elements whose ``href`` may name another element of the same file. That of ``a`` is always left out."""

# Properties of style sheets that are attributes as well.
_PRESENTATION = frozenset(
    (
        *("alignment-baseline", "baseline-shift", "clip", "clip-path", "clip-rule", "color", "color-interpolation"),
        *("color-interpolation-filters", "color-rendering", "direction", "display", "dominant-baseline", "fill"),
        *("fill-opacity", "fill-rule", "filter", "flood-color", "flood-opacity", "font", "font-family", "font-size"),
        *("font-size-adjust", "font-stretch", "font-style", "font-variant", "font-weight", "image-rendering"),
        *("letter-spacing", "lighting-color", "marker", "marker-end", "marker-mid", "marker-start", "mask"),
        *("mask-type", "mix-blend-mode", "opacity", "overflow", "paint-order", "pointer-events", "shape-rendering"),
        *("stop-color", "stop-opacity", "stroke", "stroke-dasharray", "stroke-dashoffset", "stroke-linecap"),
        *("stroke-linejoin", "stroke-miterlimit", "stroke-opacity", "stroke-width", "text-anchor", "text-decoration"),
        *("text-rendering", "transform", "transform-origin", "unicode-bidi", "vector-effect", "visibility"),
        *("white-space", "word-spacing", "writing-mode", "isolation"),
    )
)
_GEOMETRY = frozenset(("cx", "cy", "d", "height", "r", "rx", "ry", "width", "x", "y"))

PROPERTIES = (
    _PRESENTATION
    | _GEOMETRY
    | {
        *("animation", "animation-delay", "animation-direction", "animation-duration", "animation-fill-mode"),
        *("animation-iteration-count", "animation-name", "animation-play-state", "animation-timing-function"),
        *("transition", "transition-delay", "transition-duration", "transition-property"),
        *("transition-timing-function", "background", "background-color", "color-scheme", "font-kerning"),
        *("font-feature-settings", "font-variant-ligatures", "font-variant-numeric", "font-variation-settings"),
        *("font-variant-caps", "font-variant-east-asian", "font-variant-position", "text-decoration-thickness"),
        *("text-underline-offset", "text-decoration-skip-ink"),
        *("glyph-orientation-horizontal", "glyph-orientation-vertical", "inline-size", "line-height", "max-height"),
        *("max-width", "min-height", "min-width", "offset", "offset-distance", "offset-path", "offset-rotate"),
        *("perspective", "perspective-origin", "rotate", "scale", "shape-inside", "shape-padding", "shape-margin"),
        *("text-align", "text-decoration-color", "text-decoration-line", "text-decoration-style", "text-indent"),
        *("text-orientation", "text-shadow", "text-transform", "transform-box", "transform-style", "translate"),
        *("will-change", "-webkit-font-smoothing"),
    }
)
"""The properties that a style sheet may set, besides variables."""

FUNCTIONS = frozenset(
    (
        *("rgb", "rgba", "hsl", "hsla", "hwb", "lab", "lch", "oklab", "oklch", "color", "color-mix", "light-dark"),
        *("icc-color", "calc", "min", "max", "clamp", "var", "matrix", "matrix3d", "translate", "translatex"),
        *("translatey", "translatez", "translate3d", "rotate", "rotatex", "rotatey", "rotatez", "rotate3d", "scale"),
        *("scalex", "scaley", "scalez", "scale3d", "skew", "skewx", "skewy", "perspective", "cubic-bezier", "steps"),
        *("linear", "inset", "circle", "ellipse", "polygon", "path", "ray", "rect", "xywh", "blur", "brightness"),
        *("contrast", "drop-shadow", "grayscale", "hue-rotate", "invert", "opacity", "saturate", "sepia"),
    )
)
"""The functions that a value may call, in lower case. None of them fetches anything."""

PLAIN = frozenset(
    (
        *("id", "class", "role", "lang", "version", "requiredExtensions", "requiredFeatures", "systemLanguage"),
        *("aria-hidden", "aria-label", "aria-labelledby", "aria-describedby"),
    )
)
"""The attributes whose values are words, which no browser takes for anything else. None of them is fetched."""

_ANIMATED = frozenset(
    (
        *("amplitude", "azimuth", "baseFrequency", "bias", "diffuseConstant", "divisor", "dx", "dy", "edgeMode"),
        *("elevation", "exponent", "fr", "fx", "fy", "gradientTransform", "gradientUnits", "in", "in2", "intercept"),
        *("k1", "k2", "k3", "k4", "kernelMatrix", "kernelUnitLength", "lengthAdjust", "limitingConeAngle"),
        *("markerHeight", "markerUnits", "markerWidth", "maskContentUnits", "maskUnits", "mode", "numOctaves"),
        *("offset", "operator", "order", "orient", "patternContentUnits", "patternTransform", "patternUnits"),
        *("pathLength", "points", "pointsAtX", "pointsAtY", "pointsAtZ", "preserveAlpha", "preserveAspectRatio"),
        *("primitiveUnits", "radius", "refX", "refY", "result", "rotate", "scale", "seed", "slope", "spacing"),
        *("specularConstant", "specularExponent", "spreadMethod", "startOffset", "stdDeviation", "stitchTiles"),
        *("surfaceScale", "tableValues", "targetX", "targetY", "textLength", "type", "values", "viewBox", "x1", "x2"),
        *("xChannelSelector", "y1", "y2", "yChannelSelector", "z", "clipPathUnits", "filterUnits", "method", "side"),
    )
)

ANIMATABLE = (_PRESENTATION | _GEOMETRY | _ANIMATED) - {"type", "values"}
"""The attributes that an animation may change: never a link, an event or a style sheet."""

TIMES = frozenset({"begin", "end", "dur", "min", "max", "repeatCount", "repeatDur", "keyTimes", "keySplines"})

ATTRIBUTES = (
    _PRESENTATION
    | _GEOMETRY
    | _ANIMATED
    | {"baseProfile", "media"}
    | {"attributeName", "attributeType", "from", "to", "by", "calcMode", "additive", "accumulate", "restart", "path"}
    | {"keyPoints", "origin"}
)
"""The attributes that an element may have, besides `PLAIN`, ``style`` and links. No event is among them."""
