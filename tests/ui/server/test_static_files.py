"""Streamlit's own scripts: compressed for browsers that can read that, and kept by them."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from avhcurate.ui.server.guards import _FILES, Compressed


def test_a_script_comes_compressed_once_and_all_else_comes_from_the_app():
    app = Route("/{path:path}", lambda _: PlainTextResponse("from the app"))
    client = TestClient(Starlette(routes=[app], middleware=[Middleware(Compressed)]))
    name = next(name for name in _FILES if name.startswith("js/index."))
    answer = client.get(f"/static/{name}")
    assert answer.content == _FILES[name].read_bytes()
    assert int(answer.headers["content-length"]) < len(answer.content) / 2
    assert "immutable" in answer.headers["cache-control"]
    assert "content-security-policy" not in answer.headers
    assert client.get(f"/static/{name}", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert client.get(f"/static/{name}", headers={"Accept-Encoding": "br"}).text == "from the app"
    assert client.get("/static/js/../../index.html").text == "from the app"
