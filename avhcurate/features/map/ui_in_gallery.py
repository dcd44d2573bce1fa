"""The map next to the gallery: its switch, the map or the button that makes one, and the images of its region."""

import streamlit as st

from avhcurate.features.map.ui import IN_GALLERY, choose_map
from avhcurate.features.map.ui_points import chart
from avhcurate.features.map.ui_region import of_region
from avhcurate.features.map.ui_start import first, maps_of_run
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.job_forms import await_more
from avhcurate.ui.base.job_panel import job_panel
from avhcurate.ui.grid.grid_views import GridView


def choose(page: Opened) -> None:
    """Draw the switch, where images can have a place."""
    if _possible(page):
        IN_GALLERY.show(st.toggle, "Map", help="Shows the map next to the images: what is drawn there narrows them.")


def in_gallery(page: Opened) -> GridView | None:
    """Draw the map if it is asked for, and return the images of its region; None without one."""
    if not (_possible(page) and IN_GALLERY.asked()):
        return None
    with st.container():
        maps = maps_of_run(page)
        await_more(lambda: len(maps_of_run(page)))
        if not maps:
            job_panel()
            first(page)
            return None
        shown = choose_map(page, maps)
        region = of_region(page, shown)  # above the map, where the way back is in sight
        chart(page, shown, linked=True)
        return region


def _possible(page: Opened) -> bool:
    return page.table.run is not None and page.table.run.has_features
