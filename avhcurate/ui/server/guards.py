"""What the server asks of every request: its own name, its own pages, and a sign-in if one is configured.

A foreign page can reach a server on this machine by a name of its own that resolves to 127.0.0.1 (DNS rebinding); the
Host header shows that. Browsers set the Origin of a websocket and of requests that change something. Without a login
the server answers this machine only, however it was started.
"""

import hashlib
import ipaddress
import os
import re
from base64 import b64encode
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse

from avhcurate.ui.base import signin, uploads
from avhcurate.ui.base.answers import NEVER_KEPT, base_path, passing
from avhcurate.ui.server.first_page import FirstPage, inline_scripts
from avhcurate.workspace.data.people import Role

#: More names that the server answers to, separated by commas: of this machine in a network, or before a proxy.
HOSTS = "AVHCURATE_HOSTS"
#: Set if everybody who can reach the server may do everything (`avhcurate serve --no-login`).
NO_LOGIN = "AVHCURATE_NO_LOGIN"
#: Origins of pages that may show the app in a frame, separated by spaces, for example a notebook's.
FRAMES = "AVHCURATE_FRAMES"

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_EVERYWHERE = ("0.0.0.0", "::", "None", "")
#: The app's own routes, and Streamlit's files of pages, uploads and figures.
_PRIVATE = re.compile(
    r"/(images|grid|points|exports|media|changes|decisions)/|/_stcore/(metrics$|upload_file/|agent/)|(?<!_stcore)/health$"
)
#: What no browser shows as a page: a policy for pages would be half of what is sent of a small script.
_NEVER_PAGES = ("text/javascript", "text/css", "font/")
#: One name or address, perhaps with a port.
_HOST = re.compile(r"([\w.-]+|\[[\da-f:.]+\])(:\d+)?", re.ASCII | re.IGNORECASE)


def middleware() -> list[Middleware]:
    """Return the guards, in their order."""
    signin.remember_login()
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=own_hosts(), www_redirect=False)
    return [Middleware(Away), hosts, Middleware(Guard), Middleware(FirstPage)]


def own_hosts() -> list[str]:
    """Return the names that the server answers to: of this machine, those configured, and the sign-in's address."""
    names = [*_LOOPBACK, *os.environ.get(HOSTS, "").split(",")]
    names += [str(st.get_option(option)) for option in ("server.address", "browser.serverAddress")]
    names.append(urlsplit(str(signin.login_settings().get("redirect_uri"))).hostname or "")
    return [name.strip() for name in names if name.strip() not in _EVERYWHERE]


class Away:
    """Answers 503 where the database is away or the disk is full, which passes: browsers ask again."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        begun = scope["type"] != "http"

        async def sending(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception as error:
            text = passing(error)
            if begun or not text:
                raise
            await PlainTextResponse(f"{text}\n", 503, NEVER_KEPT)(scope, receive, send)


class Guard:
    """Refuses requests from pages of other sites, from other machines without a login, and without a sign-in.

    Every answer forbids other sites to show it in a frame, guess its type or learn its address.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        refusal = _foreign(request)
        if refusal is None and scope["type"] == "http" and signin.sign_in_configured():
            refusal = await run_in_threadpool(_unknown, request)
        session = uploads.session_of(scope["path"])
        if refusal is None and session and scope["type"] == "http":
            with uploads.counted(request, session) as refusal:
                if refusal is None:
                    await self.app(scope, receive, _with_headers(send, scope["path"]))
        elif refusal is None:
            await self.app(scope, receive, _with_headers(send, scope["path"]))
        if refusal is not None:
            status, text = refusal
            await PlainTextResponse(f"{text}\n", status, NEVER_KEPT)(scope, receive, send)
        elif scope["type"] == "websocket":  # a page has closed
            uploads.free_later()


def _foreign(request: HTTPConnection) -> tuple[int, str] | None:
    """Return status and text for a request that is not from the server's own pages or, without a login, machine."""
    if not _HOST.fullmatch(request.headers.get("host", "")):
        return 400, "Invalid host header"
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower():
        return 403, "This request comes from a page of another site."
    if request.client and not (os.environ.get(NO_LOGIN) or signin.sign_in_configured()):
        try:
            local = ipaddress.ip_address(request.client.host).is_loopback
        except ValueError:
            local = not request.client.host  # a socket in this machine's file system has no address
        if not local:
            return 403, "This server has no login, so it answers its own machine only (see docs/serve.md)."
    return None


def _unknown(request: HTTPConnection) -> tuple[int, str] | None:
    """Return status and text for a request that needs a sign-in and has none; note a request to sign out."""
    path = request.scope["path"]
    if path.endswith("/auth/logout"):
        signin.sign_out(request.cookies)
    if not _is_private(path):
        return None
    session = uploads.session_of(path)
    role = Role.VIEWER
    if session:
        role = Role.CURATOR
    refusal = signin.refused(request.cookies, role)
    if refusal is None and "/_stcore/agent/" in path:
        return 403, "Programs cannot drive an app with a login."
    if refusal is None and session and not uploads.is_own(session, request.cookies.get(signin.COOKIE, "")):
        return 403, "Files go into the session of one's own page."
    return refusal


def _is_private(path: str) -> bool:
    return not path.startswith((f"{base_path()}/static/", f"{base_path()}/scripts/")) and bool(_PRIVATE.search(path))


def _with_headers(send: Any, path: str) -> Any:
    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Referrer-Policy", "same-origin")
            if not headers.get("Content-Type", "").startswith(_NEVER_PAGES):
                frames = " ".join(["'self'", *os.environ.get(FRAMES, "").split()])
                headers.append("Content-Security-Policy", f"frame-ancestors {frames}; script-src {_scripts()}")
            if "immutable" in headers.get("Cache-Control", "") and _is_private(path) and signin.sign_in_configured():
                headers["Cache-Control"] = "private, no-cache"  # the next person at this browser may be another
        await send(message)

    return sending


@cache
def _scripts() -> str:
    """Return where scripts of pages come from: Streamlit's files, the app's components, and texts that never change.

    Plotly compiles what it draws by WebGL from text.
    """
    hashes = [hashlib.sha256(script.encode()).digest() for script in (signin.KEEP_COOKIE, *inline_scripts())]
    return " ".join(["'self'", "'unsafe-eval'", "blob:", *(f"'sha256-{b64encode(one).decode()}'" for one in hashes)])
