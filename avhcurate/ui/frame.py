"""The frame that all pages share: navigation, dataset, model run and filters in the sidebar."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from avhcurate.curation.bins import bin_labels, edges_of
from avhcurate.curation.filters import NONE, Filters
from avhcurate.errors import CurateError
from avhcurate.scores import SCORES
from avhcurate.services import jobs, saved
from avhcurate.services.tables import DatasetTable, titles
from avhcurate.storage.workspace import Workspace
from avhcurate.ui import cache, state
from avhcurate.ui.explain import score_name
from avhcurate.ui.mistakes import plain, show_mistake
from avhcurate.ui.signin import who
from avhcurate.ui.state import View

_HERE = "frame.here"
_MISTAKE = "frame.mistake"
#: Name of the page that is open, which a saved view comes back to.
_PAGE = "frame.page"
#: What may happen to excluded samples, and the filter that says so.
_EXCLUDED = {"Hide": False, "Show": None, "Only": True}


@dataclass(frozen=True)
class Frame:
    """What a page is about: the view, fitted to what exists, and the open table (None without a dataset).

    `count` is how many samples satisfy the filters.
    """

    workspace: Workspace
    view: View
    table: DatasetTable | None = None
    count: int = 0

    @property
    def filters(self) -> Filters:
        return self.view.filters

    @property
    def version(self) -> str:
        """Short fingerprint of the dataset, for picture addresses."""
        return self.table.dataset.record.fingerprint[:12] if self.table else ""


@dataclass(frozen=True)
class Opened(Frame):
    """A frame that has a dataset."""

    table: DatasetTable


# --- for pages -----------------------------------------------------------------------------------------------


def here() -> Frame:
    """The frame of this script run."""
    frame: Frame = st.session_state[_HERE]
    return frame


def with_data() -> Opened:
    """The frame with a dataset; without one, says how to get one and ends the page."""
    frame = here()
    if frame.table is None:
        empty_workspace(frame)
        st.stop()
    return Opened(frame.workspace, frame.view, frame.table, frame.count)


def with_run() -> Opened:
    """The frame with a dataset that a model has scored; without, says how to score it and ends the page."""
    frame = with_data()
    if frame.table.run is None:
        name = frame.table.dataset.name
        with st.container(border=True):
            st.subheader("No model has scored this dataset yet", icon=":material/model_training:")
            st.write("Start a scoring job on the Home page, or run:")
            st.code(f"avhcurate score {name} --model torchvision:resnet50", language="bash")
        st.stop()
    return frame


def with_votes() -> Opened:
    """The frame with a scored dataset that has human votes; without, says how to attach them and ends the page."""
    frame = with_run()
    if frame.table.votes is None:
        name = frame.table.dataset.name
        with st.container(border=True):
            st.subheader("No human votes are attached yet", icon=":material/how_to_vote:")
            st.write("This page compares people with the network, so it needs votes: a count matrix or a long table.")
            st.code(f"avhcurate votes {name} VOTES.csv", language="bash")
        st.stop()
    return frame


def empty_workspace(frame: Frame) -> None:
    """What to do in a workspace without datasets."""
    with st.container(border=True):
        st.subheader("No dataset yet", icon=":material/folder_open:")
        st.write(
            "Start with the embedded handwritten digits, which takes some seconds, or import your own images: "
            "a folder with a sub-folder per class, a CSV or Parquet manifest, or a Parquet file with image bytes."
        )
        job = jobs.current(frame.workspace.root)
        busy = job is not None and job.active
        st.button(
            "Load the digits demo",
            icon=":material/play_arrow:",
            type="primary",
            key="frame.demo",
            disabled=busy,
            on_click=attempt,
            args=(jobs.start, frame.workspace.root, ["demo"]),
            kwargs={"verb": "demo"},
        )
        st.code("avhcurate import NAME path/to/images", language="bash")
    if busy:
        _wait_for_job(frame)


def attempt(action: Callable[..., Any], *args: Any, done: str = "", **keywords: Any) -> None:
    """Calls `action` from a widget's callback; a user's mistake is shown above the page, success as a toast."""
    try:
        action(*args, **keywords)
    except CurateError as error:
        st.session_state[_MISTAKE] = str(error)
    else:
        if done:
            st.toast(plain(done), icon=":material/check_circle:")


def mirrored(key: str, value: Any) -> str:
    """Sets a widget to what the view says before it is drawn, and returns the widget's key."""
    st.session_state[key] = value
    return key


# --- for main.py ---------------------------------------------------------------------------------------------


def draw(workspace: Workspace, pages: Sequence[Any], *, page: str = "home", blind: bool = False) -> Frame:
    """Draws the sidebar, opens what the view asks for and leaves the frame for the page.

    `blind`: for a page on which people judge images, so that nothing of a model or of other people's votes shows; the
    filters stay in the address for the pages after it.
    """
    view, notices = state.read()
    st.session_state[_PAGE] = page
    frame = Frame(workspace, view)
    with st.sidebar:
        links = st.container(gap="xsmall")
        try:
            frame = _draw_data_and_filters(workspace, view, notices, blind)
        finally:
            # Drawn last, so that they carry the view as fitted; also beside a dataset that cannot be opened.
            for page in pages:
                links.page_link(page, query_params=frame.view.elsewhere)
    st.session_state[_HERE] = frame
    if mistake := st.session_state.pop(_MISTAKE, None):
        st.error(plain(mistake))
    if notices:
        st.warning("  \n".join(map(plain, notices)), icon=":material/link_off:")
    return frame


def _draw_data_and_filters(workspace: Workspace, view: View, notices: list[str], blind: bool) -> Frame:
    names = workspace.names()
    if not names:
        return Frame(workspace, view)
    view, table = _choose_data(workspace, names, view, notices, blind)
    if blind:
        return Frame(workspace, view, table, table.size)
    view, found = state.fit(view, table)
    notices += found
    if table.run is None and view.sort in SCORES:
        view = replace(view, sort="id", descending=False)
    return _draw_filters(workspace, view, table)


def _choose_data(
    workspace: Workspace, names: list[str], view: View, notices: list[str], blind: bool
) -> tuple[View, DatasetTable]:
    if view.dataset and view.dataset not in names:
        notices.append(f"There is no dataset {view.dataset} here: showing {names[0]}.")
        view = replace(view, dataset="", run="", sample=None)
    chosen = view.dataset or names[0]
    st.selectbox(
        "Dataset", names, key=mirrored("frame.dataset", chosen), on_change=_switch_dataset, label_visibility="collapsed"
    )
    folder = workspace.dataset(chosen)
    runs = {run.root.name: run.record for run in folder.runs() if run.complete}
    if view.run and view.run not in runs and view.run not in {record.model for record in runs.values()}:
        notices.append(f"{chosen} has no finished run {view.run}: showing the newest.")
        view = replace(view, run="")
    table = cache.table(workspace, chosen, view.run, view.edges)
    if blind:
        return view, table
    if runs:
        called = titles(folder)
        st.selectbox(
            "Model run",
            list(runs),
            key=mirrored("frame.run", table.run.root.name if table.run else None),
            format_func=lambda name: called[name],
            on_change=_switch_run,
            label_visibility="collapsed",
        )
    _describe(table)
    return view, table


def _describe(table: DatasetTable) -> None:
    badges = []
    if table.simulated:
        badges.append(":orange-badge[:material/smart_toy: Simulated votes]")
    elif table.votes is None:
        badges.append(":gray-badge[No human votes]")
    if table.run is None:
        badges.append(":gray-badge[Not scored yet]")
    if badges:
        note = table.votes.note if table.votes and table.votes.note else None
        st.markdown(" ".join(badges), help=note)


def _draw_filters(workspace: Workspace, view: View, table: DatasetTable) -> Frame:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown("**Filters**")
        st.button(
            "Clear all",
            type="tertiary",
            key="frame.clear",
            disabled=not view.filters.active,
            on_click=state.change,
            kwargs={"filters": Filters()},
        )
        _save_view(workspace, table)
    matching = st.empty()
    try:
        count = table.count(view.filters)
    except CurateError as error:
        show_mistake(error)
        view = replace(view, filters=view.filters.with_(where=""))
        count = table.count(view.filters)
    matching.caption(f"**{count:,}** of {table.size:,} samples match")
    filters = view.filters
    if table.votes is not None:
        _hsf_filter(table, filters)
    _class_filter("Class", "classes", table, filters)
    _value_filter("Split", "splits", table, filters.splits, "no split")
    _value_filter("Tags", "tags", table, filters.tags, "")
    _sets_filter(table, filters)
    _range_filters(table, filters)
    st.segmented_control(
        "Excluded samples",
        list(_EXCLUDED),
        key=mirrored("filter.excluded", next(name for name, value in _EXCLUDED.items() if value is filters.excluded)),
        on_change=_set_excluded,
        required=True,
    )
    more = sum(bool(value) for value in (filters.predicted, filters.mistakes, filters.where))
    with st.expander(f"More filters ({more})" if more else "More filters"):
        _more_filters(table, filters)
    return Frame(workspace, view, table, count)


def _save_view(workspace: Workspace, table: DatasetTable) -> None:
    """Keeps the page as it is under a name; the page Saved lists what is kept."""
    with st.popover("Save view", icon=":material/bookmark:", type="tertiary", key="frame.save"):
        st.text_input("Name", key="frame.view_name", max_chars=saved.LONGEST_NAME, placeholder="hard and wrong")
        st.button(
            "Save view",
            type="primary",
            key="frame.save_view",
            on_click=_keep_view,
            args=(workspace, table.dataset.name),
        )


def _hsf_filter(table: DatasetTable, filters: Filters) -> None:
    labels = bin_labels(table.edges)
    st.pills(
        "HSF bin (simulated)" if table.simulated else "HSF bin",
        range(len(labels)),
        selection_mode="multi",
        format_func=lambda index: labels[index].strip("[])").replace(", ", "–"),
        help=f"Human selection frequency: share of votes for the given label. Bins {', '.join(labels)}.",
        key=mirrored("filter.bins", [index for index in filters.hsf_bins if index != NONE]),
        on_change=_set_filter,
        args=("hsf_bins", "filter.bins"),
    )


def _class_filter(label: str, field: str, table: DatasetTable, filters: Filters) -> None:
    names = table.classes
    st.multiselect(
        label,
        [*range(len(names)), NONE],
        format_func=lambda index: "no label" if index == NONE else names[index],
        placeholder="Any",
        key=mirrored(f"filter.{field}", list(getattr(filters, field))),
        on_change=_set_filter,
        args=(field, f"filter.{field}"),
    )


def _value_filter(label: str, field: str, table: DatasetTable, chosen: tuple[str, ...], missing: str) -> None:
    """A choice among the values that occur; left out where there is nothing to choose."""
    found = table.group_counts("tags" if field == "tags" else "split", Filters(excluded=None))["value"]
    values = ["" if not isinstance(value, str) else value for value in found]
    options = list(dict.fromkeys([*values, *chosen]))
    if len(options) < (1 if field == "tags" else 2) and not chosen:
        return
    st.multiselect(
        label,
        options,
        format_func=lambda value: value or missing,
        placeholder="Any",
        key=mirrored(f"filter.{field}", list(chosen)),
        on_change=_set_filter,
        args=(field, f"filter.{field}"),
    )


def _sets_filter(table: DatasetTable, filters: Filters) -> None:
    """A choice among the stored sets; left out where there are none."""
    if table.sets:
        st.multiselect(
            "Sets",
            table.sets,
            placeholder="Any",
            key=mirrored("filter.sets", list(filters.sets)),
            on_change=_set_filter,
            args=("sets", "filter.sets"),
        )


def _range_filters(table: DatasetTable, filters: Filters) -> None:
    options = [*table.scores, *(["hsf"] if table.votes else []), *table.measures]
    if not options:
        return
    st.multiselect(
        "Score range",
        options,
        format_func=score_name,
        placeholder="Any",
        key=mirrored("filter.scores", [key for key, _, _ in filters.ranges]),
        on_change=_set_ranges,
    )
    for key, low, high in filters.ranges:
        ends = _ends(table, key)
        if ends is None:
            st.caption(f"{score_name(key)} has one value or none")
            continue
        least, most, step = ends
        value = (min(max(low, least), most), max(min(high, most), least))
        st.slider(
            score_name(key),
            least,
            most,
            step=step,
            format="%.4g",
            key=mirrored(f"filter.range.{key}", value),
            on_change=_set_range,
            args=(key, least, most),
        )


def _ends(table: DatasetTable, key: str) -> tuple[float, float, float] | None:
    """Ends and step of a slider, round numbers that enclose all values; None where there is nothing to choose."""
    whole = table.histogram(key, filters=Filters(excluded=None), bins=1)
    if whole.empty or not whole["low"][0] < whole["high"][0]:
        return None
    low, high = float(whole["low"][0]), float(whole["high"][0])
    digits = 2 - math.floor(math.log10(high - low))
    step = 10.0**-digits
    return round(math.floor(low / step) * step, digits), round(math.ceil(high / step) * step, digits), step


def _more_filters(table: DatasetTable, filters: Filters) -> None:
    if table.run is not None:
        st.toggle(
            "Only where the model disagrees",
            key=mirrored("filter.mistakes", filters.mistakes),
            on_change=_set_filter,
            args=("mistakes", "filter.mistakes"),
        )
        _class_filter("Predicted class", "predicted", table, filters)
    st.text_input(
        "SQL condition",
        placeholder="avh > 0.1 AND norm < 12",
        help="Any condition over the columns of an export, your own columns among them.",
        key=mirrored("filter.where", filters.where),
        on_change=_set_filter,
        args=("where", "filter.where"),
    )
    if table.votes is not None:
        st.text_input(
            "HSF bin edges",
            help="Rising numbers from 0 to 1, or q5 for five bins of about equally many samples. Bins hold their lower "
            "edge; the last holds both.",
            key=mirrored("filter.edges", ", ".join(f"{edge:g}" for edge in table.edges)),
            on_change=_set_edges,
            args=(table,),
        )


@st.fragment(run_every=1.0)
def _wait_for_job(frame: Frame) -> None:
    job = jobs.current(frame.workspace.root)
    if job is None or not job.active:
        st.rerun()
    share = job.done / job.total if job.total else 0.0
    st.progress(min(share, 1.0), text=job.message or "Preparing the digits …")


# --- callbacks -----------------------------------------------------------------------------------------------


def _switch_dataset() -> None:
    kept = state.current()
    state.write(View(dataset=st.session_state["frame.dataset"], tile=kept.tile, per_page=kept.per_page))


def _switch_run() -> None:
    state.change(run=st.session_state["frame.run"])


def _keep_view(workspace: Workspace, dataset: str) -> None:
    name = st.session_state["frame.view_name"]
    query = replace(state.current(), dataset=dataset, sample=None).to_query()
    attempt(
        saved.save_view,
        workspace,
        dataset,
        name,
        query,
        st.session_state[_PAGE],
        who=who(),
        done=f"View “{name.strip()}” saved",
    )


def _set_filter(field: str, key: str) -> None:
    value = st.session_state[key]
    state.change(filters=state.current().filters.with_(**{field: tuple(value) if isinstance(value, list) else value}))


def _set_excluded() -> None:
    state.change(filters=state.current().filters.with_(excluded=_EXCLUDED[st.session_state["filter.excluded"]]))


def _set_edges(table: DatasetTable) -> None:
    try:
        edges = edges_of(st.session_state["filter.edges"], table.frame(columns=["hsf"])["hsf"].to_numpy(float))
    except CurateError as error:
        st.session_state[_MISTAKE] = str(error)
    else:
        state.change(edges=edges, filters=state.current().filters.with_(hsf_bins=()))


def _set_ranges() -> None:
    filters = state.current().filters
    known = {item[0]: item for item in filters.ranges}
    keys: Iterable[str] = st.session_state["filter.scores"]
    state.change(filters=filters.with_(ranges=tuple(known.get(key, (key, -math.inf, math.inf)) for key in keys)))


def _set_range(key: str, least: float, most: float) -> None:
    """An end of the slider means no bound, so that rounding never loses the extreme samples."""
    low, high = st.session_state[f"filter.range.{key}"]
    new = (key, -math.inf if low <= least else low, math.inf if high >= most else high)
    filters = state.current().filters
    state.change(filters=filters.with_(ranges=tuple(new if item[0] == key else item for item in filters.ranges)))
