"""Connections answer at once: the option reaches the socket, and servers that hide it are left alone."""

import asyncio
import socket
from types import SimpleNamespace

import pytest

from avhcurate.ui.tcp_nodelay import without_delay


class Connection:
    """What uvicorn's `send` is bound to."""

    def __init__(self, sock):
        self.transport = SimpleNamespace(get_extra_info={"socket": sock}.get)

    async def send(self, message): ...


@pytest.fixture
def seen():
    return []


@pytest.fixture
def app(seen):
    async def inner(scope, receive, send):
        seen.append(scope)

    return without_delay(inner)


def test_a_tcp_connection_no_longer_waits(app, seen):
    with socket.socket() as sock:
        assert not sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        asyncio.run(app("scope", None, Connection(sock).send))
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert seen == ["scope"]


def test_a_unix_socket_and_a_server_that_hides_its_connection_are_left_alone(app, seen):
    with socket.socket(socket.AF_UNIX) as sock:
        asyncio.run(app(1, None, Connection(sock).send))
    asyncio.run(app(2, None, lambda message: None))
    assert seen == [1, 2]
