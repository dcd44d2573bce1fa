"""The server: the Streamlit app and routes for images, rows, points and exports. Run it with `streamlit run app.py`."""

import streamlit as st

from avhcurate.features.annotate import ui as annotators
from avhcurate.features.certificate import ui as certificate
from avhcurate.features.classes import ui as classes
from avhcurate.features.payoff import ui as payoff
from avhcurate.features.suspects import ui_review as review
from avhcurate.ui.base import export_menu, signin
from avhcurate.ui.base.frame import show_user_error
from avhcurate.ui.components import page, scatter
from avhcurate.ui.grid import grid_bar, grid_routes
from avhcurate.ui.server import decisions, guards, image_routes, script_routes, timers
from avhcurate.workspace.disk.app_files import PACKAGE

#: What can be decided in a browser, by kind of decision.
TAKERS: decisions.Takers = {
    **grid_bar.TAKERS,
    **review.TAKERS,
    **annotators.TAKERS,
    **classes.TAKERS,
    **payoff.TAKERS,
    **certificate.TAKERS,
}
ROUTES = [
    *decisions.routes(TAKERS),
    *image_routes.routes(),
    *grid_routes.routes(),
    *scatter.routes(),
    *script_routes.routes(),
    *export_menu.routes(),
    *signin.routes(),
    *page.routes(),
]
timers.end_with_their_page()
# `streamlit run` looks for this assignment.
app = st.App(
    PACKAGE / "ui" / "shell" / "main.py",
    routes=ROUTES,
    middleware=guards.middleware(),
    on_script_error=show_user_error,
)
