"""A grid with its bar: what its buttons and keys do with the selected images, and how that is said."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal

import streamlit as st

from avhcurate.datasets.curate.annotations import annotate, undo
from avhcurate.datasets.curate.history import entry_text, undo_entry
from avhcurate.datasets.curate.keys import key_actions, keys_of, save_keys, write_keys
from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError
from avhcurate.ui.base.export_menu import export_choice
from avhcurate.ui.base.frame import Opened, announce, attempt, show_messages, show_user_error, while_allowed
from avhcurate.ui.base.page_choices import more_like, open_side_by_side
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.text import counted
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.components.mount import handled, new_acts
from avhcurate.ui.grid.grid_views import (
    GRID,
    GridSelection,
    GridView,
    browsing_grid,
    list_view,
    selectable_grid,
    selected_in,
)
from avhcurate.ui.server.decisions import Decision, Reply, Takers
from avhcurate.workspace.data.people import user
from avhcurate.workspace.data.workspace import Workspace

#: Session state: the dialog that the bar has asked for, and the selection then, until it is dismissed.
_DIALOG = "grid.dialog"
#: The size of the tiles of a narrow grid.
_NARROW_TILE = 110


@dataclass(frozen=True)
class BarAction:
    """A button; if it `asks` for one, a name goes with the selection.

    Without `do` the browser sends a decision of that `name`, about the list `of`, as keys do; see `decisions`. With it
    the page does something for itself. `always`: it needs no selection. `reads`: it changes nothing, so that viewers
    may use it. `group`: its label above each group; without a `label` it is only there.
    """

    name: str
    label: str
    icon: str
    do: Callable[[GridSelection, Any], object] | None = None
    of: str = ""
    asks: Literal["", "tag", "label", "set"] = ""
    help: str = ""
    primary: bool = False
    always: bool = False
    disabled: bool = False
    reads: bool = False
    group: str = ""


def actions_grid(
    page: Opened, view: GridView, *, like: bool = False, first: Sequence[BarAction] = (), **options: Any
) -> None:
    """Draw a grid with a bar: first the page's own actions, then the gallery's, which appear with a selection.

    `like`: the page can be ordered by likeness to the selection. `look` are arguments of `selectable_grid`.
    """
    names = {action.name for action in first}
    bar = [*first, *_on_selection(page, like), *(action for action in _on_page() if action.name not in names)]
    closed = for_curators()
    bar = [action if action.reads else replace(action, **closed) for action in bar]
    doings = {action.name: action.do for action in bar if action.do}
    actions = key_data(page) | {"bar": _buttons(bar)}
    selectable_grid(view, actions=actions, on_act=partial(act_by_key, doings), **options)
    name, selection = st.session_state.get(_DIALOG, ("", GridSelection(view)))
    if name == "export" and selection.view.subject == view.subject:
        _export(page, view, selection)
    elif name == "keys":
        _keys(page.decisions)


def deciding_buttons(page: Opened) -> list[dict[str, Any]]:
    """Return the buttons that do what keys do, without the icons of the app: for a grid that is on no page."""
    actions = [*_on_selection(page, like=False), *_on_page()]
    return _buttons([replace(action, icon="") for action in actions if action.do is None])


def _buttons(actions: Sequence[BarAction]) -> list[dict[str, Any]]:
    """Return actions as the script reads them, with whether they are decisions."""
    return [asdict(replace(action, do=None)) | {"decides": action.do is None} for action in actions]


def sample_grid(
    page: Opened, ids: Sequence[int], *, subject: str, score: str | None = None, **options: Any
) -> GridView:
    """Draw `ids` in their order with the gallery's actions; return the view of them.

    `subject` names the list: a selection made in another is void. `more` are arguments of `list_view`.
    """
    view = list_view(page, ids, subject=subject, score=score, **options)
    actions_grid(page, view, part=True)
    return view


def narrow_grid(
    page: Opened,
    ids: Sequence[int],
    *,
    key: str,
    label: str,
    score: str,
    look: Callable[[Tile], Tile] | None = None,
) -> GridView:
    """Draw samples as small tiles without selection, for half a page; return the view of them."""
    view = list_view(page, ids, subject=f"{key} {label}", score=score, look=look)
    browsing_grid(view, key=key, tile_size=_NARROW_TILE, label=label)
    return view


def _on_selection(page: Opened, like: bool) -> list[BarAction]:
    actions = [
        BarAction("tag", "Tag", "label", asks="tag"),
        BarAction("relabel", "Relabel", "edit", asks="label"),
        BarAction("exclude", "Exclude", "block"),
        BarAction("set", "Set", "bookmark_add", asks="set"),
        BarAction(
            "compare", "Side by side", "view_column", lambda selection, _: open_side_by_side(selection.ids), reads=True
        ),
    ]
    if like and page.opened.run is not None:
        help_text = "Orders the gallery by the angle to the nearest of the selected images."
        actions.append(
            BarAction(
                "like",
                "More like this",
                "image_search",
                lambda selection, _: more_like(selection.ids),
                help=help_text,
                reads=True,
            )
        )
    if page.filters.excluded is not False:
        actions.append(BarAction("include", "Include", "check"))
    return actions


def _on_page() -> list[BarAction]:
    """Return the actions that need no selection."""
    return [
        BarAction("undo", "Undo", "undo", help="Undoes your last tag, relabel or exclusion.", always=True),
        BarAction("export", "Export", "download", partial(_open, "export"), always=True, reads=True),
        BarAction("keys", "Keys", "keyboard", partial(_open, "keys"), always=True, reads=True),
    ]


def _open(name: str, selection: GridSelection, _: Any) -> None:
    st.session_state[_DIALOG] = name, selection


def _dismiss() -> None:
    st.session_state.pop(_DIALOG, None)


@st.dialog("Export", icon=":material/download:", on_dismiss=_dismiss)
@while_allowed
def _export(page: Opened, view: GridView, selection: GridSelection) -> None:
    sources = ["All shown"]
    if selection.count:
        sources.append("Selection")
    source = st.segmented_control("What", sources, default=sources[-1], required=True, key="gallery.export_what")
    only = None
    count = view.count
    if source == "Selection" and not selection.everything:
        only = selection.ids
        count = selection.count
    elif not view.filters:
        only = view.ids.tolist()
    export_choice(page.opened, page.filters, count, only=only, order=lambda: view.ids, key="gallery")


@st.dialog("Keys", icon=":material/keyboard:", on_dismiss=_dismiss)
@while_allowed
def _keys(decisions: Decisions) -> None:
    if keys_form(decisions):
        _dismiss()
        st.rerun()


# --- what keys and buttons ask for -----------------------------------------------------------------------------------


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
    opened = page.opened
    return decision_context(page) | {
        "classes": list(opened.samples.classes[:_MOST_NAMES]),
        "tags": opened.samples.group_counts("tags")["value"].tolist(),
        "sets": list(opened.samples.sets),
        "keys": key_actions(keys_of(opened.decisions), opened.samples.classes),
    }


def decision_context(page: Opened) -> dict[str, Any]:
    """Return what every decision on a page names, and the newest entry of the log that the page shows."""
    return {"dataset": page.dataset.name, "version": page.version, "entry": page.entry}


def act_by_key(more: Mapping[str, Doing]) -> None:
    """Do what the buttons of the page ask for; to be called before it runs. Decisions come by another way."""
    for act in new_acts(GRID):
        if do := more.get(str(act.get("action"))):
            attempt(do, selected_in(act), act.get("value"))


# --- decisions ----------------------------------------------------------------------------------------------------


def _annotate(decisions: Decisions, decision: Decision) -> Reply:
    count = annotate(decisions, decision.images, decision.kind, decision.value)
    return Reply(text=done_text(decisions.samples, decision.kind, decision.value, count), undo=count > 0)


def _undo(decisions: Decisions, decision: Decision) -> Reply:
    """Undo the decision that is named, the entry of that number, or the last entry of this person, or window."""
    entry = decision.value
    if decision.of:
        entry = decisions.log.event_of(decision.of)
        if entry is None:
            return Reply("There is nothing to undo.")
    if isinstance(entry, int):
        return Reply(text=f"Undid {undo_entry(decisions, str(entry))}")
    return undo_last(decisions)


def _save_set(workspace: Workspace, decisions: Decisions, decision: Decision) -> Reply:
    name = str(decision.value or "")
    ids = decision.images
    Saved(workspace, decisions.present_name()).save_set(name, ids)
    return Reply(text=f"{counted(len(ids), 'image')} saved as “{name}”")


#: What is done with images, by kind of decision.
TAKERS: Takers = dict.fromkeys(_ACTIONS, _annotate) | {"undo": _undo, "set": _save_set}


def undo_last(decisions: Decisions) -> Reply:
    """Undo the last entry of this person, or window, and say which it was; ask before undoing another's."""
    entry = undo(decisions)
    if entry is not None:
        return Reply(text=f"Undid {entry_text(entry)}")
    other = decisions.log.last(decisions.dataset.id)
    if other is None:
        return Reply(text="Nothing is left to undo")
    person = other.who
    if person == user():
        person = "another window"
    return Reply(text=f"Nothing of yours is left. Undo what {person} did: {entry_text(other)}?", undo=other.id)


def keys_form(decisions: Decisions) -> bool:
    """Draw what digits and letters do, to be changed for everybody; return whether that was saved."""
    text = st.text_area(
        "One key per line",
        write_keys(keys_of(decisions)),
        key="gallery.keys_text",
        height=220,
        help="`1 label cat`, `b tag blurred`",
    )
    if not st.button("Save keys", type="primary", key="gallery.save_keys", **for_curators()):
        return False
    try:
        save_keys(decisions, text)
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


def done_text(samples: SampleTable, action: str, value: Any, count: int) -> str:
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
            return f"{images} labelled {samples.classes[int(value)]}"
        case "exclude":
            return f"{images} excluded"
    return f"{images} included again"
