"""The images of two runs on the Models page: a list of samples as a grid, each with what A and B say of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.compare.run_pair import RunPair
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.frame import Opened
from avhcurate.ui.grid_bar import sample_grid
from avhcurate.ui.grid_views import GridView
from avhcurate.ui.page_choices import Choice
from avhcurate.ui.regions import turned
from avhcurate.ui.user_errors import plain


@dataclass(frozen=True)
class ImageList:
    """Samples to show as a grid: what they are, in words, and their ids in order."""

    title: str
    ids: Sequence[int]


def images(page: Opened, pair: RunPair, listing: ImageList) -> GridView | None:
    """The samples of a listing as a grid, each with what A and B make of it."""
    st.markdown(f"**{plain(listing.title)}** · n {len(listing.ids):,}")
    if not listing.ids:
        st.markdown("No sample is like that here.")
        return None
    classes, about = class_names(page, pair), f"{pair.names} {listing.title}"
    return sample_grid(page, listing.ids, about=about, look=lambda tile: _look(tile, pair.points, classes))


def _look(tile: Tile, points: pd.DataFrame, classes: Sequence[str]) -> Tile:
    """A tile that says how hard A and B find it, and what they predict."""
    place = int(points["id"].searchsorted(tile.id))  # they stand in the order of their ids
    if place == len(points) or points["id"].iloc[place] != tile.id:
        return tile  # hard for all runs, and yet A or B has not scored it
    row = points.iloc[place].to_dict()
    hard = " · ".join(f"{side.upper()} {_percent(row[f'{side}_rank'])}" for side in "ab")
    says = " · ".join(f"{side.upper()} {classes[int(row[f'{side}_predicted'])]}" for side in "ab")
    differs = not (row["a_right"] and row["b_right"])
    return replace(tile, score=hard, sub=says, differs=differs, alt=f"{tile.alt}, percentile {hard}, says {says}")


def _percent(rank: float) -> str:
    return "–" if rank != rank else f"{100 * rank:.0f}"


def class_names(page: Opened, pair: RunPair) -> list[str]:
    """Names by class of whichever run tells more classes apart; the open one may know fewer."""
    known = list(page.table.classes)
    return [*known, *map(str, range(len(known), pair.num_classes))]


def picked_row(table: pd.DataFrame, choice: Choice[Any], *, key: str, share: str = "") -> int | None:
    """Draws a table whose rows answer `choice`; the number of the row that was just chosen."""
    event = st.dataframe(
        table,
        hide_index=True,
        key=turned(choice, key),
        on_select="rerun",
        selection_mode="single-row",
        row_height=30,
        column_config={share: st.column_config.NumberColumn(format="%.1f %%")} if share else {},
    )
    try:
        rows = event["selection"]["rows"]
    except (KeyError, TypeError):
        return None
    return int(rows[0]) if len(rows) and 0 <= rows[0] < len(table) else None
