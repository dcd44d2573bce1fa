"""The region of a map: its images next to the map, and the map next to the gallery."""

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.features.map.store import MapFolder, maps
from avhcurate.features.map.ui import IN_GALLERY, MAP_HASH_FUNCS, REGION, MapInView, choose_map, first
from avhcurate.features.map.ui_points import chart
from avhcurate.ui.base import url_state
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.job_forms import await_more
from avhcurate.ui.base.job_panel import job_panel
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.charts import regions
from avhcurate.ui.charts.regions import Region, write_region
from avhcurate.ui.grid import grid_actions
from avhcurate.ui.grid.grid_bar import actions_grid
from avhcurate.ui.grid.grid_views import GridView, list_view
from avhcurate.workspace.disk.app_files import PAGES


def images(page: Opened, shown: MapInView) -> GridView | None:
    """Draw the images of the region in a grid, with its actions."""
    if shown.region is None:
        return None
    with st.container():
        view = of_region(page, shown)
        if view and view.count:
            with in_a_row("center", gap="xsmall"):
                query = url_state.current().choosing(IN_GALLERY.name, IN_GALLERY.write(True)).elsewhere
                st.page_link(
                    PAGES / "gallery.py",
                    label="Open in Gallery",
                    icon=":material/grid_view:",
                    width="content",
                    query_params=query,
                )
                grid_actions.choose_order(page, page.help)
            actions_grid(page, view, part=True)
        return view


def of_region(page: Opened, shown: MapInView) -> GridView | None:
    """Say how many images the region holds, and return them in the page's order; None without a region."""
    if (region := shown.region) is None:
        return None
    sort = page.view.sort
    ids = _ordered(page.table, shown.folder, page.filters, region, sort, page.view.descending, shown.points)
    with in_a_row("center", gap="xsmall"):
        st.markdown(f"**{len(ids):,} of {len(shown.points):,} images in the region**", width="content")
        regions.clear_button(REGION)
    if not ids:
        st.markdown("The region holds no image. Draw another one.")
    return list_view(page, ids, about=f"{shown.about} {write_region(region)}", score=sort)


@kept(most=6, funcs=MAP_HASH_FUNCS)
def _ordered(
    table: DatasetTable,
    folder: MapFolder,
    filters: Filters,
    region: Region,
    sort: str,
    descending: bool,
    _points: pd.DataFrame,
) -> tuple[int, ...]:
    """Return ids of the samples in the region, in order; `_points` are those of the folder, in any colour."""
    ids = _points["id"][region.holds(_points["x"], _points["y"])]
    order = table.order(filters, sort=sort, descending=descending)
    return tuple(order[np.isin(order, ids)].tolist())


# --- next to the gallery ------------------------------------------------------------------------------------------


def choose(page: Opened) -> None:
    """Draw the switch of the map in the gallery, where images can have a place."""
    if _possible(page):
        IN_GALLERY.show(st.toggle, "Map", help="Shows the map next to the images: what is drawn there narrows them.")


def in_gallery(page: Opened) -> GridView | None:
    """Draw the map if it is asked for, and return the images of its region; None without one."""
    if not (_possible(page) and IN_GALLERY.asked()):
        return None
    with st.container():
        folders = maps(page.run)
        await_more(lambda: len(maps(page.run)))
        if not folders:
            job_panel()
            first(page)
            return None
        shown = choose_map(page, folders)
        view = of_region(page, shown)  # above the map, where the way back is in sight
        chart(page, shown, linked=True)
        return view


def _possible(page: Opened) -> bool:
    return page.table.run is not None and page.table.run.has_features
