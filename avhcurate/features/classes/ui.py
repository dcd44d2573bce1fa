"""The page Classes: pairs of classes to merge and classes to split, one at a time, by keys; and a table of all."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.datasets.curate import classes as changes
from avhcurate.datasets.curate.history import describe, undo_entry
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.features.classes import service
from avhcurate.features.classes.service import Classes
from avhcurate.ui.base import url_state
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.frame import Opened, announce, attempt
from avhcurate.ui.base.layout import halves, in_a_row
from avhcurate.ui.base.page_choices import number, one_of
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.grid.grid_bar import narrow_grid
from avhcurate.ui.grid.grid_views import GridView
from avhcurate.workspace.data.events import CLASS_ACTIONS, Event

_PARTS = {"merge": "Two that may be one", "split": "One that may be two"}
PART = one_of("classes.part", list(_PARTS), "merge")
#: Which of the proposals is shown, from 1.
AT = number("classes.at", 1, low=1, high=10_000)
#: Images of each side.
_IMAGES = 12

known = kept("Comparing the classes …", most=4)(service.classes_of)
_parts = kept("Finding two parts …", most=4)(service.parts)


def propose(page: Opened, classes: Classes) -> list[GridView | None]:
    """Draw one proposal with its keys and images; return the views of these."""
    with in_a_row():
        part = PART.show(st.segmented_control, "Proposals", _PARTS, on_change=partial(PART.restart, AT.name))
        undo_last(page.table)
    rows = {"merge": classes.pairs, "split": classes.splits}[part]
    if rows.empty:
        page.result.markdown("No classes to compare.")
        return []
    place = min(int(AT.asked()), len(rows)) - 1
    row = rows.iloc[place]
    if part == "merge":
        names = [row["first"], row["second"]]
        page.result.markdown(f"## {pair_text(row, classes.chosen_by)}")
        act: Callable[[], Event] = partial(changes.merge, page.table, names, names[0])
        sides = [_images_of(page, name) for name in names]
    else:
        names = [row["class"], f"{row['class']} 2"]
        page.result.markdown(f"## {split_text(row)}")
        act = partial(_split, page.table, row["class"])
        every = _images_of(page, row["class"])
        moved = np.isin(every, list(_parts(page.table, row["class"])))
        sides = [every[~moved], every[moved]]
    _buttons(part, place, len(rows), "/".join(names), act)
    views = list[GridView | None]()
    for cell, name, ids in zip(halves(), names, sides, strict=True):
        with cell:
            st.markdown(f"**{plain(name)}** · {len(ids):,} images")
            if len(ids):
                views.append(_images(page, ids, name))
    return views


def pair_text(row: "pd.Series[Any]", chosen_by: str) -> str:
    """Return what is known of a pair of classes: `cat and lynx: 41 % of votes cross, means 12 degrees apart`."""
    parts = []
    if pd.notna(row["crossings"]):
        parts.append(f"{row['crossings']:.0%} of {chosen_by} cross".replace("%", " %"))
    for angle in ("means", "weights"):
        if pd.notna(row[angle]):
            parts.append(f"{angle} {row[angle]:.0f} degrees apart")
    return f"{plain(row['first'])} and {plain(row['second'])}: {', '.join(parts) or 'nothing is known'}"


def split_text(row: "pd.Series[Any]") -> str:
    """Return what is known of a class that may be two."""
    apart = f"{row['apart']:.0%}".replace("%", " %")
    return f"{plain(row['class'])}: two parts of its embeddings hold {apart} of their variance apart"


def _images_of(page: Opened, name: str) -> np.ndarray:
    """Return the ids of the images in view that have a class now, perhaps relabelled."""
    rows = page.table.frame(page.filters, columns=["id", "curated_label_name"])
    return rows.loc[rows["curated_label_name"] == name, "id"].to_numpy()


def _images(page: Opened, ids: np.ndarray, name: str) -> GridView:
    """Draw the hardest images of a side, for people or else for the network."""
    score = "hsf" if page.table.votes else "confidence"
    order = page.table.frame(page.filters, columns=["id", score]).set_index("id")[score]
    hardest = order.reindex(ids).sort_values(kind="stable").index[:_IMAGES]
    return narrow_grid(page, hardest.tolist(), key=f"classes.{len(name)}.{name}", label=name, score=score)


def _buttons(part: str, place: int, count: int, names: str, act: Callable[[], Event]) -> None:
    # A button is of one proposal: a key that comes late is about what was on screen.
    label, key = {"merge": ("Merge", "m"), "split": ("Split", "s")}[part]
    decide = partial(attempt, _decide, act)
    with in_a_row():
        widget = for_curators("Changing classes", type="primary")
        st.button(label, key=f"classes.act.{names}", on_click=decide, shortcut=key, **widget)
        st.button("Back", key="classes.back", on_click=AT.put, args=(place,), shortcut="b", disabled=not place)
        last = place + 1 == count
        st.button("Next", key="classes.next", on_click=AT.put, args=(place + 2,), shortcut="n", disabled=last)
        st.caption(f"{place + 1:,} of {count:,}")


def undo_last(table: DatasetTable) -> None:
    """Draw the button that undoes the newest change of the classes, of anybody, which it names."""
    if (entry := table.log.last(table.dataset.id, CLASS_ACTIONS)) is None:
        return
    about = f"{plain(entry.who)} {plain(describe(entry, table.classes))}"
    act = partial(attempt, _undo, table, entry.key)
    widget = for_curators("Changing classes", help=about)
    st.button("Undo the last change", icon=":material/undo:", key=f"classes.undo.{entry.key}", on_click=act, **widget)


def show_table(page: Opened, classes: Classes) -> None:
    """Draw every class, and what the runs know of them."""
    columns: dict[str, Any] = {
        "class": "Class",
        "images": "Given",
        "labelled": "Labelled now",
        "accuracy": st.column_config.NumberColumn("Accuracy", format="percent"),
        "crossings": st.column_config.NumberColumn(f"{classes.chosen_by.capitalize()} for others", format="percent"),
        "nearest": "Nearest weights",
        "angle": st.column_config.NumberColumn("Angle, degrees", format="%.0f"),
    }
    st.dataframe(classes.classes, hide_index=True, key="classes.table", column_config=columns)
    for note in service.run_notes(page.table):
        st.caption(plain(note))


def _split(table: DatasetTable, name: str) -> Event:
    return changes.split(table, name, _parts(table, name))


def _decide(act: Callable[[], Event]) -> None:
    """Change the classes; filters by class are of other numbers then."""
    event = act()
    view = url_state.current()
    url_state.change(filters=view.filters.with_(classes=(), predicted=()))
    announce(f"{event.action}: {event.value}".capitalize())


def _undo(table: DatasetTable, key: str) -> None:
    announce(f"Undid {undo_entry(table, key)}")
