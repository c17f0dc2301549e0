"""The messages in the log: what each means, and what to do where the message does not say it."""

from __future__ import annotations

from .logged import Logged, messages
from .markup import linked_keys, table

AREAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Images that are refused": (
        "Each image that is not served gets one line.",
        ("serving/views.py", "serving/fallback.py", "tenants.py", "access.py"),
    ),
    "Pages and templates": (
        "A mistake in a call never breaks a page. The line begins with the helper and the place of the call, such as "
        "`resized_img_tag in index.html, line 3`. Outside debug mode, most of these are logged once in each process.",
        ("page/", "debugging.py", "late_facts.py", "rights/asking.py"),
    ),
    "The configuration": (
        "These are logged when the application starts. `flask images check` shows them too.",
        ("config/", "oddities.py", "exposure.py", "startup.py", "wiring.py", "compat.py", "background_renders.py",
         "installed.py"),
    ),
    "Libraries and engines": ("What is missing on this host.", ("engines/", "abilities.py")),
    "Renderers and renders": (
        "Who renders, and what came of it.",
        ("pool/", "producer.py", "serving/server_threads.py", "background_thread.py", "shared_decode/", "auto_quality.py",
         "recompression.py", "smaller_jxl.py", "events.py"),
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

NOTES: dict[str, str] = {
    # Images that are refused
    "image …: …, …": "The image, its status and the reason. [Errors](../reference/errors.md) explains each status, and "
    "[`flask images url`](checking.md#flask-images-url) one URL.",
    "The signature of an image URL was wrong.": "Follows the first line with status 404 because of a signature. "
    "Attackers cause it too.",
    "IMAGES_FALLBACK = … cannot be sent": "The picture of `IMAGES_FALLBACK` itself is missing or broken. Replace it.",
    "The … callback failed for …. The image is rendered": "Your `tenant` or `quota` function raised an error. Mend the "
    "function.",
    "The authorize callback … returned": "Mend the function: a `return` or an `await` is missing, or it returns an object.",
    # Pages and templates
    "…: …=… has no effect": "The value of an argument is invalid, so it is ignored. Correct it in the template.",
    "…: no placeholder for image …: it is missing": "A remote picture has one at the next visit. Otherwise, mend the path.",
    "…: no placeholder for image …: …": "The file is broken or too large. The tag has no placeholder.",
    "… is not a valid name of an HTML attribute": "Rename the keyword: it was meant as an attribute.",
    "image … in a template": "No URL can be built for this name. Pass a path below `IMAGES_PATH` or a URL.",
    "…: the URL of … will not be served": "An option is invalid, or `IMAGES_ONLY_PRESETS` or `IMAGES_ALLOWED_WIDTHS` "
    "does not allow it. Mend the call.",
    "…: the text will not be drawn": "The option `text` has no font or style. Set `IMAGES_FONTS` and "
    "`IMAGES_TEXT_STYLES`.",
    "…: hidpi=…": "The source is too small, or the keyword cannot be combined with the others.",
    "…: cannot tell the size of image": "The tag has no `width` and `height`. The file is missing, broken or too large.",
    "… with format=… will not be served": "The format is unknown, not in `IMAGES_OUTPUT_FORMATS`, or cannot be written "
    "here.",
    "…: layout=… without width": "",
    "page …: … about …": "In debug mode: what is wrong with the images of a page. See "
    "[Testing](../guides/testing.md#in-debug-mode).",
    "The images of the page … cannot be examined": "In debug mode: the page is sent as it is. This is a fault of this "
    "package.",
    "The function of images.rights failed": "Mend your function. Its images answer with status 503 until then.",
    # The configuration
    "…: ignored. IMAGES_LOCK_TIMEOUT": "Keys of an earlier version. Remove them.",
    "… is not a configuration key": "A typing error, or a key of your own. If it is your own, name it without `IMAGES_`.",
    "IMAGES_QUALITY: … for …": "",
    "quality='auto' keeps the usual quality, because": "",
    "quality='auto' keeps the usual quality: …": "The reason follows. Images have the usual quality.",
    "quality='auto' keeps the usual quality: there are": "Unset `IMAGES_MAX_RENDERS`, which is 0.",
    "IMAGES_ENGINE = 'boxes'": "",
    "IMAGES_CACHE_LOCAL = …": "",
    "… does nothing, because IMAGES_ONLY_PRESETS": "",
    "IMAGES_PATH names folders": "Create the folders, or mend the key.",
    "IMAGES_FALLBACK = … is not a file": "Put the picture there, or mend the key.",
    "Flask serves the folder … to everybody, without asking the authorize callback, and IMAGES_PATH": "The originals of "
    "private images can be requested under `/static`. See [Private images](../guides/private-images.md).",
    "Flask serves the folder … to everybody, without asking the authorize callback, and the cache": "Private images can "
    "be requested under `/static`.",
    "…: other users of this host can write": "",
    "IMAGES_FRONT_DOOR does nothing: handle_request": "A subclass or a patch decides how images are served. Remove it, or "
    "unset the key.",
    "… overrides …": "",
    "IMAGES_RECOMPRESS_AFTER does nothing": "The reason follows.",
    "… … is installed, but flask-images-vips needs": "",
    # Libraries and engines
    "… cannot be written here": "",
    "…, so images are rendered by Pillow": "libvips cannot be used. The message begins with the reason and ends with the "
    "command that mends it.",
    "pyvips-binary is installed, but libvips": "The message ends with the command that mends it.",
    "Pillow has no text layout": "Only for sites that write texts in such scripts.",
    "No font in IMAGES_FONTS": "",
    "libvips … (…) lacks something": "The message ends with the command that installs a newer or complete libvips.",
    "libvips cannot be set up": "Install a newer libvips: `flask images check` prints the command.",
    "This process was forked after libvips": "",
    "The warnings of libvips cannot be turned off": "Nothing else is affected.",
    # Renderers and renders
    "A renderer ended while it rendered": "The file crashed its decoder, took too long or needed too much memory "
    "(`IMAGES_RENDER_TIMEOUT`, `IMAGES_RENDER_MEMORY`). The site goes on. A file that does so twice is refused.",
    "Images are rendered in the web worker": "Renderers cannot be started; the reason follows. `flask images check` says "
    "what to do.",
    "Renderers protect less": "The kernel or the container lacks Landlock or seccomp. See [The security "
    "model](../security/index.md).",
    "a rendition of … has … bytes": "`max_bytes` cannot be reached at quality 20. Ask for fewer pixels.",
    "Renders take all threads": "",
    "background work has failed": "With a traceback. Visitors are not affected, but it is a fault of this package or of "
    "a function of yours.",
    "removing the broken copy": "A crash of the host, or somebody else, has damaged a file. It is mended by itself.",
    "… failed. The image is not affected": "A function of yours, connected to a signal, raised an error. Mend it.",
    # The cache
    "Quotas cannot be kept": "Let the user of the site write to the cache.",
    "Locks in … cannot be used": "The file system has no locks, such as some network file systems. Several processes may "
    "render the same image. Put `IMAGES_CACHE` on a local disk.",
    "Waited … s for the lock … in": "A process hangs, or was stopped by a debugger. The image is rendered nevertheless.",
    "The image cache in … cannot be": "Free the disk, or let the user of the site write there. `flask images check` finds "
    "out which.",
    "… in the image cache at": "The file system refuses a part of what the cache does. Usually a network file system.",
    "Whether pictures were forgotten is not known": "Until then, pictures that were forgotten may be shown.",
    "What is recorded of … in": "Its name stays in the statistics. Let the user of the site write to the cache, and "
    "forget the picture again.",
    # Sources
    "The link … leads to": "",
    "IMAGES_PATH has more than": "",
    "fetching the remote source": "The reason follows. The failure is remembered for `IMAGES_REMOTE_ERROR_TTL`.",
    "This process was forked after its parent had used an object store": "",
    "The object store … cannot be used": "Look at the store, the network and the credentials. `flask images check` asks it.",
    # nginx and CDN
    "The front door in … is used with another": "Expected while a new release starts. Restart processes that still have the "
    "old configuration.",
    "… is set, but a request for an image has none": "",
    # Several hosts
    "Redis at … cannot be used": "Look at Redis. Nothing has to be restarted.",
    "A message of another host could not be handled": "With a traceback. This is a fault of this package.",
    "A message of another host could not be carried out": "With a traceback. This is a fault of this package.",
    "Waited … s for the lock …, whose holder on another host": "The image is rendered nevertheless.",
    "An event in the log that hosts share": "Give each site its own `IMAGES_REDIS_PREFIX`.",
    "Other hosts have another configuration": "If it stays, give all hosts the same configuration: `flask images hosts` "
    "lists what differs.",
    "What other hosts have removed cannot be removed here: …. Purge": "Run `flask images purge --all` on this host.",
    "What other hosts have removed cannot be removed here: …. It is tried": "Let the user of the site write to the cache.",
    "Other hosts cannot be told to": "Redis did not take the message. Run the command on each host.",
    "The object … in … is broken": "Somebody else writes to the bucket, if it happens often.",
    "… refuses requests": "The credentials or the rights of the bucket of `IMAGES_CACHE` are wrong.",
    "The log of what other hosts have purged": "This host was off for very long. Its images are rendered again.",
    "Another host has told this one to … …, which is not the path": "Another program writes to Redis, or another version.",
    "Another host has told this one to … …, which is not possible": "",
    "what other hosts have forgotten could not be looked for": "With a traceback. It is tried again.",
    "Which pictures other hosts have forgotten is not known": "Look at Redis and at the object store.",
    # Monitoring
    "The metrics of several processes cannot be added up": "Let the user of the site write to the cache. Until then, "
    "each process tells its own numbers.",
    "The total of metrics cannot be written": "As above.",
    "There are more than … different metrics": "Too many endpoints or tenants are counted.",
    # Uploads
    "An upload is refused because it is …": "",
    "The upload … cannot be removed": "The record was deleted, but the file is still there.",
    "The focal point of an upload cannot be found": "Your function raised an error. Mend it.",
    # Signatures
    "The signatures of … are left out, because it has": "The image is signed, but without the history of its source.",
    "The signatures of … are left out, because they cannot": "As above. The source's own signature may be broken.",
    "The signatures of … are left out, because they have": "As above.",
    "The rendition of … cannot be signed": "The image answers with status 503. The reason follows.",
    "IMAGES_C2PA: the certificate": "Check the certificate chain and the key: `flask images check` does so too.",
}
"""What a message means, by how it begins, and what to do. Empty if the message itself says both."""


def text() -> str:
    found = messages()
    areas = {area: [each for each in found if each.module.startswith(modules)] for area, (_, modules) in AREAS.items()}
    missed = [each for each in found if not any(each in listed for listed in areas.values())]
    assert not missed, f"add the module to an area in tests/docs/reference/messages.py: {missed}"
    parts = []
    for area, listed in areas.items():
        parts += [f"## {area}", linked_keys(AREAS[area][0])]
        grave = [each for each in listed if each.level in ("warning", "error")]
        if grave:
            parts.append(table(["message", "level", "meaning and cure"], [row(each) for each in grave]))
        usual = [each for each in listed if each not in grave]
        if usual:
            parts.append("\n".join(["In normal operation:", "", *(f"- {each.level}: `{each.text}`" for each in usual)]))
    return "\n\n".join(parts)


def row(message: Logged) -> list[str]:
    return [f"`{message.text}`".replace("`flask images check`", "flask images check").replace(
        "`flask images nginx`", "flask images nginx"), message.level, linked_keys(note_of(message))]


def note_of(message: Logged) -> str:
    """The note of the longest beginning that fits."""
    fitting = [start for start in NOTES if message.text.startswith(start)]
    assert fitting, f"add a note in tests/docs/reference/messages.py: {message}"
    return NOTES[max(fitting, key=len)]


def unused() -> list[str]:
    """Beginnings that no message has any more."""
    texts = [each.text for each in messages()]
    return [start for start in NOTES if not any(each.startswith(start) for each in texts)]
