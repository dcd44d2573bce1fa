"""Only requests by the server's own names and from its own pages are answered."""

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from avhcurate.ui.own_hosts import FRAMES, HOSTS, NO_LOGIN, only_own


async def _socket(socket):
    await socket.accept()
    await socket.send_text("secret")
    await socket.close()


@pytest.fixture
def client():
    routes = [
        Route("/", lambda _: PlainTextResponse("secret"), methods=["GET", "POST"]),
        WebSocketRoute("/stream", _socket),
    ]
    app = only_own(Starlette(routes=routes))
    return TestClient(app, base_url="http://localhost:8501", client=("127.0.0.1", 50_000))


@pytest.mark.parametrize("host", ["localhost:8501", "127.0.0.1", "[::1]:9000", "LOCALHOST"])
def test_the_names_of_this_machine_are_answered(client, host):
    assert client.get("/", headers={"host": host}).text == "secret"


@pytest.mark.parametrize("host", ["evil.example:8501", "localhost.evil.example", "", "[::1", "192.0.2.1"])
def test_a_foreign_name_gets_400_and_no_page(client, host):
    answer = client.get("/", headers={"host": host})
    assert (answer.status_code, "secret" in answer.text) == (400, False)
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/stream", headers={"host": host}):
        pass


def test_the_owner_can_add_names(client, monkeypatch):
    monkeypatch.setenv(HOSTS, "curate.example, other.example")
    assert client.get("/", headers={"host": "curate.example"}).status_code == 200
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:8502", "http://localhost", "null"])
def test_pages_of_other_sites_and_ports_are_refused(client, origin):
    for answer in (client.post("/", headers={"origin": origin}), client.get("/", headers={"origin": origin})):
        assert (answer.status_code, "secret" in answer.text) == (403, False)
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/stream", headers={"origin": origin}):
        pass


def test_its_own_pages_are_answered_with_tls_before_it_or_without(client):
    for origin in ("http://localhost:8501", "https://localhost:8501"):
        assert client.post("/", headers={"origin": origin}).text == "secret"
        with client.websocket_connect("/stream", headers={"origin": origin, "host": "localhost:8501"}) as socket:
            assert socket.receive_text() == "secret"


def test_every_answer_guards_itself(client, monkeypatch):
    headers = client.get("/").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["content-security-policy"] == "frame-ancestors 'self'"
    monkeypatch.setenv(FRAMES, "http://localhost:8888")
    assert client.get("/").headers["content-security-policy"] == "frame-ancestors 'self' http://localhost:8888"


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7", "forged"])
def test_without_a_login_other_machines_are_refused_unless_the_owner_says_so(client, monkeypatch, address):
    stranger = TestClient(client.app, base_url="http://localhost:8501", client=(address, 50_000))
    answer = stranger.get("/")
    assert (answer.status_code, "secret" in answer.text) == (403, False)
    with pytest.raises(WebSocketDisconnect), stranger.websocket_connect("/stream"):
        pass
    monkeypatch.setenv(NO_LOGIN, "1")
    assert stranger.get("/").text == "secret"
