"""Read the rights in a packet of XMP, and write a packet that says nothing else."""

from __future__ import annotations

from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from .. import strict_xml
from .file import MAX_XMP
from .record import MAX_TEXT, Rights

_NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
}
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_ROOT, _DESCRIPTION, _ITEM, _RESOURCE = (f"{_RDF} {name}" for name in ("RDF", "Description", "li", "resource"))
_LANGUAGE = "http://www.w3.org/XML/1998/namespace lang"
_EXTENDED = "http://ns.adobe.com/xmp/note/ HasExtendedXMP"

_NOTE = "extended"


class _Property(NamedTuple):
    """A property of XMP: its *prefix* and *name*, and its *form*: text, a list, texts by language, or licensors."""

    prefix: str
    name: str
    form: str = "text"

    @property
    def full(self) -> str:
        return f"{_NAMESPACES[self.prefix]} {self.name}"


_PROPERTIES = {
    "creator": _Property("dc", "creator", "Seq"),
    "copyright": _Property("dc", "rights", "Alt"),
    "credit": _Property("photoshop", "Credit"),
    "web_statement": _Property("xmpRights", "WebStatement"),
    "usage_terms": _Property("xmpRights", "UsageTerms", "Alt"),
    "digital_source_type": _Property("Iptc4xmpExt", "DigitalSourceType"),
}
_LICENSOR = _Property("plus", "Licensor", "Licensor")
_OF_LICENSOR = {"licensor": _Property("plus", "LicensorName"), "licensor_url": _Property("plus", "LicensorURL")}

_BY_NAME = {each.full: (name, each.form) for name, each in _PROPERTIES.items()} | {_LICENSOR.full: ("", "Licensor")}
_BY_NAME_OF_LICENSOR = {each.full: name for name, each in _OF_LICENSOR.items()}
_ENCODINGS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def parse(packet: bytes) -> tuple[dict[str, Any], str]:
    """Return the rights in *packet* by the names of `Rights`, and the digest of the extended packet that it names.

    The rights are empty if the packet is large, or refused by `strict_xml.parse`. The digest is empty if there is none.
    """
    reader = _Reader()
    try:
        if len(packet) > MAX_XMP:
            return {}, ""
        strict_xml.parse(_utf8(packet), reader.start, reader.end, reader.add)
    except ValueError:
        return {}, ""
    return reader.found, reader.extended


def _utf8(packet: bytes) -> bytes:
    """Return *packet* in UTF-8.

    Raises:
        UnicodeDecodeError: If it has a mark of another encoding and is not in that.
    """
    for mark, encoding in _ENCODINGS.items():
        if packet.startswith(mark):
            return packet.decode(encoding).encode()
    return packet


class _Reader:
    """Collects the properties of `_BY_NAME` that stand directly in a description of the file."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self.extended = ""
        self._path: list[str] = []
        self._field, self._form, self._depth = "", "", 0
        self._text: list[str] | None = None
        self._length = 0
        self._texts: list[tuple[str, str]] = []
        self._language = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        path = self._path
        if self._form:
            self._start_inside(name, attributes)
        elif name == _DESCRIPTION and path and path[-1] == _ROOT and len(path) <= 2:
            self.extended = self.extended or attributes.get(_EXTENDED, "")
            for attribute, value in attributes.items():
                if attribute in _BY_NAME and _BY_NAME[attribute][1] == "text":
                    self._keep(_BY_NAME[attribute][0], value)
        elif name in (*_BY_NAME, _EXTENDED) and path[-2:] == [_ROOT, _DESCRIPTION] and len(path) <= 3:
            self._field, self._form = _BY_NAME.get(name, (_NOTE, "note"))
            self._depth, self._texts, self._language = len(path), [], ""
            self._begin()
            if _RESOURCE in attributes:
                self.add(attributes[_RESOURCE])
        path.append(name)

    def _start_inside(self, name: str, attributes: dict[str, str]) -> None:
        if self._form == "Licensor":
            for attribute, field in _BY_NAME_OF_LICENSOR.items():
                if attribute in attributes:
                    self._keep(field, attributes[attribute])
            if name in _BY_NAME_OF_LICENSOR:
                self._begin()
                if _RESOURCE in attributes:
                    self.add(attributes[_RESOURCE])
        elif name == _ITEM:
            self._language = attributes.get(_LANGUAGE, "")
            self._begin()

    def end(self, name: str) -> None:
        path = self._path
        path.pop()
        if not self._form:
            return
        if self._form == "Licensor" and name in _BY_NAME_OF_LICENSOR:
            self._keep(_BY_NAME_OF_LICENSOR[name], self._taken())
        elif name == _ITEM and self._form == "Licensor" and not self.found.keys().isdisjoint(_OF_LICENSOR):
            self._form, self._field, self._text = "note", "", None  # a second licensor must not be mixed into the first
        elif name == _ITEM and self._form in ("Seq", "Alt"):
            self._texts.append((self._language, self._taken()))
        if len(path) == self._depth:
            self._finish()

    def _finish(self) -> None:
        """Keep the value of the property that ends here."""
        form, text = self._form, self._taken()
        self._form, self._text = "", None
        if form == "note":
            self.extended = self.extended or (text if self._field == _NOTE else "")
        elif form == "text" or (not self._texts and form != "Licensor"):
            self._keep(self._field, [text] if form == "Seq" and text else text)
        elif form == "Seq":
            self._keep(self._field, [each for _, each in self._texts if each])
        elif form == "Alt":
            standard = [each for language, each in self._texts if language == "x-default"]
            self._keep(self._field, (standard or [self._texts[0][1]])[0])

    def _begin(self) -> None:
        self._text, self._length = [], 0

    def add(self, text: str) -> None:
        if self._text is not None and self._length <= MAX_TEXT:
            self._text.append(text)
            self._length += len(text)

    def _taken(self) -> str:
        """Return the text since `_begin`; nothing if it is too long."""
        taken = "".join(self._text or ()).strip()
        self._begin()
        return taken if len(taken) <= MAX_TEXT else ""

    def _keep(self, field: str, value: Any) -> None:
        if value and field not in self.found:
            self.found[field] = value


def packet_of(rights: Rights) -> bytes:
    """Return a packet of XMP that says *rights* and nothing else."""
    inside, prefixes = description_of(rights)
    spaces = "".join(f' xmlns:{prefix}="{_NAMESPACES[prefix]}"' for prefix in prefixes)
    text = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{_RDF}"><rdf:Description rdf:about=""{spaces}>{inside}</rdf:Description></rdf:RDF>'
        '</x:xmpmeta><?xpacket end="r"?>'
    )
    return text.encode()


def description_of(rights: Rights) -> tuple[str, list[str]]:
    """Return the properties of *rights* as XML, and the prefixes that they use."""
    known, parts, prefixes = rights.in_file, [], []
    for field, each in _PROPERTIES.items():
        if field in known:
            parts.append(_element(each, known[field]))
            prefixes.append(each.prefix)
    inside = "".join(_element(each, known[field]) for field, each in _OF_LICENSOR.items() if field in known)
    if inside:
        parts.append(
            f'<plus:Licensor><rdf:Seq><rdf:li rdf:parseType="Resource">{inside}</rdf:li></rdf:Seq></plus:Licensor>'
        )
        prefixes.append(_LICENSOR.prefix)
    return "".join(parts), list(dict.fromkeys(prefixes))


def _element(each: _Property, value: Any) -> str:
    tag = f"{each.prefix}:{each.name}"
    if each.form == "text":
        inside = escape(value)
    elif each.form == "Alt":
        inside = f'<rdf:Alt><rdf:li xml:lang="x-default">{escape(value)}</rdf:li></rdf:Alt>'
    else:
        inside = f"<rdf:Seq>{''.join(f'<rdf:li>{escape(item)}</rdf:li>' for item in value)}</rdf:Seq>"
    return f"<{tag}>{inside}</{tag}>"
