"""HTTP route of the components' scripts: ES modules that import each other, kept by browsers for good."""

from functools import cache
from hashlib import blake2b
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from avhcurate.ui.answers import NEVER_KEPT, base_path, kept

_FOLDER = Path(__file__).parent / "components"


def script_url(name: str) -> str:
    """Return the address of a module by its name in the folder of the components.

    A hash of all modules stands in it, so that what one of them imports is of the same version.
    """
    return f"{base_path()}/scripts/{_stamp()}/{name}"


def script(request: Request) -> Response:
    """Answer with a module of this version."""
    text = _modules().get(request.path_params["name"])
    if text is None or request.path_params["stamp"] != _stamp():
        return PlainTextResponse("There is no such script.", 404, NEVER_KEPT)
    return kept(request, text, _stamp(), "text/javascript", for_good=True)


@cache
def _modules() -> dict[str, bytes]:
    return {path.relative_to(_FOLDER).as_posix(): path.read_bytes() for path in sorted(_FOLDER.rglob("*.js"))}


@cache
def _stamp() -> str:
    return blake2b(repr(_modules()).encode(), digest_size=8).hexdigest()


def routes() -> list[Route]:
    """Return the routes, below `server.baseUrlPath` like Streamlit's own."""
    return [Route(f"{base_path()}/scripts/{{stamp}}/{{name:path}}", script)]
