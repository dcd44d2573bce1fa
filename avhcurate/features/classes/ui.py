"""The page Classes: pairs of classes to merge and classes to split, one at a time, by keys; and a table of all."""

from functools import partial
from typing import Any, Literal
from urllib.parse import quote, unquote

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.datasets.curate import classes as changes
from avhcurate.datasets.curate.history import describe
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.features.classes import service
from avhcurate.features.classes.service import Classes
from avhcurate.ui.base import frame, url_state
from avhcurate.ui.base.cache import beside, kept
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.layout import halves
from avhcurate.ui.base.notes import PARENTS
from avhcurate.ui.base.page_choices import Choice, one_of
from avhcurate.ui.base.signin import who, why_not
from avhcurate.ui.base.text import counted
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.components.proposals import Proposal, Undoable, proposals_card
from avhcurate.ui.components.task import read_seen
from avhcurate.ui.grid.grid_bar import decision_context, narrow_grid
from avhcurate.ui.grid.grid_views import GridView
from avhcurate.ui.server.decisions import Decision, Reply, Takers
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.event import CLASS_ACTIONS, Event
from avhcurate.workspace.data.people import Role
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace

_PARTS = {"merge": "Two that may be one", "split": "One that may be two"}
PART = one_of("classes.part", list(_PARTS), "merge")
#: What each proposes, and the columns of its classes.
_KINDS: dict[str, Literal["merge classes", "split class"]] = {"merge": "merge classes", "split": "split class"}
_NAMES = {"merge": ["first", "second"], "split": ["class"]}
#: The classes of the proposal that is shown, () for the first; in an older address its place, from 1.
AT: Choice[tuple[str, ...]] = Choice(
    "classes.at", (), lambda text: tuple(map(unquote, text.split(","))), lambda names: ",".join(map(quote, names))
)
_CARD = "classes.card"
#: Images of each side; proposals that the browser has before and after the one shown; changes that it may take back.
_IMAGES = 12
_AROUND = 100
_UNDO = 20
#: Digits of a place, at most.
_LONGEST = 7


@kept("Comparing the classes …", most=4)
def known(samples: SampleTable, run: RunFolder | None, votes: Votes) -> Classes:
    """Return what is known of the classes."""
    return beside(service.classes_of, samples, run, votes)


@kept("Finding two parts …", most=4)
def _parts(samples: SampleTable, run: RunFolder | None, dataset: DatasetFolder, name: str) -> dict[int, str]:
    return beside(service.parts, samples, run, dataset, name)


def propose(page: Opened, classes: Classes) -> list[GridView | None]:
    """Draw one proposal with its keys and images; return the views of these."""
    part = PART.show(st.segmented_control, "Proposals", _PARTS, on_change=partial(PART.restart, AT.name))
    rows = {"merge": classes.pairs, "split": classes.splits}[part]
    position = _place(rows[_NAMES[part]], AT.asked())
    scope = f"{page.dataset.name}|{part}|{who()}"
    turn, _ = read_seen(_seen(), scope)
    begin = max(0, position - _AROUND)
    views = list[GridView]()
    if len(rows):
        views = _draw_sides(page, _sides(page, rows.iloc[position]))
    with page.result:
        proposals_card(
            kind=_KINDS[part],
            proposals=[_proposal(row, classes.chosen_by) for _, row in rows[begin : position + _AROUND].iterrows()],
            begin=begin,
            place=position,
            total=len(rows),
            views=[view.key for view in views],
            undo=_undoable(page.decisions, _KINDS[part]),
            why=why_not(Role.CURATOR, "Changing classes"),
            key=_CARD,
            on_move=_moved,
            scope=scope,
            echo=turn,
            **decision_context(page),
        )
    return list(views)


def _place(names: pd.DataFrame, asked: tuple[str, ...]) -> int:
    """Return the place of the proposal about the classes that are asked for, 0 where there is none."""
    if len(asked) == names.shape[1]:
        (places,) = names.isin(asked).all(axis=1).to_numpy().nonzero()
        if len(places):
            return int(places[0])
    if len(asked) == 1 and asked[0].isdecimal() and len(asked[0]) <= _LONGEST:
        return max(0, min(int(asked[0]), len(names)) - 1)
    return 0


def _draw_sides(page: Opened, sides: dict[str, np.ndarray]) -> list[GridView]:
    """Draw the images of both sides under their names; return the views of those that have any."""
    views = []
    for cell, (name, ids) in zip(halves(), sides.items(), strict=True):
        with cell:
            st.markdown(f"**{plain(name)}** · {counted(len(ids), 'image')}")
            if len(ids):
                views.append(_images(page, ids, name))
    return views


def _proposal(row: "pd.Series[Any]", chosen_by: str) -> Proposal:
    """Return a proposal in words: `cat and lynx: 41 % of votes cross, means 12 degrees apart`."""
    if "class" in row:
        text = f"{row['class']}: two parts of its embeddings hold {_percent(row['apart'])} of their variance apart"
        return Proposal(text=text, first=row["class"])
    parts = []
    if pd.notna(row["crossings"]):
        parts.append(f"{_percent(row['crossings'])} of {chosen_by} cross")
    parts += [f"{angle} {row[angle]:.0f} degrees apart" for angle in ("means", "weights") if pd.notna(row[angle])]
    text = f"{row['first']} and {row['second']}: {', '.join(parts) or 'nothing is known'}"
    return Proposal(text=text, first=row["first"], second=row["second"])


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _undoable(decisions: Decisions, kind: str) -> list[Undoable]:
    """Return the newest changes of the classes that stand, of anybody; with classes where they are of this kind."""
    changed, _ = decisions.log.history(decisions.dataset.id, actions=CLASS_ACTIONS, limit=_UNDO)
    return [
        Undoable(event.id, f"{event.who} {describe(event, decisions.samples.classes)}", *_classes_of(event, kind))
        for event in changed
        if event.undone_by is None
    ]


def _classes_of(event: Event, kind: str) -> list[str]:
    """Return the classes of the proposal that an event came from, none for one of another kind."""
    if event.action != kind:
        return []
    if kind == "split class":
        return [str(event.value)]
    return list(event.details["names"])[:2]


def _seen() -> Any:
    return (st.session_state.get(_CARD) or {}).get("seen")


def _moved() -> None:
    """Show the proposal that the browser does; filters by class are of other numbers after a change of classes."""
    seen = _seen()
    names = seen.get("names") if isinstance(seen, dict) else None
    if isinstance(names, list) and len(names) <= 2 and all(isinstance(name, str) for name in names):
        AT.put(tuple(names))
    shown = frame.page().opened
    if shown and not shown.decisions.current:
        url_state.change(filters=url_state.current().filters.with_(classes=(), predicted=()))


def _sides(page: Opened, row: "pd.Series[Any]") -> dict[str, np.ndarray]:
    """Return the ids of both sides of a proposal, the hardest first, for people or else for the network."""
    if "class" not in row:
        return {name: _images_of(page, name) for name in row[["first", "second"]]}
    name = row["class"]
    every = _images_of(page, name)
    moved = np.isin(every, list(_parts(page.samples, page.opened.run, page.dataset, name)))
    return {name: every[~moved], f"{name} 2": every[moved]}


def _score(page: Opened) -> str:
    return "hsf" if page.samples.votes else "confidence"


def _images_of(page: Opened, name: str) -> np.ndarray:
    """Return the ids of the images in view that have a class now, perhaps relabelled."""
    labelled = Filters(where=f"curated_label = {page.samples.classes.index(name)}")
    return page.samples.order(page.filters.narrowed(labelled), sort=_score(page))


def _images(page: Opened, ids: np.ndarray, name: str) -> GridView:
    return narrow_grid(page, ids[:_IMAGES].tolist(), key=f"classes.{len(name)}.{name}", label=name, score=_score(page))


def show_table(page: Opened, classes: Classes) -> None:
    """Draw every class, and what the runs know of them."""
    columns = {
        "class": "Class",
        "images": "Given",
        "labelled": "Labelled now",
        "accuracy": "Accuracy",
        "crossings": f"{classes.chosen_by.capitalize()} for others",
        "nearest": "Nearest weights",
        "angle": "Angle, degrees",
    }
    st.dataframe(classes.classes.round(3), hide_index=True, key="classes.table", column_config=columns)
    if page.samples.parents:
        _show_levels(classes)
    for note in service.run_notes(page.dataset):
        st.caption(plain(note))


def _show_levels(classes: Classes) -> None:
    """Draw accuracy, HSF, AVH and what is taken for what, by parent."""
    st.header("By parent")
    titles = {
        "parent": "Parent",
        "images": "Given",
        "accuracy": "Accuracy",
        "accuracy_parent": "… of the parent",
        "hsf": "HSF",
        "hsf_parent": "… of the parent",
        "avh": "AVH",
        "avh_parent": "… of the parent",
        "within": f"{classes.chosen_by.capitalize()} for others within",
        "across": "… across",
        "within_share": "Share within",
    }
    st.dataframe(classes.levels.round(3), hide_index=True, key="classes.levels", column_config=titles)
    st.caption(f"{PARENTS} The SQL condition `predicted_parent <> parent` finds errors across parents.")


# --- what is decided ---------------------------------------------------------------------------------------------


def _merge(workspace: Workspace, decisions: Decisions, decision: Decision) -> Reply:
    changes.merge(decisions, workspace, [decision.of, str(decision.value)], decision.of)
    return Reply()


def _split(workspace: Workspace, run: RunFolder | None, decisions: Decisions, decision: Decision) -> Reply:
    parts = beside(service.parts, decisions.samples, run, decisions.dataset, decision.of)
    changes.split(decisions, workspace, decision.of, parts)
    return Reply()


#: What is decided about classes, by kind of decision.
TAKERS: Takers = {"merge classes": _merge, "split class": _split}
