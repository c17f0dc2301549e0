"""The front door through every order of events, with nginx at the end: see `orders`."""

from __future__ import annotations

import contextlib
import http.client
import os
from collections.abc import Iterator

import pytest
from conftest import needs
from hypothesis.stateful import run_state_machine_as_test

from nginx.orders import ASKED, SETTINGS, Orders
from nginx.test_nginx import CLIENT_TIMEOUT_SECONDS, NGINX, Process, assert_accepted, listening, open_folder
from nginx.test_nginx import written_configuration as written

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links, modes")


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Orders]]:
    """The state machine, and an nginx with a server for each place of the door. Their application tells that it was
    asked."""
    # This takes half of the time in which an application starts.
    monkeypatch.setattr("flask_images_vips.wiring.outdated", list)
    needs("nginx", NGINX, "apt-get install nginx-light")
    with open_folder() as folder, contextlib.closing(listening()) as listener:
        port = listener.getsockname()[1]

        class Machine(Orders):
            pass

        Machine.folder = folder / "site"
        Machine.folder.mkdir()
        (folder / "printed.conf").write_text(printed(Machine, port, folder / "asked"))
        main = written(folder, folder / "printed.conf")
        assert_accepted(main)
        assert NGINX is not None
        nginx = Process([NGINX, "-c", str(main)], listener, folder / "nginx.log", NGINX=f"{listener.fileno()};")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CLIENT_TIMEOUT_SECONDS)

        def ask(host: str, url: str) -> tuple[int, bytes]:
            connection.request("GET", url, headers={"Host": host})
            response = connection.getresponse()
            return response.status, response.read()

        Machine.ask = staticmethod(ask)
        try:
            with contextlib.closing(connection):
                yield Machine
        finally:
            nginx.stop()


def printed(machine: type[Orders], port: int, asked: object) -> str:
    """What ``flask images nginx`` prints for both places, and an application that only says that it was asked."""
    text = ""
    state = machine()
    for host, setting in (("own.example", "one"), ("moved.example", "moved")):
        upstream = f"unix:{asked}.{setting}"
        text += f"server {{ listen {upstream}; return {ASKED} asked; }}\n"
        arguments = ["images", "nginx", "--listen", f"127.0.0.1:{port}", "--server-name", host, "--upstream", upstream]
        result = state.application(setting, state.cache).test_cli_runner().invoke(args=arguments)
        assert result.exit_code == 0, result.output
        text += result.output
    return text


def test_in_every_order_of_events_nginx_sends_what_the_application_would_send(orders: type[Orders]) -> None:
    run_state_machine_as_test(orders, settings=SETTINGS)  # type: ignore[no-untyped-call]
