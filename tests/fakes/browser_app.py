"""The app with routes by which a test opens another workspace, or slows it: one server for all browser tests."""

import os
import runpy
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import streamlit as st
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.ui.shell import sidebar_filters

SCRIPT = Path(__file__).parents[2] / "app.py"
served = runpy.run_path(str(SCRIPT))["app"]
#: Seconds that each count of images takes longer.
pause = 0.0


def slowed(count: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(count)
    def counted(*args: Any, **keywords: Any) -> Any:
        time.sleep(pause)
        return count(*args, **keywords)

    return counted


DatasetTable.count = slowed(DatasetTable.count)  # type: ignore[method-assign]
sidebar_filters.count_facets = slowed(sidebar_filters.count_facets)


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
