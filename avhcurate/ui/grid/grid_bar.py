"""A grid with its bar: buttons, drawn by the browser, for what can be done with the selected images."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal

import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.ui.base.export_menu import export_choice
from avhcurate.ui.base.frame import Opened, while_allowed
from avhcurate.ui.base.gallery_links import more_like, open_side_by_side
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.grid.grid_keys import act_by_key, key_data, keys_form
from avhcurate.ui.grid.grid_views import GridSelection, GridView, browsing_grid, list_view, selectable_grid

#: Session state: the dialog that the bar has asked for, and the selection then, until it is dismissed.
_DIALOG = "grid.dialog"
#: The size of the tiles of a narrow grid.
_NARROW_TILE = 110


@dataclass(frozen=True)
class BarAction:
    """A button; if it `asks` for one, a name goes with the selection.

    Without `do` the browser sends a decision of that `name`, about the list `of`, as keys do; see `decisions`. With it
    the page does something for itself. `always`: it needs no selection. `reads`: it changes nothing, so that viewers
    may use it.
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
    name, chosen = st.session_state.get(_DIALOG, ("", GridSelection(view)))
    if name == "export" and chosen.view.about == view.about:
        _export(page, view, chosen)
    elif name == "keys":
        _keys(page.table)


def deciding_buttons(page: Opened) -> list[dict[str, Any]]:
    """Return the buttons that do what keys do, without the icons of the app: for a grid that is on no page."""
    actions = [*_on_selection(page, like=False), *_on_page()]
    return _buttons([replace(action, icon="") for action in actions if action.do is None])


def _buttons(actions: Sequence[BarAction]) -> list[dict[str, Any]]:
    """Return actions as the script reads them, with whether they are decisions."""
    return [asdict(replace(action, do=None)) | {"decides": action.do is None} for action in actions]


def sample_grid(page: Opened, ids: Sequence[int], *, about: str, score: str | None = None, **options: Any) -> GridView:
    """Draw `ids` in their order with the gallery's actions; return the view of them.

    `about` names the list: a selection made in another is void. `more` are arguments of `list_view`.
    """
    view = list_view(page, ids, about=about, score=score, **options)
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
    view = list_view(page, ids, about=f"{key} {label}", score=score, look=look)
    browsing_grid(view, key=key, tile_size=_NARROW_TILE, label=label)
    return view


def _on_selection(page: Opened, like: bool) -> list[BarAction]:
    actions = [
        BarAction("tag", "Tag", "label", asks="tag"),
        BarAction("relabel", "Relabel", "edit", asks="label"),
        BarAction("exclude", "Exclude", "block"),
        BarAction("set", "Set", "bookmark_add", asks="set"),
        BarAction(
            "compare", "Side by side", "view_column", lambda chosen, _: open_side_by_side(chosen.ids), reads=True
        ),
    ]
    if like and page.table.run is not None:
        about = "Orders the gallery by the angle to the nearest of the selected images."
        actions.append(
            BarAction(
                "like",
                "More like this",
                "image_search",
                lambda chosen, _: more_like(chosen.ids),
                help=about,
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


def _open(name: str, chosen: GridSelection, _: Any) -> None:
    st.session_state[_DIALOG] = name, chosen


def _dismiss() -> None:
    st.session_state.pop(_DIALOG, None)


@st.dialog("Export", icon=":material/download:", on_dismiss=_dismiss)
@while_allowed
def _export(page: Opened, view: GridView, chosen: GridSelection) -> None:
    sources = ["All shown"]
    if chosen.count:
        sources.append("Selection")
    source = st.segmented_control("What", sources, default=sources[-1], required=True, key="gallery.export_what")
    only = None
    count = view.count
    if source == "Selection" and not chosen.everything:
        only = chosen.ids
        count = chosen.count
    elif not view.filters:
        only = view.ids.tolist()
    export_choice(page.table, page.filters, count, only=only, order=lambda: view.ids, key="gallery")


@st.dialog("Keys", icon=":material/keyboard:", on_dismiss=_dismiss)
@while_allowed
def _keys(table: DatasetTable) -> None:
    if keys_form(table):
        _dismiss()
        st.rerun()
