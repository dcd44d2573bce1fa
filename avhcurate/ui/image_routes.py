"""HTTP routes beside the app: images by dataset and id, and a health check."""

from functools import lru_cache
from hashlib import blake2b
from urllib.parse import quote, urlencode

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from avhcurate.data.workspace import find_workspace
from avhcurate.ui.image_serving import ImageServer, NoSuchImage, ServedImage
from avhcurate.ui.signin import sign_in_configured, signed_in

_YEAR_S = 31_536_000
_GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_PLACEHOLDER = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96"><rect width="96" height="96" fill="#8a93a6"/>'
    b'<path d="M24 66l14-18 10 12 8-10 16 16z" fill="#fff" opacity=".55"/>'
    b'<path d="M26 26l44 44" stroke="#fff" stroke-width="4" stroke-linecap="round"/></svg>'
)


def image_url(dataset: str, id: int | str, *, version: str, full: bool = False) -> str:
    """Address of a sample's image; `version` lets the browser keep it until the dataset is imported again.

    The id "{id}" gives a pattern of such addresses.

    >>> image_url("digits", 7, version="ab12")
    '/images/digits/7?v=ab12'
    """
    query = {"v": version} | ({"size": "full"} if full else {})
    return f"{_prefix()}/images/{quote(dataset, safe='')}/{id}?{urlencode(query)}"


def health_url() -> str:
    """Address that answers while the server does."""
    return f"{_prefix()}/health"


def image(request: Request) -> Response:
    """A thumbnail, or with `size=full` the image itself; runs in a thread, as Starlette does with plain functions."""
    if sign_in_configured() and not signed_in(request.cookies):
        return PlainTextResponse("sign in first", status_code=401, headers=_GUARDS | {"Cache-Control": "no-store"})
    server = _server(str(find_workspace().root))
    dataset, id = request.path_params["dataset"], request.path_params["id"]
    full = request.query_params.get("size") == "full"
    try:
        served = server.full(dataset, id) if full else server.thumbnail(dataset, id)
    except NoSuchImage as error:
        return PlainTextResponse(str(error), status_code=404, headers=_GUARDS | {"Cache-Control": "no-store"})
    return _answer(request, served)


def health(_: Request) -> Response:
    """Tells a supervisor that the server answers and how many datasets its workspace has."""
    return JSONResponse(
        {"status": "ok", "datasets": len(find_workspace().names())}, headers={"Cache-Control": "no-store"}
    )


def routes() -> list[Route]:
    """The routes, below `server.baseUrlPath` like Streamlit's own."""
    return [Route(f"{_prefix()}/images/{{dataset}}/{{id:int}}", image), Route(health_url(), health)]


def _prefix() -> str:
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


def _answer(request: Request, served: ServedImage) -> Response:
    if served.problem:
        # A browser draws the body of a 404 in an <img>, so that a page full of broken images still looks like one.
        headers = _GUARDS | {"Cache-Control": "no-store"}
        return Response(_PLACEHOLDER, status_code=404, media_type="image/svg+xml", headers=headers)
    tag = f'"{blake2b(served.data, digest_size=12).hexdigest()}"'
    keep = f"private, max-age={_YEAR_S}, immutable" if "v" in request.query_params else "private, no-cache"
    headers = _GUARDS | {"ETag": tag, "Cache-Control": keep}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(served.data, media_type=served.media_type, headers=headers)


@lru_cache(maxsize=2)
def _server(root: str) -> ImageServer:
    return ImageServer(find_workspace())
