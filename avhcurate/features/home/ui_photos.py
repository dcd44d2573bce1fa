"""The offer of real photos on Home: a public set with known wrong labels, which nothing but a click downloads."""

from functools import partial

import streamlit as st

from avhcurate.datasets.sources.fetch import PHOTOS, PUBLIC
from avhcurate.datasets.sources.settings import DemoSettings
from avhcurate.ui.base.job_forms import job_button
from avhcurate.ui.base.user_errors import plain
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.network import has_network

_TITLE = "Real photos, some of them labelled wrong on purpose"
_OFFLINE = "This machine has no network, and they have to be downloaded. The digits need none."
_AGREE = "Downloads the photos and finds what is labelled wrong. By the click you agree to the licence."


def offer_photos(workspace: Workspace) -> None:
    """Draw what the set is, its size and licence, and the button that downloads it; nothing once it is here."""
    if PHOTOS in workspace.names():
        return
    public = PUBLIC[PHOTOS]
    with st.container(border=True, key="home.photos"):
        st.markdown(f"**{_TITLE}**")
        terms = f"{public.title}. From {public.home}, {public.megabytes}. Licence: {public.licence}."
        st.caption(plain(f"{terms} To cite: {public.citation}."))
        if not has_network():
            st.caption(_OFFLINE)
            return
        settings = partial(DemoSettings, photos=True, yes=True)
        label = f"Download {public.megabytes}"
        job_button(label, "cloud_download", settings, key="home.fetch_photos", type="secondary")
        st.caption(_AGREE)
