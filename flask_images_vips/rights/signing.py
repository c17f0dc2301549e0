"""Sign finished renditions with C2PA, so that others can verify which site made them, and from which source.

This is done in the web worker: renderers decode hostile files, so they must not hold the key.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from ..cache.per_process import PerProcess
from ..config.credentials import Credentials
from ..errors import Busy, ConfigError, shown
from ..formats import Format
from ..hashing import digest
from ..options.options import Options
from .file import Rationed

if TYPE_CHECKING:
    import c2pa

logger = logging.getLogger("flask_images_vips")

_FILES = "cert", "key"
_FORMATS = frozenset({"jpeg", "png", "webp", "avif", "tiff", "jxl"})
_MAX_SOURCE = 100_000_000  # bytes: c2pa reads the whole source to take its digest
_MAX_ADDED = 1 << 20  # bytes: a rendition of 10 kB must not become one of 50 MB
_DIGEST_BYTES = 8
_SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},  # it would have more bytes than the picture
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": False},
}
_STARTS = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG": "image/png",
    b"GIF8": "image/gif",
    b"II*\0": "image/tiff",
    b"MM\0*": "image/tiff",
    b"\0\0\0\x0cJXL ": "image/jxl",
}
_BRANDS = {b"avif": "image/avif", b"heic": "image/heic", b"mif1": "image/heif"}


class Signer:
    """Signs renditions with the files that *config* names, relative to *root_path*.

    Raises:
        ConfigError: If they cannot be read, or c2pa is not installed.
    """

    def __init__(self, config: Credentials, root_path: str) -> None:
        if importlib.util.find_spec("c2pa") is None:
            raise ConfigError("IMAGES_C2PA needs c2pa-python. Install it with: pip install 'flask-images-vips[c2pa]'")
        self._alg = config.alg
        self._certificate, self._key = (_read(name, os.path.join(root_path, getattr(config, name))) for name in _FILES)
        self.digest = digest(self._certificate, _DIGEST_BYTES)
        self._tools = PerProcess(self._make)

    @property
    def expires(self) -> datetime:
        """When the first certificate of the chain expires.

        Raises:
            ValueError: If it cannot be read.
        """
        from cryptography import x509  # noqa: PLC0415  (an extra)

        chain = x509.load_pem_x509_certificates(self._certificate.encode())
        return min(each.not_valid_after_utc for each in chain)

    @staticmethod
    def signs(options: Options, format: Format) -> bool:
        """Return whether a rendition with *options* is signed as *format*. A limit of bytes leaves no room for it."""
        return options.keep.rights and options.max_bytes is None and format.name in _FORMATS

    def sign(self, data: bytes, format: Format, source: BinaryIO, ref: str) -> bytes:
        """Return the file *data* of a rendition of *source*, called *ref*, with a signature.

        Raises:
            Busy: If it cannot be signed: then it must not be stored.
        """
        import c2pa  # noqa: PLC0415  (an extra)

        try:
            made = self._signed(data, format, source, ref)
            if len(made) - len(data) > _MAX_ADDED:
                logger.warning("The signatures of %s are left out, because they have more than 1 MiB", shown(ref))
                made = self._signed(data, format, None, ref)
        except (c2pa.C2paError, OSError) as error:
            logger.error("The rendition of %s cannot be signed with IMAGES_C2PA: %s", shown(ref), error)
            raise Busy(f"the rendition of {shown(ref)} cannot be signed: {error}") from error
        return made

    def _signed(self, data: bytes, format: Format, source: BinaryIO | None, ref: str) -> bytes:
        import c2pa  # noqa: PLC0415  (an extra)

        signer, context = self._tools.get()
        manifest = {"claim_generator_info": [{"name": "flask-images-vips"}], "format": format.media_type}
        with c2pa.Builder(manifest, context) as builder:
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            if source is not None:
                _add_source(builder, source, ref)
            builder.add_action({"action": "c2pa.resized"})
            made = io.BytesIO()
            builder.sign(signer, format.media_type, io.BytesIO(data), made)
        return made.getvalue()

    def _make(self) -> tuple[c2pa.Signer, c2pa.Context]:
        import c2pa  # noqa: PLC0415  (an extra)

        try:
            info = c2pa.C2paSignerInfo(self._alg, self._certificate.encode(), self._key.encode(), None)
            return c2pa.Signer.from_info(info), c2pa.Context.from_dict(_SETTINGS)
        except c2pa.C2paError as error:
            message = f"IMAGES_C2PA: the certificate or the key cannot be used for {self._alg}: {error}"
            logger.error("%s", message)
            raise Busy(message) from error


def _read(name: str, path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            text = file.read()
    except (OSError, ValueError) as error:
        raise ConfigError(f"IMAGES_C2PA: {name!r} cannot be read: {error}") from None
    if "-----BEGIN " not in text:
        raise ConfigError(f"IMAGES_C2PA: {name!r} is not in PEM: {path}. Expected lines with -----BEGIN …-----.")
    return text


def _add_source(builder: Any, source: BinaryIO, ref: str) -> None:
    """Add *source*, with the signatures that it has, as the ingredient that the rendition was made from.

    If it cannot be added, the signature begins with the rendition itself.
    """
    import c2pa  # noqa: PLC0415  (an extra)

    media_type = _media_type(source.read(12))
    size = source.seek(0, os.SEEK_END)
    source.seek(0)
    if media_type is None:
        return
    if size > _MAX_SOURCE:
        logger.warning("The signatures of %s are left out, because it has more than 100 MB", shown(ref))
        return
    rationed = Rationed(source)
    try:
        builder.add_ingredient({"title": "source", "relationship": "parentOf"}, media_type, rationed)
    except c2pa.C2paError as error:
        why = "the file has very many parts" if rationed.spent else error
        logger.warning("The signatures of %s are left out, because they cannot be read: %s", shown(ref), why)


def _media_type(start: bytes) -> str | None:
    if start[:4] == b"RIFF" and start[8:] == b"WEBP":
        return "image/webp"
    if start[4:8] == b"ftyp":
        return _BRANDS.get(start[8:])
    return next((media_type for begin, media_type in _STARTS.items() if start.startswith(begin)), None)
