"""The app with routes by which a test opens another workspace, or slows it: one server for all browser tests."""

import os
import runpy
import time
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import streamlit as st
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from avhcurate.ui.shell import sidebar

SCRIPT = Path(__file__).parents[2] / "app.py"
served = runpy.run_path(str(SCRIPT))["app"]
#: Seconds that the filters take longer.
pause = 0.0


show_filters = sidebar.show_filters


@wraps(show_filters)
def slowed(*args: Any, **keywords: Any) -> None:
    time.sleep(pause)
    show_filters(*args, **keywords)


sidebar.show_filters = slowed


async def changing(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers `/test/workspace?root=FOLDER` and `/test/pause?seconds=S`, and leaves everything else to the app."""
    global pause
    path, query = scope.get("path"), parse_qs(scope.get("query_string", b"").decode())
    if path == "/test/workspace":
        os.environ["AVHCURATE_WORKSPACE"] = query["root"][0]
    elif path == "/test/pause":
        pause = float(query["seconds"][0])
    else:
        return await served(scope, receive, send)
    return await PlainTextResponse("done")(scope, receive, send)


# `streamlit run` looks for this assignment and then serves what `app` is at the end.
app = st.App(SCRIPT)
app = changing
