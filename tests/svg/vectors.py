"""Attacks by SVG, by kind, and a judge of what was written that shares no code with the package."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from xml.etree import ElementTree

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
HEAD = f'<svg xmlns="{SVG}" xmlns:xlink="{XLINK}" width="40" height="30" viewBox="0 0 40 30">'
RUN = "fetch('/ran')"
"""A script, which the browser's recorder would see. It needs no other origin."""
_NESTED = base64.b64encode(f'<svg xmlns="{SVG}" onload="{RUN}"/>'.encode()).decode()


def drawing(inside: str, head: str = HEAD) -> str:
    return f"{head}{inside}</svg>"


# Each is written so that it works in an SVG that is a document of its own, without a policy.
SCRIPTS = [
    f"<script>{RUN}</script>",
    f'<s:script xmlns:s="{SVG}">{RUN}</s:script>',
    f'<script xmlns="http://www.w3.org/1999/xhtml">{RUN}</script>',
    f'<script type="application/ecmascript"><![CDATA[{RUN}]]></script>',
    '<script xlink:href="/fetched"/>',
    '<script href="data:text/javascript,fetch(1)"/>',
    f'<g onclick="{RUN}" onload="{RUN}" onbegin="{RUN}" onmadeup="{RUN}"><rect width="9" height="9"/></g>',
    f'<animate attributeName="x" dur="1s" onbegin="{RUN}" onend="{RUN}"/>',
    f'<rect width="9" height="9"><set attributeName="onload" to="{RUN}"/></rect>',
    f'<rect width="9" height="9"><set attributeName=" onload" to="{RUN}"/></rect>',
    f'<a id="x"><set attributeName="href" to="javascript:{RUN}"/><rect width="9" height="9"/></a>',
    f'<a><animate attributeName="xlink:href" values="javascript:{RUN}" dur="1s"/><rect width="9" height="9"/></a>',
    f'<animate href="#x" attributeName="href" values="javascript:{RUN}"/><a id="x"><rect width="9" height="9"/></a>',
    f'<a href="javascript:{RUN}"><rect width="9" height="9"/></a>',
    f'<a xlink:href="java&#9;script:{RUN}"><rect width="9" height="9"/></a>',
    f'<a href="&#x6A;avascript:{RUN}" target="_top"><rect width="9" height="9"/></a>',
    f'<image href="java&#10;script:{RUN}" width="9" height="9"/>',
    f'<use href="data:image/svg+xml;base64,{_NESTED}#x"/>',
    f'<image href="data:image/svg+xml;base64,{_NESTED}" width="9" height="9"/>',
    f'<feImage xlink:href="data:image/svg+xml;base64,{_NESTED}"/>',
    f'<image href="data:image/png;base64,{_NESTED}" width="9" height="9"/>',
    '<foreignObject width="9" height="9"><iframe xmlns="http://www.w3.org/1999/xhtml" srcdoc="x"/></foreignObject>',
    f'<foreignObject><body xmlns="http://www.w3.org/1999/xhtml" onload="{RUN}"/></foreignObject>',
    f'<switch><foreignObject requiredExtensions="x"><script>{RUN}</script></foreignObject><g/></switch>',
    f'<img xmlns="http://www.w3.org/1999/xhtml" src="x" onerror="{RUN}"/>',
    f'<title><img xmlns="http://www.w3.org/1999/xhtml" src="x" onerror="{RUN}"/></title>',
    f'<desc><style><a title="&lt;/style>&lt;img src=x onerror={RUN}>"/></style></desc>',
    f"<style><![CDATA[</style><script>{RUN}</script>]]></style>",
    f'<SCRIPT>{RUN}</SCRIPT><SET ATTRIBUTENAME="HREF" TO="javascript:{RUN}"/>',
    f'<handler xmlns="http://www.w3.org/2001/xml-events">{RUN}</handler><listener event="load"/>',
    f'<metadata><x:script xmlns:x="{SVG}">{RUN}</x:script></metadata>',
    f'<animation xlink:href="javascript:{RUN}"/><discard/><embed src="javascript:{RUN}"/>',
    f'<animate attributeName="style" values="fill:url(javascript:{RUN})"/>',
    f'<rect width="9" height="9" style="behavior:url(#x);-moz-binding:url(/fetched#x);x:expression({RUN})"/>',
]
FETCHES = [
    '<image href="/fetched" width="9" height="9"/>',
    '<image xlink:href="//127.0.0.1/fetched" width="9" height="9"/>',
    '<image href=" file:///etc/passwd" width="9" height="9"/>',
    '<use href="/fetched#x"/><use xlink:href="other.svg#x"/>',
    '<feImage href="/fetched"/><textPath href="/fetched#x"/><mpath xlink:href="/fetched#x"/>',
    '<linearGradient xlink:href="/fetched#x"/><pattern href="/fetched#x"/><filter href="/fetched#x"/>',
    '<rect width="9" height="9" fill="url(/fetched#x)" stroke="URL( \'/fetched#x\' )"/>',
    '<rect width="9" height="9" fill="url(/fetched#x) red" mask="u\\72l(/fetched#x)" filter="url(/fetched)"/>',
    '<rect width="9" height="9" cursor="url(/fetched), auto" clip-path="url(&quot;/fetched#x&quot;)"/>',
    '<rect width="9" height="9" style="fill:url(/fetched#x);background:url(/fetched)"/>',
    '<rect width="9" height="9" style="fill:u\\72 l(/fetched);background:image-set(\'/fetched\' 1x)"/>',
    '<rect width="9" height="9" style="--x:url(/fetched);fill:var(--x);mask-image:src(\'/fetched\')"/>',
    '<rect width="9" height="9" style="fill:red;/*;*/fill:ur/**/l(/fetched);background:url(&#9;/fetched)"/>',
    '<style>@import "/fetched";</style>',
    "<style>@import url(/fetched);@\\69mport '/fetched';</style>",
    "<style>@charset 'x';@namespace url(/fetched);@font-face{font-family:x;src:url(/fetched)}</style>",
    "<style>rect{fill:url(/fetched);background:cross-fade(url(/fetched),url(/fetched))}</style>",
    "<style>@media all{@import '/fetched';rect{background:url(/fetched)}}@supports(x:y){a{fill:url(/b)}}</style>",
    "<style>@page{background:url(/fetched)}@layer x{rect{background:url(/fetched)}}</style>",
    "<style>a{}@import '/fetched';/*</style><style>*/rect{background:url(/fetched)}</style>",
    "<style>rect{x:'\n;background:url(/fetched)}/*'*/</style>",
    "<style>rect{fill:red;{background:url(/fetched)}}&lt;!-- @import '/fetched'; --></style>",
    '<style type="text/xsl">@import "/fetched";</style>',
    '<animate attributeName="fill" values="url(/fetched#x)" dur="1s"/><set attributeName="mask" to="url(/fetched)"/>',
    '<g xml:base="http://127.0.0.1/"><use href="fetched#x"/></g>',
    '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/fetched"/>',
    '<link xmlns="http://www.w3.org/1999/xhtml" rel="stylesheet" href="/fetched"/>',
    '<iframe src="/fetched"/><audio src="/fetched"/><video src="/fetched"/><object data="/fetched"/>',
    '<font-face-uri xlink:href="/fetched"/><color-profile xlink:href="/fetched"/><cursor xlink:href="/fetched"/>',
    '<tref xlink:href="/fetched"/><a href="http://127.0.0.1/fetched" ping="/fetched"><rect width="9" height="9"/></a>',
]
HEADS = [
    f'<?xml-stylesheet href="/fetched"?>{HEAD}',
    f'<?xml-stylesheet type="text/xsl" href="#x"?>{HEAD}',
    f"<?x ><script>{RUN}</script>?>{HEAD}",
    f"<!-- --><!-- ><script>{RUN}</script> -->{HEAD}",
    f'<!DOCTYPE svg PUBLIC "x" "/fetched">{HEAD}',
    f'<!DOCTYPE svg [<!ENTITY x "javascript:{RUN}">]>{HEAD}<a href="&x;"><rect width="9" height="9"/></a>',
    HEAD.replace("<svg", f'<svg onload="{RUN}" onresize="{RUN}"'),
    HEAD.replace("<svg", '<svg xml:base="/x/" style="background:url(/fetched)" contentScriptType="text/ecmascript"'),
]


def attacks() -> Iterator[str]:
    for inside in (*SCRIPTS, *FETCHES):
        yield drawing(inside)
        yield drawing(f"<defs><g><svg>{inside}</svg></g></defs><text>{inside}</text>")
    for head in HEADS:
        yield drawing('<rect width="9" height="9"/>', head)


_FORBIDDEN = {"script", "foreignobject", "iframe", "handler", "listener", "animation", "embed", "object", "link"}
_IN_STYLES = ("@import", "@font-face", "@namespace", "javascript:", "expression(", "\\")
_REFERENCE = re.compile(r"(?:url|src|image-set|image)\(([^)]*)")
_EMBEDDED = re.compile(r"#|data:image/(png|jpeg|webp|gif);base64,")


def faults(written: bytes) -> list[str]:
    """What is wrong with a drawing that was written: scripts, events, and references to anything else."""
    text, found = written.decode(), []
    found += [each for each in ("<!", "<?", "&#x", "CDATA") if each in text]
    for element in ElementTree.fromstring(written).iter():
        space, _, tag = str(element.tag)[1:].rpartition("}")
        if space != SVG or tag.lower() in _FORBIDDEN:
            found.append(tag)
        for name, value in element.attrib.items():
            local, plain = name.rpartition("}")[2].lower(), re.sub(r"[\s\x00-\x1f]", "", value).lower()
            if local.startswith("on") or local in ("src", "base", "ping", "target", "action", "srcdoc"):
                found.append(f"{name}={value}")
            if local == "href" and not _EMBEDDED.match(plain):
                found.append(f"{name}={value}")
            if local == "attributename" and (plain.startswith("on") or plain.rpartition(":")[2] in ("href", "style")):
                found.append(f"{name}={value}")
            if local not in ("id", "class"):
                found += _in_styles(plain)
        if tag == "style":
            found += _in_styles(re.sub(r"\s", "", element.text or "").lower())
    return found


def _in_styles(text: str) -> list[str]:
    found = [each for each in _IN_STYLES if each in text]
    return found + [each for each in _REFERENCE.findall(text) if each.strip("\"'")[:1] != "#"]
