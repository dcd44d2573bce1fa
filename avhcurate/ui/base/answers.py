"""Answers of the app's own HTTP routes: below which path they lie, and how long a browser keeps them."""

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response

from avhcurate.errors import Unavailable
from avhcurate.workspace.disk.room import disk_trouble

_YEAR_S = 31_536_000
_GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: Headers of an answer that no cache keeps.
NEVER_KEPT = _GUARDS | {"Cache-Control": "no-store"}


def base_path() -> str:
    """Return the path below which the app is served, with a slash before it; "" for none."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return base and f"/{base}"


def passing(error: Exception) -> str:
    """Return one line for an error of the moment: a database that is away or locked, a full disk; "" for any other."""
    if isinstance(error, Unavailable):
        return str(error)
    return disk_trouble(error)


def kept(request: Request, data: bytes, tag: str, kind: str, *, for_good: bool) -> Response:
    """Answer with data of a media type that the browser keeps, or with 304 if it has them already, by their `tag`.

    `for_good`: the address never has other data, so that the browser need not ask again.
    """
    keep = "private, no-cache"
    if for_good:
        keep = f"private, max-age={_YEAR_S}, immutable"
    headers = _GUARDS | {"ETag": f'"{tag}"', "Cache-Control": keep}
    if f'"{tag}"' in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=kind, headers=headers)
