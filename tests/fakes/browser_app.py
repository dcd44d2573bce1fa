"""The app with one more route, by which a test puts another workspace behind it: one server for all browser tests."""

import os
import runpy
from pathlib import Path
from urllib.parse import parse_qs

import streamlit as st
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

SCRIPT = Path(__file__).parents[2] / "app.py"
served = runpy.run_path(str(SCRIPT))["app"]


async def switching(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers `/test/workspace?root=FOLDER` itself and leaves everything else to the app."""
    if scope["type"] != "http" or scope["path"] != "/test/workspace":
        return await served(scope, receive, send)
    os.environ["AVHCURATE_WORKSPACE"] = parse_qs(scope["query_string"].decode())["root"][0]
    return await PlainTextResponse("opened")(scope, receive, send)


# `streamlit run` looks for this assignment and then serves what `app` is at the end.
app = st.App(SCRIPT)
app = switching
