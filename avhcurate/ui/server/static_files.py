"""Streamlit's own scripts and styles, compressed: it sends them as they are, three times as many bytes."""

import zlib
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from avhcurate.ui.base.answers import base_path, kept

_FOLDER = Path(st.__file__).parent / "static" / "static"
_KINDS = {".js": "text/javascript", ".css": "text/css"}
_FILES = {path.relative_to(_FOLDER).as_posix(): path for kind in _KINDS for path in _FOLDER.rglob(f"*{kind}")}


class Compressed:
    """Answers with a script or style of Streamlit's where the browser reads gzip, and leaves the rest to the app.

    The name of each has a hash in it, so that a browser keeps it for good.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        answer = self.app
        if scope["type"] == "http":
            request = Request(scope)
            name = scope["path"].removeprefix(f"{base_path()}/static/")
            if name in _FILES and request.method == "GET" and "gzip" in request.headers.get("accept-encoding", ""):
                data = await run_in_threadpool(_packed, name)
                answer = kept(request, data, name, _KINDS[_FILES[name].suffix], for_good=True)
                answer.headers.update({"Content-Encoding": "gzip", "Vary": "Accept-Encoding"})
                del answer.headers["Content-Security-Policy"]  # a worker would be bound by it
        await answer(scope, receive, send)


@cache
def _packed(name: str) -> bytes:
    """Return a file compressed, once: six megabytes are kept if every file is asked for."""
    packer = zlib.compressobj(level=6, wbits=31)
    return packer.compress(_FILES[name].read_bytes()) + packer.flush()
