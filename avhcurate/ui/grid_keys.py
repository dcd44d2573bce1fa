"""Acting on the images of a grid: what its keys and buttons ask for, done and said with the number of images."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from avhcurate.curate.annotations import annotate, undo
from avhcurate.curate.keys import key_actions, keys_of, save_keys, write_keys
from avhcurate.errors import CurateError
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.ui.frame import announce, attempt, show_messages
from avhcurate.ui.grid_views import GridView
from avhcurate.ui.open_images import open_side_by_side
from avhcurate.ui.selection import GRID, GridSelection, selectable_grid, selected_in
from avhcurate.ui.signin import for_curators, who
from avhcurate.ui.user_errors import show_user_error

#: What the grid may ask to be done to images.
_ACTIONS = ("tag", "untag", "relabel", "exclude", "include")
#: Classes whose names are sent for completion.
_MOST_NAMES = 5000
_NOTHING_MORE: Mapping[str, Any] = {}


#: Does an action with the images selected and the name that was asked for, if any.
Doing = Callable[[GridSelection, Any], object]


def acting_grid(
    table: DatasetTable,
    view: GridView,
    *,
    more: Mapping[str, Doing] | None = None,
    bar: Sequence[Mapping[str, Any]] = (),
    sets: Sequence[str] = (),
    **look: Any,
) -> GridView:
    """The grid with the selection, whose images can be tagged, labelled and excluded by key; returns the view.

    `bar` are buttons for these actions and for `more`, by name; `sets` complete the name of a set.
    """
    actions = key_data(table) | {"bar": list(bar), "sets": list(sets)}
    return selectable_grid(view, **look, actions=actions, on_act=partial(act_by_key, table, more=more or {}))


def key_data(table: DatasetTable, key: str = GRID) -> dict[str, Any]:
    """What the component of a key needs to act by key: names of classes and tags, keys, and what was just done.

    `handled` is the number of the newest act that was done, or could not be.
    """
    return {
        "classes": list(table.classes[:_MOST_NAMES]),
        "tags": table.group_counts("tags")["value"].tolist(),
        "keys": key_actions(keys_of(table), table.classes),
        "done": st.session_state.pop(_done(key), None),
        "handled": st.session_state.get(_handled(key), 0),
    }


def act_by_key(table: DatasetTable, key: str = GRID, *, more: Mapping[str, Doing] = _NOTHING_MORE) -> None:
    """Does what the component of a key asks for, `more` included; to be called before the page runs.

    It asks until it hears what is handled, with growing numbers: each act is done once, in their order. An act is about
    the places that it names in its view, or about the one `id` that it names; one that fails is said.
    """
    sent = (st.session_state.get(key) or {}).get("act")
    for asked in sent if isinstance(sent, list) else ():
        at = asked.get("at") if isinstance(asked, Mapping) else None
        if isinstance(at, int) and at > st.session_state.get(_handled(key), 0):
            st.session_state[_handled(key)] = at
            attempt(_do, table, asked, key, more)


def _do(table: DatasetTable, asked: Mapping[str, Any], key: str, more: Mapping[str, Doing]) -> None:
    action, value, id = str(asked.get("action")), asked.get("value"), asked.get("id")
    if action in more:
        more[action](selected_in(asked), value)
    elif action == "undo":
        undo_last(table, key)
    elif action == "compare":
        open_side_by_side(selected_in(asked).ids)
    elif action in _ACTIONS:
        act(table, [id] if isinstance(id, int) else selected_in(asked).chosen, action, value, key=key)


def keys_form(table: DatasetTable) -> bool:
    """What digits and letters do, to be changed for everybody who works on the dataset; True when that was saved."""
    text = st.text_area(
        "A line a key",
        write_keys(keys_of(table)),
        key="gallery.keys_text",
        height=220,
        help="`1 label cat`, `b tag blurred`",
    )
    if not st.button("Save keys", type="primary", key="gallery.save_keys", **for_curators()):
        return False
    try:
        save_keys(table, text, who=who())
    except CurateError as error:
        show_user_error(error)
        return False
    say("The keys are kept with the dataset")
    return True


def act(
    table: DatasetTable, chosen: Sequence[int] | Filters, action: str, value: Any = None, *, key: str = GRID
) -> None:
    """Annotates and says so in the component of a key, beside a way back."""
    if value is not None and not isinstance(value, str | int):
        raise CurateError("a tag or a class is expected")
    count = annotate(table, chosen, action, value, who=who())
    say(done_text(table, action, value, count), undo=True, key=key)


def undo_last(table: DatasetTable, key: str = GRID) -> None:
    """Undoes the user's last entry and says which it was."""
    entry = undo(table, who=who())
    if entry is None:
        say("Nothing is left to undo", key=key)
    else:
        value = f" {entry.value}" if entry.action in ("tag", "untag") else ""
        say(f"Undid {entry.action}{value} on {counted_images(entry.samples)}", key=key)


def say(text: str, *, undo: bool = False, key: str = GRID) -> None:
    """Keeps a message for the component of a key to show with the next run."""
    st.session_state[_done(key)] = {"number": time.time_ns() // 1000, "text": text, "undo": undo}


def say_elsewhere() -> None:
    """Shows the message where the page has no grid to show it in."""
    if done := st.session_state.pop(_done(GRID), None):
        announce(done["text"])
        show_messages()


def _done(key: str) -> str:
    return f"{key}.done"


def _handled(key: str) -> str:
    return f"{key}.handled"


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
