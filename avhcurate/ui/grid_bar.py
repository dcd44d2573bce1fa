"""A grid with its bar: buttons, drawn by the browser, for what can be done with the selected images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Literal

import streamlit as st

from avhcurate.curate import saved
from avhcurate.curate.annotations import user
from avhcurate.curate.history import history_entries
from avhcurate.data.annotation_log import ACTIONS
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.ui.export_menu import export_choice
from avhcurate.ui.frame import Opened, while_allowed
from avhcurate.ui.grid_keys import acting_grid, counted_images, keys_form, say
from avhcurate.ui.grid_views import GridView
from avhcurate.ui.more_like import more_like
from avhcurate.ui.selection import GridSelection
from avhcurate.ui.signin import for_curators, who

#: Session state: the dialog that the bar has asked for, and the selection then, until it is dismissed.
_DIALOG = "grid.dialog"


@dataclass(frozen=True)
class BarAction:
    """A button; `do` is called with the selection and, where the button `asks` for one, with a name.

    Without `do` the grid acts as its keys do. `always`: it needs no selection. `reads`: it changes nothing, so that
    viewers may.
    """

    name: str
    label: str
    icon: str
    do: Callable[[GridSelection, Any], object] | None = None
    asks: Literal["", "tag", "label", "set"] = ""
    help: str = ""
    primary: bool = False
    always: bool = False
    disabled: bool = False
    reads: bool = False

    @property
    def payload(self) -> dict[str, Any]:
        """The button as the browser reads it."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("do", "reads")}


def actions_grid(
    page: Opened, view: GridView, *, like: bool = False, first: Sequence[BarAction] = (), **look: Any
) -> None:
    """A grid with a bar: first the page's own actions, then the gallery's, which the browser shows with a selection.

    `like`: the page can be ordered by likeness to the selection. `look` are further arguments of `selectable_grid`.
    """
    bar = [*first, *_on_selection(page, like), *_on_page(page, {action.name for action in first})]
    closed = for_curators()
    bar = [action if action.reads else replace(action, **closed) for action in bar]
    more = {action.name: action.do for action in bar if action.do}
    acting_grid(page.table, view, more=more, bar=[action.payload for action in bar], sets=page.table.sets, **look)
    name, chosen = st.session_state.get(_DIALOG, ("", GridSelection(view)))
    if name == "export" and chosen.view.about == view.about:
        _export(page, view, chosen)
    elif name == "keys":
        _keys(page.table)


def _on_selection(page: Opened, like: bool) -> list[BarAction]:
    actions = [
        BarAction("tag", "Tag", "label", asks="tag"),
        BarAction("relabel", "Relabel", "edit", asks="label"),
        BarAction("exclude", "Exclude", "block"),
        BarAction("compare", "Side by side", "view_column", help="Opens the first four of them, at most.", reads=True),
        BarAction("set", "Set", "bookmark_add", partial(_save_set, page), asks="set"),
    ]
    if like and page.table.run is not None:
        about = "Orders the gallery by the angle to the nearest of the selected images."
        actions.append(BarAction("like", "More like this", "image_search", _more_like, help=about, reads=True))
    if page.filters.excluded is not False:
        actions.append(BarAction("include", "Include", "check"))
    return actions


def _on_page(page: Opened, taken: set[str]) -> list[BarAction]:
    """The actions that need no selection, but for those that the page has itself."""
    last = _last_entry(page.table)
    actions = [
        BarAction("undo", "Undo", "undo", help=last and f"Undoes: {last}", disabled=not last, always=True),
        BarAction("export", "Export", "download", partial(_open, "export"), always=True, reads=True),
        BarAction("keys", "Keys", "keyboard", partial(_open, "keys"), always=True, reads=True),
    ]
    return [action for action in actions if action.name not in taken]


def _last_entry(table: DatasetTable) -> str:
    """The user's last entry that is not undone, in words; "" where there is none."""
    mine, _ = history_entries(table, who=who() or user(), actions=ACTIONS, limit=100)
    last = next((entry for entry in mine if entry.undone_by is None), None)
    return f"{last.action} {last.value or ''}".strip() + f" on {counted_images(last.samples)}" if last else ""


def _save_set(page: Opened, chosen: GridSelection, name: Any) -> None:
    saved.save_set(page.workspace, page.table.present_name(), str(name or ""), chosen.ids, who=who())
    say(f"{counted_images(chosen.count)} saved as “{name}”")


def _more_like(chosen: GridSelection, _: Any) -> None:
    more_like(chosen.ids)


def _open(name: str, chosen: GridSelection, _: Any) -> None:
    st.session_state[_DIALOG] = name, chosen


def _dismiss() -> None:
    st.session_state.pop(_DIALOG, None)


@st.dialog("Export", icon=":material/download:", on_dismiss=_dismiss)
@while_allowed
def _export(page: Opened, view: GridView, chosen: GridSelection) -> None:
    sources = ["All shown", "Selection"] if chosen.count else ["All shown"]
    source = st.segmented_control("What", sources, default=sources[-1], required=True, key="gallery.export_what")
    selected = source == "Selection" and not chosen.everything
    only = chosen.ids if selected else None if view.filters else view.ids.tolist()
    count = chosen.count if selected else view.count
    export_choice(page.table, page.filters, count, only=only, order=lambda: view.ids, key="gallery")


@st.dialog("Keys", icon=":material/keyboard:", on_dismiss=_dismiss)
@while_allowed
def _keys(table: DatasetTable) -> None:
    if keys_form(table):
        _dismiss()
        st.rerun()
