"""Declare the ``IMAGES_*`` configuration keys, each with its default, its check and its documentation.

Most keys are read when the first image URL is built or the first image is requested, rather than in `init_app`, so that
an application can set them afterwards. ``IMAGES_URL``, ``IMAGES_NAME``, ``IMAGES_HEALTH``
and the path in ``IMAGES_METRICS`` are read in `init_app`, and secret keys at each use. This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, TypeVar

from ..cdn.backend import Backend
from ..cdn.settings import backends
from ..cdn.tag_headers import TAG_HEADERS
from ..errors import ConfigError, Faults, did_you_mean
from ..formats import ALL_INPUTS, DEFAULT_INPUTS, NEGOTIABLE, OUTPUTS, USUAL_QUALITY, Auto, Raw
from ..stores.location import Location, is_location, parse_location
from . import checks, compat, pictures, places
from . import fonts as font_checks
from .by_visitor import ByVisitor, by_visitor
from .checks import Secret
from .credentials import Credentials, credentials

T = TypeVar("T")

_IGNORED = ("IMAGES_MAX_WAITING", "IMAGES_MAX_INFLIGHT_PIXELS")
"""Keys of earlier versions, which have no effect any more."""

_ROUNDED_DENSITY = 0.02  # a picture of 2 × 333 pixels may come out one pixel narrower


class Key(NamedTuple):
    """The declaration of one configuration key."""

    name: str
    read: Callable[[str, Any], Any]
    doc: str


def key(default: T, name: str, read: Callable[[str, Any], Any], doc: str) -> T:
    declared: T = field(default=default, metadata={"key": Key(name, read, doc)})
    return declared


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The checked configuration of one application."""

    url: str = key(
        "/imgsizer", "IMAGES_URL", compat.url_prefix, "Prefix of the path of all image URLs. Read in `init_app`."
    )
    name: str = key(
        "images", "IMAGES_NAME", checks.text, "Endpoint of image URLs, for `url_for('images', …)`. Read in `init_app`."
    )
    path: tuple[str, ...] = key(
        ("static",),
        "IMAGES_PATH",
        places.sources,
        "Folders with the sources, absolute or relative to the application's root path. An entry may also be a place "
        "in an object store, such as `s3://bucket/prefix`, `gs://…` or `az://…`.",
    )
    follow_links: bool = key(
        True,
        "IMAGES_FOLLOW_LINKS",
        checks.flag,
        "Also use the folders that symbolic links in `IMAGES_PATH` lead to when the application starts, such as "
        "`static/uploads`. Other links are followed only into a folder of `IMAGES_PATH`. Set False if strangers can "
        "make links there, for example by uploading archives.",
    )
    uploads: str | None = key(
        None,
        "IMAGES_UPLOADS",
        places.folder_or_bucket,
        "Folder where [`images.accept`](docs/guides/uploads.md) stores what people upload: one in `IMAGES_PATH`, such "
        "as `static/uploads`, or a place in one of its object stores. None: nothing can be uploaded.",
    )
    cache: str | None = key(
        None,
        "IMAGES_CACHE",
        places.folder_or_bucket,
        "The cache is the subfolder `flask-images-vips` of this folder. None: the cache is in the system's temporary "
        "folder, under `flask-images-<user id>`, in a folder of its own for each application root path. If it is a "
        "place in an object store, such as `s3://bucket/prefix`, all hosts of the site share what is rendered. The "
        "cache on the disk of each host is then in `IMAGES_CACHE_LOCAL`.",
    )
    cache_local: str | None = key(
        None,
        "IMAGES_CACHE_LOCAL",
        places.optional_path,
        "Folder of the cache on the disk of this host, if `IMAGES_CACHE` is in an object store. None: as for "
        "`IMAGES_CACHE`.",
    )
    tombstones: str | None = key(
        None,
        "IMAGES_TOMBSTONES",
        places.optional_path,
        "Folder that remembers which pictures were forgotten (`images.forget`). Keep it when you delete the cache. "
        "None: the folder `forgotten` in the cache or, if `IMAGES_CACHE` is not set, the folder `flask-images-vips` in "
        "the application's instance folder.",
    )
    max_age: int = key(
        3600,
        "IMAGES_MAX_AGE",
        compat.max_age,
        "Seconds for which browsers and other caches may keep an image whose URL has no version. With 0 or None, they "
        "ask each time.",
    )
    secret_key: tuple[Secret, ...] = key(
        (),
        "IMAGES_SECRET_KEY",
        checks.secrets,
        "Key to sign URLs with, in place of `SECRET_KEY`, or a list of keys: the first one signs, and signatures with "
        "any of them are valid. Signatures with `SECRET_KEY_FALLBACKS` are always valid too. Read at each use.",
    )
    legacy_signatures: bool = key(
        True,
        "IMAGES_LEGACY_SIGNATURES",
        checks.flag,
        "Also accept signatures as Flask-Images makes them: `b'…'` (version 3.0.2 on Python 3) and hexadecimal SHA-256 "
        "(its main branch).",
    )
    engine: str = key(
        "auto",
        "IMAGES_ENGINE",
        checks.one_of("auto", "vips", "pillow", "boxes"),
        "`auto` uses libvips, or Pillow for files and options that libvips does not support. `vips` and `pillow` use "
        "only that engine, with three exceptions. With `vips`, AVIF is decoded by Pillow, unless `IMAGES_FAIL_ON` is "
        "`error` or `warning`. If a process has used libvips and then forks, the child uses Pillow. Pillow also does "
        "what your version or build of libvips lacks. `boxes` is for the tests of your site: it draws a labelled box "
        "of the right size in place of each picture, see [Testing](docs/guides/testing.md).",
    )
    formats: tuple[str, ...] = key(
        NEGOTIABLE,
        "IMAGES_FORMATS",
        pictures.negotiable,
        "Formats for `format='auto'`, best first. The first one that the browser lists in `Accept` is used. JPEG XL "
        "(`jxl`) needs the extra `jxl`, and before `avif` it is sent only where it is smaller, see "
        "[Formats](docs/guides/formats.md#jpeg-xl).",
    )
    quality: int | dict[str, int | Raw] = key(
        USUAL_QUALITY,
        "IMAGES_QUALITY",
        pictures.quality,
        "Quality of URLs without `quality`: a number, or numbers by format, such as `{'jpeg': 80, 'avif': raw(60)}`. "
        "The same number looks the same in every format; `raw(60)` is the encoder's own number. `auto` is as in "
        "URLs; the first files have the quality 75.",
    )
    target_score: float = key(
        70.0,
        "IMAGES_TARGET_SCORE",
        pictures.score,
        "How good a picture with `quality='auto'` must look: a SSIMULACRA2 score, 30 to 95. At 70, differences are "
        "hard to notice.",
    )
    dpr_quality: tuple[tuple[float, int], ...] = key(
        (),
        "IMAGES_DPR_QUALITY",
        pictures.dpr_quality,
        "Quality of denser pictures in pages, by image pixels per CSS pixel, such as `{2: 55, 3: 45}`: for the "
        "candidates of a `srcset` by density, for `dpr`, and for `hidpi`, if the call has no `quality`. See "
        "[Quality](docs/guides/quality.md). None: the same quality.",
    )
    by_visitor: ByVisitor | None = key(
        None,
        "IMAGES_BY_VISITOR",
        by_visitor,
        "Let the request for a page choose what its images ask for, such as `{'save_data': 40, 'accept': True}`: "
        "the quality for visitors who send `Save-Data: on`, and the first of `IMAGES_FORMATS` that the request lists "
        "in `Accept`, if the call names none. `'share': 0.1` does so for a tenth of visitors, and counts both arms. "
        "See [Quality](docs/guides/quality.md). None: all visitors get the same page.",
    )
    presets: Mapping[str, Mapping[str, Any]] | None = key(
        None,
        "IMAGES_PRESETS",
        pictures.presets,
        "Named sets of options, such as `{'avatar': {'width': 96, 'height': 96}}`.",
    )
    fonts: Mapping[str, tuple[str, ...]] | None = key(
        None,
        "IMAGES_FONTS",
        font_checks.fonts,
        "Fonts for the option `text`, by name: the path of a TrueType or OpenType file, in a folder of `IMAGES_PATH` "
        "or absolute, such as `{'title': 'fonts/Inter.ttf'}`. In a list of files, the first one that has a letter "
        "draws it.",
    )
    text_styles: Mapping[str, Mapping[str, Any]] | None = key(
        None,
        "IMAGES_TEXT_STYLES",
        font_checks.text_styles,
        "Named styles for the option `text`, such as `{'card': {'font': 'title', 'size': 72, 'shade': '#000c'}}`. See "
        "[Social cards](docs/guides/social-cards.md).",
    )
    only_presets: bool = key(
        False,
        "IMAGES_ONLY_PRESETS",
        checks.flag,
        "Serve only URLs with the options of a preset. Others are refused with status 400.",
    )
    allowed_widths: tuple[int, ...] = key(
        (),
        "IMAGES_ALLOWED_WIDTHS",
        pictures.widths,
        "Widths of pictures that are served, besides those of presets. What counts is the width that comes out, with "
        "`dpr`, padding and border. Others are refused with status 400. When a URL is built, the sides are changed so "
        "that the width is the next larger allowed one, or the largest. None: all widths.",
    )
    markup: bool = key(
        True,
        "IMAGES_MARKUP",
        checks.flag,
        "What `resized_img_tag` returns. True: `Markup`, which is not escaped, but escapes strings that are joined to "
        "it. False: `str`, as in Flask-Images, for templates that join or change the tag and then apply `safe`.",
    )
    auto_orient: bool = key(True, "IMAGES_AUTO_ORIENT", checks.flag, "Turn pictures upright by their EXIF orientation.")
    version: str = key(
        "mtime",
        "IMAGES_VERSION",
        checks.one_of("mtime", "hash"),
        "How to distinguish versions of a source. `mtime` compares modification time and size. `hash` compares the "
        "bytes, so that URLs and renditions remain valid if a deployment copies unchanged files.",
    )
    fallback: str | None = key(
        None,
        "IMAGES_FALLBACK",
        places.local_path,
        "Path in `IMAGES_PATH` of the picture to send in place of a missing or unreadable one.",
    )
    placeholder_missing: bool = key(
        True,
        "IMAGES_PLACEHOLDER_MISSING",
        checks.flag,
        "In debug mode, replace a missing picture in a page with a drawing of its path and requested size. If an "
        "option in its URL is invalid, unknown or without effect, the drawing names it.",
    )
    page_report: bool = key(
        True,
        "IMAGES_PAGE_REPORT",
        checks.flag,
        "In debug mode, log one line for each page with what is wrong with its images, see "
        "[Testing](docs/guides/testing.md#in-debug-mode).",
    )
    cache_max_size: int = key(
        10 * 10**9,
        "IMAGES_CACHE_MAX_SIZE",
        checks.size,
        "Maximum total size of the cache, in bytes or as a string such as `'2GB'`. The least recently read files are "
        "deleted first.",
    )
    cache_min_free: float = key(
        0.05,
        "IMAGES_CACHE_MIN_FREE",
        checks.share,
        "Share of the disk that must stay free. If less is free, renditions are served but not stored.",
    )
    copies: str | None = key(
        "tiff",
        "IMAGES_COPIES",
        pictures.copies,
        "Store reduced copies of large sources, and make later renditions from them. `tiff` is fast, `jpeg` needs a "
        "tenth of the disk space, and False stores no copies.",
    )
    copies_share: float = key(
        0.25, "IMAGES_COPIES_SHARE", checks.share, "Share of `IMAGES_CACHE_MAX_SIZE` that copies may use."
    )
    effort: str = key(
        "balanced",
        "IMAGES_EFFORT",
        checks.one_of("fast", "balanced", "small"),
        "Effort of the encoders: `fast`, `balanced` or `small`, which takes longest and produces the smallest files. "
        "Renditions of more than 4 megapixels get `balanced` instead of `small`.",
    )
    recompress_after: int = key(
        0,
        "IMAGES_RECOMPRESS_AFTER",
        checks.count_from_zero,
        "Encode a rendition again in the background, with effort `small`, after one process has served it this many "
        "times. The new file replaces the old one if it is smaller. 0: never. With "
        "`IMAGES_FRONT_DOOR`, set this to 1: nginx answers later requests by itself, and those are not counted. "
        "Has no effect with `IMAGES_EFFORT = 'small'` or `USE_X_SENDFILE`.",
    )
    headroom: float = key(
        1.8,
        "IMAGES_HEADROOM",
        pictures.headroom,
        "JPEG and WebP can be decoded at a reduced size, and AVIF is reduced right after decoding. The reduced image "
        "stays at least this many times as wide and high as the output, if the source is that large. A WebP keeps "
        "a third of that margin. 1 is fastest, but less sharp.",
    )
    record: bool = key(
        True,
        "IMAGES_RECORD",
        checks.flag,
        "Record in the cache folder which images are asked for, rendered and refused, for `flask images stats` and "
        "`flask images manifest`. Hits are sampled.",
    )
    stale_while_revalidate: int = key(
        3600,
        "IMAGES_STALE_WHILE_REVALIDATE",
        checks.whole_seconds,
        "Seconds for which caches may serve an expired image while they revalidate it. Applies to URLs without a "
        "version, unless `IMAGES_MAX_AGE` is 0.",
    )
    stale_if_error: int = key(
        0,
        "IMAGES_STALE_IF_ERROR",
        checks.whole_seconds,
        "Seconds for which caches may serve an expired image if the site fails. Applies as "
        "`IMAGES_STALE_WHILE_REVALIDATE`. 0: not at all.",
    )
    shared_max_age: int | None = key(
        None,
        "IMAGES_SHARED_MAX_AGE",
        checks.optional_whole_seconds,
        "Seconds for which a CDN or another shared cache may keep an image whose URL has no version, if that is not "
        "`IMAGES_MAX_AGE`. A [purge](docs/deploying/cdn.md) reaches a CDN, but no browser.",
    )
    cache_tags: tuple[str, ...] = key(
        (),
        "IMAGES_CACHE_TAGS",
        checks.some_of(*TAG_HEADERS),
        "Send a header with images by which a cache in front purges everything of one source: `cloudflare` "
        "(`Cache-Tag`), `cloudfront` (the same), `fastly` (`Surrogate-Key`) or `varnish` (`xkey`), or a list of these. "
        "See [CDN](docs/deploying/cdn.md).",
    )
    cdn: tuple[Backend, ...] = key(
        (),
        "IMAGES_CDN",
        backends,
        "The caches in front of the site that a purge must reach: a dictionary such as `{'cdn': 'cloudflare', 'zone': "
        "'…'}`, or a list of them, the nearest to the site first. The kinds are `cloudflare`, `fastly`, `cloudfront`, "
        "`varnish` and `nginx`, see [CDN](docs/deploying/cdn.md). Tokens may also come from the environment.",
    )
    c2pa: Credentials | None = key(
        None,
        "IMAGES_C2PA",
        credentials,
        "The certificate chain and the private key that images with `keep='rights'` are "
        "[signed](docs/guides/rights.md#c2pa) with: a dictionary such as `{'cert': 'c2pa/chain.pem', "
        "'key': 'c2pa/key.pem'}`.",
    )
    base_url: str | None = key(
        None,
        "IMAGES_BASE_URL",
        places.base_url,
        "URL to put before the path of all image URLs, such as `'https://cdn.example.com'`.",
    )
    allow_origin: str | None = key(
        None,
        "IMAGES_ALLOW_ORIGIN",
        checks.header_value,
        "Value of the `Access-Control-Allow-Origin` header of images, such as `'*'`.",
    )
    resource_policy: str | None = key(
        None,
        "IMAGES_RESOURCE_POLICY",
        checks.optionally_one_of("same-site", "same-origin", "cross-origin"),
        "Value of the `Cross-Origin-Resource-Policy` header of images: `same-site`, `same-origin` or `cross-origin`.",
    )
    health: str | None = key(
        None,
        "IMAGES_HEALTH",
        places.view_path,
        "Path of a view that answers 503 if the cache cannot be written or if renders queue for too long, such as "
        "`'/health/images'`. It shows versions of libraries, so let only your monitoring reach it. None: no such view. "
        "Read in `init_app`.",
    )
    accel_redirect: str | None = key(
        None,
        "IMAGES_ACCEL_REDIRECT",
        places.location,
        "Internal location of nginx for the cache folder, such as `'/_images/'`. nginx then sends the files. "
        "`flask images nginx` prints the configuration for nginx.",
    )
    front_door: bool | str = key(
        False,
        "IMAGES_FRONT_DOOR",
        places.front_door,
        "Let nginx serve images that were requested before without asking the application. The value is a folder, or "
        "True for a folder inside the cache. nginx follows links in its subfolder `flask-images-vips`. "
        "`flask images nginx` prints the configuration for nginx.",
    )
    early_hits: bool = key(
        False,
        "IMAGES_EARLY_HITS",
        checks.flag,
        "Serve cached images without involving Flask. This is cheaper, but skips `before_request`, `after_request`, "
        "signals and sessions.",
    )
    early_hints: bool = key(
        False,
        "IMAGES_EARLY_HINTS",
        checks.flag,
        "Let `resized_img_hint` also send its link at once, in a 103 response, if the server supports it (gunicorn "
        "25 or newer). Set this only if every proxy in front of the server supports 103: nginx before 1.29 treats it "
        "as the final response.",
    )
    max_renders: int | None = key(
        None,
        "IMAGES_MAX_RENDERS",
        checks.optional_count_from_zero,
        "Maximum number of renders at the same time, each in a process of its own. All applications of one user in "
        "one service share these. None: one per processor that this application may use. 0: render in the threads of "
        "the web worker, without protection against files that crash or hang a decoder.",
    )
    render_memory: int | None = key(
        None,
        "IMAGES_RENDER_MEMORY",
        checks.optional_render_memory,
        "Maximum memory of one render, in bytes or as a string such as `'500MB'`. None: half of the memory of the "
        "host or container, divided by the number of renders, but at most 768 MB. If this would be less than 300 MB, "
        "fewer renders run at the same time.",
    )
    lock_timeout: float = key(
        15.0,
        "IMAGES_LOCK_TIMEOUT",
        checks.seconds,
        "Maximum seconds in total that a request waits for another worker that renders the same image, and for its "
        "turn to render. After that, the request renders the image itself if it can do so at once. Otherwise it gets "
        "the next smaller size in the cache, or else status 503.",
    )
    temp_max_age: float = key(
        3600.0,
        "IMAGES_TEMP_MAX_AGE",
        checks.seconds,
        "Seconds after which temporary files left behind by killed workers are deleted.",
    )
    max_source_pixels: int = key(
        50_000_000,
        "IMAGES_MAX_SOURCE_PIXELS",
        checks.count,
        "Maximum number of pixels of a source. A picture with more is refused. An animation with more in all its "
        "frames together becomes a still image of its first frame. A frame that must be decoded as a whole may have at "
        "most half of this number. This applies to AVIF, HEIC, GIF and interlaced PNG, and with Pillow to all formats "
        "except JPEG. A side may have at most 100,000 pixels, or a 500th of this number if that is more.",
    )
    max_frames: int = key(
        100,
        "IMAGES_MAX_FRAMES",
        checks.count,
        "Maximum number of frames of an animation. A longer one becomes a still image of its first frame.",
    )
    max_source_bytes: int = key(100_000_000, "IMAGES_MAX_SOURCE_BYTES", checks.size, "Maximum file size of a source.")
    input_formats: tuple[str, ...] = key(
        DEFAULT_INPUTS,
        "IMAGES_INPUT_FORMATS",
        pictures.some_formats(ALL_INPUTS),
        "Formats that sources may have, judged by their content. You can add `ppm`, `tga`, `pcx` and `jpeg2000`, and "
        "`jxl` and `heic` with the extras of these names, see [Formats](docs/guides/formats.md). Only Pillow loads the "
        "first five, BMP and ICO, so `IMAGES_ENGINE = 'vips'` refuses them. Of an icon, the largest picture is used. A "
        "TGA has no mark at its start, so with `tga`, a broken file may be taken for one.",
    )
    output_formats: tuple[str, ...] = key(
        OUTPUTS,
        "IMAGES_OUTPUT_FORMATS",
        pictures.some_formats(OUTPUTS),
        "Formats that renditions may have. Others are refused with status 400. The default lists all supported ones.",
    )
    svg: bool | str = key(
        False,
        "IMAGES_SVG",
        pictures.svg,
        "Also accept SVG files up to 1 MB. `raster`, or True, draws them as pixels, which needs libvips, and refuses "
        "embedded pictures, entities and declared attributes. Use it only if you trust the files: with "
        "`IMAGES_MAX_RENDERS = 0`, one may take seconds to render, regardless of `IMAGES_RENDER_TIMEOUT`. `pass` sends "
        "a `.svg` as SVG, without scripts and references to other files; options that need pixels still draw it. See "
        "[SVG](docs/guides/svg.md).",
    )
    fail_on: str = key(
        "truncated",
        "IMAGES_FAIL_ON",
        checks.one_of("none", "truncated", "error", "warning"),
        "The defects for which libvips refuses a source as broken, from lenient to strict: `none`, `truncated`, "
        "`error` or `warning`. `warning` is recommended for uploads. Pillow refuses truncated files, accepts some "
        "corrupt ones, and heeds only `warning`, which makes it refuse JPEGs that lack pixels.",
    )
    render_timeout: float = key(
        10.0,
        "IMAGES_RENDER_TIMEOUT",
        checks.some_seconds,
        "Maximum seconds for all the work on one rendition. With `IMAGES_MAX_RENDERS = 0`, a single call of a decoder"
        " (AVIF, and with Pillow WebP and TIFF) or of an encoder (AVIF, and all of Pillow) cannot be interrupted, so "
        "its duration is limited only by the pixel limits.",
    )
    max_width: int = key(8192, "IMAGES_MAX_WIDTH", checks.count, "Maximum width of a rendition.")
    max_height: int = key(8192, "IMAGES_MAX_HEIGHT", checks.count, "Maximum height of a rendition.")
    max_output_pixels: int = key(
        25_000_000,
        "IMAGES_MAX_OUTPUT_PIXELS",
        checks.count,
        "Maximum size of a rendition, as width × height. An animation with more in all its frames together becomes a"
        " still image of its first frame.",
    )
    metrics: bool | str = key(
        False,
        "IMAGES_METRICS",
        places.metrics,
        "Count what is served and rendered, for Prometheus. The value is the path of a view that shows the metrics, "
        "such as `'/metrics/images'`, or True for metrics that your own view shows. Let only Prometheus request the "
        "view. A path is read in `init_app`.",
    )
    opentelemetry: bool = key(
        False,
        "IMAGES_OPENTELEMETRY",
        checks.flag,
        "Write spans and metrics with the API of OpenTelemetry: a span for each image that is requested, with its "
        "phases, and the metrics that Prometheus gets.",
    )
    server_timing: bool = key(
        False,
        "IMAGES_SERVER_TIMING",
        checks.flag,
        "Send the header `Server-Timing` with images: whether the image was cached, and the milliseconds of each "
        "phase. Browsers show it in their developer tools. Caches keep it with the image.",
    )

    remote_hosts: tuple[str, ...] | None = key(
        None,
        "IMAGES_REMOTE_HOSTS",
        checks.optional_texts,
        "Hosts that remote sources may come from, such as `['img.example.com', '*.example.org']`. None: any public "
        "host. An empty list: no host. Listing your hosts explicitly is recommended.",
    )
    remote_schemes: tuple[str, ...] = key(
        ("http", "https"), "IMAGES_REMOTE_SCHEMES", places.schemes, "Allowed schemes of remote sources."
    )
    remote_ports: tuple[int, ...] = key(
        (80, 443), "IMAGES_REMOTE_PORTS", places.ports, "Allowed ports of remote sources."
    )
    remote_allow_private: tuple[str, ...] = key(
        (),
        "IMAGES_REMOTE_ALLOW_PRIVATE",
        places.networks,
        "Private networks that remote sources may come from, such as `['10.1.0.0/16']`.",
    )
    remote_timeout: float = key(
        10.0, "IMAGES_REMOTE_TIMEOUT", checks.some_seconds, "Maximum seconds in total to fetch a remote source."
    )
    remote_connect_timeout: float = key(
        3.0,
        "IMAGES_REMOTE_CONNECT_TIMEOUT",
        checks.some_seconds,
        "Maximum seconds to connect to the server of a remote source.",
    )
    remote_max_redirects: int = key(
        3,
        "IMAGES_REMOTE_MAX_REDIRECTS",
        checks.count_from_zero,
        "Maximum number of redirects to follow. Each one is checked like the first URL.",
    )
    remote_max_bytes: int = key(
        20_000_000, "IMAGES_REMOTE_MAX_BYTES", checks.size, "Maximum file size of a remote source."
    )
    remote_max_age: float = key(
        86_400.0,
        "IMAGES_REMOTE_MAX_AGE",
        checks.seconds,
        "Maximum seconds to use a remote source before revalidating it. The server may set a shorter time.",
    )
    remote_error_ttl: float = key(
        60.0, "IMAGES_REMOTE_ERROR_TTL", checks.seconds, "Seconds before a failed fetch of a remote source is retried."
    )
    remote_cache_share: float = key(
        0.25,
        "IMAGES_REMOTE_CACHE_SHARE",
        checks.share,
        "Share of `IMAGES_CACHE_MAX_SIZE` that remote sources may use.",
    )

    store_options: Mapping[str, Any] | None = key(
        None,
        "IMAGES_STORE_OPTIONS",
        places.optional_store_options,
        "Options for object stores and for connections to them, as obstore names them, such as `{'endpoint': "
        "'https://s3.example.org', 'region': 'eu-1'}`. Options for one bucket alone are a dictionary under its URL, "
        "such as `{'s3://photos': {…}}`. What is not set comes from the environment (`AWS_ACCESS_KEY_ID` and so on).",
    )
    store_timeout: float = key(
        5.0, "IMAGES_STORE_TIMEOUT", checks.some_seconds, "Maximum seconds of one request to an object store."
    )
    store_max_age: float = key(
        60.0,
        "IMAGES_STORE_MAX_AGE",
        checks.seconds,
        "Seconds to use a source from an object store before the store is asked whether it has changed.",
    )
    store_cache_share: float = key(
        0.25,
        "IMAGES_STORE_CACHE_SHARE",
        checks.share,
        "Share of `IMAGES_CACHE_MAX_SIZE` that sources from object stores may use on the disk of this host.",
    )
    redis: str | None = key(
        None,
        "IMAGES_REDIS",
        places.redis_url,
        "URL of a Redis or Valkey server that all hosts of the site share, such as `redis://host:6379/0`. Through it, "
        "one host renders an image while the others wait for it, and a purge reaches all hosts.",
    )
    redis_prefix: str = key(
        "images",
        "IMAGES_REDIS_PREFIX",
        checks.text,
        "What the names of all keys and channels in Redis begin with. Sites that share a server need different ones.",
    )
    redis_timeout: float = key(
        0.5, "IMAGES_REDIS_TIMEOUT", checks.some_seconds, "Maximum seconds of one command to Redis."
    )
    max_renders_in_all: int | None = key(
        None,
        "IMAGES_MAX_RENDERS_IN_ALL",
        checks.optional_count,
        "Maximum number of renders at the same time on all hosts together. It needs `IMAGES_REDIS`; while Redis is "
        "away, only `IMAGES_MAX_RENDERS` bounds them, on each host. None: no limit.",
    )

    @property
    def cache_store(self) -> Location | None:
        """The place in an object store where all hosts share what is rendered, or None."""
        return parse_location(self.cache) if self.cache is not None and is_location(self.cache) else None

    @property
    def cache_folder(self) -> str | None:
        """The folder that holds the cache on the disk of this host, or None if nobody has chosen one."""
        return self.cache if self.cache_store is None else self.cache_local

    def options_of(self, store: Location) -> dict[str, Any]:
        """Return the options for *store*: the common ones, and those of its bucket, which override them."""
        given = self.store_options or {}
        common = {name: value for name, value in given.items() if not is_location(name)}
        return {**common, **given.get(store.root, {})}

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders in ``IMAGES_PATH``, without the places in object stores."""
        return tuple(path for path in self.path if not is_location(path))

    @property
    def stores(self) -> tuple[Location, ...]:
        """The places in object stores in ``IMAGES_PATH``."""
        return tuple(parse_location(path) for path in self.path if is_location(path))

    def quality_of(self, format: str) -> int | Raw:
        """Return the default quality for the format named *format*, for URLs without ``quality``."""
        return self.quality if isinstance(self.quality, int) else self.quality.get(format, USUAL_QUALITY)

    def auto_quality_of(self, format: str) -> Auto:
        """Return ``auto`` for the format named *format*, with the number that its first files get."""
        quality = self.quality_of(format)
        return Auto(quality) if isinstance(quality, int) else Auto(USUAL_QUALITY)

    def quality_at(self, density: float) -> int | None:
        """Return the quality for pictures of *density* image pixels per CSS pixel, or None if it is the usual one."""
        reached = (quality for least, quality in reversed(self.dpr_quality) if density >= least - _ROUNDED_DENSITY)
        return next(reached, None)

    @classmethod
    def read(cls, settings: Mapping[str, Any], faults: Faults | None = None) -> Config:
        """Read the keys from the configuration of an application. Unknown keys are ignored, see `odd_keys`.

        If *faults* is given, it collects the errors of invalid values, and their keys get their defaults.

        Raises:
            ConfigError: If values are invalid and *faults* is not given. It lists them all.
        """
        found, values = faults or Faults(), {}
        for name, attribute in KEYS.items():
            if name in settings:
                with found.catch():
                    values[attribute] = read_key(name, settings)
        if faults is None:
            found.check()
        return cls(**values)


_FIELDS = {item.metadata["key"].name: item for item in fields(Config)}
KEYS: dict[str, str] = {name: item.name for name, item in _FIELDS.items()}


def read_key(name: str, settings: Mapping[str, Any]) -> Any:
    """Return the checked value of the key *name*, or its default.

    Raises:
        ConfigError: If the value is invalid.
    """
    declared = _FIELDS[name]
    return declared.metadata["key"].read(name, settings[name]) if compat.is_set(name, settings) else declared.default


def odd_keys(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence about the keys of earlier versions, and about each unknown key that begins with ``IMAGES_``."""
    ignored = [name for name in _IGNORED if name in settings]
    if ignored:
        yield (
            f"{' and '.join(ignored)}: ignored. IMAGES_LOCK_TIMEOUT limits how long requests wait, and "
            "IMAGES_RENDER_MEMORY limits the memory of renders."
        )
    for name in settings:
        if name.startswith("IMAGES_") and name not in KEYS and name not in _IGNORED:
            yield f"{name} is not a configuration key of flask_images_vips{did_you_mean(name, KEYS)}"


def secret_keys(settings: Mapping[str, Any]) -> tuple[Secret, ...]:
    """Return the keys of URL signatures. The first one signs; signatures with any of them are valid.

    Raises:
        ConfigError: If no key is configured.
    """
    own = read_key("IMAGES_SECRET_KEY", settings) or checks.secrets("SECRET_KEY", settings.get("SECRET_KEY"))
    if not own:
        raise ConfigError(
            "No secret key: set app.secret_key (SECRET_KEY) or IMAGES_SECRET_KEY. Image URLs are signed with it."
        )
    return own + checks.secrets("SECRET_KEY_FALLBACKS", settings.get("SECRET_KEY_FALLBACKS"))


def key_doc(name: str) -> str:
    """Return what the key *name* does, as in the reference."""
    doc: str = _FIELDS[name].metadata["key"].doc
    return doc
