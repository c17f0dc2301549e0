"""Signatures by C2PA: another reader verifies them, and they name the source and its own signatures."""

from __future__ import annotations

import io
import json
import random
import select
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import share, url_of
from flask import Flask
from fuzz_route import mutants

from flask_images_vips import read_rights
from flask_images_vips.config.credentials import Credentials
from flask_images_vips.errors import Busy, ConfigError
from flask_images_vips.formats import JPEG, by_name
from flask_images_vips.options.options import Options
from flask_images_vips.options.values import Keep
from flask_images_vips.rights.files import with_rights
from flask_images_vips.rights.signing import Signer
from flask_images_vips.state import images_of
from rights.certificates import lay_certificates
from rights.samples import FORMATS, RIGHTS, can_write, picture

c2pa = pytest.importorskip("c2pa")

MakeApp = Callable[..., Flask]
UNTRUSTED = "signingCredential.untrusted"  # nobody trusts the authority of the tests


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    """The files of a chain of two certificates, and of its key."""
    return lay_certificates(tmp_path_factory.mktemp("c2pa"))


@pytest.fixture(scope="session")
def signer(files: Credentials) -> Signer:
    return Signer(files, "/")


def report(data: bytes, format: str) -> dict[str, Any]:
    """What the reader of C2PA says of a file."""
    settings = {"verify": {"remote_manifest_fetch": False}}
    context = c2pa.Context.from_dict(settings)
    with c2pa.Reader(by_name(format).media_type, io.BytesIO(data), context=context) as reader:
        found: dict[str, Any] = json.loads(reader.json())
    assert [status["code"] for status in found.get("validation_status", [])] in ([], [UNTRUSTED])
    return found


def actions(found: dict[str, Any]) -> list[str]:
    active = found["manifests"][found["active_manifest"]]
    (made,) = (each["data"]["actions"] for each in active["assertions"] if each["label"].startswith("c2pa.actions"))
    return [action["action"] for action in made]


def as_config(files: Credentials) -> dict[str, str]:
    return {"cert": files.cert, "key": files.key}


@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_renditions_that_keep_rights_are_signed(
    engine: str, make_app: MakeApp, static: Path, files: Credentials
) -> None:
    (static / "a.jpg").write_bytes(with_rights(picture("jpeg"), RIGHTS))
    app = make_app(IMAGES_ENGINE=engine, IMAGES_OUTPUT_FORMATS=(*FORMATS, "gif"), IMAGES_C2PA=as_config(files))
    for format in FORMATS:
        if not images_of(app).pipeline.abilities.writes(by_name(format)):
            continue
        data = app.test_client().get(url_of(app, "a.jpg", width=40, keep="rights", format=format)).data
        found = report(data, format)
        assert actions(found) == ["c2pa.opened", "c2pa.resized"], format
        assert found["manifests"][found["active_manifest"]]["signature_info"]["issuer"] == "Tests"
        assert read_rights(data) == RIGHTS, format
        plain = app.test_client().get(url_of(app, "a.jpg", width=40, format=format)).data
        with pytest.raises(c2pa.C2paError):
            report(plain, format)
    gif = app.test_client().get(url_of(app, "a.jpg", width=40, keep="rights", format="gif"))
    assert gif.status_code == 200


def test_one_changed_byte_is_noticed(signer: Signer) -> None:
    data = bytearray(signer.sign(picture("jpeg"), JPEG, io.BytesIO(picture("png")), "a.png"))
    data[-20] ^= 1
    with c2pa.Reader("image/jpeg", io.BytesIO(bytes(data))) as reader:
        assert json.loads(reader.json())["validation_state"] == "Invalid"


def test_the_signatures_of_the_source_are_kept(signer: Signer) -> None:
    source = signer.sign(picture("jpeg"), JPEG, io.BytesIO(b""), "a.jpg")
    made = signer.sign(picture("png"), by_name("png"), io.BytesIO(source), "a.jpg")
    assert len(report(made, "png")["manifests"]) == 2
    for format in ("jpeg", "png", "webp", "tiff", "gif", *(["avif"] if can_write("avif") else [])):
        made = signer.sign(picture("jpeg"), JPEG, io.BytesIO(picture(format)), "a")
        found = report(made, "jpeg")
        (ingredient,) = found["manifests"][found["active_manifest"]]["ingredients"]
        assert (ingredient["relationship"], ingredient["title"]) == ("parentOf", "source"), format
        assert "thumbnail" not in ingredient


def test_sources_that_c2pa_does_not_read_are_left_out(signer: Signer) -> None:
    for source in (b"", picture("ppm"), picture("bmp")):
        assert actions(report(signer.sign(picture("jpeg"), JPEG, io.BytesIO(source), "a"), "jpeg"))[0] == "c2pa.opened"


def many_parts() -> dict[str, bytes]:
    """Files with a million tiny parts. Without a limit, c2pa reads each of them for ten seconds or longer."""
    gif, webp = picture("gif"), picture("webp") + b"teSt\0\0\0\0" * 1_000_000
    found = {
        "gif": gif[:-1] + b"\x21\xfe\x01a\0" * 1_000_000 + b";",
        "webp": webp[:4] + (len(webp) - 8).to_bytes(4, "little") + webp[8:],
    }
    return found | ({"avif": picture("avif") + b"\0\0\0\x08free" * 1_000_000} if can_write("avif") else {})


@pytest.mark.parametrize("format", ["gif", "webp", "avif"])
def test_a_source_with_very_many_parts_is_left_out(format: str, signer: Signer, caplog: Any) -> None:
    source = many_parts().get(format)
    if source is None:
        pytest.skip("Pillow cannot write AVIF here")
    made = signer.sign(picture("jpeg"), JPEG, io.BytesIO(source), "a")
    found = report(made, "jpeg")
    (manifest,) = found["manifests"].values()
    assert "title" not in manifest["ingredients"][0]
    assert "the file has very many parts" in caplog.text


def test_large_signatures_of_a_source_are_left_out(signer: Signer, caplog: Any) -> None:
    maker, context = signer._tools.get()
    source = picture("jpeg")
    for _ in range(4):  # each names the one before it
        assertions = [{"label": "org.example.large", "data": {"text": "x" * 300_000}}]
        with c2pa.Builder({"claim_generator_info": [{"name": "t"}], "assertions": assertions}, context) as builder:
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            builder.add_ingredient({"title": "a", "relationship": "parentOf"}, "image/jpeg", io.BytesIO(source))
            made = io.BytesIO()
            builder.sign(maker, "image/jpeg", io.BytesIO(picture("jpeg")), made)
        source = made.getvalue()
    assert len(source) > 1_200_000
    made_of_it = signer.sign(picture("jpeg"), JPEG, io.BytesIO(source), "a")
    assert len(made_of_it) < 10_000
    assert len(report(made_of_it, "jpeg")["manifests"]) == 1
    assert "more than 1 MiB" in caplog.text


def test_mutants_of_a_signed_source_end_in_a_signed_file(signer: Signer) -> None:
    plain = picture("jpeg", (16, 12))
    bases = [
        signer.sign(picture(each, (16, 12)), by_name(each), io.BytesIO(b""), "a") for each in ("jpeg", "png", "webp")
    ]
    for data in mutants(random.Random(2), share(1000), bases):
        report(signer.sign(plain, JPEG, io.BytesIO(data), "a"), "jpeg")


def test_no_address_that_a_source_names_is_asked(signer: Signer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.c2pa"
        packet = (
            '<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description '
            f'xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{address}"/></r:RDF>'
        )
        content = b"http://ns.adobe.com/xap/1.0/\0" + packet.encode()
        data = picture("jpeg")
        source = data[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content + data[2:]
        signer.sign(picture("jpeg"), JPEG, io.BytesIO(source), "a.jpg")
        assert select.select([server], [], [], 0) == ([], [], [])


def test_what_is_signed(signer: Signer) -> None:
    keep = Keep(rights=True)
    assert signer.signs(Options(keep=keep), JPEG)
    assert not signer.signs(Options(), JPEG)
    assert not signer.signs(Options(keep=keep, max_bytes=5000), JPEG)
    assert not signer.signs(Options(keep=keep), by_name("gif"))


def test_only_signed_renditions_have_another_key(make_app: MakeApp, static: Path, files: Credentials) -> None:
    (static / "a.jpg").write_bytes(picture("jpeg"))
    keys: list[list[Any]] = [[], []]
    for number, config in enumerate(({}, {"IMAGES_C2PA": as_config(files)})):
        app = make_app(**config)
        pipeline = images_of(app).pipeline
        with app.app_context():
            source = pipeline.sources.here("a.jpg")
        assert source is not None
        for keep in (Keep(), Keep(rights=True)):
            keys[number].append(pipeline._rendition(source, Options(keep=keep), JPEG).key)
    assert keys[0][0] == keys[1][0]
    assert keys[0][1] != keys[1][1]


def test_another_certificate_at_the_same_path_closes_the_links_of_nginx(make_app: MakeApp, tmp_path: Path) -> None:
    files, stamps = lay_certificates(tmp_path), []
    for number in range(3):
        if number == 2:
            assert lay_certificates(tmp_path) == files
        door = images_of(make_app(IMAGES_FRONT_DOOR=True, IMAGES_C2PA=as_config(files), SECRET_KEY="a")).front_door
        assert door is not None
        stamps.append(door._stamp)
    assert stamps[0] == stamps[1] != stamps[2]


@pytest.mark.parametrize(("name", "text"), [("cert", None), ("key", None), ("cert", "nothing"), ("key", "é")])
def test_a_file_that_cannot_be_read_is_a_fault_of_the_configuration(
    name: str, text: str | None, make_app: MakeApp, files: Credentials, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "file").write_text(text)
    app = make_app(IMAGES_C2PA=as_config(files._replace(**{name: str(tmp_path / "file")})))
    with pytest.raises(ConfigError, match=f"IMAGES_C2PA: '{name}'"):
        url_of(app, "a.jpg")


def test_a_key_that_is_not_that_of_the_certificate_is_said_and_nothing_is_stored(
    make_app: MakeApp, static: Path, files: Credentials, tmp_path: Path, caplog: Any
) -> None:
    (static / "a.jpg").write_bytes(picture("jpeg"))
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    app = make_app(IMAGES_C2PA=as_config(files._replace(key=str(tmp_path / "key.pem"))))
    answer = app.test_client().get(url_of(app, "a.jpg", width=20, keep="rights"))
    assert answer.status_code == 503
    assert "IMAGES_C2PA" in caplog.text
    assert app.test_client().get(url_of(app, "a.jpg", width=20)).status_code == 200


def test_a_file_that_cannot_be_signed_is_tried_again_later(signer: Signer, caplog: Any) -> None:
    with pytest.raises(Busy, match="cannot be signed"):
        signer.sign(b"no picture", JPEG, io.BytesIO(b""), "a.jpg")
    assert "cannot be signed with IMAGES_C2PA" in caplog.text


def test_it_expires_with_the_first_certificate_that_does(tmp_path: Path, signer: Signer) -> None:
    now = datetime.now(UTC)
    assert timedelta(days=89) < signer.expires - now < timedelta(days=91)
    assert Signer(lay_certificates(tmp_path, -1), "/").expires < now
