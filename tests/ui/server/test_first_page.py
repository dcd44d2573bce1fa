"""What a browser loads first: the page as the app needs it, Streamlit's files compressed, and a small font of icons."""

import re

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from avhcurate.ui.server import first_page, guards
from avhcurate.ui.server.first_page import _FILES, ICONS, FirstPage
from avhcurate.ui.server.script_routes import script_url

APP = Route("/{path:path}", lambda _: PlainTextResponse("from the app"), methods=["GET", "POST"])
client = TestClient(Starlette(routes=[APP], middleware=[Middleware(FirstPage)]))


def test_a_script_comes_compressed_and_is_kept_for_good():
    name = next(name for name in _FILES if name.startswith("js/index."))
    answer = client.get(f"/static/{name}")
    assert answer.content == _FILES[name].read_bytes()
    assert int(answer.headers["content-length"]) < len(answer.content) / 2
    assert "immutable" in answer.headers["cache-control"]
    assert "content-security-policy" not in answer.headers
    assert client.get(f"/static/{name}", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    plain = client.get(f"/static/{name}", headers={"Accept-Encoding": "br"})
    assert (plain.content, plain.headers.get("content-encoding")) == (answer.content, None)


def test_all_else_comes_from_the_app():
    for path in ("/static/js/../../index.html", "/static/js/none.js", "/index.html", "/gallery/", "/images/home"):
        assert client.get(path).text == "from the app", path
    assert client.post("/gallery").text == "from the app"


def test_each_page_names_the_app_and_what_its_frame_is_drawn_by():
    page = client.get("/gallery").text
    assert page == client.get("/").text
    assert "<title>AVH Curate</title>" in page
    assert "BACKEND_BASE_URL" in page.partition('<script type="module"')[0]
    named = set(re.findall(r'<link rel="modulepreload" crossorigin href="([^"]+)">', page))
    assert script_url() in named
    for part in first_page._PARTS:
        (file,) = (name for name in _FILES if name.startswith(f"js/{part}."))
        needed = re.findall(r'(?:from|import)"\./([\w.-]+)"', _FILES[file].read_text(encoding="utf-8"))
        missing = {f"./static/js/{name}" for name in needed} - named
        assert all(address.startswith("./static/js/index.") for address in missing), part  # the page runs it itself


def test_the_page_is_asked_for_each_time_and_comes_anew_only_when_it_changed():
    answer = client.get("/gallery")
    assert answer.headers["cache-control"] == "private, no-cache"
    assert client.get("/gallery", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_a_policy_goes_with_the_page_and_allows_its_scripts_but_not_with_each_small_script():
    guarded = Starlette(routes=[APP], middleware=guards.middleware())
    asked = TestClient(guarded, base_url="http://localhost:8501", client=("127.0.0.1", 50_000))
    policy = asked.get("/gallery").headers["content-security-policy"]
    assert policy.count("sha256-") == len(first_page.inline_scripts()) + 1 >= 4
    assert "default-src" not in policy
    script = next(name for name in _FILES if name.startswith("js/index."))
    assert "content-security-policy" not in asked.get(f"/static/{script}").headers


def test_icons_are_a_small_font_that_changes_with_the_app():
    assert ICONS.exists(), "another Streamlit: make its font of icons by `python -m tests.fakes.icons`"
    (name,) = (name for name, file in _FILES.items() if file == ICONS)
    answer = client.get(f"/static/{name}")
    assert (answer.headers["content-type"], answer.content) == ("font/woff2", ICONS.read_bytes())
    assert len(answer.content) < 25_000
    assert answer.headers["cache-control"] == "private, no-cache"
