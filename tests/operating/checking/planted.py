"""Faults of a site that the checks must find, each with a function that plants it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import NamedTuple

import pytest
from flask import Flask
from rights.certificates import lay_certificates
from whole.test_file_systems import to_write

from flask_images_vips.abilities import Library
from flask_images_vips.errors import Busy
from flask_images_vips.operating.checking import cache, rendering
from flask_images_vips.operating.checking.finding import Level
from flask_images_vips.state import images_of
from operating.checking.ground import Ground


class Fault(NamedTuple):
    plant: Callable[[Ground], object]
    level: Level
    name: str
    words: str


PLANTED: dict[str, Fault] = {}


def planted(level: str, name: str, words: str) -> Callable[[Callable[[Ground], object]], object]:
    """Declare a function that plants a fault. A finding called *name* must have the *level*, and say *words*."""

    def declare(plant: Callable[[Ground], object]) -> object:
        PLANTED[plant.__name__] = Fault(plant, Level(level), name, words)
        return plant

    return declare


# The configuration


@planted("error", "configuration", "IMAGES_QUALITY = 101: expected a number from 1 to 100")
def a_wrong_value(ground: Ground) -> None:
    ground.later.append(lambda app: app.config.update(IMAGES_QUALITY=101))


@planted("error", "configuration", "No secret key")
def no_secret_key(ground: Ground) -> None:
    del ground.config["SECRET_KEY"]


@planted("warning", "keys", "did you mean IMAGES_MAX_AGE?")
def an_unknown_key(ground: Ground) -> None:
    ground.config["IMAGES_MAX_AGES"] = 5


@planted("warning", "keys", "IMAGES_MAX_WAITING: ignored")
def a_key_of_an_earlier_version(ground: Ground) -> None:
    ground.config["IMAGES_MAX_WAITING"] = 5


@planted("error", "keys", "IMAGES_URL = '/pictures' has no effect")
def a_key_that_is_set_too_late(ground: Ground) -> None:
    ground.later.append(lambda app: app.config.update(IMAGES_URL="/pictures"))


@planted("error", "keys", "IMAGES_HEALTH has no effect")
def a_view_that_is_set_too_late(ground: Ground) -> None:
    ground.later.append(lambda app: app.config.update(IMAGES_HEALTH="/health"))


@planted("error", "secret-key", "one from documentation")
def a_secret_key_from_a_tutorial(ground: Ground) -> None:
    ground.config["SECRET_KEY"] = "Change me!"


@planted("warning", "secret-key", "only 12 bytes")
def a_short_secret_key(ground: Ground) -> None:
    ground.config["IMAGES_SECRET_KEY"] = [ground.config["SECRET_KEY"], "q8Vx2LmZ0tRb"]


@planted("warning", "hostile-files", "IMAGES_FAIL_ON = 'none'")
def damaged_files_that_are_shown(ground: Ground) -> None:
    ground.config["IMAGES_FAIL_ON"] = "none"


@planted("warning", "hostile-files", "IMAGES_SVG = True with IMAGES_MAX_RENDERS = 0")
def svg_in_the_web_worker(ground: Ground) -> None:
    ground.config |= {"IMAGES_SVG": True, "IMAGES_MAX_RENDERS": 0}


@planted("error", "fallback", "'missing.png' is not a file")
def a_missing_fallback(ground: Ground) -> None:
    ground.config["IMAGES_FALLBACK"] = "missing.png"


@planted("warning", "quality", "60 for avif is the quality of a JPEG that looks the same")
def a_quality_for_an_encoder(ground: Ground) -> None:
    ground.config["IMAGES_QUALITY"] = {"avif": 60}


@planted("warning", "hooks", "without calling operating.checking.planted.log_in")
def a_hook_that_cached_images_skip(ground: Ground) -> None:
    ground.config["IMAGES_EARLY_HITS"] = True
    ground.later.append(lambda app: app.before_request(log_in))


def log_in() -> None:
    """Stands for a hook that protects the site."""


# The image libraries


@planted("error", "engine", "No renderer has answered")
def no_renderer_that_answers(ground: Ground) -> None:
    ground.libraries(refusal=Busy("waited 15 s for a renderer"))


@planted("warning", "engine", "libvips cannot be used: libvips cannot be loaded")
def a_libvips_that_cannot_be_loaded(ground: Ground) -> None:
    ground.libraries(Library("libvips", problem="libvips cannot be loaded (libvips.so.42: not found)"))


@planted("warning", "engine", "is used instead")
def a_libvips_that_replaces_the_one_of_the_package(ground: Ground) -> None:
    ground.libraries(
        Library("libvips", "8.14.1", warning="pyvips-binary is installed, but libvips 8.14.1 is used instead")
    )


@planted("warning", "versions", "pyvips 2.1.0 is installed, but flask-images-vips needs")
def an_old_package(ground: Ground) -> None:
    from flask_images_vips import installed

    real = installed._version
    ground.patch.setattr(installed, "_version", lambda package: "2.1.0" if package == "pyvips" else real(package))


@planted("warning", "versions", "libheif 1.17.6 of this system is older than 1.23.3")
def a_libheif_with_a_known_hole(ground: Ground) -> None:
    ground.libraries(Library("libvips", "8.16.1", outputs=("webp", "avif"), parts=("libheif 1.17.6", "libwebp 1.5.0")))


@planted("warning", "versions", "libheif 1.20.2 (pillow-heif 1.9.0) of this system is older than")
def a_pillow_heif_with_a_known_hole(ground: Ground) -> None:
    ground.libraries(
        Library("Pillow", "13.0.0", outputs=("webp", "avif"), parts=("libheif 1.20.2 (pillow-heif 1.9.0)",))
    )


@planted("warning", "formats", "IMAGES_INPUT_FORMATS lists heic, but no library")
def no_decoder_of_heic(ground: Ground) -> None:
    ground.config["IMAGES_INPUT_FORMATS"] = ["jpeg", "heic"]
    ground.libraries()


@planted("warning", "formats", "IMAGES_FORMATS lists avif, but no library here can write it")
def no_encoder_of_avif(ground: Ground) -> None:
    ground.libraries(Library("libvips", "8.16.1", inputs=("avif",), outputs=("jpeg", "png", "webp")))


@planted("warning", "formats", "IMAGES_INPUT_FORMATS lists pcx")
def no_decoder_of_a_format(ground: Ground) -> None:
    ground.config["IMAGES_INPUT_FORMATS"] = ["jpeg", "pcx"]
    ground.libraries()


@planted("warning", "formats", "IMAGES_SVG = 'pass', but no library here can draw an SVG")
def no_library_that_draws_svg(ground: Ground) -> None:
    ground.config["IMAGES_SVG"] = "pass"
    ground.libraries(Library("libvips", "8.16.1", inputs=("avif",), outputs=("avif", "webp")))


# Where images are rendered


@planted("warning", "renderers", "IMAGES_MAX_RENDERS = 0")
def renders_in_the_web_worker(ground: Ground) -> None:
    ground.config["IMAGES_MAX_RENDERS"] = 0


@planted("warning", "renderers", "no folder for its sockets")
def no_folder_for_sockets(ground: Ground) -> None:
    ground.config.pop("IMAGES_MAX_RENDERS", None)
    ground.patch.setattr("flask_images_vips.pool.place._folders", lambda: iter(()))


@planted("warning", "walls", "This kernel has no Landlock")
def a_kernel_without_landlock(ground: Ground) -> None:
    ground.config.pop("IMAGES_MAX_RENDERS", None)
    ground.patch.setattr("flask_images_vips.pool.walls._landlock_version", lambda: 0)


@planted("error", "memory", "together they may take more than there is")
def renderers_larger_than_the_host(ground: Ground) -> None:
    ground.config |= {"IMAGES_MAX_RENDERS": 4, "IMAGES_RENDER_MEMORY": "10TB"}


@planted("warning", "memory", "fewer than the 4 that")
def a_small_container(ground: Ground) -> None:
    ground.config["IMAGES_MAX_RENDERS"] = 4
    for module in ("flask_images_vips.pool.resources", rendering.__name__):
        ground.patch.setattr(f"{module}.memory_bytes", lambda: 1_500_000_000)


@planted("warning", "malloc-arenas", "MALLOC_ARENA_MAX is not set")
def arenas_for_each_thread(ground: Ground) -> None:
    ground.config["IMAGES_MAX_RENDERS"] = 0
    ground.worker()


@planted("warning", "malloc-arenas", "MALLOC_ARENA_MAX = 64 is passed on to renderers")
def many_arenas_in_renderers(ground: Ground) -> None:
    ground.config.pop("IMAGES_MAX_RENDERS", None)
    ground.worker(arenas="64")


# The sources


@planted("error", "sources", "statik (does not exist)")
def a_missing_folder(ground: Ground) -> None:
    ground.config["IMAGES_PATH"] = ["static", "statik"]


@planted("error", "source-files", "user 54321 cannot read 1 of 2 pictures")
def a_picture_that_the_site_cannot_read(ground: Ground) -> None:
    ground.draw("static/closed.png").chmod(0o600)
    ground.worker(user=54_321)


@planted("warning", "source-links", "Links that lead out of IMAGES_PATH are not followed: ")
def a_link_that_is_not_followed(ground: Ground) -> None:
    target = ground.draw("elsewhere/b.png")
    (ground.folder / "static" / "b.png").symlink_to(target)


@planted("error", "private-images", "without asking the authorize callback")
def public_originals_of_private_images(ground: Ground) -> None:
    ground.later.append(lambda app: app.extensions["images"].authorize(lambda ref, options: True))


@planted("warning", "remote", "IMAGES_REMOTE_HOSTS is not set")
def sources_from_anywhere(ground: Ground) -> None:
    del ground.config["IMAGES_REMOTE_HOSTS"]


@planted("warning", "remote", "'*.com', which is every host of a top-level domain")
def sources_from_a_top_level_domain(ground: Ground) -> None:
    ground.config["IMAGES_REMOTE_HOSTS"] = ["*.com", "*.example.org"]


@planted("error", "remote-private", "the metadata service of most clouds")
def the_metadata_of_the_cloud(ground: Ground) -> None:
    ground.config |= {"IMAGES_REMOTE_HOSTS": ["10.1.2.3"], "IMAGES_REMOTE_ALLOW_PRIVATE": ["169.254.0.0/16"]}


@planted("warning", "remote-private", "16,777,216 addresses")
def a_whole_private_network(ground: Ground) -> None:
    ground.config |= {"IMAGES_REMOTE_HOSTS": ["10.1.2.3"], "IMAGES_REMOTE_ALLOW_PRIVATE": ["10.0.0.0/8"]}


# The cache


@planted("warning", "cache-place", "in the system's temporary folder")
def a_temporary_cache(ground: Ground) -> None:
    ground.patch.setattr("tempfile.gettempdir", lambda: str(ground.folder))
    del ground.config["IMAGES_CACHE"]


@planted("warning", "cache-place", "over a network (nfs4")
def a_cache_on_a_file_server(ground: Ground) -> None:
    mounts = ground.folder / "mounts"
    mounts.write_text(f"/dev/vda1 / ext4 rw 0 0\nserver:/x {ground.folder / 'cache'} nfs4 rw 0 0\n")
    ground.patch.setattr(cache, "MOUNTS", str(mounts))


@planted("warning", "cache-place", "other users of this host can write to")
def a_cache_that_others_can_write(ground: Ground) -> None:
    (ground.folder / "cache").mkdir()
    (ground.folder / "cache").chmod(0o777)


@planted("error", "cache-write", "cannot be written (Read-only file system)")
def a_read_only_cache(ground: Ground) -> None:
    ground.refuse("open", errno.EROFS, to_write)


@planted("error", "cache-write", "cannot make the cache")
def a_cache_below_a_file(ground: Ground) -> None:
    (ground.folder / "taken").mkdir(0o500)
    ground.config["IMAGES_CACHE"] = str(ground.folder / "taken" / "cache")
    ground.patch.setattr(cache, "may", lambda user, path, write: not path.endswith("taken"))


@planted("warning", "cache-write", "but this command runs as")
def a_command_of_another_user(ground: Ground) -> None:
    ground.worker(user=54_321)


@planted("error", "tombstones", "cannot tell which pictures were forgotten")
def tombstones_with_a_damaged_key(ground: Ground) -> None:
    (ground.folder / "forgotten").mkdir()
    (ground.folder / "forgotten" / "key").write_bytes(b"short")
    ground.config["IMAGES_TOMBSTONES"] = str(ground.folder / "forgotten")


@planted("warning", "cache-locks", "cannot be locked")
def a_cache_without_locks(ground: Ground) -> None:
    ground.refuse("flock", errno.ENOLCK)


@planted("error", "cache-space", "Nothing is stored")
def a_full_disk(ground: Ground) -> None:
    ground.config["IMAGES_CACHE_MIN_FREE"] = 0.9999


@planted("warning", "cache-space", "less than the cache may still grow")
def a_cache_larger_than_the_disk(ground: Ground) -> None:
    ground.config["IMAGES_CACHE_MAX_SIZE"] = "9000TB"


@planted("warning", "cache-space", "Copies of large sources are not kept")
def a_cache_too_small_for_copies(ground: Ground) -> None:
    ground.config["IMAGES_CACHE_MAX_SIZE"] = "50MB"


def use(app: Flask) -> None:
    """Let the cache be made."""
    images_of(app).pipeline.cache.usable()


# The server


@planted("warning", "threads", "handles 1 request at a time, of the class sync")
def workers_with_one_thread(ground: Ground) -> None:
    ground.worker(kind="sync", threads=1, timeout_seconds=300.0)


@planted("warning", "timeout", "kills a sync worker after 20 s")
def a_timeout_shorter_than_a_render(ground: Ground) -> None:
    ground.worker(kind="sync", threads=1, timeout_seconds=20.0)


@planted("error", "preload", "forked after libvips had rendered")
def a_render_before_the_fork(ground: Ground) -> None:
    ground.config["IMAGES_MAX_RENDERS"] = 0
    ground.worker(late_fork=True, preloaded=True, arenas="2")


@planted("error", "secret-key", "sign URLs with 2 keys")
def a_new_secret_key_for_each_worker(ground: Ground) -> None:
    ground.worker()
    ground.worker(pid=os.getppid(), key="0123456789abcdef")


@planted("error", "secret-key", "another key than this command")
def a_command_with_another_secret_key(ground: Ground) -> None:
    ground.worker(key="0123456789abcdef")


@planted("warning", "restart", "Web workers run version 0.0.1")
def workers_of_an_older_version(ground: Ground) -> None:
    ground.worker(version="0.0.1")


@planted("warning", "restart", "other values of IMAGES_… keys")
def workers_with_another_configuration(ground: Ground) -> None:
    ground.worker(settings="0123456789abcdef")


@planted("warning", "user", "The web workers run as user 54321")
def workers_of_another_user(ground: Ground) -> None:
    ground.worker(user=54_321)


@planted("error", "debug", "in debug mode")
def debug_mode_in_production(ground: Ground) -> None:
    ground.worker(debug=True)


@planted("warning", "background", "uWSGI runs no threads")
def a_server_without_threads(ground: Ground) -> None:
    ground.worker(kind="uwsgi", background=False)


@planted("warning", "open-files", "only 256 files")
def few_open_files(ground: Ground) -> None:
    ground.worker(files=256)


# nginx


@planted("error", "nginx-access", "so nginx cannot read the images")
def a_cache_that_nginx_cannot_reach(ground: Ground) -> None:
    ground.config |= {"IMAGES_FRONT_DOOR": True, "IMAGES_CACHE": str(ground.folder / "home" / "cache")}
    (ground.folder / "home").mkdir(0o700)
    ground.later.append(use)


@planted("warning", "nginx-file", "such as: ")
def an_outdated_configuration_of_nginx(ground: Ground) -> None:
    ground.config["IMAGES_FRONT_DOOR"] = True
    ground.options["nginx"] = (str(ground.folder / "images.conf"),)

    def outdate(app: Flask) -> None:
        text = app.test_cli_runner().invoke(args=["images", "nginx"]).output
        (ground.folder / "images.conf").write_text(text.replace("/imgsizer", "/images"))

    ground.later.append(outdate)


# Signatures


@planted("error", "signatures", "A certificate of IMAGES_C2PA has expired on 20")
def an_expired_certificate(ground: Ground) -> None:
    ground.config["IMAGES_C2PA"] = certificates(ground, -1)


@planted("warning", "signatures", "A certificate of IMAGES_C2PA expires on 20")
def a_certificate_that_expires_soon(ground: Ground) -> None:
    ground.config["IMAGES_C2PA"] = certificates(ground, 10)


@planted("error", "signatures", "No image can be signed: IMAGES_C2PA: the certificate or the key cannot be used")
def a_key_that_is_none(ground: Ground) -> None:
    ground.config["IMAGES_C2PA"] = certificates(ground, 90)
    (ground.folder / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")


@planted("error", "signatures", "The certificate of IMAGES_C2PA cannot be read")
def a_certificate_that_is_none(ground: Ground) -> None:
    ground.config["IMAGES_C2PA"] = certificates(ground, 90)
    (ground.folder / "chain.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def certificates(ground: Ground, days: float) -> dict[str, str]:
    """The files of a certificate that is valid for so many *days*."""
    pytest.importorskip("c2pa")
    lay_certificates(ground.folder, days)
    return {"cert": "chain.pem", "key": "key.pem"}


# Caches in front


@planted("warning", "cdn", "Images have tags for cloudflare, but IMAGES_CDN is not set")
def tags_that_nobody_purges(ground: Ground) -> None:
    ground.config["IMAGES_CACHE_TAGS"] = "cloudflare"


@planted("error", "cdn", "varnish cannot be purged: 127.0.0.1 cannot be reached: Connection refused")
def a_varnish_that_is_not_there(ground: Ground) -> None:
    ground.config |= {
        "IMAGES_CACHE_TAGS": "varnish",
        "IMAGES_CDN": {"cdn": "varnish", "urls": ["http://127.0.0.1:9/"]},
    }
