"""The app next to a notebook: a server as a child process, on a free port, that ends with its parent."""

import atexit
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from avhcurate.errors import CurateError, Run
from avhcurate.workspace.data import background
from avhcurate.workspace.data.terminal import in_jupyter
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.app_files import PAGES, added_pages

if TYPE_CHECKING:
    from IPython.display import IFrame

#: Variable of the server with the origins whose pages may frame it (see `ui.guards`).
_FRAMES = "AVHCURATE_FRAMES"
#: Where notebooks of this machine are served, whose pages may frame the app.
_NOTEBOOKS = ("http://localhost:*", "http://127.0.0.1:*", "https://localhost:*", "https://127.0.0.1:*")
#: Seconds within which a server must answer.
_START_LIMIT = 120.0

#: The server of each workspace that this process has started.
_servers: dict[Path, "AppServer"] = {}


class AppServer:
    """A running server: its address, as http://127.0.0.1:PORT, and its process."""

    def __init__(self, workspace: Workspace) -> None:
        port = _free_port()
        self.address = f"http://127.0.0.1:{port}"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed by stop)
        # The server stops at the end of its input, which comes however this process ends.
        self._process = background.launch(
            ["serve", "--port", str(port), "--workspace", str(workspace.root.absolute()), "--until-input-ends"],
            environment={_FRAMES: " ".join(filter(None, [os.environ.get(_FRAMES), *_NOTEBOOKS]))},
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # an interrupt of the kernel is not the server's
        )
        atexit.register(self.stop)
        self._wait()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> None:
        """Wait until an interrupt ends it."""
        with suppress(KeyboardInterrupt):
            self._process.wait()

    def stop(self) -> None:
        """End the server and wait until it is gone."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(timeout=_START_LIMIT)
        self._log.close()
        atexit.unregister(self.stop)

    def _wait(self) -> None:
        """Wait until it answers."""
        until = time.monotonic() + _START_LIMIT
        while time.monotonic() < until and self.running:
            try:
                with urllib.request.urlopen(f"{self.address}/health", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        self._log.seek(0)
        output = self._log.read()
        self.stop()
        why = background.reason(output, self._process.returncode)
        raise CurateError(f"The app did not start ({why}).", fix=f"{Run('serve')} in a shell to see more")


def app_address(workspace: Workspace, page: str, query: dict[str, str]) -> str:
    """Return the address of a page of the app; the first call starts its server."""
    pages = sorted([*(path.stem for path in PAGES.glob("*.py")), *added_pages()])
    if page not in pages:
        raise CurateError(f"Unknown page {page}. Choose from {', '.join(pages)}.")
    path = page.removeprefix("home")
    return f"{server_of(workspace).address}/{path}?{urlencode(query)}"


def server_of(workspace: Workspace) -> AppServer:
    """Return the server of a workspace; the first call starts it."""
    root = workspace.root.absolute()
    server = _servers.get(root)
    if server is None or not server.running:
        server = _servers[root] = AppServer(workspace)
    return server


def in_frame(address: str, height: int) -> "IFrame | str":
    """Return the page in a frame of the notebook, or in another Python its address."""
    if not in_jupyter():
        return address
    from IPython.display import IFrame

    return IFrame(address, width="100%", height=height)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
