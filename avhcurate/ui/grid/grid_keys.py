"""Acting on the images of a grid: do what its keys and buttons ask for, and say so with the number of images."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from avhcurate.datasets.curate.annotations import annotate, undo, user
from avhcurate.datasets.curate.history import entry_text, undo_entry
from avhcurate.datasets.curate.keys import key_actions, keys_of, save_keys, write_keys
from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.errors import CurateError
from avhcurate.ui.base.frame import Opened, announce, attempt, show_messages, show_user_error
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.text import counted
from avhcurate.ui.components.mount import handled, new_acts
from avhcurate.ui.grid.grid_views import GRID, GridSelection, selected_in
from avhcurate.ui.server.decisions import Decision, Reply, Takers

#: What can be done to images.
_ACTIONS = ("tag", "untag", "relabel", "exclude", "include")
#: Classes whose names are sent for completion.
_MOST_NAMES = 5000

#: Does what a button of the page's own asks for with the selected images and the name that was asked for, if any.
Doing = Callable[[GridSelection, Any], object]


def key_data(page: Opened, key: str = GRID) -> dict[str, Any]:
    """Return what a component needs to act by key on the images of a page.

    `handled` is the number of the newest act that the page itself did, `done` what a button of the page has done.
    """
    return key_names(page) | {"done": st.session_state.pop(f"{key}.done", None), "handled": handled(key)}


def key_names(page: Opened) -> dict[str, Any]:
    """Return what decisions name, names of classes, tags and sets to complete, and what keys do."""
    table = page.table
    return about(page) | {
        "classes": list(table.classes[:_MOST_NAMES]),
        "tags": table.group_counts("tags")["value"].tolist(),
        "sets": list(table.sets),
        "keys": key_actions(keys_of(table), table.classes),
    }


def about(page: Opened) -> dict[str, Any]:
    """Return what every decision on a page names, and the newest entry of the log that the page shows."""
    return {"dataset": page.dataset.name, "version": page.version, "entry": page.entry}


def act_by_key(more: Mapping[str, Doing]) -> None:
    """Do what the buttons of the page ask for; to be called before it runs. Decisions come by another way."""
    for act in new_acts(GRID):
        do = more.get(str(act.get("action")))
        if do is not None:
            attempt(do, selected_in(act), act.get("value"))


# --- decisions ----------------------------------------------------------------------------------------------------


def _annotate(table: DatasetTable, decision: Decision) -> Reply:
    count = annotate(table, decision.images, decision.kind, decision.value)
    return Reply(text=done_text(table, decision.kind, decision.value, count), undo=count > 0)


def _undo(table: DatasetTable, decision: Decision) -> Reply:
    """Undo the decision that is named, the entry of that number, or the last entry of this person, or window."""
    entry = decision.value
    if decision.of:
        entry = table.log.event_of(decision.of)
        if entry is None:
            return Reply("There is nothing to undo.")
    if isinstance(entry, int):
        return Reply(text=f"Undid {undo_entry(table, str(entry))}")
    return undo_last(table)


def _save_set(table: DatasetTable, decision: Decision) -> Reply:
    name = str(decision.value or "")
    ids = decision.images
    Saved(table.workspace, table.present_name()).save_set(name, ids)
    return Reply(text=f"{counted(len(ids), 'image')} saved as “{name}”")


#: What is done with images, by kind of decision.
TAKERS: Takers = dict.fromkeys(_ACTIONS, _annotate) | {"undo": _undo, "set": _save_set}


def undo_last(table: DatasetTable) -> Reply:
    """Undo the last entry of this person, or window, and say which it was; ask before undoing another's."""
    entry = undo(table)
    if entry is not None:
        return Reply(text=f"Undid {entry_text(entry)}")
    other = table.log.last(table.dataset.id)
    if other is None:
        return Reply(text="Nothing is left to undo")
    person = other.who
    if person == user():
        person = "another window"
    return Reply(text=f"Nothing of yours is left. Undo what {person} did: {entry_text(other)}?", undo=other.id)


def keys_form(table: DatasetTable) -> bool:
    """Draw what digits and letters do, to be changed for everybody; return whether that was saved."""
    text = st.text_area(
        "One key per line",
        write_keys(keys_of(table)),
        key="gallery.keys_text",
        height=220,
        help="`1 label cat`, `b tag blurred`",
    )
    if not st.button("Save keys", type="primary", key="gallery.save_keys", **for_curators()):
        return False
    try:
        save_keys(table, text)
    except CurateError as error:
        show_user_error(error)
        return False
    say(Reply(text="The keys are saved with the dataset"))
    return True


def say(reply: Reply) -> None:
    """Keep what was done for the grid to say with the next run."""
    st.session_state[f"{GRID}.done"] = {"number": time.time_ns() // 1000, "text": reply.text, "undo": reply.undo}


def say_elsewhere() -> None:
    """Show the message if the page has no grid to show it in."""
    if done := st.session_state.pop(f"{GRID}.done", None):
        announce(done["text"])
        show_messages()


def done_text(table: DatasetTable, action: str, value: Any, count: int) -> str:
    """Return what was done to how many images, in words."""
    if not count:
        return "Nothing changed: it was already so"
    images = counted(count, "image")
    match action:
        case "tag":
            return f"{images} tagged {value}"
        case "untag":
            return f"Tag {value} removed from {images}"
        case "relabel" if value is None:
            return f"{images} have their given label again"
        case "relabel":
            return f"{images} labelled {table.classes[int(value)]}"
        case "exclude":
            return f"{images} excluded"
    return f"{images} included again"
