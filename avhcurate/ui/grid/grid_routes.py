"""What the image grid reads: windows of a view's rows, a selection of another view, the ids selected; and by HTTP."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from pydantic_core import to_jsonable_python
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from avhcurate.errors import CurateError
from avhcurate.ui.base.answers import NEVER_KEPT, base_path
from avhcurate.ui.base.user_errors import in_page
from avhcurate.ui.components.grid import decode_selection, payload
from avhcurate.ui.grid.grid_views import GridView, carried, ranges_in, registered

#: An answer, with the status that HTTP has for it.
Answer = tuple[dict[str, Any], int]

#: Bytes of a selection, at most: a million rows of which every other is selected.
_MOST_BYTES = 16_000_000
#: Rows that one request may ask for.
_MOST = 600


def _rows(view: GridView, query: Mapping[str, str], _: bytes) -> dict[str, Any]:
    """Return the tiles of the places from `start` to before `stop`, at most 600."""
    start, stop = (int(query[name]) for name in ("start", "stop"))
    if not 0 <= start <= stop <= start + _MOST:
        raise ValueError(query)
    return {"tiles": [payload(tile) for tile in view.window(start, min(stop, view.count))]}


def _ranges(view: GridView, _: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return the places of the samples at places of another view; none if that is closed."""
    key, of_key = decode_selection(json.loads(body))
    before = registered(key)
    if before is None:
        return {"ranges": ()}
    return {"ranges": carried(before, of_key, view)}


def _ids(view: GridView, _: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return the ids of the samples at places of the view, as ranges: a decision names these."""
    _key, places = decode_selection(json.loads(body))
    return {"ranges": ranges_in(np.unique(view.ids_at(places)))}


def _why(view: GridView, query: Mapping[str, str], _: bytes) -> dict[str, Any]:
    """Return why an image is hard, None where that is not known."""
    return {"reason": to_jsonable_python(view.why and view.why(int(query["id"])))}


#: What is read of a view, by the end of the address.
_READS = {"rows": _rows, "ranges": _ranges, "ids": _ids, "why": _why}


def answer_at(address: str, body: bytes) -> Answer:
    """Return what lies at an address below that of a view."""
    url = urlsplit(address)
    key, name = url.path.split("/")[-2:]
    view = registered(key)
    if view is None:
        return {"error": "This view is no longer open."}, 404
    try:
        return _READS[name](view, dict(parse_qsl(url.query)), body), 200
    except (KeyError, ValueError):
        return {"error": "There are no such rows."}, 400
    except CurateError as error:
        return {"error": in_page(error.text)}, 409


async def _respond(request: Request) -> Response:
    length = int(request.headers.get("content-length", (_MOST_BYTES + 1) * (request.method == "POST")))
    answer: Answer = {"error": "The selection has too many parts."}, 413
    if length <= _MOST_BYTES:
        address = f"{request['path']}?{request['query_string'].decode('latin-1')}"
        answer = await run_in_threadpool(answer_at, address, await request.body())
    return JSONResponse(*answer, headers=NEVER_KEPT)


def routes() -> list[Route]:
    """Return the routes, below `server.baseUrlPath` like Streamlit's own."""
    below = f"{base_path()}/grid/{{key}}"
    posts = [Route(f"{below}/{name}", _respond, methods=["POST"]) for name in ("ranges", "ids")]
    return [*(Route(f"{below}/{name}", _respond) for name in ("rows", "why")), *posts]
