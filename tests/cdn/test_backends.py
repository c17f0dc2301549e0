"""The purge requests of each kind of cache are those of its documentation, and its errors are told without secrets."""

from __future__ import annotations

import json
import re
import socket
import ssl
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest

from cdn.api import Api, Planned
from flask_images_vips.cdn.backend import Backend, CdnFailed, Wanted
from flask_images_vips.cdn.cloudflare import Cloudflare
from flask_images_vips.cdn.cloudfront import CloudFront
from flask_images_vips.cdn.fastly import Fastly
from flask_images_vips.cdn.servers import Nginx, Varnish

Start = Callable[..., Api]

TOKEN = "very-secret-token"
CAT = Wanted(("image:cat.jpg",), ("/imgsizer/cat.jpg", "/imgsizer.info/cat.jpg"))
SUCCESS = Planned(200, b'{"success": true, "errors": [], "messages": [], "result": {"id": "1"}}')
OK = Planned(200, b'{"status": "ok"}')


def many(count: int) -> Wanted:
    return Wanted(
        tuple(f"image:{number:03}.jpg" for number in range(count)),
        tuple(f"/imgsizer/{number:03}.jpg" for number in range(count)),
    )


def test_cloudflare_purges_tags_of_a_zone(api: Start) -> None:
    server = api(SUCCESS)
    Cloudflare(zone="abc123", token=TOKEN, url=server.url).purge(CAT, soft=True)
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/zones/abc123/purge_cache")
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["Content-Type"] == "application/json"
    assert json.loads(asked.body) == {"tags": ["image:cat.jpg"]}


def test_cloudflare_gets_at_most_thirty_tags_at_once(api: Start) -> None:
    server = api(SUCCESS)
    Cloudflare(zone="abc", token=TOKEN, url=server.url).purge(many(61), soft=False)
    sent = [json.loads(asked.body)["tags"] for asked in server.asked]
    assert [len(tags) for tags in sent] == [30, 30, 1]
    assert [tag for tags in sent for tag in tags] == list(many(61).tags)


def test_fastly_purges_surrogate_keys_of_a_service(api: Start) -> None:
    server = api(Planned(200, b'{"image:cat.jpg": "1-2"}'))
    fastly = Fastly(service="SU1Z0isxPaozGVKXdv0eY", token=TOKEN, url=server.url)
    fastly.purge(CAT, soft=True)
    fastly.purge(CAT, soft=False)
    soft, hard = server.asked
    assert (soft.method, soft.path) == ("POST", "/service/SU1Z0isxPaozGVKXdv0eY/purge")
    assert soft.headers["Fastly-Key"] == TOKEN
    assert soft.headers["Surrogate-Key"] == "image:cat.jpg"
    assert soft.headers["Fastly-Soft-Purge"] == "1"
    assert "Fastly-Soft-Purge" not in hard.headers


def test_fastly_gets_no_more_than_its_header_may_hold(api: Start) -> None:
    server = api(OK)
    longest = Wanted(tuple(f"image:{number:03}{'x' * 197}" for number in range(120)), ())
    Fastly(service="abc", token=TOKEN, url=server.url).purge(longest, soft=False)
    sent = [asked.headers["Surrogate-Key"] for asked in server.asked]
    assert all(len(keys) <= 16_384 and len(keys.split()) <= 256 for keys in sent)
    assert " ".join(sent).split() == list(longest.tags)


def test_each_varnish_is_purged(api: Start) -> None:
    servers = [api(OK), api(OK)]
    varnish = Varnish(urls=tuple(server.url for server in servers), headers={"X-Purge-Key": "k"})
    varnish.purge(CAT, soft=True)
    varnish.purge(CAT, soft=False)
    for server in servers:
        soft, hard = server.asked
        assert (soft.method, soft.headers["xkey-softpurge"], soft.headers["X-Purge-Key"]) == ("PURGE", *CAT.tags, "k")
        assert hard.headers["xkey-purge"] == "image:cat.jpg"
        assert "xkey-softpurge" not in hard.headers


def test_a_varnish_that_fails_does_not_keep_others_from_purging(api: Start) -> None:
    broken, right = api(Planned(403, b"Forbidden")), api(OK)
    url = broken.url.replace("http://", "http://me:pass-word@")
    with pytest.raises(CdnFailed, match=re.escape(f"{broken.url} answers 403: Forbidden")) as caught:
        Varnish(urls=(url, right.url)).purge(CAT, soft=False)
    assert "pass-word" not in str(caught.value)
    assert len(right.asked) == 1


def test_nginx_purges_all_urls_that_begin_with_the_path(api: Start) -> None:
    server = api(Planned(204))
    Nginx(urls=(server.url,)).purge(CAT, soft=True)
    sent = [(asked.method, asked.path) for asked in server.asked]
    assert sent == [("PURGE", "/imgsizer/cat.jpg*"), ("PURGE", "/imgsizer.info/cat.jpg*")]


# CloudFront

CREATED = Planned(
    201,
    b"<Invalidation><Id>I1</Id><Status>InProgress</Status><CreateTime>2026-01-01T00:00:00Z</CreateTime>"
    b"<InvalidationBatch><Paths><Quantity>0</Quantity></Paths><CallerReference>x</CallerReference>"
    b"</InvalidationBatch></Invalidation>",
)
NAMES = {"n": "http://cloudfront.amazonaws.com/doc/2020-05-31/"}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    pytest.importorskip("botocore")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", TOKEN)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


def invalidated(server: Api) -> list[list[str | None]]:
    """The items of each invalidation, whose quantity must be right."""
    batches = [ET.fromstring(asked.body) for asked in server.asked]
    found = [[item.text for item in batch.findall("n:Paths/n:Items/n:Path", NAMES)] for batch in batches]
    assert [batch.findtext("n:Paths/n:Quantity", namespaces=NAMES) for batch in batches] == [str(len(f)) for f in found]
    assert len({batch.findtext("n:CallerReference", namespaces=NAMES) for batch in batches}) == len(batches)
    return found


def test_cloudfront_invalidates_paths_by_a_signed_request(api: Start, aws: None) -> None:
    server = api(CREATED)
    CloudFront(distribution="EDFDVBD6EXAMPLE", url=server.url).purge(CAT, soft=False)
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/2020-05-31/distribution/EDFDVBD6EXAMPLE/invalidation")
    signed = r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/us-east-1/cloudfront/aws4_request, "
    assert re.match(signed, asked.headers["Authorization"])
    assert invalidated(server) == [["/imgsizer/cat.jpg*", "/imgsizer.info/cat.jpg*"]]


def test_cloudfront_invalidates_tags_if_it_reads_them(api: Start, aws: None) -> None:
    server = api(CREATED)
    CloudFront(distribution="E1", tags=True, url=server.url).purge(CAT, soft=False)
    assert invalidated(server) == [["#image:cat.jpg"]]


def test_many_paths_become_what_they_have_in_common(api: Start, aws: None) -> None:
    server = api(CREATED)
    CloudFront(distribution="E1", url=server.url).purge(many(16), soft=False)
    assert invalidated(server) == [["/imgsizer/0*"]]


def test_cloudfront_tells_why_it_refuses(api: Start, aws: None) -> None:
    code = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
    server = api(Planned(403, code))
    cloudfront = CloudFront(distribution="E1", url=server.url)
    with pytest.raises(CdnFailed, match="AccessDenied") as caught:
        cloudfront.purge(CAT, soft=False)
    assert TOKEN not in str(caught.value)
    with pytest.raises(CdnFailed, match="AccessDenied"):
        cloudfront.check()
    assert server.asked[-1].path == "/2020-05-31/distribution/E1/invalidation?MaxItems=1"


# Failures

REFUSAL = Planned(403, b'{"success": false, "errors": [{"code": 10000, "message": "Authentication error"}]}')


@pytest.mark.parametrize("kind", ["cloudflare", "fastly", "varnish"])
def test_a_refusal_is_told_at_once_and_without_the_token(api: Start, kind: str) -> None:
    server = api(REFUSAL)
    with pytest.raises(CdnFailed, match=r"answers 403: .*Authentication error") as caught:
        backend(kind, server.url).purge(CAT, soft=False)
    assert TOKEN not in f"{caught.value} {backend(kind, server.url)}"
    assert len(server.asked) == 1


def backend(kind: str, url: str) -> Backend:
    made: dict[str, Backend] = {
        "cloudflare": Cloudflare(zone="abc", token=TOKEN, url=url),
        "fastly": Fastly(service="abc", token=TOKEN, url=url),
        "varnish": Varnish(urls=(url,), headers={"X-Purge-Key": TOKEN}),
    }
    return made[kind]


@pytest.mark.parametrize("passing", [Planned(429, headers={"Retry-After": "1"}), Planned(503), Planned(0)])
def test_what_passes_is_tried_again(api: Start, passing: Planned) -> None:
    server = api(passing, passing, SUCCESS)
    for kind in ("cloudflare", "fastly", "varnish"):
        backend(kind, server.url).purge(CAT, soft=False)
    assert len(server.asked) == 5


def test_what_does_not_pass_is_tried_three_times(api: Start) -> None:
    server = api(Planned(500, b"broken"))
    with pytest.raises(CdnFailed, match="it answers 500: broken"):
        backend("fastly", server.url).purge(CAT, soft=False)
    assert len(server.asked) == 3


@pytest.mark.parametrize("when", ["60", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_nobody_waits_for_as_long_as_a_busy_api_may_ask(api: Start, when: str) -> None:
    server = api(Planned(429, b"slow down", {"Retry-After": when}))
    with pytest.raises(CdnFailed, match="answers 429: slow down"):
        backend("cloudflare", server.url).purge(CAT, soft=False)
    assert len(server.asked) == 1


def test_success_is_believed_only_if_it_is_stated(api: Start) -> None:
    for body in (b"", b"[]", b"<html>", b'{"success": false}', b'{"success": "true"}'):
        with pytest.raises(CdnFailed):
            backend("cloudflare", api(Planned(200, body)).url).purge(CAT, soft=False)


def test_redirects_are_not_followed_so_nobody_else_gets_the_token(api: Start) -> None:
    other = api(SUCCESS)
    server = api(Planned(307, b"moved", {"Location": other.url}))
    with pytest.raises(CdnFailed, match="answers 307"):
        backend("fastly", server.url).purge(CAT, soft=False)
    assert other.asked == []


def test_a_server_that_is_not_there_is_told_with_its_host(api: Start) -> None:
    server = api(OK)
    server.close()
    with pytest.raises(CdnFailed, match=r"127\.0\.0\.1 cannot be reached: Connection refused"):
        backend("fastly", server.url).purge(CAT, soft=False)


def test_a_server_that_does_not_answer_is_given_up(api: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(CdnFailed, match=r"127\.0\.0\.1 does not answer within 0\.05 s"):
            Fastly(service="abc", token=TOKEN, url=url, timeout=0.05).purge(CAT, soft=False)


def test_a_server_with_a_wrong_certificate_gets_no_token(api: Start) -> None:
    trustme = pytest.importorskip("trustme")
    server = api(SUCCESS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server.server.socket = context.wrap_socket(server.server.socket, server_side=True)
    with pytest.raises(CdnFailed, match=r"127\.0\.0\.1: .*certificate verify failed"):
        backend("fastly", server.url.replace("http:", "https:")).purge(CAT, soft=False)
    assert server.asked == []


def test_a_long_answer_is_cut(api: Start) -> None:
    server = api(Planned(400, b"x\n" * 1_000_000))
    with pytest.raises(CdnFailed) as caught:
        backend("fastly", server.url).purge(CAT, soft=False)
    assert len(str(caught.value)) < 300


def test_a_check_purges_nothing(api: Start) -> None:
    server = api(SUCCESS)
    for kind in ("cloudflare", "fastly", "varnish"):
        backend(kind, server.url).check()
    sent = [f"{dict(asked.headers)} {asked.body!r}" for asked in server.asked]
    assert all("image:*" in each and "cat.jpg" not in each for each in sent)
