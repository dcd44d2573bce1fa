"""Serve the app and open it in Chromium, for benchmarks that time what a user sees."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


@contextmanager
def served(root: Path, checkout: Path = Path(__file__).parents[1]) -> Iterator[tuple[str, int]]:
    """Start a server on the workspace with the code of a checkout; yield its address and process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), "--server.headless", "true"],
        cwd=checkout,
        env={
            **os.environ,
            "ARROW_DEFAULT_MEMORY_POOL": "system",  # as `avhcurate serve` has it
            "AVHCURATE_WORKSPACE": str(root.absolute()),
            "PYTHONPATH": str(checkout.absolute()),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield _once_it_answers(f"http://127.0.0.1:{port}"), server.pid
    finally:
        server.terminate()
        server.wait(20)


def _once_it_answers(address: str) -> str:
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{address}/health").close()
            return address
        except OSError:
            time.sleep(0.5)
    raise SystemExit("The server does not answer.")


def chromium() -> str:
    """Return the path of Chromium, or of the browser in CHROMIUM."""
    names = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
    found = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if found is None:
        raise SystemExit("Chromium was not found. Name a browser by CHROMIUM=PATH.")
    return found


@contextmanager
def browser_page(height: int = 900) -> Iterator[Any]:
    """A page of Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_context(viewport={"width": 1360, "height": height}).new_page()
        page.set_default_timeout(120_000)
        yield page
        browser.close()
