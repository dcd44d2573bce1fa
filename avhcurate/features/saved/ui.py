"""The page Saved: lists of named sets, named views and the history, with their actions."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

import streamlit as st

from avhcurate.datasets.curate import saved
from avhcurate.datasets.curate.history import RULE, describe, filter_options, history_entries, undo_entry
from avhcurate.datasets.curate.saved import LONGEST_NAME
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.ui import cache, url_state
from avhcurate.ui.export_menu import export_choice
from avhcurate.ui.frame import Opened, announce, attempt, mirrored, while_allowed
from avhcurate.ui.grid_actions import PAGES
from avhcurate.ui.layout import closing_popover, empty_state
from avhcurate.ui.page_choices import Choice, number, one_of, page_of, turn_pages
from avhcurate.ui.signin import for_curators, who
from avhcurate.ui.url_state import View
from avhcurate.ui.user_errors import plain, show_user_error
from avhcurate.workspace.data.events import Event, Kind

_T = TypeVar("_T")

#: Session state: the entry and the action whose dialog is open, until the dialog is dismissed.
_ASKED = "saved.asked"
_MORE = {"rename": "Rename", "export": "Export", "remove": "Remove"}
_HOW = {"union": "In any", "intersection": "In all", "difference": "In the first only"}

#: What the page lists.
PART = one_of("saved.part", ["sets", "views", "history", "split"], "sets")
_ROWS = 25
_PAGE = number("saved.list", 1, low=1, high=10**9)
_PARTS = {"sets": "Sets", "views": "Views", "history": "History", "split": "Split"}


def choose_part(view: View) -> str:
    return PART.show(st.segmented_control, "Show", view, _PARTS, label_visibility="collapsed")


def _rows(page: Opened, entries: Sequence[_T], show: Callable[[Opened, _T], None]) -> None:
    """Show a page of a list, and the buttons to the others."""
    places = page_of(_PAGE, page.view, len(entries), _ROWS)
    with st.container(gap="xsmall"):
        for one in entries[places.start : places.stop]:
            show(page, one)
    turn_pages(_PAGE, places, len(entries), _ROWS)


def show_sets(page: Opened) -> None:
    entries = saved.sets(page.workspace, page.table.dataset.name)
    with st.container(horizontal=True):
        _combine(page, [one.name for one in entries])
        _import(page)
    if not entries:
        empty_state(
            "No set yet", "bookmark", "Select samples in the gallery and choose “Set”, or import a list of them."
        )
    _rows(page, entries, _set_row)


def show_views(page: Opened) -> None:
    entries = saved.views(page.workspace, page.table.dataset.name)
    if not entries:
        empty_state("No view yet", "bookmark", "Set filters on any page and choose “Save view” on the left.")
    _rows(page, entries, _view_row)


def _set_row(page: Opened, one: Event) -> None:
    filters, there = Filters(excluded=None, sets=(one.name,)), 0
    if one.name in page.table.sets:
        there = page.table.count(filters)
    size = f"**{one.samples:,}** samples"
    if there < one.samples:
        size += f" ({one.samples - there:,} no longer in the dataset)"
    with st.container(horizontal=True, vertical_alignment="center"):
        query = replace(View(dataset=page.table.dataset.name, run=page.view.run), filters=filters).to_query()
        st.page_link(PAGES / "gallery.py", label=plain(one.name), icon=":material/bookmark:", query_params=query)
        st.caption(f"{size} · {_when(one.who, one.at)}", width="stretch")
        _more(page, "set", one.name)
    _dialog(page, "set", one.name, lambda: _export_dialog(page.table, one.name, Filters(sets=(one.name,))))


def _view_row(page: Opened, one: Event) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        target = PAGES / f"{one.page}.py"
        if one.page.isidentifier() and target.exists():
            st.page_link(target, label=plain(one.name), icon=":material/visibility:", query_params=one.query)
        else:
            st.markdown(plain(one.name), width="content")
        view, _ = url_state.parse(one.query)
        about = f"{plain(one.page.replace('_', ' '))}, filters: {view.filters.active}"
        st.caption(f"{about} · {_when(one.who, one.at)}", width="stretch")
        _more(page, "view", one.name)
    _dialog(page, "view", one.name, lambda: _export_view(page, one.name, view))


def _more(page: Opened, kind: Kind, name: str) -> None:
    key = f"saved.{kind}.{name}.more"
    look: dict[str, Any] = {"format_func": _MORE.__getitem__, "type": "tertiary", "key": key}
    options = list(_MORE)
    if for_curators():  # the look of what is refused
        options = ["export"]
    st.menu_button("More", options, on_click=_choose, args=(page, kind, name, key), **look)


def _choose(page: Opened, kind: Kind, name: str, key: str) -> None:
    """Do what was chosen in the menu of an entry, or remember the dialog to open."""
    action = st.session_state[key]
    if action == "remove":
        attempt(_remove, page, kind, name)
    else:
        st.session_state[_ASKED] = page.table.dataset.name, kind, name, action


def _dialog(page: Opened, kind: Kind, name: str, export: Callable[[], None]) -> None:
    """Draw the open dialog of an entry, if any."""
    match st.session_state.get(_ASKED):
        case (page.table.dataset.name, of_kind, of_name, action) if (of_kind, of_name) == (kind, name):
            if action == "rename":
                _rename_dialog(page, kind, name)
            else:
                export()


def _dismiss() -> None:
    st.session_state.pop(_ASKED, None)


def _remove(page: Opened, kind: Kind, name: str) -> None:
    saved.remove(page.workspace, page.table.dataset.name, kind, name, who=who())
    announce(f"Removed the {kind} “{name}”. History can undo it.")
    if name in page.filters.sets:
        url_state.change(filters=page.filters.with_(sets=tuple(one for one in page.filters.sets if one != name)))


@st.dialog("Rename", icon=":material/edit:", on_dismiss=_dismiss)
@while_allowed
def _rename_dialog(page: Opened, kind: Kind, name: str) -> None:
    new = st.text_input("New name", name, max_chars=LONGEST_NAME, key="saved.new_name")
    if not st.button("Rename", type="primary", key="saved.rename", disabled=new.strip() in ("", name)):
        return
    try:
        saved.rename(page.workspace, page.table.dataset.name, kind, name, new, who=who())
    except CurateError as error:
        show_user_error(error)
        return
    _dismiss()
    st.rerun()


def _export_view(page: Opened, name: str, view: View) -> None:
    """Export the samples of a view with the run and the HSF bins that it was saved with."""
    try:
        table = cache.table(page.workspace, page.table.dataset.name, view.run, view.edges)
    except CurateError as error:
        show_user_error(error)
    else:
        _export_dialog(table, name, view.filters)


@st.dialog("Export", icon=":material/download:", on_dismiss=_dismiss)
@while_allowed
def _export_dialog(table: DatasetTable, name: str, filters: Filters) -> None:
    st.markdown(f"**{plain(name)}**")
    try:
        count = table.count(filters)
    except CurateError as error:
        show_user_error(error)
        return
    if excluded := table.count(filters.with_(excluded=None)) - count:
        st.caption(f"{excluded:,} excluded samples stay out.")
    export_choice(table, filters, count, key="saved")


def _combine(page: Opened, names: list[str]) -> None:
    asked = for_curators(disabled=len(names) < 2)
    with closing_popover("Combine", icon=":material/join:", key="saved.combine", **asked):
        st.multiselect("Sets", names, key="saved.combined", placeholder="Choose two or more")
        st.segmented_control(
            "Samples",
            list(_HOW),
            default="union",
            format_func=_HOW.__getitem__,
            required=True,
            key="saved.how",
        )
        st.text_input("Name of the new set", key="saved.combined_name", max_chars=LONGEST_NAME)
        st.button("Save", type="primary", key="saved.combine_now", on_click=_save_combined, args=(page,))


def _save_combined(page: Opened) -> None:
    asked: Any = st.session_state
    name, names, how = asked["saved.combined_name"], asked["saved.combined"], asked["saved.how"]
    done = f"Saved as “{name}”"
    about = {"who": who(), "done": done, "closes": "saved.combine"}
    attempt(saved.combine, page.workspace, page.table.dataset.name, name, names, how, **about)


def _import(page: Opened) -> None:
    with closing_popover("Import", icon=":material/upload:", key="saved.import", **for_curators()):
        st.file_uploader(
            "List of samples",
            ["csv", "txt"],
            key="saved.file",
            help="One path or id per line, or CSV with such a column.",
        )
        st.text_input("Name of the new set", key="saved.import_name", max_chars=LONGEST_NAME)
        st.button(
            "Save",
            type="primary",
            key="saved.import_now",
            on_click=attempt,
            args=(_save_imported, page),
            kwargs={"closes": "saved.import"},
        )


def _save_imported(page: Opened) -> None:
    file = st.session_state["saved.file"]
    if file is None:
        raise CurateError("No file is chosen. Choose a CSV or text file with one path or id per line.")
    name = st.session_state["saved.import_name"]
    count, unknown = saved.import_set(page.workspace, page.table.dataset.name, name, file.getvalue(), who=who())
    text = f"{count:,} samples saved as “{name}”."
    if unknown:
        text += f" {len(unknown):,} entries are not in the dataset, such as {unknown[0]}."
    announce(text)


def _when(name: str, at: datetime) -> str:
    return f"{plain(name)}, {at:%Y-%m-%d %H:%M} UTC"


# --- history ---------------------------------------------------------------------------------------------------

_WHO: Choice[str] = Choice("saved.who", "", str)
_ACTION: Choice[str] = Choice("saved.action", "", str)
_SAMPLE = number("saved.sample", -1, low=-1, high=10**12)
_HISTORY_PAGE = number("saved.page", 1, low=1, high=10**9)


def show_history(page: Opened) -> None:
    person, action, sample = _narrow(page)
    narrowed: dict[str, Any] = {"who": person or None}
    if action:
        narrowed["actions"] = [action]
    if sample >= 0:
        narrowed["sample"] = sample
    try:
        _, count = history_entries(page.table, limit=0, **narrowed)
        places = page_of(_HISTORY_PAGE, page.view, count, _ROWS)
        entries, _ = history_entries(page.table, offset=places.start, limit=_ROWS, **narrowed)
    except CurateError as error:
        show_user_error(error)
        return
    st.caption(f"Entries: **{count:,}**. {RULE}")
    with st.container(gap="xsmall"):
        for entry in entries:
            _history_row(page, entry)
    if not entries:
        with st.container(border=True):
            st.write("No entry here. Tag, relabel, exclude or save samples, or remove a condition above.")
    turn_pages(_HISTORY_PAGE, places, count, _ROWS)


def _narrow(page: Opened) -> tuple[str, str, int]:
    person, action, sample = _WHO.of(page.view), _ACTION.of(page.view), int(_SAMPLE.of(page.view))
    known = None
    if 0 <= sample < page.table.size:
        known = sample
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for label, choice, chosen, options in (
            ("Who", _WHO, person, filter_options(page.table, "who")),
            ("Action", _ACTION, action, filter_options(page.table, "action")),
        ):
            listed = list(dict.fromkeys(["", chosen, *options]))
            choice.show(
                st.selectbox,
                label,
                page.view,
                listed,
                format_func=lambda text: text or "Any",
                on_change=choice.restart,
                args=(_HISTORY_PAGE.name,),
                width=220,
            )
        st.number_input(
            "Sample id",
            0,
            page.table.size - 1,
            key=mirrored(_SAMPLE.name, known),
            on_change=_keep_sample,
            placeholder="Any",
            width=160,
        )
    return person, action, sample


def _keep_sample() -> None:
    typed = st.session_state[_SAMPLE.name]
    if typed is None:
        typed = _SAMPLE.default
    _SAMPLE.put(typed)
    _HISTORY_PAGE.put(_HISTORY_PAGE.default)


def _history_row(page: Opened, entry: Event) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{entry.at:%Y-%m-%d %H:%M} UTC", width="content")
        text = f"**{plain(entry.who)}** {plain(describe(entry, page.table.classes))}"
        if entry.samples:
            text += f" · samples: {entry.samples:,}"
        st.markdown(text, width="stretch")
        if entry.undone_by is not None:
            st.caption(f"undone by {plain(entry.undone_by)}", width="content")
        else:
            st.button(
                "Undo",
                icon=":material/undo:",
                type="tertiary",
                key=f"saved.undo.{entry.key}",
                on_click=_undo,
                args=(page, entry.key),
                **for_curators(),
            )


def _undo(page: Opened, key: str) -> None:
    attempt(undo_entry, page.table, key, who=who(), done="Undone")
