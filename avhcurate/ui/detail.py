"""The detail view of one sample: the image, people beside the network, every score, its neighbours."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.curate.annotations import annotate
from avhcurate.curate.history import describe, history_entries
from avhcurate.errors import CurateError
from avhcurate.scores import SCORES
from avhcurate.table.sample import Inspection, inspect, neighbours, rows_of
from avhcurate.ui import url_state
from avhcurate.ui.charts import show_chart
from avhcurate.ui.components.grid import Tile, image_grid
from avhcurate.ui.detail_plot import class_bars
from avhcurate.ui.frame import Opened, attempt, mirrored, show_messages
from avhcurate.ui.grid_keys import say_elsewhere
from avhcurate.ui.grid_views import GridView
from avhcurate.ui.image_routes import image_url
from avhcurate.ui.score_help import explain_scores, value_text
from avhcurate.ui.signin import for_curators, who
from avhcurate.ui.tiles import make_tiles, tile_columns
from avhcurate.ui.user_errors import plain, show_user_error

_NEIGHBOURS = 8
#: Entries of a sample's history that are shown.
_ENTRIES = 20


def show_details(frame: Opened, listed: GridView | None, *opened: int | None) -> None:
    """Opens the details of the view's sample, at the end of a page; previous and next step through `listed`.

    `opened` are the samples clicked in this run on a chart: the first that is not None goes into the view.
    """
    say_elsewhere()
    if (clicked := next((id for id in opened if id is not None), None)) is not None:
        open_sample(clicked)
        st.rerun()
    if frame.view.sample is not None:
        _dialog(frame, listed.ids if listed else np.empty(0, np.int64))


def view_holding(views: Sequence[GridView | None], sample: int | None) -> GridView | None:
    """The view that holds the sample, for the details to step through; None where none does."""
    return next((view for view in views if view and sample is not None and sample in view.ids), None)


def open_sample(id: int | None) -> None:
    """Puts a sample into the address, so that its details open with the next run; None closes them."""
    url_state.change(sample=id)


def _close() -> None:
    open_sample(None)


@st.dialog("Sample", width="large", icon=":material/image_search:", on_dismiss=_close)
def _dialog(frame: Opened, ids: np.ndarray) -> None:
    # Read again: stepping changes the address and runs this function alone.
    id = url_state.current().sample
    if id is None:
        st.rerun()
    show_messages()
    try:
        frame.table.refresh()
        inspection = inspect(frame.table, id)
    except CurateError as error:
        show_user_error(error)
        return
    _header(inspection.row, ids)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        _image(frame, inspection.row)
        _curate(frame, inspection.row)
        _history(frame, id)
        if frame.table.run is not None and frame.table.run.has_features and inspection.row["problem"] is None:
            _neighbours(frame, id)
    with right:
        _compare(frame, inspection)
        _scores(inspection)
        _own_columns(frame, inspection)


def _header(row: dict[str, Any], ids: np.ndarray) -> None:
    place = next(iter(np.flatnonzero(ids == row["id"]).tolist()), None)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"`{row['path'].replace('`', '')}`")
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            if place is not None:
                st.caption(f"{place + 1:,} of {len(ids):,}")
            for label, shortcut, step in (("Previous", "Left", -1), ("Next", "Right", 1)):
                possible = place is not None and 0 <= place + step < len(ids)
                st.button(
                    label,
                    icon=f":material/{'chevron_left' if step < 0 else 'chevron_right'}:",
                    icon_position="left" if step < 0 else "right",
                    shortcut=shortcut,
                    key=f"detail.{label}",
                    disabled=not possible,
                    on_click=open_sample,
                    args=(int(ids[place + step]) if place is not None and possible else row["id"],),
                )


def _image(frame: Opened, row: dict[str, Any]) -> None:
    source = image_url(frame.table.dataset.name, row["id"], version=frame.version, full=True)
    image_grid(
        [Tile(row["id"], source, "", alt=f"Image {row['id']}, label {row['label_name'] or 'none'}")],
        key="detail.picture",
        tile_size=360,
        label="Image",
    )
    if row["problem"]:
        st.warning(f"The image could not be read: {row['problem']}", icon=":material/broken_image:")


def _curate(frame: Opened, row: dict[str, Any]) -> None:
    table, id, look = frame.table, row["id"], for_curators()
    st.selectbox(
        "Label",
        range(len(table.classes)),
        index=None,
        format_func=table.classes.__getitem__,
        key=mirrored("detail.label", row["curated_label"]),
        placeholder="no label",
        on_change=_relabel,
        args=(frame, id),
        **look,
    )
    tags = table.group_counts("tags")["value"].tolist()
    st.multiselect(
        "Tags",
        list(dict.fromkeys([*tags, *row["tags"]])),
        key=mirrored("detail.tags", list(row["tags"])),
        accept_new_options=True,
        placeholder="Add a tag",
        on_change=_set_tags,
        args=(frame, id, row["tags"]),
        **look,
    )
    key = mirrored("detail.excluded", row["excluded"])
    st.toggle("Excluded", key=key, on_change=_exclude, args=(frame, id), **look)


def _relabel(frame: Opened, id: int) -> None:
    attempt(annotate, frame.table, [id], "relabel", st.session_state["detail.label"], who=who(), done="Relabelled")


def _exclude(frame: Opened, id: int) -> None:
    action = "exclude" if st.session_state["detail.excluded"] else "include"
    attempt(annotate, frame.table, [id], action, who=who())


def _set_tags(frame: Opened, id: int, before: Sequence[str]) -> None:
    after = st.session_state["detail.tags"]
    for action, tags in (("tag", set(after) - set(before)), ("untag", set(before) - set(after))):
        for tag in sorted(tags):
            attempt(annotate, frame.table, [id], action, tag, who=who())


def _history(frame: Opened, id: int) -> None:
    """Decisions on this sample and the sets that hold it, if there are any."""
    entries, count = history_entries(frame.table, sample=id, limit=_ENTRIES)
    sets = frame.table.sets_of(id)
    if not entries and not sets:
        return
    with st.expander(f"History ({count})", icon=":material/history:"):
        if sets:
            st.markdown(f"In the sets {plain(', '.join(sets))}")
        for entry in entries:
            undone = f", undone by {entry.undone_by}" if entry.undone_by else ""
            text = f"{describe(entry, frame.table.classes)} · {entry.who}{undone}"
            st.caption(f"{entry.at:%Y-%m-%d %H:%M} UTC · {plain(text)}")
        if count > len(entries):
            st.caption(f"and {count - len(entries):,} older, listed on the page Saved")


def _compare(frame: Opened, inspection: Inspection) -> None:
    row, simulated = inspection.row, frame.table.simulated
    facts = [("Given label", row["label_name"] or "none"), ("Predicted", row["predicted_name"] or "not scored")]
    if row["hsf"] is not None:
        facts.append((f"HSF{' (simulated)' if simulated else ''}", f"{row['hsf']:.2f}"))
        facts.append(("95 % interval", f"{row['hsf_low']:.2f}–{row['hsf_high']:.2f} of {row['votes']} votes"))
    with st.container(horizontal=True, gap="medium"):
        for name, value in facts:
            with st.container(width="content", gap=None):
                st.caption(name)
                st.text(value)
    shares: dict[str, Any] = {"votes": inspection.votes, "softmax": inspection.softmax, "avc": inspection.avc}
    if inspection.softmax is not None or inspection.votes is not None:
        show_chart(class_bars(frame.table.classes, **shares, simulated=simulated), key="detail.bars")


def _scores(inspection: Inspection) -> None:
    keys = list(inspection.percentiles)
    if not keys:
        return
    scores = pd.DataFrame(
        {
            "Score": [SCORES[key].name for key in keys],
            "Value": [inspection.row[key] for key in keys],
            "Percentile": [100 * inspection.percentiles[key] for key in keys],
            "Harder": ["↑ high" if SCORES[key].harder == "high" else "↓ low" for key in keys],
        }
    )
    st.dataframe(
        scores,
        hide_index=True,
        height=28 * (len(keys) + 1) + 3,
        row_height=28,
        key="detail.scores",
        column_config={
            "Value": st.column_config.NumberColumn(format="%.4g"),
            "Percentile": st.column_config.ProgressColumn(
                format="%.0f", min_value=0, max_value=100, help="Share of samples whose value is not larger."
            ),
            "Harder": st.column_config.TextColumn(width="small", help="Which end means a harder sample."),
        },
    )
    explain_scores(keys, label="What these scores mean", key="detail.explain")


def _own_columns(frame: Opened, inspection: Inspection) -> None:
    """The sample's values in the user's columns."""
    kinds = frame.table.kinds
    if not kinds:
        return
    values = {"Your column": list(kinds), "Value": [value_text(kinds[name], inspection.row[name]) for name in kinds]}
    st.dataframe(
        pd.DataFrame(values), hide_index=True, height=min(300, 28 * len(kinds) + 31), row_height=28, key="detail.own"
    )


def _neighbours(frame: Opened, id: int) -> None:
    st.markdown("**Nearest by angle**")
    try:
        near = neighbours(frame.table, id, count=_NEIGHBOURS)
    except CurateError as error:
        st.caption(plain(str(error)))
        return
    rows = rows_of(frame.table, near.ids.tolist(), columns=tile_columns(frame.table.hardness)).assign(angle=near.angles)
    tiles = make_tiles(rows, frame.table.dataset.name, frame.version, score="angle")
    image_grid(tiles, key="detail.near", tile_size=88, label="Nearest neighbours by angle", on_open=open_sample)
