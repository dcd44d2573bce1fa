"""The details of a sample, next to the page or above it: the image, people and the network, scores, neighbours."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.datasets.curate.history import describe, history_entries
from avhcurate.datasets.table.sample import Inspection, inspect, lookalike, neighbours, rows_of
from avhcurate.errors import CurateError
from avhcurate.measures.scores import SCORES
from avhcurate.ui.base import url_state
from avhcurate.ui.base.frame import Opened, show_messages, show_user_error, while_allowed
from avhcurate.ui.base.layout import apart, help_menu, in_a_row
from avhcurate.ui.base.notes import neighbours_note
from avhcurate.ui.base.page_choices import go_to_gallery, open_sample, open_side_by_side, side_by_side
from avhcurate.ui.base.score_help import explain_scores, format_score, score_name
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.user_errors import plain, said
from avhcurate.ui.charts.chart_style import class_bars, of_hsf
from avhcurate.ui.charts.show import show_chart
from avhcurate.ui.components.grid import image_grid
from avhcurate.ui.components.viewer import Nearby, Picture, image_viewer
from avhcurate.ui.components.why import why_hard
from avhcurate.ui.grid.grid_bar import key_data, say_elsewhere
from avhcurate.ui.grid.grid_views import GridView, tiles_of
from avhcurate.ui.grid.reasons import reason_of
from avhcurate.ui.server.image_routes import image_url
from avhcurate.workspace.data.consensus import TOLD_APART

_NEIGHBOURS = 12
#: Entries of a sample's history that are shown.
_ENTRIES = 20
#: Images before and behind that the viewer steps through by itself.
_NEARBY = 60
#: Height of a row of a table.
_ROW = 28
#: Key of the viewer, and of what its browser sends.
_VIEWER = "detail.viewer"
_WHY = (
    "To the network an image is a direction, and so is a class. AVH is the angle to the label as a share of the "
    "angles to all classes. In orange: the nearest other class."
)
#: Session state: the image shown last that the list had, and its place there.
_PLACE = "detail.place"


def show_details(frame: Opened, listed: GridView | None, *opened: int | None) -> None:
    """Open the details of the view's sample, at the end of a page; previous and next step through `listed`.

    `opened` are the samples clicked in this run on a chart: the first that is not None goes into the view.
    """
    say_elsewhere()
    for clicked in opened:
        if clicked is not None:
            open_sample(clicked)
            st.rerun()
    if frame.view.sample is None:
        return
    with st.container(key="details"):
        _details(frame, listed)


def view_holding(views: Sequence[GridView | None], sample: int | None) -> GridView | None:
    """Return the view that holds the sample, for the details to step through; None if none does."""
    return next((view for view in views if view and sample is not None and sample in view.ids), None)


@st.fragment
@while_allowed
def _details(frame: Opened, listed: GridView | None) -> None:
    # Read again: stepping changes the address and runs only this function.
    view = url_state.current()
    if view.sample is None:
        st.rerun()
    show_messages()
    with apart():
        st.header("Image", anchor=False)
        st.button(
            "Close", icon=":material/close:", key="detail.close", type="tertiary", on_click=open_sample, args=(None,)
        )
    try:
        frame.opened.refresh()
        frame = replace(frame, entry=frame.opened.samples.entry)
        inspection = inspect(frame.opened.samples, frame.opened.run, frame.opened.votes, view.sample)
    except CurateError as error:
        show_user_error(error)
        return
    ids = [id for id in side_by_side(view) if id < frame.opened.samples.size]
    if len(ids) > 1:
        _viewer(frame, ids, view.sample, listed)
    image_column, score_column = st.columns([3, 2], gap="medium")
    with image_column:
        if len(ids) == 1:
            _viewer(frame, ids, view.sample, listed)
        _curate(frame, inspection.row)
        _history(frame, view.sample)
    with score_column:
        _compare(frame, inspection)
        _why(frame, view.sample)
        if _has_features(frame) and inspection.row["problem"] is None:
            _neighbours(frame, view.sample)
        _scores(frame, inspection)


# --- the viewer --------------------------------------------------------------------------------------------------

#: Columns that the viewer says of an image.
_NAMED = ["id", "path", "label_name", "curated_label_name", "predicted_name", "tags", "excluded"]


def _viewer(frame: Opened, ids: Sequence[int], sample: int, listed: GridView | None) -> None:
    rows = rows_of(frame.opened.samples, ids, columns=_NAMED).astype(object)
    address = partial(image_url, frame.opened.samples)
    image_viewer(
        [_picture(row, address) for row in rows.where(rows.notna(), None).to_dict("records")],
        key=_VIEWER,
        active=ids.index(sample),
        near=_nearby(listed, sample),
        src=address("{id}", size="full"),
        whole=address("{id}", size="whole"),
        actions=key_data(frame, _VIEWER),
        closed=for_curators().get("help", ""),
        on_shown=open_sample,
        on_alone=lambda id: open_side_by_side([id]),
    )


def _picture(row: dict[Any, Any], address: Callable[..., str]) -> Picture:
    id = int(row["id"])
    first_label = row["label_name"] or "none"
    words = title = row["curated_label_name"] or first_label
    if row["predicted_name"]:
        words += f", predicted {row['predicted_name']}"
    return Picture(
        id=id,
        src=address(id, size="full"),
        whole=address(id, size="whole"),
        alt=f"Image {id}, label {words}",
        path=row["path"],
        title=title,
        given=first_label,
        predicted=row["predicted_name"] or "",
        badges=tuple(row["tags"]),
        muted=bool(row["excluded"]),
    )


def _nearby(listed: GridView | None, id: int) -> Nearby:
    """Return where the image lies in the list, or lay before it left the list, for example by an exclusion."""
    if listed is None:
        return Nearby()
    places = np.flatnonzero(listed.ids == id).tolist()
    if places:
        st.session_state[_PLACE] = id, places[0]
    last, position = st.session_state.get(_PLACE, (None, 0))
    if last != id:
        return Nearby()
    first = max(0, position - _NEARBY)
    around = tuple(listed.ids[first : position + _NEARBY + 1].tolist())
    fields = {"place" if places else "next": position}
    return Nearby(view=listed.key, count=listed.count, first=first, ids=around, **fields)


# --- the image ---------------------------------------------------------------------------------------------


def _has_features(frame: Opened) -> bool:
    return frame.opened.run is not None and frame.opened.run.has_features


def _curate(frame: Opened, row: dict[str, Any]) -> None:
    st.markdown(f"`{' '.join(row['path'].replace('`', '').splitlines())}`")  # code ends with its paragraph
    if row["problem"]:
        st.warning(f"The image could not be read: {plain(row['problem'])}", icon=":material/broken_image:")
    if _has_features(frame):
        help_text = "Orders the gallery by the angle to this image."
        if st.button("More like this", icon=":material/image_search:", key="detail.like", help=help_text):
            go_to_gallery(frame.filters, like=[row["id"]])


def _history(frame: Opened, id: int) -> None:
    """Draw the decisions on this sample and the sets that hold it, if there are any."""
    entries, count = history_entries(frame.opened.decisions, sample=id, limit=_ENTRIES)
    sets = frame.opened.samples.sets_of(id)
    if not entries and not sets:
        return
    with st.expander(f"History ({count})", icon=":material/history:"):
        if sets:
            st.markdown(f"In the sets {plain(', '.join(sets))}")
        for entry in entries:
            text = f"{describe(entry, frame.opened.samples.classes)} · {entry.who}"
            if entry.undone_by:
                text += f", undone by {entry.undone_by}"
            st.caption(f"{entry.at:%Y-%m-%d %H:%M} UTC · {plain(text)}")
        if count > len(entries):
            st.caption(f"and {count - len(entries):,} older, on the page Saved")


# --- people and the network --------------------------------------------------------------------------------------


def _compare(frame: Opened, inspection: Inspection) -> None:
    row = inspection.row
    simulated = frame.opened.samples.simulated
    label = "Given label"
    if frame.opened.samples.labels_by:
        label = "Label by votes"
    facts = {label: row["label_name"] or "none", "Predicted": row["predicted_name"] or "not scored"}
    if row["hsf"] is not None:
        facts[of_hsf(simulated)] = f"{row['hsf']:.2f}"
        facts["95 % interval"] = f"{row['hsf_low']:.2f}–{row['hsf_high']:.2f} of {row['votes']} votes"
    if row.get("hsf_predicted") is not None:
        ends = f"{row['hsf_predicted_low']:.2f}–{row['hsf_predicted_high']:.2f}"
        facts["Predicted HSF (not votes)"] = f"{row['hsf_predicted']:.2f}, interval {ends}"
    if row.get("consensus") is not None:
        facts[f"Consensus of {row['consensus_of']}"] = f"{row['consensus_label_name']}, {row['consensus']:.2f}"
    told = [row.get(name) for name in ("hsf", "hsf_predicted", "consensus")]
    if len(told) - told.count(None) > 1:
        st.caption(TOLD_APART)
    with in_a_row("top", gap="medium"):
        for name, value in facts.items():
            with st.container(width="content", gap=None):
                st.caption(name)
                st.text(value)
    if inspection.softmax is not None or inspection.votes is not None:
        show_chart(class_bars(frame.opened.samples.classes, inspection, simulated=simulated), key="detail.bars")


def _why(frame: Opened, id: int) -> None:
    """Draw why the image is hard, with a button that puts the nearest image of the other class beside it."""
    near = lookalike(frame.opened.samples, frame.opened.run, frame.opened.neighbours, id)
    if near is None:
        return
    with apart():
        st.markdown("**Why is this hard?**", help=_WHY)
        st.button(
            "Side by side",
            icon=":material/compare:",
            key="detail.beside",
            type="tertiary",
            on_click=open_side_by_side,
            args=([id, near.id],),
        )
    why_hard(reason_of(frame, near), key="detail.why")


def _scores(frame: Opened, inspection: Inspection) -> None:
    """Draw the sample's scores, and its values in the user's columns."""
    percentiles = inspection.percentiles
    keys = list(dict.fromkeys([*percentiles, *frame.opened.samples.kinds]))
    if not keys:
        return
    harder = {key: SCORES[key].harder for key in percentiles}
    scores = pd.DataFrame(
        {
            "Score": [score_name(key) for key in keys],
            "Value": [format_score(key, inspection.row[key]) for key in keys],
            "Percentile": [100 * percentiles.get(key, np.nan) for key in keys],
            "Harder": [harder.get(key, "") for key in keys],
        }
    )
    help_text = "Share of images whose value is not larger."
    percentile = st.column_config.ProgressColumn(format="%.0f", min_value=0, max_value=100, help=help_text)
    st.dataframe(
        scores,
        height=_ROW * (len(keys) + 1) + 3,
        column_config={"Percentile": percentile},
        hide_index=True,
        row_height=_ROW,
        key="detail.scores",
    )
    if percentiles:
        with help_menu("detail.explain"):
            explain_scores(percentiles)


def _neighbours(frame: Opened, id: int) -> None:
    opened = frame.opened
    st.markdown("**Nearest by angle**")
    try:
        nearest = neighbours(opened.samples, opened.run, opened.neighbours, id, count=_NEIGHBOURS)
    except CurateError as error:
        st.caption(said(error.text))
        return
    if note := neighbours_note(opened.neighbours):
        st.caption(note)
    tiles = tiles_of(frame, nearest.ids.tolist(), score="angle", values=pd.Series(nearest.angles, nearest.ids))
    image_grid(tiles, key="detail.near", tile_size=88, label="Nearest neighbours by angle", on_open=open_sample)
