"""Sets TCP_NODELAY on the server: otherwise each small answer waits 40 ms for the one before to be acknowledged."""

import socket
from collections.abc import Awaitable, Callable
from typing import Any

Asgi = Callable[[Any, Any, Any], Awaitable[None]]


def without_delay(app: Asgi) -> Asgi:
    """The same app, with TCP_NODELAY set on each connection that it answers.

    asyncio sets it for sockets of protocol TCP, but Streamlit listens at one of protocol 0, so headers, body and
    websocket messages meet Nagle's algorithm: 44 ms an image. uvicorn's `send` belongs to an object that knows the
    connection; where a server's does not, nothing is done.
    """

    async def prompt(scope: Any, receive: Any, send: Any) -> None:
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        connection = transport.get_extra_info("socket") if transport else None
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await app(scope, receive, send)

    return prompt
