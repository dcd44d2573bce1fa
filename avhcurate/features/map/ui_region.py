"""The region on the Map page: its images in a grid, and the way to the gallery."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.features.map.store import MapFolder
from avhcurate.features.map.ui import IN_GALLERY, MAP_HASH_FUNCS, REGION, MapInView
from avhcurate.ui.base import url_state
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.frame import Opened
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
                look: dict[str, Any] = {"icon": ":material/grid_view:", "width": "content"}
                st.page_link(PAGES / "gallery.py", label="Open in Gallery", query_params=query, **look)
                grid_actions.choose_order(page, page.help)
            actions_grid(page, view, part=True)
        return view


def of_region(page: Opened, shown: MapInView) -> GridView | None:
    """Say how many images the region holds, and return them in the page's order; None without a region."""
    if (region := shown.region) is None:
        return None
    sort = page.view.sort
    descending = page.view.descending
    ids = _ordered(page.table, shown.folder, page.filters, region, sort, descending, shown.points)
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
