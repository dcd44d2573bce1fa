"""The server answers its own names and pages only, and those who have signed in and have a role."""

import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from streamlit import get_option
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

import app as server
from avhcurate.ui.base import signin, uploads
from avhcurate.ui.server import guards
from avhcurate.ui.server.guards import FRAMES, HOSTS, NO_LOGIN
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.data.people import OPERATOR
from avhcurate.workspace.data.roles import grant, revoke
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.waiting import wait_until

ADA = {"email": "ada@example.org", "email_verified": True, "is_logged_in": True, "iat": 1}


async def _socket(socket):
    await socket.accept()
    await socket.send_text("secret")
    await socket.close()


def _client(address="127.0.0.1"):
    routes = [
        WebSocketRoute("/stream", _socket),
        *signin.routes(),
        Route("/{path:path}", lambda _: PlainTextResponse("secret"), methods=["GET", "POST", "PUT", "DELETE"]),
    ]
    app = Starlette(routes=routes, middleware=guards.middleware())
    return TestClient(app, base_url="http://localhost:8501", client=(address, 50_000))


@pytest.fixture
def client(monkeypatch, tmp_path):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(signin, "_login_at_start", False)
    return _client()


def _answers(client, **headers):
    """Whether HTTP requests and websockets are answered, both or none of them."""
    answer = client.post("/", headers=headers)
    try:
        with client.websocket_connect("/stream", headers={"host": "localhost:8501"} | headers) as socket:
            heard = socket.receive_text() == "secret"
    except WebSocketDisconnect:
        heard = False
    assert heard is (answer.status_code == 200) is ("secret" in answer.text)
    return heard


@pytest.mark.parametrize("host", ["localhost:8501", "127.0.0.1", "[::1]:9000", "LOCALHOST"])
def test_the_names_of_this_machine_are_answered(client, host):
    assert _answers(client, host=host)


@pytest.mark.parametrize(
    "host", ["evil.example:8501", "localhost.evil.example", "[::1", "192.0.2.1", "0.0.0.0", "127.0.0.1:80, evil.com"]
)
def test_a_foreign_name_gets_no_page(client, host):
    assert not _answers(client, host=host)


def test_the_owner_can_add_names(monkeypatch):
    monkeypatch.setenv(HOSTS, "curate.example, other.example")
    assert _answers(_client(), host="curate.example")
    assert not _answers(_client(), host="evil.example")


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:8502", "http://localhost", "null"])
def test_pages_of_other_sites_and_ports_are_refused(client, origin):
    assert not _answers(client, origin=origin)


@pytest.mark.parametrize("origin", ["http://localhost:8501", "https://localhost:8501"])
def test_its_own_pages_are_answered_with_tls_before_it_or_without(client, origin):
    assert _answers(client, origin=origin)


def test_every_answer_guards_itself(client, monkeypatch):
    headers = client.get("/").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    frames, scripts = headers["content-security-policy"].split("; ")
    assert frames == "frame-ancestors 'self'"
    assert scripts.startswith("script-src 'self' 'unsafe-eval' blob: 'sha256-")
    assert "unsafe-inline" not in scripts
    monkeypatch.setenv(FRAMES, "http://localhost:8888")
    policy = client.get("/").headers["content-security-policy"]
    assert policy.startswith("frame-ancestors 'self' http://localhost:8888; ")


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7", "forged"])
def test_without_a_login_other_machines_are_refused_unless_the_owner_says_so(monkeypatch, address):
    assert not _answers(_client(address))
    monkeypatch.setenv(NO_LOGIN, "1")
    assert _answers(_client(address))


# --- with a login ------------------------------------------------------------------------------------------------


def test_while_the_database_is_away_the_answer_is_503_and_an_error_of_ours_is_none(client, monkeypatch):
    def away(_):
        open_events(Path("absent"))

    routes = [Route("/away", away), Route("/wrong", lambda _: 1 / 0)]
    served = Starlette(routes=routes, middleware=guards.middleware())
    app = TestClient(served, base_url="http://localhost:8501", client=("127.0.0.1", 50_000))
    monkeypatch.setenv("AVHCURATE_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none?connect_timeout=1")
    answer = app.get("/away")
    assert (answer.status_code, answer.headers["cache-control"]) == (503, "no-store")
    assert answer.text.count("\n") == 1
    with pytest.raises(ZeroDivisionError):
        app.get("/wrong")


@pytest.fixture
def login(monkeypatch, client, tmp_path):
    """A server with a login, in whose workspace Ada is a viewer; its sections of secrets.toml."""
    grant(open_events(tmp_path), "ada@example.org", "viewer")
    sections = {"auth": {"redirect_uri": "http://localhost:8501/oauth2callback"}}
    monkeypatch.setattr(signin, "_section", lambda name: sections.get(name, {}))
    monkeypatch.setattr(signin, "_SESSIONS", {})
    return sections


def _signed_in(client, user, token="token"):
    signin._SESSIONS[token] = user
    client.cookies.clear()
    assert client.post("/session", content=token).status_code == 204
    return client


PRIVATE = [
    "/images/cats/0",
    "/grid/KEY/rows",
    "/points/KEY",
    "/changes/cats",
    "/exports/cats/a.zip",
    "/media/a.png",
    "/health",
]
PRIVATE += ["/_stcore/metrics", "/other/static/media/a.png"]
PUBLIC = ["/", "/_stcore/health", "/static/media/font.woff2", "/scripts/1a.js", "/auth/logout"]


def test_only_what_draws_the_sign_in_page_is_there_without_a_sign_in(client, login):
    assert {path: client.get(path).status_code for path in PRIVATE} == dict.fromkeys(PRIVATE, 401)
    assert {path: client.get(path).status_code for path in PUBLIC} == dict.fromkeys(PUBLIC, 200)
    assert client.get(PRIVATE[0]).headers["cache-control"] == "no-store"
    _signed_in(client, ADA)
    assert {path: client.get(path).status_code for path in PRIVATE} == dict.fromkeys(PRIVATE, 200)


def test_every_route_of_the_app_is_private_but_scripts_and_the_one_that_gives_the_cookie():
    own = [re.sub(r"\{.*?\}", "x", route.path) for route in server.ROUTES]
    assert [path for path in own if not guards._PRIVATE.search(path)] == ["/scripts/x.js", "/session"]


@pytest.mark.parametrize(
    "changed",
    [
        *({"exp": 1_700_000_000}, {"exp": "1700000000"}, {"exp": "soon"}, {"exp": "nan"}, {"is_logged_in": False}),
        *({"email_verified": said} for said in (False, "false", "False", "no", None, 1, 1.0)),
    ],
)
def test_a_sign_in_that_has_ended_or_is_not_verified_does_not_count(client, login, changed):
    assert _signed_in(client, ADA | changed).get("/health").status_code == 401


def test_files_go_into_the_own_session_of_a_curator_and_only_so_many_bytes(client, login, tmp_path, monkeypatch):
    monkeypatch.setattr("avhcurate.workspace.data.people._who", lambda: OPERATOR)
    monkeypatch.setattr(uploads, "_BROWSERS", {"mine": "token", "other": "another"})
    monkeypatch.setattr(uploads, "_held", lambda: {"mine": 300, "other": 500})
    monkeypatch.setattr(uploads, "SESSION_BYTES", 1000)
    monkeypatch.setattr(uploads, "SERVER_BYTES", 1400)

    def sent(session, size=1, **options):
        return client.put(f"/_stcore/upload_file/{session}/any", content=b"x" * size, **options).status_code

    assert sent("mine") == 401
    _signed_in(client, ADA)
    assert sent("mine") == 403  # a viewer
    grant(open_events(tmp_path), "ada@example.org", "curator")
    assert sent("mine") == 200
    assert (sent("other"), sent("never-given")) == (403, 403)
    assert client.delete("/_stcore/upload_file/other/any").status_code == 403
    assert (sent("mine", 600), sent("mine", 701), uploads._arriving.total()) == (200, 413, 0)
    monkeypatch.setattr(uploads, "SESSION_BYTES", 2000)
    assert sent("mine", 601) == 413  # all sessions together
    assert client.put("/_stcore/upload_file/mine/any", content=iter([b"x"])).status_code == 411  # of unknown length
    assert client.post("/_stcore/agent/interact", json={}).status_code == 403


def test_what_a_closed_page_was_sent_is_freed_and_the_largest_file_fits(client, monkeypatch):
    manager = MemoryUploadedFileManager("/_stcore/upload_file")
    for session in ("closed", "open"):
        manager.add_file(session, UploadedFileRec("id", "a.csv", "text/csv", b"x" * 1000))
    server = SimpleNamespace(uploaded_file_mgr=manager, is_active_session=lambda session: session == "open")
    monkeypatch.setattr(uploads, "_KEPT_S", 0)
    monkeypatch.setattr(uploads, "_BROWSERS", {"closed": "token", "open": "token"})
    monkeypatch.setattr(uploads.runtime, "exists", lambda: True)
    monkeypatch.setattr(uploads.runtime, "get_instance", lambda: server)
    assert uploads._held() == {"closed": 1000, "open": 1000}
    with client, client.websocket_connect("/stream", headers={"host": "localhost:8501"}) as socket:
        socket.receive_text()  # then the page closes
        wait_until(lambda: uploads._held() == {"open": 1000})
    assert uploads._BROWSERS == {"open": "token"}
    # What Streamlit lets through, with its form around it, is what a session has room for.
    assert (get_option("server.maxUploadSize") + 1) << 20 <= uploads.SESSION_BYTES


def test_addresses_and_what_a_provider_calls_people_are_different_names(client, login, tmp_path, monkeypatch):
    monkeypatch.setattr("avhcurate.workspace.data.people._who", lambda: OPERATOR)
    workspace, known = Workspace(tmp_path), {"iss": "https://login.example", "sub": "Ada-1", "is_logged_in": True}

    def answer(user):
        return _signed_in(client, user).get("/health").status_code

    assert answer(known) == 403
    grant(open_events(workspace.root), "id:https://login.example#Ada-1", "viewer")
    assert answer(known) == 200
    assert [answer(known | change) for change in ({"sub": "ada-1"}, {"iss": "https://other.example"})] == [403, 403]
    assert answer({"is_logged_in": True, "sub": "ada@example.org"}) == 403
    email = "id:https://login.example#Ada-1"
    assert answer({"is_logged_in": True, "email": email, "email_verified": True}) == 403
    unverified = known | {"email": "boss@example.org"}
    assert answer(unverified) == 401
    login["avhcurate"] = {"known_by": "subject"}
    assert answer(unverified) == 200
    login["avhcurate"] = {"trust_addresses": True}
    assert answer(unverified) == 403
    grant(open_events(workspace.root), "boss@example.org", "owner")
    assert answer(unverified) == 200


@pytest.mark.parametrize("token", ["", "forged", "token\xff"])
def test_nobody_gets_a_cookie_by_guessing(client, login, token):
    signin._SESSIONS["token"] = ADA
    assert client.post("/session", content=token.encode("latin-1")).status_code == 401
    client.cookies.set(signin.COOKIE, "forged")
    assert client.get("/health").status_code == 401


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(client, login):
    signin._SESSIONS["token"] = ADA
    flags = client.post("/session", content="token").headers["set-cookie"].lower()
    assert "httponly" in flags
    assert "samesite=lax" in flags
    login["auth"]["redirect_uri"] = "https://curate.example/oauth2callback"
    assert "secure" in client.post("/session", content="token").headers["set-cookie"].lower()
    assert client.post("/session", content="token", headers={"origin": "http://evil.example"}).status_code == 403


def test_without_a_role_nothing_is_served_and_a_group_may_give_one(client, login, tmp_path, monkeypatch):
    # Another test of this process may have opened a page, after which the sign-in says who acts.
    monkeypatch.setattr("avhcurate.workspace.data.people._who", lambda: OPERATOR)
    bob = {"email": "bob@example.org", "email_verified": True, "is_logged_in": True, "groups": ["labellers"]}
    workspace = Workspace(tmp_path)
    _signed_in(client, bob)
    assert client.get("/health").status_code == 403
    grant(open_events(workspace.root), "group:labellers", "annotator")
    assert client.get("/health").status_code == 200
    revoke(open_events(workspace.root), "group:labellers")
    assert client.get("/health").status_code == 403
    grant(open_events(workspace.root), "group:curators", "curator")
    _signed_in(client, bob | {"realm_access": {"roles": ["curators"]}})
    assert client.get("/health").status_code == 403
    login["avhcurate"] = {"groups_claim": "realm_access.roles"}
    assert client.get("/health").status_code == 200


def test_a_copy_of_a_cookie_is_worth_nothing_once_its_user_has_signed_out(client, login):
    _signed_in(client, ADA | {"iat": 2, "exp": time.time() + 3600}, "other")
    for token in ("token", "on another device"):
        _signed_in(client, ADA, token)
    client.get("/auth/logout")
    assert client.get("/health").status_code == 401
    assert list(signin._SESSIONS) == ["other"]
    assert signin._has_left(ADA)
    assert not signin._has_left(ADA | {"iat": 3})


def test_a_server_that_asked_for_a_login_at_its_start_goes_on_asking_when_it_is_lost(client, login, monkeypatch):
    signin.remember_login()
    _signed_in(client, ADA)
    assert client.get("/health").status_code == 200
    login.clear()
    assert client.get("/health").status_code == 401


def test_behind_a_sign_in_the_browser_asks_for_an_image_each_time_and_keeps_scripts(login, monkeypatch):
    kept = Route("/{path:path}", lambda _: PlainTextResponse("", headers={"Cache-Control": "private, immutable"}))
    app = Starlette(routes=[*signin.routes(), kept], middleware=guards.middleware())
    client = _signed_in(TestClient(app, base_url="http://localhost", client=("::1", 1)), ADA)
    assert client.get("/images/a").headers["cache-control"] == "private, no-cache"
    assert client.get("/scripts/a.js").headers["cache-control"] == "private, immutable"
    login.clear()
    monkeypatch.setattr(signin, "_login_at_start", False)
    assert client.get("/images/a").headers["cache-control"] == "private, immutable"
