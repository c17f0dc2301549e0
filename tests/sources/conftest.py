"""Fixtures of the tests of sources: certificates of an authority that only these tests trust."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest
import trustme


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """What a client needs that is to trust the servers of these tests."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="session")
def certified(authority: trustme.CA) -> Callable[..., ssl.SSLContext]:
    """Makes what a server needs to be any host."""

    def certify(*names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(context)
        return context

    return certify


@pytest.fixture(params=["http", "https"])
def context(request: pytest.FixtureRequest, certified: Callable[..., ssl.SSLContext]) -> ssl.SSLContext | None:
    return certified("127.0.0.1", "::1") if request.param == "https" else None
