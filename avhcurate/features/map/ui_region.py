"""The region on the Map page: its images in a grid, and the way to the gallery."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.datasets.curate.saved import LONGEST_NAME, Saved
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.features.map.store import MapFolder
from avhcurate.features.map.ui import MAP_HASH_FUNCS, REGION, MapInView
from avhcurate.ui import grid_actions, regions
from avhcurate.ui.cache import kept
from avhcurate.ui.frame import Opened, attempt
from avhcurate.ui.grid_bar import sample_grid
from avhcurate.ui.grid_views import GridView
from avhcurate.ui.layout import in_a_row
from avhcurate.ui.regions import Region, write_region
from avhcurate.ui.signin import for_curators, who

#: Session state: the gallery is to be opened.
_GO = "map.go"


def images(page: Opened, shown: MapInView) -> GridView | None:
    """Draw the images of the region in a grid, with its actions."""
    region = shown.region
    if region is None:
        return None
    sort, descending = page.view.sort, page.view.descending
    ids = _ordered(page.table, shown.folder, page.filters, region, sort, descending, shown.points)
    with st.container():
        st.markdown(f"**{len(ids):,} of {len(shown.points):,} images in the region**")
        with in_a_row("center", gap="xsmall"):
            if ids:
                st.button(
                    "Open in Gallery",
                    icon=":material/grid_view:",
                    key="map.gallery",
                    on_click=attempt,
                    args=(_keep_as_last, page, ids),
                    **for_curators(help=f"Saves them as the set “{_last()}” and shows it in the gallery."),
                )
                with st.popover("Order", icon=":material/sort:", key="map.order"):
                    grid_actions.choose_order(page, page.help)
            regions.clear_button(REGION)
        if ids:
            about = f"{shown.about} {write_region(region)}"
            return sample_grid(page, ids, about=about, score=page.view.sort)
        st.markdown("The region holds no image. Draw another one.")
        return None


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


def _last() -> str:
    """Return the name of the set through which the gallery gets the region's samples: one for each person."""
    if not who():
        return "last map selection"
    return f"last map selection of {who()}"[:LONGEST_NAME]


def go_to_gallery() -> None:
    """Open the gallery with the region's samples after the button was pressed."""
    if st.session_state.pop(_GO, False):
        grid_actions.go_to_gallery(Filters(excluded=None, sets=(_last(),)))


def _keep_as_last(page: Opened, ids: Sequence[int]) -> None:
    Saved(page.workspace, page.table.present_name()).save_set(_last(), ids)
    st.session_state[_GO] = True
