"""A tab of Chromium driven by its DevTools protocol alone, for readings of its memory.

A driver that listens to the tab's requests, as Playwright does, has the tab keep every answer: its memory would grow by
what it loads, whatever the page does.
"""

import itertools
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.served import FLAGS, chromium

CONTROL, SHIFT = 2, 8


class Connection:
    """Calls of the protocol over one web socket; `errors` are uncaught exceptions of the page."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._numbers, self.errors = socket, itertools.count(1), list[str]()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv())).get("id") != number:
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(str(answer["params"]["exceptionDetails"])[:300])
        if "error" in answer:
            raise RuntimeError(answer["error"])
        result: dict[str, Any] = answer["result"]
        return result


class Tab:
    """One page; `evaluate` calls a function of JavaScript with JSON and returns what it gives, awaited."""

    def __init__(self, page: Connection, browser: Connection) -> None:
        self._page, self._browser, self.errors = page, browser, page.errors

    def go(self, address: str) -> None:
        self._page.call("Runtime.enable")
        self._page.call("Page.navigate", url=address)

    def evaluate(self, function: str, *arguments: Any) -> Any:
        call = f"({function})({', '.join(map(json.dumps, arguments))})"
        answer = self._page.call("Runtime.evaluate", expression=call, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description"))
        return answer["result"].get("value")

    def wait_for(self, condition: str, seconds: float = 120) -> None:
        """Waits until a function of JavaScript gives true."""
        end = time.monotonic() + seconds
        while not self.evaluate(condition):
            if time.monotonic() > end:
                raise TimeoutError(condition)
            time.sleep(0.2)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        self._page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def drag(self, *places: tuple[float, float], held: int = 0) -> None:
        """Presses at the first place and lets go at the last; at one place it clicks."""
        button = {"button": "left", "buttons": 1, "clickCount": 1, "modifiers": held}
        self.mouse("mouseMoved", *places[0])
        self.mouse("mousePressed", *places[0], **button)
        for place in places[1:]:
            self.mouse("mouseMoved", *place, **button)
        self.mouse("mouseReleased", *places[-1], **button)

    def memory(self) -> dict[str, float]:
        """Megabytes of JavaScript and of the processes that draw pages, images included, and the number of nodes."""
        self._page.call("HeapProfiler.collectGarbage")
        found = self._browser.call("SystemInfo.getProcessInfo")["processInfo"]
        return {
            "heap_mb": self._page.call("Runtime.getHeapUsage")["usedSize"] / 1e6,
            "process_mb": sum(_private_mb(one["id"]) for one in found if one["type"] == "renderer"),
            "nodes": self._page.call("Memory.getDOMCounters")["nodes"],
        }


def _private_mb(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1e3


@contextmanager
def tab(width: int = 1360, height: int = 900) -> Iterator[Tab]:
    """A tab of a fresh Chromium."""
    from websockets.sync.client import connect

    with ExitStack() as stack:
        profile = Path(tempfile.mkdtemp())
        stack.callback(shutil.rmtree, profile, ignore_errors=True)
        size = f"--window-size={width},{height}"
        flags = ["--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}", size, *FLAGS]
        browser = subprocess.Popen([chromium(), *flags, "about:blank"], stderr=subprocess.DEVNULL)
        stack.callback(browser.wait, 20)
        stack.callback(browser.terminate)
        port, path = _once_written(profile / "DevToolsActivePort").split()
        pages = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json"))
        page = next(one["webSocketDebuggerUrl"] for one in pages if one["type"] == "page")
        sockets = [stack.enter_context(connect(url, max_size=None)) for url in (page, f"ws://127.0.0.1:{port}{path}")]
        yield Tab(*map(Connection, sockets))


def _once_written(file: Path) -> str:
    for _ in range(240):
        if file.exists() and len(text := file.read_text().split()) == 2:
            return " ".join(text)
        time.sleep(0.25)
    raise SystemExit("Chromium does not start")
