"""Acting on the images of a grid: do what its keys and buttons ask for, and say so with the number of images."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import streamlit as st

from avhcurate.datasets.curate.annotations import annotate, undo, user
from avhcurate.datasets.curate.history import entry_text, undo_entry
from avhcurate.datasets.curate.keys import key_actions, keys_of, save_keys, write_keys
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.ui.components.talk import handled, new_acts
from avhcurate.ui.frame import announce, show_messages
from avhcurate.ui.grid_views import GridView
from avhcurate.ui.selection import GRID, GridSelection, selected_in
from avhcurate.ui.signin import for_curators
from avhcurate.ui.text import counted
from avhcurate.ui.user_errors import in_page, show_user_error

#: Messages of acts by key while these are done: the session's state is not touched between an act and its being taken.
_said: ContextVar[dict[str, Any] | None] = ContextVar("said", default=None)
#: What the grid may ask to be done to images.
_ACTIONS = ("tag", "untag", "relabel", "exclude", "include")
#: Classes whose names are sent for completion.
_MOST_NAMES = 5000

#: Does an action with the selected images and the name that was asked for, if any.
Doing = Callable[[GridSelection, Any], object]
_NOTHING_MORE: Mapping[str, Doing] = {}


def key_data(table: DatasetTable, key: str = GRID) -> dict[str, Any]:
    """Return what a component needs to act by key: names of classes and tags, keys, and what was just done.

    `handled` is the number of the newest act that was done, or could not be.
    """
    return key_names(table) | {"done": st.session_state.pop(f"{key}.done", None), "handled": handled(key)}


def key_names(table: DatasetTable) -> dict[str, Any]:
    """Return names of classes and tags to complete, and what keys do."""
    return {
        "classes": list(table.classes[:_MOST_NAMES]),
        "tags": table.group_counts("tags")["value"].tolist(),
        "keys": key_actions(keys_of(table), table.classes),
    }


def act_by_key(table: DatasetTable, key: str = GRID, *, more: Mapping[str, Doing] = _NOTHING_MORE) -> None:
    """Do what the component of a key asks for, `more` included; to be called before the page runs."""
    for name, message in done_acts(table, new_acts(key), key, more=more).items():
        st.session_state[name] = message


def done_acts(
    table: DatasetTable,
    acts: Iterable[Mapping[str, Any]],
    key: str = GRID,
    *,
    shown: GridView | None = None,
    more: Mapping[str, Doing] = _NOTHING_MORE,
) -> dict[str, Any]:
    """Do acts, `more` included, and return messages by the name that they have in the session's state.

    An act is about the places that it names in its view, or about the one `id` that it names. What is refused is said
    where the images are. `shown` is the view that is shown, by default by the page.
    """
    refused, said = "", dict[str, Any]()
    before = _said.set(said)
    try:
        for asked in acts:
            try:
                _do(table, asked, key, shown, more)
            except CurateError as error:
                refused = refused or f"Not done: {in_page(str(error))}"
        if refused:
            say(refused, key=key)
    finally:
        _said.reset(before)
    return said


def _do(
    table: DatasetTable, asked: Mapping[str, Any], key: str, shown: GridView | None, more: Mapping[str, Doing]
) -> None:
    action, value, id = str(asked.get("action")), asked.get("value"), asked.get("id")
    if action in more:
        more[action](selected_in(asked, shown), value)
    elif action == "undo" and isinstance(value, int):
        say(f"Undid {undo_entry(table, str(value))}", key=key)
    elif action == "undo":
        undo_last(table, key)
    elif action in _ACTIONS and isinstance(id, int):
        act(table, [id], action, value, key=key)
    elif action in _ACTIONS:
        act(table, selected_in(asked, shown).chosen, action, value, key=key)


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
    say("The keys are saved with the dataset")
    return True


def act(
    table: DatasetTable, chosen: Sequence[int] | Filters, action: str, value: Any = None, *, key: str = GRID
) -> None:
    """Annotate and say so in the component of a key, with a way back."""
    if value is not None and not isinstance(value, str | int):
        raise CurateError("This action needs a tag or a class.")
    count = annotate(table, chosen, action, value)
    say(done_text(table, action, value, count), undo=count > 0, key=key)


def undo_last(table: DatasetTable, key: str = GRID) -> None:
    """Undo the last entry of this person, or window, and say which it was; ask before undoing another's."""
    entry = undo(table)
    if entry is not None:
        say(f"Undid {entry_text(entry)}", key=key)
    elif other := table.log.last(table.dataset.id):
        whose = other.who
        if whose == user():
            whose = "another window"
        say(f"Nothing of yours is left. Undo what {whose} did: {entry_text(other)}?", undo=other.id, key=key)
    else:
        say("Nothing is left to undo", key=key)


def say(text: str, *, undo: bool | int = False, key: str = GRID) -> None:
    """Keep a message for the component of a key to show with the next run; `undo` offers this, or undoing an entry."""
    message = {"number": time.time_ns() // 1000, "text": text, "undo": undo}
    if (said := _said.get()) is None:
        st.session_state[f"{key}.done"] = message
    else:
        said[f"{key}.done"] = message


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
