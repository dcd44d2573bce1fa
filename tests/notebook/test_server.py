"""The app beside a notebook: it answers on this machine alone, is started once, and ends however its parent ends."""

import signal
import subprocess
import sys
import textwrap
import types
import urllib.request
from pathlib import Path
from urllib.error import URLError
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

import avhcurate
from avhcurate.errors import CurateError
from avhcurate.notebook import server
from tests.fakes.waiting import wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pets(tmp_path):
    """Two images in a workspace; servers that the test starts are stopped."""
    yield avhcurate.dataset("pets", np.zeros((2, 4, 4), np.uint8), workspace=tmp_path / "space")
    while server._servers:
        server._servers.popitem()[1].stop()


def answers(address):
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=5) as response:
            return response.status == 200
    except (URLError, OSError):
        return False


@pytest.mark.slow
def test_show_opens_the_dataset_on_a_server_of_this_process_that_a_kill_ends_too(pets):
    """One child process shows twice, prints the addresses, and is killed."""
    code = f"""
        import avhcurate, os, signal
        pets = avhcurate.open({str(pets.workspace.root)!r}, "pets")
        print(pets.show(where="label = 0"))
        print(pets.show("home"))
        import sys; sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGSTOP)
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    gallery, home = (urlsplit(child.stdout.readline().strip()) for _ in range(2))
    address = f"http://{gallery.netloc}"
    assert (gallery.hostname, gallery.path, gallery.netloc) == ("127.0.0.1", "/gallery", home.netloc)
    assert parse_qs(gallery.query) == {"dataset": ["pets"], "where": ["label = 0"]}
    with urllib.request.urlopen(f"{address}/health") as response:
        assert "http://localhost:*" in response.headers["Content-Security-Policy"]
    child.kill()
    assert child.wait() == -signal.SIGKILL
    wait_until(lambda: not answers(address))


def test_a_kernel_shows_it_in_a_frame_and_an_unknown_page_is_refused(pets, monkeypatch):
    started = []

    class Fake:
        address, running = "http://127.0.0.1:1", True

        def __init__(self, workspace):
            started.append(workspace)

        def stop(self):
            started.clear()

    display = types.SimpleNamespace(IFrame=lambda address, width, height: (address, width, height))
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(server, "AppServer", Fake)
    monkeypatch.setitem(sys.modules, "anywidget", None)
    assert pets.show(height=600) == ("http://127.0.0.1:1/gallery?dataset=pets", "100%", 600)
    pets.show("home")
    assert len(started) == 1
    with pytest.raises(CurateError, match="Unknown page galery"):
        pets.show("galery")


def test_a_server_that_cannot_start_says_why(pets, monkeypatch):
    monkeypatch.setattr(server, "_free_port", lambda: 99999)
    with pytest.raises(CurateError, match=r"did not start \(avhcurate: Invalid value for .(--)?port"):
        pets.show()
