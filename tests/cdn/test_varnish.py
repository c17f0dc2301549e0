"""A real Varnish with docker/varnish.vcl, in front of a real nginx and gunicorn: what it keeps, and what is purged."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, gradient, needs, signed
from nginx.test_nginx import Answer, Door, aged, ask, lay, links, opened
from real_servers import free_port, until

from flask_images_vips import Images
from flask_images_vips.cache_tags import tag_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: gunicorn, links, modes")

VARNISHD = shutil.which("varnishd") or next(filter(os.path.exists, ["/usr/sbin/varnishd"]), None)
XKEY = [*Path("/usr/lib").glob("*/varnish/vmods/libvmod_xkey.so"), *Path("/usr/lib/varnish").glob("**/libvmod_xkey.so")]

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
SAFARI = "image/webp,image/avif,image/jxl,image/heic,video/*;q=0.8,image/png,image/*;q=0.8,*/*;q=0.5"
OLD = "image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"


class Front:
    """Varnish on *port*, in front of *door*."""

    def __init__(self, door: Door, port: int) -> None:
        self.door = door
        self.port = port
        self.images: Images = door.app.extensions["images"]

    def get(self, url: str, **headers: str) -> Answer:
        return ask(self.port, url, **headers)

    def kept(self, url: str, **headers: str) -> Answer:
        """The answer to a second request, which Varnish must not pass on."""
        first = self.get(url, **headers)
        assert first.status == 200
        answer = self.get(url, **headers)
        assert is_hit(answer), answer.headers.as_string()
        assert answer.body == first.body
        return answer


def is_hit(answer: Answer) -> bool:
    """Whether Varnish sent what it had: then it names the request that fetched it, too."""
    return len(answer.headers["X-Varnish"].split()) == 2


def vcl(port: int) -> str:
    """The VCL of docker/, for an nginx on *port* of this host."""
    text = (ROOT / "docker" / "varnish.vcl").read_text("utf-8")
    changed = text.replace('.host = "nginx"', '.host = "127.0.0.1"').replace('.port = "80"', f'.port = "{port}"')
    assert changed != text
    return changed


@contextlib.contextmanager
def varnish(port: int, behind: int) -> Iterator[None]:
    """Run Varnish on *port*, in front of the server on the port *behind*."""
    needs("varnishd", VARNISHD, "apt-get install varnish")
    needs("vmod_xkey", XKEY, "apt-get install varnish-modules")
    assert VARNISHD is not None
    folder = Path(tempfile.mkdtemp(prefix="images-varnish-"))
    folder.chmod(0o755)
    (folder / "vcl").write_text(vcl(behind))
    options = ["-F", "-j", "none", "-a", f"127.0.0.1:{port}", "-f", folder / "vcl", "-n", folder / "n"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([VARNISHD, *map(str, options)], stdout=log, stderr=log, cwd=folder)
    try:
        until(lambda: answers(port), process, folder / "log")
        yield
    finally:
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):  # which purges once more
                thread.join()
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        return ask(port, "/").status < 500
    return False


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    port = free_port()
    config: dict[str, Any] = {
        "IMAGES_CACHE_TAGS": "varnish",
        "IMAGES_CDN": {"cdn": "varnish", "urls": [f"http://127.0.0.1:{port}/"]},
        "IMAGES_FRONT_DOOR": True,
        "IMAGES_ACCEL_REDIRECT": "/_images/",
    }
    with opened(**config) as door, varnish(port, door.port):
        yield Front(door, port)


def test_what_is_forgotten_is_gone_from_the_cache_in_front(front: Front) -> None:
    lay(front.door.folder, "secret.png")
    urls = [front.door.url("secret.png", width=width) for width in (10, 20)]
    for url in urls:
        front.kept(url)
    begin = time.monotonic()
    receipt = front.images.forget("secret.png")
    answers = [front.get(url) for url in urls]
    seconds = time.monotonic() - begin
    assert receipt.cdn == ("varnish",)
    assert [answer.status for answer in answers] == [410, 410]
    print(f"gone everywhere after {seconds * 1000:.0f} ms")


def test_what_nginx_sent_by_itself_is_purged_too(front: Front) -> None:
    lay(front.door.folder, "linked/a b.png")
    url = front.door.url("linked/a b.png", width=10)
    front.door.get(url)
    answer = front.door.get(url)
    assert not answer.from_app
    assert answer.headers["xkey"] == "image image:linked/a%20b.png"
    assert not front.get(url).from_app
    front.kept(url)
    assert front.images.forget("linked/a b.png").links == 1
    assert front.get(url).status == 410


def test_nginx_and_the_application_write_the_same_tags(front: Front) -> None:
    before = len(links(front.door.folder))
    names = ["ü ä.png", "a+b.png", "it's (1).png", "x%41%2C.png", "~$!.png", "1/2/3/4/c.png", "a;b.png", "a,b.png"]
    for name in names:
        lay(front.door.folder, name)
        url = front.door.url(name, width=10)
        for answer in [front.door.get(url) for _ in range(2)]:
            assert answer.headers["xkey"] == f"image {tag_of(name)}"
    assert len(links(front.door.folder)) == before + len(names) - 1  # the tag of "a,b.png" is a digest


def test_what_nginx_sends_for_the_application_has_its_tags(front: Front) -> None:
    lay(front.door.folder, "b.png")
    lay(front.door.folder, "logo.png")
    url = front.door.url("b.png", width=32, watermark="logo.png")
    front.door.get(url)
    answer = front.door.get(url)
    assert "X-From-App" not in answer.headers  # nginx sent the file, and asked the application
    assert answer.headers["xkey"] == "image image:b.png image:logo.png"
    front.kept(url)
    front.images.forget("logo.png")
    assert front.get(url).status == 410
    assert front.images.allow("logo.png")


def test_a_purge_sends_the_old_picture_only_while_the_new_one_is_fetched(front: Front) -> None:
    path = lay(front.door.folder, "c.png")
    url = signed(front.door.app, "c.png", "w=10")  # without a version
    old = front.kept(url).body
    gradient((40, 80)).save(path)
    aged(path, 1800)
    assert front.kept(url).body == old
    front.images.purge("c.png")
    until(lambda: front.get(url).body != old)
    assert front.kept(url).body != old


def test_a_negotiated_image_has_three_variants_and_one_purge_reaches_all(front: Front) -> None:
    gradient((64, 48)).save(front.door.folder / "static" / "d.jpg")
    aged(front.door.folder / "static" / "d.jpg")
    url = front.door.url("d.jpg", width=16, format="auto")
    kinds = [front.kept(url, Accept=accept).headers["Content-Type"] for accept in (CHROME, "image/webp,*/*", OLD)]
    assert kinds == ["image/avif", "image/webp", "image/jpeg"]
    assert is_hit(front.get(url, Accept=SAFARI))
    assert front.get(url, Accept=SAFARI).headers["Content-Type"] == "image/avif"
    front.images.forget("d.jpg")
    assert {front.get(url, Accept=accept).status for accept in (CHROME, "image/webp,*/*", OLD)} == {410}


def test_visitors_see_no_tags_and_cannot_purge_without_one(front: Front) -> None:
    url = front.door.url("a.png", width=11)
    assert "xkey" not in front.kept(url, Cookie="session=x").headers
    assert ask(front.port, url, "PURGE").status == 400
    assert is_hit(front.get(url))


def test_the_command_purges_all_images_there(front: Front) -> None:
    url = front.door.url("a.png", width=12)
    fetched = fetched_by(front.kept(url))
    assert "also purged in varnish" in front.door.flask("purge", "--all")
    until(lambda: fetched_by(front.get(url)) != fetched)


def fetched_by(answer: Answer) -> str:
    """The name of the request by which Varnish got the picture of *answer*."""
    return str(answer.headers["X-Varnish"].split()[-1])
