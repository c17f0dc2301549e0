"""Who may import whom: the arrows of the design, held by the imports as they are written."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / "flask_images_vips"

# What each module may import of this package. A module that is missing here fails: say where it belongs.
ALLOWED = {
    "errors": set(),
    "checks": {"errors", "formats"},
    "config": {"checks", "errors", "formats"},
    "presets": {"errors", "options", "values", "config"},
    "transforms": {"errors"},
    "formats": {"errors"},
    "values": {"errors", "transforms", "formats"},
    "options": {"errors", "transforms", "formats", "values"},
    "geometry": {"errors", "options", "values"},
    "urls": {"errors", "options", "values"},
    "sources": {"errors"},
    "sources.local": {"errors", "sources"},
    "sources.guard": {"errors"},
    "sources.http": {"errors", "sources.guard"},
    # Originals at URLs are kept in a cache of their own, like any other.
    "sources.remote": {"errors", "sources", "sources.http", "cache", "cache.disk"},
    "rendition": {"options", "values", "formats", "sources"},
    "engines": {"errors", "geometry", "formats", "transforms", "options", "values", "rendition"},
    "engines.colour": set(),
    "engines.effects": {"options", "values"},
    "engines.vips_effects": {"geometry", "rendition", "engines", "engines.effects"},
    "engines.pillow_effects": {"geometry", "formats", "options", "values", "engines", "engines.effects"},
    "engines.rights": set(),
    "engines.encoders": set(),
    "engines.frames": {"errors"},
    "engines.vips_deadline": {"errors"},
    "engines.vips_reader": {"errors", "geometry", "engines.frames", "engines.avif"},
    "engines.avif": {"geometry", "engines.pillow_effects"},
    "engines.vips_steps": {
        *("geometry", "values", "rendition", "engines", "engines.colour", "engines.vips_effects"),
        "engines.vips_reader",
    },
    "engines.vips_writer": {"rendition", "engines.rights", "engines.vips_reader"},
    "engines.vips": {
        *("errors", "geometry", "formats", "options", "rendition", "engines", "engines.encoders", "engines.frames"),
        *("engines.vips_effects", "engines.vips_deadline", "engines.vips_reader", "engines.vips_steps"),
        "engines.vips_writer",
    },
    "engines.pillow": {
        "errors",
        "geometry",
        "formats",
        "transforms",
        "options",
        "values",
        "rendition",
        "engines",
        "engines.colour",
        "engines.pillow_effects",
        "engines.encoders",
        "engines.frames",
        "engines.rights",
    },
    "cache": {"errors"},
    "cache.flights": {"errors", "cache"},
    "cache.locks": {"errors", "cache"},
    "cache.slots": {"errors", "cache", "cache.locks"},
    "cache.bound": {"errors", "cache"},
    "cache.disk": {"errors", "cache", "cache.flights", "cache.locks", "cache.bound"},
    "metadata": {"errors", "geometry", "sources", "rendition", "engines", "cache", "cache.disk"},
    "placeholders": {"errors", "formats", "options", "values", "geometry"},
    "recent": set(),
    "copies": {
        *(
            "errors",
            "options",
            "values",
            "geometry",
            "rendition",
            "engines",
            "sources",
            "cache",
            "cache.disk",
            "recent",
        ),
    },
    "sets": {
        *(
            "copies",
            "errors",
            "options",
            "geometry",
            "rendition",
            "engines",
            "sources",
            "cache",
            "cache.disk",
            "recent",
        ),
    },
    "pipeline": {
        *("copies", "sets", "recent"),
        *("errors", "config", "transforms", "formats", "options", "values", "geometry", "urls", "rendition", "engines"),
        *("metadata", "placeholders", "presets"),
        *("sources", "sources.local", "sources.remote", "cache", "cache.disk", "cache.slots"),
    },
    "recompress": {"errors", "rendition", "engines", "engines.encoders", "cache", "cache.disk", "cache.slots"},
    "front": set(),
    "nginx": {"config", "formats", "front"},
    "state": {"checks", "pipeline", "recompress", "config", "formats", "options", "values", "urls", "front"},
    "responses": {"cache", "config", "errors", "formats", "rendition", "state", "urls"},
    "views": {"errors", "fallback", "formats", "options", "values", "responses", "state", "urls"},
    "fallback": {"errors", "options", "values", "state", "urls"},
    "early": {"errors", "responses", "state"},
    "cli": {"state", "nginx", "rendition", "responses", "urls"},
    "templating": {"pipeline", "urls", "options", "values", "geometry", "errors", "compat", "sources", "state"},
    "responsive": {"geometry", "options", "values"},
    "markup": {
        *("errors", "formats", "geometry", "options", "values", "placeholders", "responsive", "sources"),
        *("state", "templating", "urls"),
    },
}
FREE = {"__init__", "extension", "compat", "demo"}  # where the parts are joined, and what stands outside the line

# Packages that only these modules may import.
OWNED = {
    "flask": {"extension", "responses", "state", "views", "templating", "markup", "cli", "compat", "demo"},
    "pyvips": {f"engines.vips{part}" for part in ("", "_deadline", "_effects", "_reader", "_steps", "_writer")},
    "PIL.Image": {"engines.avif", "engines.pillow", "engines.pillow_effects", "compat"},
    "PIL": {"engines.avif", "engines.pillow", "engines.pillow_effects", "compat", "values"},
    "filelock": {"cache.locks"},
    "itsdangerous": {"urls"},
    "urllib3": {"sources.http"},
}


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return found


def imports(name: str, path: Path) -> tuple[set[str], set[str]]:
    """The modules of this package and the names of others that *path* imports, but for type checking alone."""
    own, foreign = set(), set()
    base = name.split(".") if path.name == "__init__.py" and name != "__init__" else name.split(".")[:-1]
    for node in at_run_time(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            foreign |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module is not None
            foreign |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.ImportFrom):
            start = base[: len(base) - (node.level - 1)]
            target = ".".join([*start, *(node.module.split(".") if node.module else [])])
            within = {".".join(filter(None, [target, alias.name])) for alias in node.names}
            own |= (within & modules().keys()) or ({target} if target else {"__init__"})
    return own, foreign


def at_run_time(tree: ast.AST) -> list[ast.AST]:
    found: list[ast.AST] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        found += [node, *at_run_time(node)]
    return found


@pytest.mark.parametrize(("name", "path"), modules().items())
def test_a_module_imports_only_what_it_may(name: str, path: Path) -> None:
    own, foreign = imports(name, path)
    if name.split(".", maxsplit=1)[0] not in FREE:
        assert name in ALLOWED, f"{name} has no row in ALLOWED"
        assert own <= ALLOWED[name], f"{name} imports {sorted(own - ALLOWED[name])}"
    for package, owners in OWNED.items():
        imported = {one for one in foreign if one == package or one.startswith(package + ".")}
        if name.split(".", maxsplit=1)[0] not in owners and name not in owners:
            assert not imported, f"{name} imports {sorted(imported)}"


def test_every_rule_is_about_a_module_that_exists() -> None:
    assert set(ALLOWED) <= modules().keys()


def test_the_rules_would_see_a_forbidden_import(tmp_path: Path) -> None:
    path = tmp_path / "geometry.py"
    path.write_text(
        "from . import urls\nfrom .engines.vips import VipsEngine\nimport flask.json\nfrom PIL import Image\n"
    )
    own, foreign = imports("geometry", path)
    assert own == {"urls", "engines.vips"}
    assert {"flask.json", "PIL.Image"} <= foreign


def test_importing_the_package_imports_no_engine() -> None:
    import subprocess
    import sys

    code = "import sys, flask_images_vips; sys.exit(bool({'pyvips', 'PIL'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, check=False).returncode == 0
