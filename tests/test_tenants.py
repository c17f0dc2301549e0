"""Tenants: the callbacks, the quota that bounds their renders, and what is counted for each."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import all_renderers_taken, url_of
from flask import Flask, abort, request
from monitoring.test_prometheus import shown

from flask_images_vips import Images, Quota
from flask_images_vips.errors import ConfigError
from flask_images_vips.monitoring import measure


@pytest.fixture
def make_site(make_app: Callable[..., Flask], draw: Any) -> Callable[..., Flask]:
    """A function like `make_app`. The tenants ``a`` and ``b`` have their pictures in folders of these names."""

    def make(**config: Any) -> Flask:
        app = make_app(IMAGES_METRICS="/metrics/images", **config)
        for name in ("a/1.png", "a/2.png", "b/1.png", "1.png"):
            draw(name)
        app.extensions["images"].tenant(lambda ref: ref.partition("/")[0] if "/" in ref else None)
        return app

    return make


@pytest.fixture
def app(make_site: Callable[..., Flask]) -> Flask:
    return make_site()


def limited(app: Flask, quota: Any) -> Flask:
    app.extensions["images"].quota(lambda tenant: quota)
    return app


def status(app: Flask, name: str, **options: Any) -> int:
    with app.test_client().get(url_of(app, name, **options)) as response:
        return response.status_code


def test_the_renders_of_one_tenant_are_bounded_and_hits_stay_free(app: Flask) -> None:
    limited(app, Quota(renders=2, seconds=3600))
    assert [status(app, "a/1.png", width=width, mode="crop", height=9) for width in (10, 11)] == [200, 200]
    assert [status(app, "a/1.png", width=width, mode="crop", height=9) for width in (10, 11, 10)] == [200] * 3
    response = app.test_client().get(url_of(app, "a/2.png", width=10))
    assert response.status_code == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 1800
    assert response.headers["Cache-Control"] == "no-store"
    assert "Too many new images" in response.text
    assert status(app, "b/1.png", width=10) == 200
    assert [status(app, "1.png", width=width) for width in (10, 11, 12)] == [200] * 3  # of no tenant


def test_the_nearest_smaller_size_is_sent_if_there_is_one(app: Flask) -> None:
    limited(app, Quota(renders=1, seconds=3600))
    first = app.test_client().get(url_of(app, "a/1.png", width=10))
    instead = app.test_client().get(url_of(app, "a/1.png", width=20))
    assert (instead.status_code, instead.data) == (200, first.data)
    assert instead.headers["Cache-Control"] == "no-store"
    assert status(app, "a/1.png", width=9) == 429  # not a larger one


def test_what_is_not_rendered_is_not_charged(make_site: Callable[..., Flask]) -> None:
    app = limited(make_site(IMAGES_LOCK_TIMEOUT=0.1), Quota(renders=1, seconds=3600))
    assert status(app, "a/missing.png", width=10) == 404
    assert status(app, "1.png", width=10) == 200  # the renderers are started
    with all_renderers_taken(app):
        assert status(app, "a/1.png", width=10) == 503
    assert status(app, "a/1.png", width=10) == 200
    assert status(app, "a/2.png", width=10) == 429


def test_a_render_that_fails_is_charged(app: Flask, static: Path) -> None:
    limited(app, Quota(renders=1, seconds=3600))
    (static / "a" / "broken.png").write_bytes(b"no picture")
    assert status(app, "a/broken.png", width=10) == 422
    assert status(app, "a/1.png", width=10) == 429


def test_a_hit_asks_for_no_tenant(make_app: Callable[..., Flask], draw: Any) -> None:
    app, asked = make_app(), []
    draw("1.png")
    app.extensions["images"].tenant(asked.append)
    limited(app, Quota(renders=1, seconds=3600))
    assert [status(app, "1.png", width=10) for _ in range(3)] == [200] * 3
    assert asked == ["1.png"]


def test_without_a_quota_a_tenant_is_free(app: Flask) -> None:
    limited(app, None)
    assert [status(app, "a/1.png", width=width) for width in range(10, 14)] == [200] * 4


def test_the_cost_of_each_tenant_is_counted(app: Flask) -> None:
    limited(app, Quota(renders=2, seconds=3600))
    for width in (20, 10, 30):  # instead of the last one, another size is sent
        assert status(app, "a/1.png", width=width) == 200
    assert status(app, "a/2.png", width=10) == 429
    assert status(app, "1.png", width=10) == 200
    found = shown(app)
    assert found["images_tenant_rendered_total", "a"] == 2
    assert found["images_tenant_cpu_seconds_total", "a"] > 0
    assert found["images_tenant_refused_total", "a"] == 2
    assert found["images_failed_total", "429", "QuotaExceeded"] == 1
    assert found.labels("images_tenant_rendered_total") == {frozenset({"a"})}
    assert found["images_rendered_total", "png", "vips", "visitor"] == 3


def test_very_many_tenants_share_a_label(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_MOST_TENANTS", 1)
    for name in ("a/1.png", "b/1.png", "a/2.png"):
        assert status(app, name, width=10) == 200
    found = shown(app)
    assert found["images_tenant_rendered_total", "a"] == 2
    assert found["images_tenant_rendered_total", "other"] == 1


def test_any_name_of_a_tenant_can_be_shown(make_app: Callable[..., Flask], draw: Any) -> None:
    app = make_app(IMAGES_METRICS="/metrics/images")
    draw("a.png")
    names = iter(["\ud800", "x" * 100_000, 'a\0\n"\\', "ä"])
    app.extensions["images"].tenant(lambda ref: next(names))
    for width in (10, 11, 12, 13):
        assert status(app, "a.png", width=width, height=9, mode="crop") == 200
    found = shown(app)
    assert [found["images_tenant_rendered_total", name] for name in ("?", "x" * 200, "ä")] == [1, 1, 1]


def test_a_callback_that_fails_is_logged_and_the_image_is_rendered(
    make_app: Callable[..., Flask], draw: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(argument: str) -> Any:
        raise KeyError(argument)

    draw("a.png")
    for number, tenant, quota in ((1, fail, lambda tenant: Quota(1, 60)), (2, lambda ref: "a", fail)):
        app = make_app()
        app.extensions["images"].tenant(tenant)
        app.extensions["images"].quota(quota)
        caplog.clear()
        assert [status(app, "a.png", width=10 * number + step) for step in (1, 2, 3)] == [200, 200, 200]
        assert caplog.text.count("callback failed for 'a") == 3


def test_a_callback_may_answer_with_an_http_error(make_app: Callable[..., Flask], draw: Any) -> None:
    draw("a.png")
    app = make_app()
    app.extensions["images"].tenant(lambda ref: abort(403))
    app.extensions["images"].quota(lambda tenant: Quota(1, 60))
    assert status(app, "a.png", width=10) == 403


def test_the_callbacks_see_the_request(make_app: Callable[..., Flask], draw: Any) -> None:
    draw("a.png")
    app = make_app()
    images: Images = app.extensions["images"]

    @images.tenant
    def tenant(ref: str) -> int:
        return int(request.headers["X-Tenant"])

    @images.quota
    def quota(tenant: str) -> Quota | None:
        return Quota(renders=1, seconds=60) if tenant == "7" else None

    client = app.test_client()
    statuses = [
        client.get(url_of(app, "a.png", width=width, height=9, mode="crop"), headers={"X-Tenant": number}).status_code
        for width, number in ((10, "7"), (9, "7"), (30, "8"), (31, "8"))
    ]
    assert statuses == [200, 429, 200, 200]


def test_the_callbacks_may_be_coroutine_functions() -> None:
    async def find(ref: str) -> str:
        return "a"

    async def find_quota(tenant: str) -> Quota:
        return Quota(renders=1, seconds=60)

    def ensure_sync(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments: asyncio.run(function(*arguments))

    images = Images()
    images.tenant(find)
    images.quota(find_quota)
    assert images.tenants.quota_of("1.png", ensure_sync) == ("a", Quota(1, 60))


def test_a_quota_of_another_type_is_a_fault_of_the_site(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    limited(app, 5)
    assert status(app, "1.png", width=10) == 200
    assert status(app, "a/1.png", width=10) == 500
    assert "The quota callback returned 5 for the tenant 'a'" in caplog.text


@pytest.mark.parametrize(
    ("renders", "seconds"),
    [(0, 60), (-1, 60), (1, 0), (1, math.inf), (math.nan, 1), (1, math.nan), (10**400, 1), (1, 10**400)],
)
def test_an_impossible_quota_is_refused(renders: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="expected at least 1 render"):
        Quota(renders=renders, seconds=seconds)


def test_each_callback_is_registered_once_and_the_tenant_first() -> None:
    images = Images()
    with pytest.raises(ConfigError, match="tenant first"):
        images.quota(lambda tenant: None)
    images.tenant(lambda ref: None)
    with pytest.raises(ConfigError, match="already registered"):
        images.tenant(lambda ref: None)
    images.quota(lambda tenant: None)
    with pytest.raises(ConfigError, match="already registered"):
        images.quota(lambda tenant: None)
