"""Put the endpoints that only `links.url_for` builds into the URL map, where extensions and sites look endpoints up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import update_wrapper
from typing import Any, NoReturn

from flask import Flask
from werkzeug.exceptions import NotFound
from werkzeug.routing import Rule

from ..options.values import MODES
from ..state import images_of


class SignedRule(Rule):
    """The rule of an endpoint whose URLs are signed. It matches nothing, and Werkzeug builds nothing from it.

    So Flask asks the error handler that `Images` has registered, as for an endpoint without a rule.
    """

    def suitable_for(self, values: Mapping[str, Any], method: str | None = None) -> bool:
        return False


class ReplaceableView:
    """A view for extensions that look up the view of each rule. It is never called, because no request matches.

    The application may define another view for the same endpoint, for example in a blueprint called ``images``. Flask
    refuses a view that is not equal to the one that is there.
    """

    def __init__(self, view: Callable[..., Any]) -> None:
        update_wrapper(self, view)

    def __ne__(self, other: object) -> bool:
        return False

    def __call__(self, path: str) -> NoReturn:
        raise NotFound


def add_endpoints(app: Flask, url: str, name: str, host: str | None) -> None:
    """Add an endpoint for each mode and each preset of *app*, whose image URLs have the endpoint *name*.

    *url* is the prefix of their paths, and *host* their host.
    """
    view = ReplaceableView(app.view_functions[name])

    def add(kind: object) -> None:
        rule, endpoint = f"{url}/<path:path>", f"{name}.{kind}"
        app.url_map.add(SignedRule(rule, endpoint=endpoint, methods=["GET"], build_only=True, host=host))
        app.view_functions.setdefault(endpoint, view)

    def add_later(endpoint: str, values: dict[str, Any]) -> None:
        """Add the endpoint of a preset that was configured later, before others look the endpoint up."""
        base, _, kind = endpoint.rpartition(".")
        if base == name and not _has_endpoint(app, endpoint) and kind in images_of(app).pipeline.presets:
            add(kind)

    presets = app.config.get("IMAGES_PRESETS")
    for kind in (*MODES, *(presets if isinstance(presets, Mapping) else ())):
        add(kind)
    app.url_default_functions.setdefault(None, []).insert(0, add_later)


def _has_endpoint(app: Flask, endpoint: str) -> bool:
    try:
        app.url_map.is_endpoint_expecting(endpoint)
    except KeyError:
        return False
    return True
