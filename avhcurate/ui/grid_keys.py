"""Acting on the images of a grid: what its keys and buttons ask for, done and said with the number of images."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from avhcurate.curate.annotations import annotate, undo
from avhcurate.curate.keys import key_actions, keys_of, save_keys, write_keys
from avhcurate.errors import CurateError
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.ui.frame import announce, attempt
from avhcurate.ui.grid_views import GridView
from avhcurate.ui.selection import GRID, GridSelection, selectable_grid, selected_in
from avhcurate.ui.signin import who

_DONE = "grid.done"
#: What the grid may ask for.
_ACTIONS = ("tag", "untag", "relabel", "exclude", "include", "undo")
#: Classes whose names are sent for completion.
_MOST_NAMES = 5000


def acting_grid(table: DatasetTable, view: GridView, **look: Any) -> GridSelection:
    """The grid with the selection, whose images can be tagged, labelled and excluded by key."""
    return selectable_grid(view, **look, actions=_actions(table), on_act=partial(act_by_key, table))


def _actions(table: DatasetTable) -> dict[str, Any]:
    """What the grid needs to act by key: names of classes and tags, keys, and what was just done."""
    return {
        "classes": list(table.classes[:_MOST_NAMES]),
        "tags": table.group_counts("tags")["value"].tolist(),
        "keys": key_actions(keys_of(table), table.classes),
        "done": st.session_state.pop(_DONE, None),
    }


def act_by_key(table: DatasetTable) -> None:
    """Does what the grid has just asked for; to be called before the page runs."""
    sent = (st.session_state.get(GRID) or {}).get("act")
    if not isinstance(sent, Mapping) or sent.get("action") not in _ACTIONS:
        return
    action, value = str(sent["action"]), sent.get("value")
    if action == "undo":
        undo_last(table)
        return
    attempt(act, table, selected_in(sent).chosen, action, value)


def keys_form(table: DatasetTable) -> None:
    """What digits and letters do, to be changed for everybody who works on the dataset."""
    with st.popover("Keys", icon=":material/keyboard:", key="gallery.keys"):
        text = write_keys(keys_of(table))
        st.text_area("A line a key", text, key="gallery.keys_text", height=220, help="`1 label cat`, `b tag blurred`")
        st.button("Save keys", type="primary", key="gallery.save_keys", on_click=_save_keys, args=(table,))


def _save_keys(table: DatasetTable) -> None:
    attempt(
        save_keys, table, st.session_state["gallery.keys_text"], who=who(), done="The keys are kept with the dataset"
    )


def act(table: DatasetTable, chosen: Sequence[int] | Filters, action: str, value: Any = None) -> None:
    """Annotates and says so above the grid's lower edge, beside a way back."""
    if value is not None and not isinstance(value, str | int):
        raise CurateError("a tag or a class is expected")
    count = annotate(table, chosen, action, value, who=who())
    say(done_text(table, action, value, count), undo=True)


def undo_last(table: DatasetTable) -> None:
    """Undoes the user's last entry and says which it was."""
    entry = undo(table, who=who())
    if entry is None:
        say("Nothing is left to undo")
    else:
        value = f" {entry.value}" if entry.action in ("tag", "untag") else ""
        say(f"Undid {entry.action}{value} on {counted_images(entry.samples)}")


def say(text: str, *, undo: bool = False) -> None:
    """Keeps a message for the grid to show with the next run."""
    st.session_state[_DONE] = {"number": time.time_ns() // 1000, "text": text, "undo": undo}


def say_elsewhere() -> None:
    """Shows the message where the page has no grid to show it in."""
    if done := st.session_state.pop(_DONE, None):
        announce(done["text"])


def done_text(table: DatasetTable, action: str, value: Any, count: int) -> str:
    """What was done to how many images, in words."""
    images = counted_images(count)
    match action:
        case "tag":
            return f"{images} tagged {value}"
        case "untag":
            return f"Tag {value} taken off {images}"
        case "relabel":
            return f"{images} labelled {table.classes[int(value)]}" if value is not None else f"{images} as labelled"
        case "exclude":
            return f"{images} excluded"
    return f"{images} included again"


def counted_images(count: int) -> str:
    """
    >>> counted_images(1), counted_images(1200)
    ('1 image', '1,200 images')
    """
    return f"{count:,} image{'' if count == 1 else 's'}"
