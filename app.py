"""The server: the Streamlit app with the routes that serve images. Run it with `streamlit run app.py`."""

from pathlib import Path

import streamlit as st

from avhcurate.ui.mistakes import show_user_error
from avhcurate.ui.nodelay import without_delay
from avhcurate.ui.routes import routes

# `streamlit run` looks for this assignment and then serves what `app` is at the end.
app = st.App(Path(__file__).parent / "avhcurate" / "ui" / "main.py", routes=routes(), on_script_error=show_user_error)
app = without_delay(app)
