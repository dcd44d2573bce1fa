"""Part of the Annotators page: samples whose label annotators dispute, by Dawid-Skene."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from avhcurate.annotate import vote_quality
from avhcurate.annotate.ui_vote_quality import VOTES_HASH
from avhcurate.annotate.vote_quality import VoteQuality
from avhcurate.table.sample import rows_of
from avhcurate.ui.components.grid import Tile, image_grid
from avhcurate.ui.frame import Opened
from avhcurate.ui.tiles import make_tiles, tile_columns

#: Up to so many votes it is worked out unasked.
_CHEAP = 20_000
_MOST = 24


def disputed_labels(here: Opened, quality: VoteQuality) -> tuple[list[int], int | None]:
    """The surest of them as tiles; ids on show, and the id just opened."""
    st.subheader("Where people contradict the label")
    st.caption(
        "Dawid and Skene (1979): who is often wrong counts less. It finds labels to look at; HSF stays the plain share "
        "of votes, which measures how hard an image is."
    )
    if len(quality.votes) > _CHEAP and not st.toggle("Work it out", key="annotators.opinions"):
        return [], None
    found = _disputed_labels(here.table, quality.design)
    if found.empty:
        st.caption("No label is contradicted so far.")
        return [], None
    shown = found.head(_MOST)
    more = f" of {len(found):,}, the surest first" if len(found) > len(shown) else ""
    st.caption(f"{len(shown):,} images{more}; on each what people say, and how probable that is.")
    event = image_grid(
        _tiles(here, shown),
        key="annotators.contradicted",
        tile_size=110,
        selectable=False,
        label="Where people contradict the label",
    )
    return shown["id"].tolist(), event.opened


_disputed_labels = st.cache_data(max_entries=8, show_spinner="Weighing what people say …", hash_funcs=VOTES_HASH)(
    vote_quality.disputed_labels
)


def _tiles(here: Opened, shown: pd.DataFrame) -> list[Tile]:
    rows = rows_of(here.table, shown["id"].tolist(), columns=tile_columns("hsf"))
    tiles = make_tiles(rows, here.table.dataset.name, here.version, score="hsf")
    names = dict(enumerate(here.table.classes))
    said = [f"people: {names.get(label, 'something else')}" for label in shown["said"]]
    return [
        replace(tile, score="", sub=what, note=f"{prob:.2f}", differs=True)
        for tile, what, prob in zip(tiles, said, shown["prob"], strict=True)
    ]
