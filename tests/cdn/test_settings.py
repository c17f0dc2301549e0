"""``IMAGES_CDN``: what may be written there, and what a wrong value is told. No message shows a token."""

from __future__ import annotations

from typing import Any

import pytest

from flask_images_vips.cdn.cloudflare import Cloudflare
from flask_images_vips.cdn.cloudfront import CloudFront
from flask_images_vips.cdn.fastly import Fastly
from flask_images_vips.cdn.servers import Nginx, Varnish
from flask_images_vips.cdn.settings import backends
from flask_images_vips.errors import ConfigError

TOKEN = "very-secret-token"
CLOUDFLARE = {"cdn": "cloudflare", "zone": "abc", "token": TOKEN}
VARNISH = {"cdn": "varnish", "urls": ["http://a:6081/", "https://b/"]}


def read(value: Any) -> Any:
    return backends("IMAGES_CDN", value)


def test_one_cache_or_a_list_of_them() -> None:
    assert read(None) == read([]) == ()
    assert read(CLOUDFLARE) == (Cloudflare(zone="abc", token=TOKEN),)
    assert read([CLOUDFLARE, VARNISH]) == (
        Cloudflare(zone="abc", token=TOKEN),
        Varnish(urls=("http://a:6081/", "https://b/")),
    )
    assert read({"cdn": "fastly", "service": "x", "token": "t", "timeout": 2}) == (
        Fastly(service="x", token="t", timeout=2.0),
    )
    assert read({"cdn": "cloudfront", "distribution": "E1", "tags": True}) == (
        CloudFront(distribution="E1", tags=True),
    )
    assert read({"cdn": "nginx", "urls": "http://a"}) == (Nginx(urls=("http://a",)),)


def test_a_token_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
    monkeypatch.setenv("FASTLY_API_TOKEN", "another")
    cloudflare, fastly = read([{"cdn": "cloudflare", "zone": "abc"}, {"cdn": "fastly", "service": "x"}])
    assert (cloudflare.token, fastly.token) == (TOKEN, "another")


def test_nothing_shows_a_token() -> None:
    shown = repr(
        read([CLOUDFLARE, {**VARNISH, "headers": {"X-Key": TOKEN}}, {"cdn": "fastly", "service": "x", "token": TOKEN}])
    )
    assert TOKEN not in shown


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (TOKEN, "expected a dictionary such as {'cdn': 'varnish', 'urls': ['http://127.0.0.1:6081/']}"),
        ([TOKEN], "expected a dictionary such as"),
        (5, "expected a dictionary such as"),
        ({}, "'cdn' names no cache, expected one of cloudflare, cloudfront, fastly, varnish, nginx"),
        ({"cdn": ["cloudflare"]}, "'cdn' names no cache"),
        ({**CLOUDFLARE, "cdn": "cloudfare"}, "did you mean cloudflare?"),
        (
            {**CLOUDFLARE, "zones": "abc"},
            "no 'zones', expected some of zone, token, url, timeout; did you mean zone?",
        ),
        ({"cdn": "cloudflare", "token": TOKEN}, "cloudflare needs 'zone'. Add it."),
        (
            {"cdn": "fastly", "service": "x"},
            "fastly needs 'token'. Add it, or set FASTLY_API_TOKEN in",
        ),
        ({**CLOUDFLARE, "zone": "a/../b"}, "'zone' of cloudflare: expected an ID of letters"),
        ({**CLOUDFLARE, "token": f"{TOKEN}\r\nX: y"}, "'token' of cloudflare: expected a string without spaces"),
        ({**CLOUDFLARE, "token": 5}, "'token' of cloudflare: expected a string"),
        ({**CLOUDFLARE, "timeout": 0}, "'timeout' of cloudflare: expected seconds"),
        ({**CLOUDFLARE, "timeout": True}, "expected seconds"),
        ({**CLOUDFLARE, "url": "ftp://a"}, "'url' of cloudflare: expected a URL"),
        ({"cdn": "varnish", "urls": []}, "expected a list of URLs"),
        ({"cdn": "varnish", "urls": ["a:80"]}, "expected a list of URLs"),
        ({**VARNISH, "headers": {"X-Key": "a\nb"}}, "expected a dictionary of headers"),
        ({**VARNISH, "headers": [TOKEN]}, "expected a dictionary of headers"),
        ({"cdn": "cloudfront", "distribution": "E1", "tags": "yes"}, "expected True or False"),
    ],
)
def test_a_wrong_value_is_told_what_is_right(value: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASTLY_API_TOKEN", raising=False)
    with pytest.raises(ConfigError) as caught:
        read(value)
    assert message in str(caught.value)
    assert str(caught.value).startswith("IMAGES_CDN: ")
    assert TOKEN not in str(caught.value)
