"""HTTP routes of the image grid: windows of a view's rows, and a selection that was made in another view."""

import json
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from avhcurate.errors import CurateError
from avhcurate.ui.answers import NEVER_KEPT, base_path
from avhcurate.ui.components.grid import decode_selection, payload
from avhcurate.ui.grid_views import GridView, carried, registered
from avhcurate.ui.user_errors import in_page

#: Bytes of a selection, at most: a million rows of which every other is selected.
_MOST_BYTES = 16_000_000
#: Rows that one request may ask for.
_MOST = 600


def rows(request: Request) -> Response:
    """Answer with the tiles of the places from `start` to before `stop`, at most 600."""

    def read(view: GridView) -> dict[str, Any]:
        start, stop = (int(request.query_params[name]) for name in ("start", "stop"))
        if not 0 <= start <= stop <= start + _MOST:
            raise ValueError(request.url.query)
        return {"tiles": [payload(tile) for tile in view.window(start, min(stop, view.count))]}

    return _answer(request, read)


async def ranges(request: Request) -> Response:
    """Answer with the places of the samples at places of another view; none if that is closed."""
    if int(request.headers.get("content-length", _MOST_BYTES + 1)) > _MOST_BYTES:
        return _error("The selection has too many parts.", 413)
    body = await request.body()

    def read(view: GridView) -> dict[str, Any]:
        key, of_key = decode_selection(json.loads(body))
        before = registered(key)
        if before is None:
            return {"ranges": ()}
        return {"ranges": carried(before, of_key, view)}

    return await run_in_threadpool(_answer, request, read)


def _answer(request: Request, read: Callable[[GridView], dict[str, Any]]) -> Response:
    view = registered(request.path_params["key"])
    if view is None:
        return _error("This view is no longer open.", 404)
    try:
        return JSONResponse(read(view), headers=NEVER_KEPT)
    except (KeyError, ValueError):
        return _error("There are no such rows.", 400)
    except CurateError as error:
        return _error(in_page(str(error)), 409)


def _error(text: str, status: int) -> Response:
    return JSONResponse({"error": text}, status_code=status, headers=NEVER_KEPT)


def routes() -> list[Route]:
    """Return the routes, below `server.baseUrlPath` like Streamlit's own."""
    below = f"{base_path()}/grid/{{key}}"
    return [Route(f"{below}/rows", rows), Route(f"{below}/ranges", ranges, methods=["POST"])]
