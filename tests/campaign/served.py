"""The app on a free port, and sessions that speak Streamlit's protocol without a browser."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect


class Server(NamedTuple):
    address: str
    pid: int


@contextmanager
def served(workspace: Path) -> Iterator[Server]:
    """`avhcurate serve` on a workspace, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "avhcurate", "serve", "--port", str(port), "--workspace", str(workspace)]
    environment = {**os.environ, "STREAMLIT_SERVER_HEADLESS": "true"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        server = Server(f"127.0.0.1:{port}", process.pid)
        _wait(server)
        yield server
    finally:
        process.kill()
        process.wait()


def _wait(server: Server) -> None:
    for _ in range(240):
        try:
            httpx.get(f"http://{server.address}/health", timeout=5).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.5)
    raise RuntimeError("the server does not answer")


class Session:
    """One browser tab's websocket."""

    def __init__(self, server: Server) -> None:
        self.socket: ClientConnection = connect(
            f"ws://{server.address}/_stcore/stream",
            origin=f"http://{server.address}",  # type: ignore[arg-type]
            subprotocols=["streamlit"],  # type: ignore[list-item]
            max_size=None,
        )

    def open(self, page: str, query: str, *, seconds: float = 60) -> bool:
        """Opens a page by its address; whether its script came to its end without an exception in that time."""
        message = BackMsg()
        message.rerun_script.query_string, message.rerun_script.page_name = query, page
        self.socket.send(message.SerializeToString())
        end, fine = time.monotonic() + seconds, True
        while (left := end - time.monotonic()) > 0:
            try:
                data = self.socket.recv(timeout=left)
            except TimeoutError:
                return False
            answer = ForwardMsg()
            answer.ParseFromString(data)  # type: ignore[arg-type]
            fine &= answer.delta.new_element.WhichOneof("type") != "exception"
            if answer.WhichOneof("type") == "script_finished":
                return fine
        return False

    def close(self) -> None:
        self.socket.close()
