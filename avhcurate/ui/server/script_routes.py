"""HTTP route of the components' scripts: one ES module, kept by browsers for good."""

from functools import cache
from hashlib import blake2b

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from avhcurate.ui.base.answers import NEVER_KEPT, base_path, kept
from avhcurate.ui.server.modules import components, joined


def script_url() -> str:
    """Return the address of the module, in which a hash of it stands."""
    return f"{base_path()}/scripts/{_stamp()}.js"


def script(request: Request) -> Response:
    """Answer with the module, of this version."""
    if request.path_params["stamp"] != _stamp():
        return PlainTextResponse("There is no such script.", 404, NEVER_KEPT)
    return kept(request, _module(), _stamp(), "text/javascript", for_good=True)


@cache
def _module() -> bytes:
    return joined(*components()).encode()


@cache
def _stamp() -> str:
    return blake2b(_module(), digest_size=8).hexdigest()


def routes() -> list[Route]:
    """Return the routes, below `server.baseUrlPath` like Streamlit's own."""
    return [Route(f"{base_path()}/scripts/{{stamp}}.js", script)]
