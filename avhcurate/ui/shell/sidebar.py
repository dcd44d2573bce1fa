"""The sidebar: dataset, model run and filters; it leaves the frame for the page."""

from dataclasses import replace
from typing import Any

import streamlit as st

from avhcurate.datasets.curate.saved import LONGEST_NAME, Saved
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.head_notes import EPOCHS_OF_NETWORK, head_note
from avhcurate.datasets.table.open_dataset import OpenDataset, finished_run
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError, Text
from avhcurate.measures.scores import SCORES
from avhcurate.ui.base import cache, navigation, url_state
from avhcurate.ui.base.frame import PAGE, SIMULATED, Frame, attempt, enter, mirrored
from avhcurate.ui.base.layout import apart, closing_popover, in_a_row
from avhcurate.ui.base.notes import run_titles, warn_of_chance
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.text import counted, narrowed, shortened
from avhcurate.ui.base.url_state import View
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.charts.show import follow_mark
from avhcurate.ui.components.page import follow
from avhcurate.ui.shell.sidebar_filters import show_filters
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.app_files import added_pages

#: Session state: the names of the datasets that were opened.
_OPENED = "frame.opened"
#: Session state: the runs that each dataset had when it was opened, and those opened since.
_RUNS = "frame.runs"
#: Pages on which people judge images: there the frame shows nothing of a model or of other people's votes.
BLIND = {"annotate"}
#: Pages that show at once what people decide in other windows; the others when they run next.
LIVE = {"gallery", "suspects", "saved"}
#: Pages that filters do not change, Home among them.
UNFILTERED = {"", "annotators", *BLIND, *(name for name, added in added_pages().items() if not added.filtered)}
#: Characters of a name for which there is room.
_LONGEST = 30


def draw(workspace: Workspace, pages: navigation.Pages, page: Any) -> None:
    """Draw the navigation and the sidebar of `page`, open what the view asks for and leave the frame for the page.

    A page that filters do not change has none, and all images in view; they stay in the address for the next pages.
    """
    view, notices = url_state.read()
    st.session_state[PAGE] = page.url_path or "home"
    frame = Frame(workspace, view)
    links = in_a_row("center", gap="xsmall", key="navigation")  # before anything else is drawn on the page
    try:
        with st.sidebar:
            frame = _open(workspace, view, notices, page.url_path)
    finally:
        with st.sidebar:
            name = page.url_path
            follow(frame, runs=name not in BLIND, decisions=name in LIVE, answers=name == "suspects")
        # Drawn last, so that they carry the view as fitted; also if a dataset cannot be opened.
        with links:
            navigation.show(pages, page, frame.view.elsewhere)
    enter(frame)
    follow_mark()
    if frame.opened and frame.opened.run and page.url_path not in BLIND:
        warn_of_chance(frame.opened.dataset, frame.opened.run)
    if notices:
        st.warning("  \n".join(map(plain, notices)), icon=":material/link_off:")


def _open(workspace: Workspace, view: View, notices: list[str], page: str) -> Frame:
    names = workspace.names()
    view = _follow_rename(workspace, names, view, notices)
    if view.dataset and view.dataset not in names:
        _choose_dataset(names, None)
        return Frame(workspace, view, gone=_fate(view.dataset))
    if not names:
        return Frame(workspace, view)
    view, opened = _choose_data(workspace, names, view, notices, page in BLIND)
    frame = Frame(workspace, view, opened, entry=opened.samples.entry, filtered=page not in UNFILTERED)
    samples = opened.samples
    if page in BLIND:
        return replace(frame, count=samples.size)
    view, lost = url_state.fit(view, samples)
    notices += lost
    if view.sort in SCORES and opened.run is None:
        view = replace(view, sort="id", descending=False)
    elif view.sort in SCORES and view.sort not in samples.scores:
        view = replace(view, sort=samples.hardness, descending=SCORES[samples.hardness].harder == "high")
    frame = replace(frame, view=view)
    if page in UNFILTERED:
        return replace(frame, count=cache.count(samples, Filters()))
    count, problem = _filter(workspace, view, opened)
    return replace(frame, count=count, problem=problem)


def _choose_data(
    workspace: Workspace, names: list[str], view: View, notices: list[str], blind: bool
) -> tuple[View, OpenDataset]:
    folder = workspace.dataset(view.dataset or names[0])
    view = replace(view, dataset=folder.name)
    _choose_dataset(names, folder.name)
    st.session_state.setdefault(_OPENED, set()).add(folder.name)
    runs = {run.name: run.record for run in folder.runs() if run.complete}
    if view.run and view.run not in {*runs, *(record.model for record in runs.values())}:
        notices.append(f"{folder.name} has no finished run {view.run}, so the default one is shown.")
        view = replace(view, run="")
    if run := finished_run(folder, view.run or None):
        view = replace(view, run=run.name)
    opened = cache.open_shared(workspace, folder.name, view.run, view.edges)
    _put_in_address(view)
    if not blind:
        if opened.run:
            _choose_run(workspace, folder, opened.run.name, list(runs))
        _describe(opened)
    return view, opened


def _choose_dataset(names: list[str], name: str | None) -> None:
    st.selectbox(
        "Dataset",
        names,
        index=0 if name else None,
        key=mirrored("frame.dataset", name),
        on_change=_switch_dataset,
        label_visibility="collapsed",
        placeholder="Choose a dataset",
    )


def _follow_rename(workspace: Workspace, names: list[str], view: View, notices: list[str]) -> View:
    """Return the view with the present name of its dataset, where it has another now."""
    if not view.dataset or view.dataset in names:
        return view
    try:
        name = workspace.dataset(view.dataset).name
    except CurateError:
        return view
    notices.append(f"The dataset {view.dataset} is called {name} now.")
    return replace(view, dataset=name)


def _fate(name: str) -> str:
    """Return in words what has become of a dataset that is not there."""
    if name in st.session_state.get(_OPENED, ()):
        return f"The dataset {name} was removed"
    return f"There is no dataset {shortened(name, _LONGEST)}"


def _put_in_address(view: View) -> None:
    """Write which dataset and run are open, so that an address means the same tomorrow."""
    names = {"dataset": view.dataset, "run": view.run}
    if missing := {key: name for key, name in names.items() if name and st.query_params.get(key) != name}:
        st.query_params.update(missing)


def _choose_run(workspace: Workspace, folder: DatasetFolder, name: str, runs: list[str]) -> None:
    """Draw the choice of the run, a button for a run that was finished since, and one to make it the default."""
    titles = run_titles(folder, whole=False)
    default = folder.default_run
    st.selectbox(
        "Model run",
        runs,
        format_func=lambda run: narrowed(titles[run], _LONGEST),
        key=mirrored("frame.run", name),
        on_change=_switch_run,
        label_visibility="collapsed",
    )
    known_runs = st.session_state.setdefault(f"{_RUNS}.{folder.id}", set(runs))
    known_runs.add(name)
    for new in [run for run in runs if run not in known_runs]:
        st.button(
            f"New run: {plain(titles[new])}. Switch?",
            key=f"frame.new.{new}",
            icon=":material/new_releases:",
            on_click=url_state.change,
            kwargs={"run": new},
        )
    if default is not None and default.name != name:
        st.button(
            "Make it the default",
            key="frame.default",
            type="tertiary",
            on_click=attempt,
            args=(workspace.choose_default, folder.name, name),
            **for_curators(help="Opens this run wherever no other is named: on pages, in the shell and in notebooks."),
        )


def _describe(opened: OpenDataset) -> None:
    """Draw what must be known of votes and run, as badges with a note."""
    badges = []
    notes = []
    run = opened.run
    if run is not None:
        notes.append(plain(run_titles(opened.dataset)[run.name]))
    if opened.samples.votes is None:
        badges.append(":gray-badge[No human votes]")
    elif opened.samples.simulated:
        badges.append(SIMULATED)
        notes.append(opened.samples.votes.note)
    if run is None:
        badges.append(":gray-badge[Not scored yet]")
    else:
        if not run.has_heads:
            badges.append(":gray-badge[:material/extension: Attached, no class weights]")
        if run.record.fitted:
            badges.append(":gray-badge[Out of fold]")
        elif run.record.rows:
            badges.append(":gray-badge[Classes by name]")
        notes.append(plain(head_note(run.record)))
        if run.record.fitted and (opened.training or opened.learnt):
            notes.append(EPOCHS_OF_NETWORK)
    if badges:
        st.markdown(" ".join(badges), help="  \n".join(filter(None, notes)) or None)


def _filter(workspace: Workspace, view: View, opened: OpenDataset) -> tuple[int, Text]:
    """Draw the filters; return the number of matching samples, and the problem of their condition, if any.

    A condition that is not valid matches nothing: all samples would pass for those it was meant for.
    """
    with apart():
        st.markdown("**Filters**")
        st.button(
            "Clear all",
            type="tertiary",
            key="frame.clear",
            disabled=not view.filters.active,
            on_click=url_state.change,
            kwargs={"filters": Filters()},
        )
        _save_view(workspace, opened.samples)
    count = 0
    problem = Text()
    try:
        count = cache.count(opened.samples, view.filters)
    except CurateError as error:
        problem = error.text
    st.caption(f"{count:,} of {counted(opened.samples.size, 'image')} match")
    show_filters(opened.samples, opened.run, view, unfolded=bool(problem))
    return count, problem


def _save_view(workspace: Workspace, samples: SampleTable) -> None:
    """Draw the form that saves the page's view under a name, for the page Saved."""
    with (
        closing_popover("Save view", icon=":material/bookmark:", type="tertiary", key="frame.save", **for_curators()),
        st.form("frame.save_form", border=False),  # Enter saves
    ):
        st.text_input("Name", key="frame.view_name", max_chars=LONGEST_NAME, placeholder="hard", width=320)
        st.form_submit_button(
            "Save view",
            type="primary",
            key="frame.save_view",
            on_click=_keep_view,
            args=(workspace, samples.name),
        )


# --- callbacks -----------------------------------------------------------------------------------------------


def _switch_dataset() -> None:
    url_state.write(View(dataset=st.session_state["frame.dataset"], tile=url_state.current().tile))


def _switch_run() -> None:
    url_state.change(run=st.session_state["frame.run"])


def _keep_view(workspace: Workspace, dataset: str) -> None:
    name = st.session_state["frame.view_name"]
    query = replace(url_state.current(), dataset=dataset, sample=None).to_query()
    done = f"View “{name.strip()}” saved"
    page = st.session_state[PAGE]
    attempt(lambda: Saved(workspace, dataset).save_view(name, query, page), done=done, closes="frame.save")
