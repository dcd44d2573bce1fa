"""The server: the Streamlit app and routes for images, rows, points and exports. Run it with `streamlit run app.py`."""

import streamlit as st

from avhcurate.features.annotate import ui_session as annotators
from avhcurate.features.suspects import ui_review as review
from avhcurate.ui import (
    changes,
    decisions,
    export_menu,
    grid_keys,
    grid_routes,
    guards,
    image_routes,
    scatter_routes,
    script_routes,
    signin,
)
from avhcurate.ui.user_errors import show_user_error
from avhcurate.workspace.disk.app_files import PACKAGE

#: What can be decided in a browser, by kind of decision.
TAKERS: decisions.Takers = {**grid_keys.TAKERS, **review.TAKERS, **annotators.TAKERS}
ROUTES = [
    *decisions.routes(TAKERS),
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
