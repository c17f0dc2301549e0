"""The front door through every order of events, with nginx at the end: see `orders`."""

from __future__ import annotations

import contextlib
import http.client
import os
from collections.abc import Callable, Iterator
from unittest import mock

import pytest
from conftest import needs
from hypothesis.stateful import run_state_machine_as_test

from nginx.orders import ASKED, SETTINGS, Orders
from nginx.test_nginx import CLIENT_TIMEOUT_SECONDS, NGINX, Process, assert_accepted, listening, open_folder
from nginx.test_nginx import written_configuration as written

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links, modes")


@pytest.fixture(scope="module")
def orders() -> Iterator[type[Orders]]:
    """The state machine, and an nginx with a server for each place of the door. Their application tells that it was
    asked."""
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
            # Without looking for outdated libraries, an application starts in half of the time.
            with contextlib.closing(connection), mock.patch("flask_images_vips.wiring.outdated", list):
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


# Some orders of events that nginx once sent a wrong picture after. 0 is the first worker, 1 the newest.


def a_worker_of_before(state: Orders) -> None:
    state.start_worker("two")
    state.look(1, "a.png")
    state.respond(0, "a.png", 4, marked=False)
    state.respond(0, "b.png", 6, marked=False)


def a_worker_of_before_that_comes_late(state: Orders) -> None:
    state.start_worker("one")
    state.start_worker("two")
    state.look(1, "a.png")
    state.respond(2, "a.png", 6, marked=False)


def a_door_that_was_first_used_outside_a_request(state: Orders) -> None:
    state.start_worker("two")
    with state.workers[-1].app.app_context():
        assert state.workers[-1].images.pipeline
    state.look(1, "a.png")


def a_door_that_is_switched_off(state: Orders) -> None:
    state.start_worker("off")
    state.look(1, "a.png")


def a_door_that_is_moved(state: Orders) -> None:
    state.start_worker("moved")
    state.respond(1, "a.png", 4, marked=False)


def a_render_that_ends_after_a_purge(state: Orders) -> None:
    state.begin_render(0, "a.png", 6, marked=False)
    state.take_down(0, "a.png")
    state.end_render(0, "nothing")


def a_purge_while_the_link_is_made(state: Orders) -> None:
    state.begin_render(0, "a.png", 6, marked=False)
    state.end_render(0, "take down")


def a_source_of_the_same_second(state: Orders) -> None:
    state.replace("a.png", same_second=True)
    state.look(0, "a.png")


def a_source_of_the_same_second_that_another_worker_sees(state: Orders) -> None:
    state.start_worker("one")
    state.replace("a.png", same_second=True)
    state.look(1, "a.png")


def a_watermark_that_is_taken_down(state: Orders) -> None:
    state.respond(0, "b.png", 4, marked=True)
    state.take_down(0, "a.png")


def a_stamp_that_is_a_link_or_a_pipe(state: Orders) -> None:
    for folder in state.folders():
        (folder / ".stamp").symlink_to(state.foreign / "stamp")
    state.start_worker("two")
    state.look(1, "a.png")
    state.plant(".stamp")
    state.start_worker("one")
    state.look(1, "a.png")


def a_folder_of_others(state: Orders) -> None:
    for what in ("link", "gates", "shard", "folder"):
        state.plant(what)
        state.respond(0, "a.png", 4, marked=False)
        state.empty(0)
        state.clean_up()


@pytest.mark.parametrize(
    "order",
    [
        a_worker_of_before,
        a_worker_of_before_that_comes_late,
        a_door_that_was_first_used_outside_a_request,
        a_door_that_is_switched_off,
        a_door_that_is_moved,
        a_render_that_ends_after_a_purge,
        a_purge_while_the_link_is_made,
        a_source_of_the_same_second,
        a_source_of_the_same_second_that_another_worker_sees,
        a_watermark_that_is_taken_down,
        a_stamp_that_is_a_link_or_a_pipe,
        a_folder_of_others,
    ],
    ids=lambda order: order.__name__,
)
def test_nginx_sends_what_the_application_would_send_after(
    orders: type[Orders], order: Callable[[Orders], None]
) -> None:
    state = orders()
    state.begin()
    state.respond(0, "a.png", 4, marked=False)
    assert len(list(state.answers())) == 1
    order(state)
    state.nginx_sends_what_the_application_would_send()
    state.teardown()


def test_in_every_order_of_events_nginx_sends_what_the_application_would_send(orders: type[Orders]) -> None:
    run_state_machine_as_test(orders, settings=SETTINGS)  # type: ignore[no-untyped-call]
