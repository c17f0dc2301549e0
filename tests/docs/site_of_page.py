"""Does the Python and the Jinja of a page do what a reader expects: run, and serve pictures?

A page has one folder. Blocks whose first line is a file name are its files; they are imported, ``app.py`` last unless
another file imports it. Every other block of Python runs with a new ``app``. Templates are rendered with the
configuration of the blocks before them.
"""

from __future__ import annotations

import ast
import builtins
import dis
import html
import importlib
import logging
import re
import runpy
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import CodeType
from typing import Any

import jinja2
import pytest
from conftest import PHOTOGRAPHS, gradient, url_of
from flask import Flask
from servers import IN_THREAD

from docs.blocks import Block
from flask_images_vips import Images
from flask_images_vips.cdn.settings import KINDS
from flask_images_vips.config.keys import Config, odd_keys
from flask_images_vips.page import calls

PLACES = {"IMAGES_PATH", "IMAGES_CACHE", "IMAGES_CACHE_LOCAL", "IMAGES_REDIS", "IMAGES_CDN"}
AWAY = re.compile(r"^(s3|gs|az|https?|rediss?|file)://")
HELPER = re.compile(r"^(resized_\w+|build_url)$")
SHOWS_A_PICTURE = re.compile(r"\bresized_(img_tag|img_src|img_srcset|img_preload|picture_tag)\(|url_for\('images")
MISTAKE = re.compile(r"has no effect|will not be served|without width|not a valid name of an HTML attribute")
ENVIRONMENT = re.compile(r"environ(?:\.get)?[\[(]\s*[\"'](\w+)")


class Templates(jinja2.BaseLoader):
    """Templates of the page's folder. Those that it does not show are empty, and ``base.html`` has the usual blocks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str | None, Any]:
        path = self.folder / "templates" / template
        if path.exists():
            return path.read_text("utf-8"), str(path), lambda: True
        names = ("head", "content", "main", "body") if "base" in template or "layout" in template else ()
        return "".join(f"{{% block {name} %}}{{% endblock %}}" for name in names), None, lambda: True


class SiteOfPage:
    """The folder of a page, and what its blocks have said so far."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, patch
        self.settings: dict[str, Any] = {}
        self.names: dict[str, Any] = {"__name__": "page_of_the_docs"}
        self.run_before: list[Any] = []
        self.modules: set[str] = set()
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        patch.setenv("TMPDIR", str(folder))
        patch.setattr("tempfile.tempdir", str(folder))
        patch.setattr("flask_images_vips.late_facts.DELAY_SECONDS", 0.1)  # the end of a test waits for it
        for kind in KINDS.values():
            for variable in kind.variables.values():
                patch.setenv(variable, "for the docs")
        photos = folder / "static" / "photos"
        photos.mkdir(parents=True)
        for path in PHOTOGRAPHS.glob("*.[jpa]*"):
            shutil.copy2(path, photos)
        for path in photos.iterdir():
            shutil.copy2(path, folder / "static")

    def write(self, blocks: list[Block]) -> None:
        """Write the blocks that are files."""
        for block in blocks:
            if not block.file or block.file.startswith("/"):
                continue
            for variable in ENVIRONMENT.findall(block.code):
                self.patch.setenv(variable, "for the docs")
            place = self.folder / ("templates" if block.language == "jinja" else "") / block.file
            place = self.folder / block.file if block.file.startswith("templates/") else place
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(block.code)

    def import_files(self, blocks: list[Block]) -> None:
        """Import the Python *blocks* that are files. The application among them must serve a picture."""
        names = [block.file.removesuffix(".py") for block in blocks]
        self.modules = {*names}
        self.forget()
        for name in sorted(names, key=lambda name: name == "app"):
            if "." in name or "/" in name:
                runpy.run_path(str(self.folder / f"{name}.py"))
            else:
                module = importlib.import_module(name)
                code = compile((self.folder / f"{name}.py").read_text(), name, "exec")
                missing = {*globals_of(code)} - {*vars(module), *dir(builtins)}
                assert not missing, f"functions of {name}.py use {sorted(missing)}, which it does not define or import"
                app = getattr(module, "app", None)
                if isinstance(app, Flask) and "images" in app.extensions:
                    self.settings |= {key: value for key, value in app.config.items() if key.startswith("IMAGES_")}
                    self.serve(app)

    def forget(self) -> None:
        """Let no other test find the modules of this page, and this page none of another."""
        for name in self.modules:
            sys.modules.pop(name, None)
        importlib.invalidate_caches()

    def app(self, **settings: Any) -> Flask:
        app = Flask("site", root_path=str(self.folder))
        app.config.update(SECRET_KEY="docs", IMAGES_CACHE=str(self.folder / "cache"), **settings, **IN_THREAD)
        app.jinja_loader = Templates(self.folder)  # type: ignore[assignment]
        return app

    def run(self, block: Block) -> None:
        """Run a block of Python with a new application: by itself, or else after the blocks before it."""
        for variable in ENVIRONMENT.findall(block.code):
            self.patch.setenv(variable, "for the docs")
        tree = ast.parse(block.code)
        code = compile(tree, block.where, "exec")
        try:
            self.execute(self.app(), needs_images(tree), code)
        except Exception:
            if not (self.run_before or self.settings):
                raise
            app = self.app()
            app.config.update(self.settings)
            self.execute(app, needs_images(tree), *self.run_before, code)
        missing = {*globals_of(code)} - {*self.names, *dir(builtins)}
        assert not missing, f"functions use {sorted(missing)}, which the page does not define or import"
        if needs_images(tree):
            self.run_before.append(code)

    def execute(self, app: Flask, early: bool, *codes: CodeType) -> None:
        """Execute *codes* with *app*, which has images before or after that, and ask it for a picture."""
        before = dict(app.config)
        self.names.update(app=app, Images=Images)
        self.names.pop("images", None)
        with app.test_request_context() if early else nullcontext(), no_mistakes():
            if early:
                self.names["images"] = Images(app)
            for code in codes:
                exec(code, self.names)
        app = self.names["app"]
        self.settings |= {
            key: value for key, value in app.config.items() if key.startswith("IMAGES_") and value != before.get(key)
        }
        odd = [*odd_keys(app.config)]
        assert not odd, odd
        Config.read(app.config)
        if not is_away(app.config):
            self.start(app)
            self.serve(app)

    def start(self, app: Flask) -> None:
        """Add images to *app*, in folders of this page, if the block has not done it."""
        if "images" in app.extensions:
            return
        for key, value in [*app.config.items()]:
            if key in ("IMAGES_CACHE", "IMAGES_CACHE_LOCAL") and value:
                app.config[key] = str(self.folder / "cache")
            elif isinstance(value, str) and value.startswith("/") and key.startswith("IMAGES_PATH"):
                app.config[key] = "static"
        Images(app)

    def serve(self, app: Flask) -> None:
        """Ask *app* for a picture, and for the views without arguments that the block has."""
        path = app.config.get("IMAGES_PATH") or ["static"]
        for place in [path] if isinstance(path, str) else path:
            folder = Path(app.root_path, str(place))
            if not AWAY.match(str(place)) and folder.is_relative_to(self.folder):
                folder.mkdir(parents=True, exist_ok=True)
                if not (folder / "cat.jpg").exists():
                    gradient((300, 200)).save(folder / "cat.jpg")
        client = app.test_client()
        presets = [*(app.config.get("IMAGES_PRESETS") or ())] if app.config.get("IMAGES_ONLY_PRESETS") else []
        response = client.get(url_of(app, "cat.jpg", **({"preset": presets[0]} if presets else {"width": 40})))
        private = getattr(app.extensions["images"], "authorize", None) is not None
        assert response.status_code == 200 or (private and response.status_code in (401, 403)), response.text
        for rule in app.url_map.iter_rules():
            if not rule.arguments and "GET" in (rule.methods or ()) and not rule.endpoint.startswith("images"):
                with no_mistakes():
                    response = client.get(rule.rule)
                assert response.status_code < 500, f"{rule.rule}: {response.status}"
                served(app, response.text if response.mimetype == "text/html" else "")

    def render(self, block: Block) -> None:
        """Render a template, and request every picture in it."""
        app = self.app(**{key: value for key, value in self.settings.items() if key not in PLACES})
        Images(app)
        app.jinja_env.undefined = jinja2.ChainableUndefined
        with app.test_request_context(), no_mistakes():
            page = app.jinja_env.from_string(block.code).render()
        found = served(app, page)
        wanted = SHOWS_A_PICTURE.search(block.code) is not None
        assert found or not wanted or block.file, f"no picture of {block.where} is served: {page}"


def globals_of(code: CodeType, inner: bool = False) -> Iterator[str]:
    """The global names that functions in *code* use, also those of views that nobody requests."""
    if inner:
        yield from (each.argval for each in dis.get_instructions(code) if each.opname == "LOAD_GLOBAL")
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from globals_of(constant, inner=True)


@contextmanager
def no_mistakes() -> Iterator[None]:
    """Fail if a call of a helper has a keyword, or a value, that does nothing: the page would only log that."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("flask_images_vips")
    calls._advised.clear()  # what another block has done wrong is told again
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    found = [line for line in said if MISTAKE.search(line)]
    assert not found, found


def needs_images(tree: ast.Module) -> bool:
    """Whether a block uses the images of an application, or calls a helper, without adding images itself."""
    if any(isinstance(node, ast.Call) and ast.unparse(node.func) == "Images" for node in ast.walk(tree)):
        return False
    if any(isinstance(node, ast.Attribute) and node.attr == "extensions" for node in ast.walk(tree)):
        return True
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    stored = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    loaded = {name.id for name in names if isinstance(name.ctx, ast.Load)}
    return ("images" in loaded and "images" not in stored) or any(map(HELPER.match, loaded))


def is_away(settings: Any) -> bool:
    """Whether these *settings* reach for another host."""
    return any(
        AWAY.match(str(part))
        for key, value in settings.items()
        if key in ("IMAGES_PATH", "IMAGES_CACHE", "IMAGES_REDIS", "IMAGES_CDN") and value
        for part in ([value] if isinstance(value, (str, dict)) else value)
    ) or bool(settings.get("IMAGES_CDN"))


def served(app: Flask, page: str) -> int:
    """Request every image of *page* that *app* serves, and return how many there are."""
    prefix = f"{app.config.get('IMAGES_URL') or '/imgsizer'}/"
    urls = {
        *re.findall(
            rf"(?:https?://[\w.-]+)?({re.escape(prefix)}[^\s\"'<>,)]+)", html.unescape(page).replace("\\u0026", "&")
        )
    }
    for url in urls:
        response = app.test_client().get(url)
        assert response.status_code == 200, f"{url}: {response.status}"
    return len(urls)
