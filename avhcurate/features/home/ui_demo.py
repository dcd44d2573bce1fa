"""The offer of the Home page to fill every page of the digits demo by one job."""

import streamlit as st

from avhcurate.datasets.sources.demo import is_demo
from avhcurate.datasets.sources.settings import DemoSettings
from avhcurate.ui.frame import Opened, attempt
from avhcurate.ui.job_forms import start
from avhcurate.ui.signin import for_curators
from avhcurate.workspace.disk.jobs import Jobs

_WHAT = """
**Two trainings, predicted HSF, self-training, a map, suspects, quality and degradation of the digits**, in the
background and in a minute or two. Cancel it at any time: finished steps are not repeated.
"""


def offer(page: Opened, *, busy: bool) -> None:
    """The button that fills every page, on the digits only and until the job was done once."""
    if not is_demo(page.table.dataset) or _done(page):
        return
    with st.container(border=True):
        st.markdown(_WHAT)
        st.button(
            "Fill every page",
            icon=":material/auto_awesome:",
            key="home.fill",
            type="primary",
            on_click=attempt,
            args=(start, page.workspace.root, DemoSettings(full=True)),
            **for_curators("Running jobs", disabled=busy),
        )


def _done(page: Opened) -> bool:
    jobs = Jobs(page.workspace.root).all()
    return any(job.verb == "demo" and "--full" in job.argv and job.state == "done" for job in jobs)
