"""Check the configuration: keys without effect, weak secret keys, values that switch protection off."""

from __future__ import annotations

from collections.abc import Iterator

from ...config.keys import odd_keys, read_key, secret_keys
from ...health import HEALTH_ENDPOINT
from ...oddities import auto_without_scores, missing_fallback, own_numbers, unused_keys
from .finding import Finding, error, ok, warning
from .site import Site

_SHORTEST_KEY = 16  # bytes; 128 bits, if all are random
# What tutorials, templates and documentations of Flask use as a key, in lower case and without marks between words.
_KNOWN_KEYS = frozenset(
    (
        *("dev", "development", "test", "testing", "key", "password", "flask", "flasksecret", "hardtoguessstring"),
        *("secret", "secretkey", "asecret", "asecretkey", "anysecret", "mysecret", "mysecretkey", "thesecretkey"),
        *("topsecret", "supersecret", "supersecretkey", "verysecret", "verysecretkey", "youwillneverguess"),
        *("yoursecretkey", "yoursecretkeyhere", "changeme", "changethis", "pleasechangeme"),
    )
)
_NEW_KEY = "python -c 'import secrets; print(secrets.token_hex())'"
_READ_IN_INIT_APP = {"IMAGES_URL": "url", "IMAGES_NAME": "name"}


def keys(site: Site) -> Iterator[Finding]:
    """Find keys of ``app.config`` that have no effect."""
    found = [
        warning("keys", sentence, "Correct the name, or remove the key.") for sentence in odd_keys(site.app.config)
    ]
    found += [warning("keys", sentence, "Remove the key.") for sentence in unused_keys(site.config)]
    for name, attribute in _READ_IN_INIT_APP.items():
        value = read_key(name, site.app.config)
        if value != getattr(site.images, attribute):
            found.append(
                error(
                    "keys",
                    f"{name} = {value!r} has no effect: it was set after init_app had read it, which uses "
                    f"{getattr(site.images, attribute)!r}.",
                    f"Set {name} before Images(app) or images.init_app(app).",
                )
            )
    if read_key("IMAGES_HEALTH", site.app.config) is not None and HEALTH_ENDPOINT not in site.app.view_functions:
        message = "IMAGES_HEALTH has no effect: it was set after init_app had read it."
        found.append(error("keys", message, "Set it before Images(app) or images.init_app(app)."))
    yield from found or [ok("keys", "every IMAGES_… key is known")]


def secret_key(site: Site) -> Iterator[Finding]:
    """Find keys of signatures that others can guess."""
    for secret in secret_keys(site.app.config):
        data = secret.encode() if isinstance(secret, str) else secret
        plain = "".join(letter for letter in data.decode("utf-8", "replace").lower() if letter.isalnum())
        if plain in _KNOWN_KEYS:
            yield error(
                "secret-key",
                "A key of signatures is one from documentation, so strangers can sign URLs of any size and source.",
                f"Set SECRET_KEY, or IMAGES_SECRET_KEY, to the output of: {_NEW_KEY}",
            )
        elif len(data) < _SHORTEST_KEY:
            yield warning(
                "secret-key",
                f"A key of signatures has only {len(data)} bytes, so strangers may find it by trying.",
                f"Set SECRET_KEY, or IMAGES_SECRET_KEY, to the output of: {_NEW_KEY}",
            )
        else:
            yield ok("secret-key", f"{len(data)} bytes")


def protection(site: Site) -> Iterator[Finding]:
    """Find values that let hostile files do more than they must."""
    config, found = site.config, []
    if config.fail_on == "none":
        found.append(
            warning(
                "hostile-files",
                "IMAGES_FAIL_ON = 'none' shows what is left of damaged files, and lets decoders go on after errors.",
                "Remove IMAGES_FAIL_ON, or set it to 'warning' if strangers upload files.",
            )
        )
    if config.svg and config.max_renders == 0:
        found.append(
            warning(
                "hostile-files",
                f"IMAGES_SVG = {config.svg!r} with IMAGES_MAX_RENDERS = 0: an SVG may keep a web worker busy for "
                "seconds, and IMAGES_RENDER_TIMEOUT cannot stop it.",
                "Remove IMAGES_MAX_RENDERS, so that images are rendered in processes of their own.",
            )
        )
    yield from found or [ok("hostile-files", f"refused if {config.fail_on}, within {config.render_timeout:g} s")]


def fallback(site: Site) -> Iterator[Finding]:
    """Find a missing picture of ``IMAGES_FALLBACK``."""
    if site.config.fallback is not None:
        missing = [*missing_fallback(site.config, site.app.root_path)]
        for sentence in missing:
            yield error("fallback", sentence, "Put the picture there, or correct IMAGES_FALLBACK.")
        if not missing:
            yield ok("fallback", site.config.fallback)


def quality(site: Site) -> Iterator[Finding]:
    """Find numbers of ``IMAGES_QUALITY`` that may be meant for an encoder, and ``auto`` without its package."""
    for sentence in own_numbers(site.config):
        yield warning("quality", sentence, "Write raw(…) around the encoder's own numbers.")
    for sentence in auto_without_scores(site.config):
        yield warning("quality", sentence, "Install the extra auto-quality, or set a number.")


def hooks(site: Site) -> Iterator[Finding]:
    """Find functions before requests that cached images do not reach."""
    skipping = [
        name
        for name, value in (
            ("IMAGES_EARLY_HITS", site.config.early_hits),
            ("IMAGES_FRONT_DOOR", site.config.front_door),
        )
        if value
    ]
    functions = [f"{each.__module__}.{each.__qualname__}" for each in site.app.before_request_funcs.get(None, ())]
    if skipping and functions:
        yield warning(
            "hooks",
            f"{' and '.join(skipping)}: cached images are sent without calling {', '.join(functions)}. If such a "
            "function protects the site, images are not protected.",
            "Protect images by @images.authorize, or switch these keys off. If the function has another purpose, "
            "ignore this.",
        )
