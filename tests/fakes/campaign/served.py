"""The app on a free port, and sessions that speak Streamlit's protocol without a browser."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from tests.fakes.web import free_port, wait_for_app

#: What proves to Streamlit that a page of its own opens a socket; a cookie and a part of the protocol have it.
XSRF = "_streamlit_xsrf"
#: Seconds that a page or an act may take on a busy machine.
PATIENCE_S = 300
#: A run that ends so is followed by another, as when a job has ended meanwhile.
_AGAIN = ForwardMsg.FINISHED_EARLY_FOR_RERUN


class Server(NamedTuple):
    address: str
    pid: int = 0


@contextmanager
def served(workspace: Path, **variables: str) -> Iterator[Server]:
    """`avhcurate serve` on a workspace, with environment `variables`, until the block ends."""
    port = free_port()
    command = [sys.executable, "-m", "avhcurate", "serve", "--port", str(port), "--workspace", str(workspace)]
    environment = {**os.environ, "STREAMLIT_SERVER_HEADLESS": "true", **variables}
    with NamedTemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            wait_for_app(lambda: process.poll() is None, f"http://127.0.0.1:{port}", Path(log.name))
            yield Server(f"127.0.0.1:{port}", process.pid)
        finally:
            process.kill()
            process.wait()


class Session:
    """One browser tab's websocket.

    `drawn` has the newest widget or component of each key, `html` the newest text of that kind, `said` what the last
    run put into boxes.
    """

    def __init__(self, server: Server, cookies: Mapping[str, str] | None = None) -> None:
        cookies = cookies or {}
        self._server, self._cookies = server, cookies
        self.drawn: dict[str, Any] = {}
        self.html, self.said = "", list[str]()
        self._place, self._fragments = BackMsg(), dict[str, str]()
        self.socket: ClientConnection = connect(
            f"ws://{server.address}/_stcore/stream",
            origin=f"http://{server.address}",  # type: ignore[arg-type]
            subprotocols=["streamlit", *filter(None, [cookies.get(XSRF)])],  # type: ignore[list-item]
            additional_headers={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())},
            max_size=None,
        )

    def open(self, page: str, query: str) -> bool:
        """Opens a page by its address; whether its script came to its end without an exception in `PATIENCE_S`."""
        self._place = BackMsg()
        self._place.rerun_script.query_string, self._place.rerun_script.page_name = query, page
        self.drawn.clear()
        return self._run(self._place)

    def press(self, key: str) -> bool:
        """Presses the button of a key."""
        return self._run(self._widget(key, self.drawn[key].id, trigger_value=True))

    def send(self, key: str, name: str, value: Any) -> bool:
        """Sends a part of the state, as the component of a key does."""
        return self._run(self._widget(key, self.drawn[key].id, json_value=json.dumps({name: value})))

    def decide(self, decision: Mapping[str, Any]) -> str:
        """Sends a decision as a page does; why it was refused, "" where it counts."""
        address, cookies = f"http://{self._server.address}/decisions/new", dict(self._cookies)
        answer = httpx.post(address, json=[decision], cookies=cookies, timeout=PATIENCE_S)
        (outcome,) = answer.raise_for_status().json()["outcomes"]
        return str(outcome["why"])

    def data(self, key: str) -> Any:
        """What the component of a key was given."""
        return json.loads(self.drawn[key].json)

    def close(self) -> None:
        self.socket.close()

    def _widget(self, key: str, id: str, **value: Any) -> BackMsg:
        message = BackMsg()
        message.CopyFrom(self._place)
        message.rerun_script.fragment_id = self._fragments[key]
        message.rerun_script.widget_states.widgets.add(id=id, **value)
        return message

    def _run(self, message: BackMsg) -> bool:
        self.socket.send(message.SerializeToString())
        self.said.clear()
        end, fine = time.monotonic() + PATIENCE_S, True
        while (left := end - time.monotonic()) > 0:
            try:
                data = self.socket.recv(timeout=left)
            except TimeoutError:
                return False
            answer = ForwardMsg()
            answer.ParseFromString(data)  # type: ignore[arg-type]
            fine &= self._keep(answer) != "exception"
            if answer.WhichOneof("type") == "script_finished" and answer.script_finished != _AGAIN:
                return fine
        return False

    def _keep(self, answer: ForwardMsg) -> str | None:
        """Keep the page's name and what a message draws under its key; return its kind."""
        if answer.WhichOneof("type") == "navigation":  # else the next act would be on another page, and be forgotten
            self._place.rerun_script.page_script_hash = answer.navigation.page_script_hash
        element = answer.delta.new_element
        kind = element.WhichOneof("type")
        if kind == "html":
            self.html = element.html.body
        elif kind == "alert":
            self.said.append(element.alert.body)
        elif kind in ("bidi_component", "button"):
            key = getattr(element, kind).id.split("-", 2)[-1]
            self.drawn[key], self._fragments[key] = getattr(element, kind), answer.delta.fragment_id
        return kind
