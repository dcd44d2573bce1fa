"""The server: the Streamlit app and routes for images, rows, points and exports. Run it with `streamlit run app.py`."""

import streamlit as st

from avhcurate.disk.app_files import PACKAGE
from avhcurate.ui import grid_routes, image_routes, packs, scatter_routes
from avhcurate.ui.own_hosts import only_own
from avhcurate.ui.signin import only_signed_in
from avhcurate.ui.tcp_nodelay import without_delay
from avhcurate.ui.user_errors import show_user_error

# `streamlit run` looks for this assignment and then serves what `app` is at the end.
routes = [*image_routes.routes(), *grid_routes.routes(), *packs.routes(), *scatter_routes.routes()]
app = st.App(PACKAGE / "ui" / "main.py", routes=routes, on_script_error=show_user_error)
app = without_delay(only_own(only_signed_in(app)))
