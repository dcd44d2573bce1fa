"""The details of a sample: the image, people beside the network, scores, neighbours; over the page or beside it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.curate.history import describe, history_entries
from avhcurate.errors import CurateError
from avhcurate.neighbours.searches import EXACT_ROWS
from avhcurate.scores import SCORES
from avhcurate.table.sample import Inspection, inspect, neighbours, rows_of
from avhcurate.ui import url_state
from avhcurate.ui.charts import show_chart
from avhcurate.ui.components.grid import image_grid
from avhcurate.ui.components.viewer import Nearby, Picture, image_viewer
from avhcurate.ui.detail_plot import class_bars
from avhcurate.ui.frame import Opened, attempt, show_messages, while_allowed
from avhcurate.ui.grid_actions import PAGES
from avhcurate.ui.grid_keys import act, act_by_key, key_data, say_elsewhere
from avhcurate.ui.grid_views import GridView
from avhcurate.ui.image_routes import image_url
from avhcurate.ui.more_like import LIKE
from avhcurate.ui.neighbours_note import neighbours_note
from avhcurate.ui.open_images import in_panel, open_sample, open_side_by_side, put_in_panel, side_by_side
from avhcurate.ui.score_help import explain_scores, value_text
from avhcurate.ui.signin import for_curators
from avhcurate.ui.tiles import make_tiles, tile_columns
from avhcurate.ui.user_errors import plain, show_user_error

_NEIGHBOURS = 8
#: Entries of a sample's history that are shown.
_ENTRIES = 20
#: Images before and behind that the viewer steps through by itself.
_NEARBY = 60
#: Key of the viewer, and of what its browser sends.
_VIEWER = "detail.viewer"
#: Session state: something was done in the details, which the page beside them does not show yet.
_DONE = "detail.done"
#: Session state: the image shown last that the list had, and its place there.
_PLACE = "detail.place"


def show_details(frame: Opened, listed: GridView | None, *opened: int | None) -> None:
    """Opens the details of the view's sample, at the end of a page; previous and next step through `listed`.

    `opened` are the samples clicked in this run on a chart: the first that is not None goes into the view.
    """
    say_elsewhere()
    if (clicked := next((id for id in opened if id is not None), None)) is not None:
        open_sample(clicked)
        st.rerun()
    if frame.view.sample is None:
        return
    if in_panel():
        with st.container(key="details"):
            _panel(frame, listed)
    else:
        _dialog(frame, listed)


def view_holding(views: Sequence[GridView | None], sample: int | None) -> GridView | None:
    """The view that holds the sample, for the details to step through; None where none does."""
    return next((view for view in views if view and sample is not None and sample in view.ids), None)


def _close() -> None:
    open_sample(None)


@st.dialog("Sample", width="large", icon=":material/image_search:", on_dismiss=_close)
@while_allowed
def _dialog(frame: Opened, listed: GridView | None) -> None:
    _details(frame, listed, panel=False)


@st.fragment
@while_allowed
def _panel(frame: Opened, listed: GridView | None) -> None:
    _details(frame, listed, panel=True)


def _details(frame: Opened, listed: GridView | None, *, panel: bool) -> None:
    # Read again: stepping changes the address and runs this function alone.
    view = url_state.current()
    if view.sample is None or panel != in_panel() or (st.session_state.pop(_DONE, False) and panel):
        st.rerun()
    show_messages()
    try:
        frame.table.refresh()
        inspection = inspect(frame.table, view.sample)
    except CurateError as error:
        show_user_error(error)
        return
    ids = [id for id in side_by_side(view) if id < frame.table.size]
    if panel:
        _viewer(frame, ids, view.sample, listed, panel)
        _curate(frame, inspection.row, ids)
        _measured(frame, inspection)
        _around(frame, inspection.row)
        return
    if len(ids) > 1:
        _viewer(frame, ids, view.sample, listed, panel)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if len(ids) == 1:
            _viewer(frame, ids, view.sample, listed, panel)
        _around(frame, inspection.row)
    with right:
        _curate(frame, inspection.row, ids)
        _measured(frame, inspection)


def _measured(frame: Opened, inspection: Inspection) -> None:
    _compare(frame, inspection)
    _scores(inspection)
    _own_columns(frame, inspection)


def _around(frame: Opened, row: dict[str, Any]) -> None:
    if frame.table.run is not None and frame.table.run.has_features and row["problem"] is None:
        _neighbours(frame, row["id"])
    _history(frame, row["id"])


# --- the viewer --------------------------------------------------------------------------------------------------

#: Columns that the viewer says of an image.
_NAMED = ["id", "path", "label_name", "curated_label_name", "predicted_name"]


def _viewer(frame: Opened, ids: Sequence[int], sample: int, listed: GridView | None, panel: bool) -> None:
    rows = rows_of(frame.table, ids, columns=_NAMED).astype(object)
    address = partial(image_url, frame.table.dataset.name, version=frame.version)
    image_viewer(
        [_picture(row, address) for row in rows.where(rows.notna(), None).to_dict("records")],
        key=_VIEWER,
        active=ids.index(sample),
        near=_nearby(listed, sample),
        src=address("{id}", size="full"),
        whole=address("{id}", size="whole"),
        panel=panel,
        actions=key_data(frame.table, _VIEWER),
        on_act=partial(_act_by_key, frame),
        on_shown=open_sample,
        on_alone=lambda id: open_side_by_side([id]),
        on_layout=put_in_panel,
        on_close=_close,
    )


def _picture(row: dict[Any, Any], address: partial[str]) -> Picture:
    id, label = int(row["id"]), row["curated_label_name"] or row["label_name"] or "none"
    predicted = f", predicted {row['predicted_name']}" if row["predicted_name"] else ""
    return Picture(
        id,
        address(id, size="full"),
        address(id, size="whole"),
        alt=f"Image {id}, label {label}{predicted}",
        name=f"{label}{predicted} · {row['path']}",
    )


def _nearby(listed: GridView | None, id: int) -> Nearby:
    """Where the image lies in the list, or lay before it was excluded, say; nowhere where the list never had it."""
    if listed is None:
        return Nearby()
    places = np.flatnonzero(listed.ids == id)
    gone = not len(places)
    if gone and st.session_state.get(_PLACE, (None,))[0] != id:
        return Nearby()
    place = int(st.session_state[_PLACE][1] if gone else places[0])
    st.session_state[_PLACE] = id, place
    first = max(0, place - _NEARBY)
    around = tuple(listed.ids[first : place + _NEARBY + 1].tolist())
    here, next = (None, place) if gone else (place, None)
    return Nearby(listed.key, here, next, listed.count, first, around)


def _act_by_key(frame: Opened) -> None:
    st.session_state[_DONE] = True
    act_by_key(frame.table, _VIEWER)


# --- what is decided ---------------------------------------------------------------------------------------------


def _curate(frame: Opened, row: dict[str, Any], ids: Sequence[int]) -> None:
    table, id, look = frame.table, row["id"], for_curators()
    st.markdown(f"`{' '.join(row['path'].replace('`', '').splitlines())}`")  # code ends with its paragraph
    if row["problem"]:
        st.warning(f"The image could not be read: {plain(row['problem'])}", icon=":material/broken_image:")
    st.selectbox(
        "Label",
        range(len(table.classes)),
        index=None,
        format_func=table.classes.__getitem__,
        key=(key := _own_key("detail.label", id, row["curated_label"])),
        placeholder="no label",
        on_change=_relabel,
        args=(frame, id, key, row["curated_label"]),
        **look,
    )
    tags = table.group_counts("tags")["value"].tolist()
    st.multiselect(
        "Tags",
        list(dict.fromkeys([*tags, *row["tags"]])),
        key=(key := _own_key("detail.tags", id, list(row["tags"]))),
        accept_new_options=True,
        placeholder="Add a tag",
        on_change=_set_tags,
        args=(frame, id, key, row["tags"]),
        **look,
    )
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        key = _own_key("detail.excluded", id, row["excluded"])
        st.toggle("Excluded", key=key, on_change=_exclude, args=(frame, id, key, row["excluded"]), **look)
        _more_like(frame, ids)


def _own_key(name: str, id: int, value: Any) -> str:
    """A key for a widget that shows what holds of a sample: another for each sample, and where another than the widget
    has changed it.

    The browser sends what widgets showed, and may not have heard of the sample that has come up meanwhile: under one
    key for all samples, what it showed of the last one would be taken for a decision about this one.
    """
    of, number = st.session_state.get(name, (None, 0))
    key = f"{name}.{number}"
    if of != id or st.session_state.get(key) != value:
        key = f"{name}.{number + 1}"
        st.session_state[name] = id, number + 1
        st.session_state[key] = value
    return key


def _is_choice(key: str, shown: Any) -> bool:
    """Whether a widget of `_own_key` is the one in sight and shows something else than it was given."""
    name, _, number = key.rpartition(".")
    in_sight = st.session_state.get(name, (None, 0))[1] == int(number)
    return in_sight and key in st.session_state and st.session_state[key] != shown


def _act(frame: Opened, id: int, action: str, value: Any = None) -> None:
    st.session_state[_DONE] = True
    attempt(act, frame.table, [id], action, value, key=_VIEWER)


def _relabel(frame: Opened, id: int, key: str, shown: int | None) -> None:
    if _is_choice(key, shown):
        _act(frame, id, "relabel", st.session_state[key])


def _exclude(frame: Opened, id: int, key: str, shown: bool) -> None:
    if _is_choice(key, shown):
        _act(frame, id, "exclude" if st.session_state[key] else "include")


def _set_tags(frame: Opened, id: int, key: str, shown: Sequence[str]) -> None:
    if not _is_choice(key, list(shown)):
        return
    after = st.session_state[key]
    for action, tags in (("tag", set(after) - set(shown)), ("untag", set(shown) - set(after))):
        for tag in sorted(tags):
            _act(frame, id, action, tag)


def _more_like(frame: Opened, ids: Sequence[int]) -> None:
    """A button that goes to the gallery in the order of the angle to the images that are open."""
    if frame.table.run is None or not frame.table.run.has_features:
        return
    about = "Orders the gallery by the angle to what is open here."
    if st.button("More like this", icon=":material/image_search:", key="detail.like", help=about):
        view = replace(url_state.current(), row=1, sample=None, choices=()).choosing(LIKE.name, LIKE.write(tuple(ids)))
        st.switch_page(PAGES / "gallery.py", query_params=view.to_query())


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
    if row.get("hsf_predicted") is not None:
        ends = f"{row['hsf_predicted_low']:.2f}–{row['hsf_predicted_high']:.2f}"
        facts.append(("Predicted HSF (not votes)", f"{row['hsf_predicted']:.2f}, interval {ends}"))
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
    run = frame.table.run
    if run and frame.table.neighbours is None and frame.table.size > EXACT_ROWS:
        command = f"avhcurate neighbours {frame.table.dataset.name} --model {run.name}"
        st.caption(f"Compared with all. `{command}` finds those of every sample once.")
    if note := neighbours_note(frame.table.neighbours):
        st.caption(note)
    rows = rows_of(frame.table, near.ids.tolist(), columns=tile_columns(frame.table.hardness)).assign(angle=near.angles)
    tiles = make_tiles(rows, frame.table.dataset.name, frame.version, score="angle")
    image_grid(tiles, key="detail.near", tile_size=88, label="Nearest neighbours by angle", on_open=open_sample)
