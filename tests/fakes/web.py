"""A web server over a folder, which fails as it is told; and waiting for an app that a test has started."""

import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import httpx
import pytest

from tests.fakes.waiting import wait_until


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for_app(runs: Callable[[], bool], address: str, log: Path) -> None:
    """Waits until the app answers; fails with what it has logged if its process ends."""

    def answers() -> bool:
        assert runs(), log.read_text()
        with suppress(httpx.HTTPError):
            return httpx.get(f"{address}/health").status_code in (200, 401)  # with a login it asks for the session
        return False

    wait_until(answers)


class Web:
    """A web server over a folder: it sends parts of files, notes what it is asked, and fails as told.

    `faults` by path: what to do at the next requests instead, a status, `("later", RETRY_AFTER)`, `("cut", BYTES)`,
    `("redirect", ADDRESS)` or `"no parts"`. `routes` by path and query: what to answer without a file, with headers.
    `posted` by path: what came. `waited`: the seconds that a caller would have waited before each new try.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.asked: list[tuple[str, str, str]] = []
        self.faults: dict[str, list[object]] = {}
        self.routes: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.posted: dict[str, bytes] = {}
        self.waited: list[float] = []

    def ranges(self, name: str) -> list[str]:
        """The Range header of each request for a file, "" where there was none."""
        return [part for path, part, _ in self.asked if path == f"/{name}"]


class _WebHandler(BaseHTTPRequestHandler):
    web: Web

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        self.web.asked.append((path, self.headers.get("Range", ""), self.headers.get("Authorization", "")))
        waiting = self.web.faults.get(path, [])
        fault = waiting.pop(0) if waiting else None
        file = self.web.folder / path.lstrip("/")
        if isinstance(fault, int):
            self._answer(fault, b"", {"Retry-After": "0"})
        elif isinstance(fault, tuple) and fault[0] == "later":
            self._answer(429, b"", {"Retry-After": fault[1]})
        elif isinstance(fault, tuple) and fault[0] == "redirect":
            self._answer(302, b"", {"Location": fault[1]})
        elif self.path in self.web.routes:
            self._answer(200, *self.web.routes[self.path])
        elif not file.is_file():
            self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})  # as the hub of Hugging Face says it
        else:
            self._send(file.read_bytes(), fault)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self.web.posted[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, *self.web.routes[self.path])

    def _send(self, data: bytes, fault: object) -> None:
        tag = f'"{zlib.crc32(data):x}"'
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None or fault == "no parts" or self.headers.get("If-Range", tag) != tag:
            self._answer(200, data, {"ETag": tag}, cut=fault)
            return
        start, end = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
        if start >= len(data):
            self._answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            return
        span = {"Content-Range": f"bytes {start}-{end}/{len(data)}", "ETag": tag}
        self._answer(206, data[start : end + 1], span, cut=fault)

    def _answer(self, status: int, data: bytes, headers: dict[str, str], *, cut: object = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: cut[1]] if isinstance(cut, tuple) else data)


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A web server over the folder `web` of tmp_path; nobody waits between two tries."""
    served = Web(tmp_path / "web")
    clock = SimpleNamespace(sleep=served.waited.append, monotonic=time.monotonic)
    monkeypatch.setattr("avhcurate.workspace.disk.remote.time", clock)
    served.folder.mkdir()
    handler = type("Handler", (_WebHandler,), {"web": served})
    listening = type("Server", (ThreadingHTTPServer,), {"request_queue_size": 128})
    with listening(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_port}"
        yield served
        server.shutdown()
        thread.join()
