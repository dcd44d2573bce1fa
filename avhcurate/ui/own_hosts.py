"""The server answers to its own names and its own pages only.

A foreign page can reach a server on this machine by a name of its own that resolves to 127.0.0.1 (DNS rebinding); what
tells it is the Host header. Browsers set the Origin of a websocket and of requests that change something. Without a
login it answers this machine only, however it was started.
"""

import ipaddress
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

from avhcurate.ui.signin import sign_in_configured
from avhcurate.ui.tcp_nodelay import Asgi

#: More names that the server answers to, by commas: of this machine in a network, or before a proxy.
HOSTS = "AVHCURATE_HOSTS"
#: Set where everybody who can reach the server may do everything (`avhcurate serve --no-login`).
NO_LOGIN = "AVHCURATE_NO_LOGIN"
#: Origins of pages that may show the app in a frame, by spaces, e.g. a notebook's.
FRAMES = "AVHCURATE_FRAMES"

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_EVERYWHERE = {"0.0.0.0", "::", ""}


def only_own(app: Asgi) -> Asgi:
    """The same app for requests with its own Host and, where one is given, its own Origin; 400 and 403 for others.

    Every answer forbids that other sites show it in a frame, guess its type or learn its address.
    """

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await app(scope, receive, send)
        elif refusal := _refusal(Headers(scope=scope), (scope.get("client") or ("",))[0]):
            await _refuse(refusal, scope, receive, send)
        else:
            await app(scope, receive, _with_headers(send))

    return guarded


def own_hosts() -> set[str]:
    """Names that the server answers to: this machine's loopback, what is configured, and the sign-in's address."""
    configured = {st.get_option("server.address"), st.get_option("browser.serverAddress")} - {None}
    configured |= set(os.environ.get(HOSTS, "").split(","))
    if sign_in_configured():
        configured.add(urlsplit(str(st.secrets.get("auth", {}).get("redirect_uri") or "")).hostname or "")
    return _LOOPBACK | {str(name).strip().strip("[]").casefold() for name in configured} - _EVERYWHERE


def _refusal(headers: Mapping[str, str], client: str) -> tuple[int, str] | None:
    """Status and text for a request that is not the server's own; None for one that is."""
    host, origin = headers.get("host", ""), headers.get("origin")
    if _name(host) not in own_hosts():
        return 400, f"This server does not answer to the name {_name(host)!r}: its owner can add it to {HOSTS}.\n"
    if origin is not None and urlsplit(origin).netloc.casefold() != host.casefold():
        return 403, "This request comes from a page of another site.\n"
    if not (_is_this_machine(client) or os.environ.get(NO_LOGIN) or sign_in_configured()):
        return 403, "This server has no login, so it answers its own machine only (see docs/serve.md).\n"
    return None


def _is_this_machine(client: str) -> bool:
    """Whether an address is this machine's loopback; "" is a socket of this machine's file system."""
    try:
        return not client or ipaddress.ip_address(client).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


async def _refuse(refusal: tuple[int, str], scope: Any, receive: Any, send: Any) -> None:
    status, text = refusal
    if scope["type"] == "websocket":  # closed before it is accepted: the browser gets 403
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": text.strip()[:120]})
        return
    await PlainTextResponse(text, status, {"X-Content-Type-Options": "nosniff"})(scope, receive, send)


def _with_headers(send: Any) -> Any:
    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Referrer-Policy", "same-origin")
            frames = " ".join(["'self'", *os.environ.get(FRAMES, "").split()])
            headers.append("Content-Security-Policy", f"frame-ancestors {frames}")
        await send(message)

    return sending
