"""The server: the Streamlit app and routes for images, rows, points and exports. Run it with `streamlit run app.py`."""

import streamlit as st

from avhcurate.ui import changes, export_menu, grid_routes, guards, image_routes, scatter_routes, script_routes, signin
from avhcurate.ui.user_errors import show_user_error
from avhcurate.workspace.disk.app_files import PACKAGE

ROUTES = [
    *image_routes.routes(),
    *grid_routes.routes(),
    *scatter_routes.routes(),
    *script_routes.routes(),
    *export_menu.routes(),
    *signin.routes(),
    *changes.routes(),
]
# `streamlit run` looks for this assignment.
app = st.App(PACKAGE / "ui" / "main.py", routes=ROUTES, middleware=guards.middleware(), on_script_error=show_user_error)
