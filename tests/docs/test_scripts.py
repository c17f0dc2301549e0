"""``docs/guides/scripts.md``: its code runs, with real queues and a real database. Its commands print what it says."""

from __future__ import annotations

import importlib
import io
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import ROOT, gradient, needs, url_of
from PIL import Image
from servers import environment

from docs.blocks import runs
from flask_images_vips import Images
from flask_images_vips.description import Info
from flask_images_vips.operating.cli import COMMANDS

TEXT = (ROOT / "docs" / "guides" / "scripts.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
FILES = {match[1]: code for code in BLOCKS if (match := re.match(r"# (\w+)\.py\n", code))}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """A function that imports a module of the page. They are in a folder with a picture."""
    for name, code in FILES.items():
        (tmp_path / f"{name}.py").write_text(code)
    (tmp_path / "static").mkdir()
    gradient((64, 48)).save(tmp_path / "static" / "cat.jpg")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield importlib.import_module
    for name in FILES:
        sys.modules.pop(name, None)


def images(site: Callable[[str], ModuleType]) -> Images:
    found: Images = site("app").images
    return found


def status(site: Callable[[str], ModuleType], name: str = "cat.jpg", **options: Any) -> int:
    app = site("app").app
    code: int = app.test_client().get(url_of(app, name, **options)).status_code
    return code


def files(tmp_path: Path) -> list[Path]:
    return list(tmp_path.glob("flask-images-*/*/??/*/*.jpg"))


@runs("docs/guides/scripts.md", "# app.py", "# thumbnails.py")
def test_the_script_writes_the_pictures(site: Any, tmp_path: Path) -> None:
    site("thumbnails")
    with Image.open(tmp_path / "out" / "cat.jpg") as picture:
        assert picture.size == (64, 48)  # not enlarged


@runs("docs/guides/scripts.md", "# upload.py")
def test_the_upload_makes_what_its_pages_show(site: Any, tmp_path: Path) -> None:
    file = io.BytesIO()
    gradient((900, 600)).save(file, "JPEG")
    file.seek(0)
    site("upload")
    assert site("app").app.test_client().post("/photos/7", data={"photo": (file, "a.jpg")}).status_code == 302
    images(site).enqueue("7.jpg", width=100).result(60)  # after the other two
    assert len(files(tmp_path)) == 3


@runs("docs/guides/scripts.md", "# celery_tasks.py")
def test_celery_makes_what_is_queued(site: Any, tmp_path: Path) -> None:
    pytest.importorskip("celery")
    tasks = site("celery_tasks")
    tasks.celery.conf.update(broker_url="memory://", task_always_eager=True)  # a worker takes seconds to stop
    assert tasks.make.delay("cat.jpg", width=40).get() is None
    assert len(files(tmp_path)) == 1
    assert tasks.make.delay("cat.jpg", widht=40).failed()


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[int]:
    needs("redis-server", shutil.which("redis-server"), "apt-get install redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None
            time.sleep(0.02)
        yield port
        server.terminate()


@runs("docs/guides/scripts.md", "# rq_tasks.py")
def test_rq_makes_what_is_queued(site: Any, tmp_path: Path, redis_port: int) -> None:
    pytest.importorskip("rq")
    from redis import Redis
    from rq import Queue

    with Redis(port=redis_port) as connection:
        Queue(connection=connection).enqueue("rq_tasks.make", "cat.jpg", width=40)
        work = (
            f"from redis import Redis; from rq import Worker; Worker(['default'], connection=Redis(port={redis_port}))"
        )
        run = subprocess.run(
            [sys.executable, "-c", f"{work}.work(burst=True)"],
            cwd=tmp_path,
            env=environment(TMPDIR=str(tmp_path)),
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.returncode == 0, run.stderr
    assert len(files(tmp_path)) == 1, run.stderr


@runs("docs/guides/scripts.md", "receipt = images.forget", "images.allow(")
def test_a_picture_is_taken_down_and_allowed_again(site: Any, tmp_path: Path) -> None:
    forget, allow = (next(code for code in BLOCKS if f"images.{name}(" in code) for name in ("forget", "allow"))
    assert status(site, width=40) == 200
    scope = {"images": images(site)}
    exec(forget, scope)
    assert scope["receipt"].renditions == 1  # type: ignore[attr-defined]
    assert status(site, width=40) == 410
    exec(allow, scope)
    assert status(site, width=40) == 200


@runs("docs/guides/scripts.md", "# models.py")
def test_a_deleted_row_takes_its_picture_down_unless_it_is_rolled_back(site: Any, tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    models = site("models")
    engine = create_engine("sqlite://")
    models.Base.metadata.create_all(engine)
    with Session(engine) as session:
        photo = models.Photo(path="cat.jpg")
        session.add(photo)
        session.commit()
        session.delete(photo)
        session.flush()
        session.rollback()
        session.commit()
        assert status(site, width=40) == 200
        session.delete(photo)
        session.commit()
    assert status(site, width=40) == 410
    assert not (tmp_path / "static" / "cat.jpg").exists()
    engine.dispose()


@runs("docs/guides/scripts.md", "info = images.info(")
def test_a_picture_is_described(site: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = (code for code in BLOCKS if "images.info(" in code)
    exec(code, {"images": images(site)})
    assert capsys.readouterr().out.startswith("64 48 jpeg #")
    told = images(site).info("cat.jpg").to_json()
    table = TEXT[TEXT.index("| field | value |") :]
    assert {*told} == set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE))))
    assert {field.name for field in fields(Info)} | {"dominant"} == {*told}


def test_the_methods_and_commands_exist() -> None:
    for method in re.findall(r"^\| `(\w+)\(", TEXT, re.MULTILINE):
        assert callable(getattr(Images, method))
    assert {*re.findall(r"`flask images (\w+)", TEXT)} == {"allow", "forget", "prune", "purge"} <= {*COMMANDS}


@runs("docs/guides/scripts.md", "$ flask images forget photos", "$ flask images purge 'photos", "$ flask images prune")
def test_the_commands_print_what_the_page_shows(site: Any) -> None:
    app = site("app").app

    def alike(text: str) -> str:
        """The *text* without its folders, numbers and units."""
        without_folders = re.sub(r"(?<=from )/\S+", "/…", text)
        return re.sub(r"[\d,.]*\d( (bytes|[kMG]B)\b)?", "N", without_folders)

    def printed(*arguments: str) -> str:
        return alike(str(app.test_cli_runner().invoke(args=["images", *arguments]).output))

    for name in ("cat.jpg", "photos/cat.jpg", "photos/dog.jpg"):
        Path("static/photos").mkdir(exist_ok=True)
        gradient((64, 48)).save(f"static/{name}")
        assert [status(site, name, width=width) for width in (10, 20)] == [200, 200]
    shown = alike(TEXT)
    assert printed("prune", "--max-size=0", "--dry-run") in shown
    assert printed("purge", "photos/*").replace("photos/*", "photos/N/*") in shown
    assert printed("prune", "--max-size=0") in shown
    assert printed("forget", "photos/cat.jpg", "--anyway").startswith("photos/cat.jpg is forgotten: ")
    assert "photos/cat.jpg is forgotten: N renditions, N facts, N copy or set." in shown
