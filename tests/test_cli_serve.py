"""`avhcurate serve`: what it refuses before a server starts, and what the server is told."""

import itertools
import os
import socket
import sys

import pytest

from avhcurate.workspace.disk.app_files import install_command
from tests.fakes.web import free_port

LOGIN = '[auth]\nredirect_uri = "https://curate.example/oauth2callback"\ncookie_secret = "{}"\n'


@pytest.fixture
def told(cli, monkeypatch, tmp_path):
    """Calls `serve` in an empty home; returns how it ended, and the options and variables that the server would get."""
    started = []

    def start(_, command, environment):
        started.append((command, environment))
        raise SystemExit(0)

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execve", start)
    monkeypatch.setattr(os, "chdir", lambda _: None)
    place = ("--workspace", tmp_path, "--port", free_port())
    return lambda *arguments: (cli("serve", *place, *arguments), *(started or [((), {})])[-1])


def _login(folder, secret):
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit" / "secrets.toml").write_text(LOGIN.format(secret))


@pytest.mark.skipif(os.name != "posix", reason="the server takes the place of the process")
def test_beyond_this_machine_it_asks_for_a_login(told, tmp_path):
    ended, command, _ = told("--host", "0.0.0.0")
    assert (ended.code, command) == (2, ())
    assert "--no-login" in ended.err
    assert "AVHCURATE_NO_LOGIN" in told("--host", "0.0.0.0", "--no-login")[2]
    _login(tmp_path, "x" * 40)
    ended, command, environment = told("--host", "0.0.0.0", "--base-path", "/lab/curate/")
    assert (ended.code, "roles grant" in ended.err) == (0, True)
    assert "AVHCURATE_NO_LOGIN" not in environment
    assert environment["ARROW_DEFAULT_MEMORY_POOL"] == "system"
    options = dict(itertools.pairwise(command))
    assert (options["--server.address"], options["--server.baseUrlPath"]) == ("0.0.0.0", "lab/curate")
    assert options["--browser.serverAddress"] == "localhost"  # else Streamlit asks the web for this machine's address
    assert str(tmp_path / ".streamlit" / "secrets.toml") in command


def test_a_base_path_that_is_none_is_refused(told):
    assert all("--base-path" in told("--base-path", path)[0].err for path in ("a?b", "../a b"))


def test_a_login_that_cannot_work_is_refused_on_this_machine_too(told, monkeypatch, tmp_path):
    _login(tmp_path, "short")
    assert "cookie_secret" in told()[0].err
    (tmp_path / ".streamlit" / "secrets.toml").write_text("[auth")
    assert "not valid TOML" in told()[0].err
    (tmp_path / ".streamlit" / "secrets.toml").write_text(LOGIN.format("x" * 40))
    monkeypatch.setitem(sys.modules, "authlib", None)
    assert install_command("auth") in told()[0].err


def test_a_port_that_is_taken_is_refused_before_a_server_starts(told):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended, command, _ = told("--port", port)
        assert (ended.code, command) == (2, ())
        assert f"cannot listen at 127.0.0.1, port {port}" in ended.err
    assert told("--port", port)[0].code == 0


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host", "a..b", "[::1]"])
def test_an_address_that_the_machine_does_not_have_is_refused(told, host):
    ended, command, _ = told("--host", host, "--no-login")
    assert (ended.code, command) == (2, ())
    assert "cannot listen at" in ended.err
