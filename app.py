"""The server: the Streamlit app with the routes that serve images. Run it with `streamlit run app.py`."""

from pathlib import Path

import streamlit as st

from avhcurate.ui.image_routes import routes
from avhcurate.ui.own_hosts import only_own
from avhcurate.ui.tcp_nodelay import without_delay
from avhcurate.ui.user_errors import show_user_error

# `streamlit run` looks for this assignment and then serves what `app` is at the end.
app = st.App(Path(__file__).parent / "avhcurate" / "ui" / "main.py", routes=routes(), on_script_error=show_user_error)
app = without_delay(only_own(app))
