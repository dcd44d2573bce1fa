"""The app with one more route, by which a test puts another workspace behind it: one server for all browser tests."""

import os
from pathlib import Path

import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from avhcurate.ui.mistakes import show_mistake
from avhcurate.ui.nodelay import answer_at_once
from avhcurate.ui.routes import routes

MAIN_SCRIPT = Path(__file__).parents[2] / "avhcurate" / "ui" / "main.py"


def open_workspace(request: Request) -> PlainTextResponse:
    os.environ["AVHCURATE_WORKSPACE"] = request.query_params["root"]
    return PlainTextResponse("opened")


extended = [*routes(), Route("/test/workspace", open_workspace, methods=["POST"])]
app = st.App(MAIN_SCRIPT, routes=extended, on_script_error=show_mistake)
app = answer_at_once(app)
