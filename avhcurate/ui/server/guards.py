"""What the server asks of every request: its own name, its own pages, and a sign-in if one is configured.

A foreign page can reach a server on this machine by a name of its own that resolves to 127.0.0.1 (DNS rebinding); the
Host header shows that. Browsers set the Origin of a websocket and of requests that change something. Without a login
the server answers this machine only, however it was started.
"""

import hashlib
import ipaddress
import os
import re
import zlib
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse

from avhcurate.ui.base import signin, uploads
from avhcurate.ui.base.answers import NEVER_KEPT, base_path, kept
from avhcurate.ui.base.layout import POPOVERS
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
#: One name or address, perhaps with a port.
_HOST = re.compile(r"([\w.-]+|\[[\da-f:.]+\])(:\d+)?", re.ASCII | re.IGNORECASE)


def _hashed(script: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


_INDEX = (Path(st.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
_FIXED = re.findall(r"<script>(.*?)</script>", _INDEX, re.DOTALL)
_INLINE = (POPOVERS.read_text(encoding="utf-8"), signin.KEEP_COOKIE, *_FIXED)
#: Where scripts of pages come from: Streamlit's files, the app's components, and texts that are always the same. Plotly
#: compiles what it draws by WebGL from text.
_SCRIPTS = " ".join(["'self'", "'unsafe-eval'", "blob:", *map(_hashed, _INLINE)])


def middleware() -> list[Middleware]:
    """Return the guards, in their order."""
    signin.remember_login()
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=own_hosts(), www_redirect=False)
    return [hosts, Middleware(Guard), Middleware(Compressed)]


def own_hosts() -> list[str]:
    """Return the names that the server answers to: of this machine, those configured, and the sign-in's address."""
    names = [*_LOOPBACK, *os.environ.get(HOSTS, "").split(",")]
    names += [str(st.get_option(option)) for option in ("server.address", "browser.serverAddress")]
    names.append(urlsplit(str(signin.login_settings().get("redirect_uri"))).hostname or "")
    return [name.strip() for name in names if name.strip() not in _EVERYWHERE]


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
            frames = " ".join(["'self'", *os.environ.get(FRAMES, "").split()])
            headers.append("Content-Security-Policy", f"frame-ancestors {frames}; script-src {_SCRIPTS}")
            if "immutable" in headers.get("Cache-Control", "") and _is_private(path) and signin.sign_in_configured():
                headers["Cache-Control"] = "private, no-cache"  # the next person at this browser may be another
        await send(message)

    return sending


# --- Streamlit's own files -------------------------------------------------------------------------------------------


_FOLDER = Path(st.__file__).parent / "static" / "static"
_KINDS = {".js": "text/javascript", ".css": "text/css"}
_FILES = {path.relative_to(_FOLDER).as_posix(): path for kind in _KINDS for path in _FOLDER.rglob(f"*{kind}")}


class Compressed:
    """Answers with a script or style of Streamlit's where the browser reads gzip, and leaves the rest to the app.

    The name of each has a hash in it, so that a browser keeps it for good.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        answer = self.app
        if scope["type"] == "http":
            request = Request(scope)
            name = scope["path"].removeprefix(f"{base_path()}/static/")
            if name in _FILES and request.method == "GET" and "gzip" in request.headers.get("accept-encoding", ""):
                data = await run_in_threadpool(_packed, name)
                answer = kept(request, data, name, _KINDS[_FILES[name].suffix], for_good=True)
                answer.headers.update({"Content-Encoding": "gzip", "Vary": "Accept-Encoding"})
                del answer.headers["Content-Security-Policy"]  # a worker would be bound by it
        await answer(scope, receive, send)


@cache
def _packed(name: str) -> bytes:
    """Return a file compressed, once: six megabytes are kept if every file is asked for."""
    packer = zlib.compressobj(level=6, wbits=31)
    return packer.compress(_FILES[name].read_bytes()) + packer.flush()
