"""The view: every choice a user can make, in one frozen value that lives in the URL and nowhere else."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from avhcurate.errors import CurateError
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import FILTER_KEYS, Filters
from avhcurate.votes.bins import DEFAULT_EDGES, parse_edges

TILE_SIZES = {"S": 96, "M": 140, "L": 200, "XL": 280}
NO_FILTERS = Filters()
_CHOICE = re.compile(r"[a-z]+\.[a-z_]+")
#: Choices of pages that mean nothing with another run: a map, and places on it.
_OF_A_RUN = ("map.layout", "map.region", "map.window")


@dataclass(frozen=True)
class View:
    """What the user sees: names, ids and choices, never data.

    An empty `dataset` or `run` means the first dataset and the newest run. `choices` are those of single pages,
    as (PAGE.CHOICE, value) pairs. `caption` is a further column on every tile, "" for none. `sample` is the image whose
    details are open, `row` the place, from 1, at which the grid begins.
    """

    dataset: str = ""
    run: str = ""
    edges: tuple[float, ...] = DEFAULT_EDGES
    filters: Filters = NO_FILTERS
    sort: str = "avh"
    descending: bool = True
    row: int = 1
    tile: str = "M"
    caption: str = ""
    sample: int | None = None
    choices: tuple[tuple[str, str], ...] = ()

    def to_query(self) -> dict[str, str]:
        """The view as URL parameters, defaults left out.

        >>> View(dataset="digits", filters=Filters(hsf_bins=(0,)), descending=False).to_query()
        {'dataset': 'digits', 'bin': '0', 'order': 'asc'}
        """
        default = View()
        query = {
            "dataset": self.dataset,
            "run": self.run,
            "edges": ",".join(f"{edge:g}" for edge in self.edges) if self.edges != default.edges else "",
            **self.filters.to_query(),
            "sort": self.sort if self.sort != default.sort else "",
            "order": "" if self.descending else "asc",
            "row": str(self.row) if self.row > 1 else "",
            "tile": self.tile if self.tile != default.tile else "",
            "caption": self.caption,
            "sample": "" if self.sample is None else str(self.sample),
            **dict(self.choices),
        }
        return {key: value for key, value in query.items() if value}

    def chosen(self, name: str, default: str = "") -> str:
        """The value of a page's own choice."""
        return dict(self.choices).get(name, default)

    def choosing(self, name: str, value: str) -> "View":
        """The same view with a page's own choice set, or removed when `value` is empty."""
        choices = dict(self.choices) | {name: value}
        return replace(self, choices=tuple(sorted((key, text) for key, text in choices.items() if text)))

    @property
    def elsewhere(self) -> dict[str, str]:
        """URL parameters for a link to another page: the same data and filters, from the start."""
        return replace(self, row=1, sample=None).to_query()


def parse(query: Mapping[str, str]) -> tuple[View, list[str]]:
    """The view of URL parameters, and a notice for each that could not be read; those are left out.

    >>> parse({"row": "2", "tile": "huge"})[1]
    ['The address has tile=huge, which is not understood: it was ignored.']
    """
    view, notices = View(), []
    for key, text in _in_rows(query).items():
        try:
            view = _with_parameter(view, key, text)
        except (ValueError, KeyError, CurateError):
            notices.append(f"The address has {key[:20]}={text[:40]}, which is not understood: it was ignored.")
    return view, notices


def _in_rows(query: Mapping[str, str]) -> dict[str, str]:
    """The parameters, with the row that an address of an earlier version names by a page of `per` samples.

    >>> _in_rows({"page": "3", "per": "120"})
    {'row': '241'}
    """
    rest = {key: text for key, text in query.items() if key not in ("page", "per")}
    try:
        page, per = _whole(query.get("page", "1"), 1), _whole(query.get("per", "60"), 1)
    except ValueError:
        return dict(query)
    return ({"row": str((page - 1) * per + 1)} if page > 1 else {}) | rest


def fit(view: View, table: DatasetTable) -> tuple[View, list[str]]:
    """The view without columns and values that the table lacks, and a notice for each."""
    filters, notices = view.filters.fit(table)
    view = replace(view, filters=filters)
    if view.sort not in table.columns:
        notices.append(f"There is no column {view.sort} to sort by.")
        view = replace(view, sort=View().sort)
    if view.caption and view.caption not in table.columns:
        notices.append(f"There is no column {view.caption} to show on the images.")
        view = replace(view, caption="")
    return view, notices


def read() -> tuple[View, list[str]]:
    """The view that the browser's address asks for."""
    return parse(st.query_params.to_dict())


def current() -> View:
    """The view that the browser's address asks for, without its notices."""
    return read()[0]


def write(view: View) -> None:
    """Puts the view into the address; to be called in a widget's callback, before the page runs."""
    if (query := view.to_query()) != st.query_params.to_dict():
        st.query_params.from_dict(query)


def change(**changes: Any) -> None:
    """Changes fields of the view; a change of what is listed goes back to its first row."""
    view = current()
    if {"dataset", "run", "edges", "filters", "sort", "descending"} & set(changes):
        changes = {"row": 1, "sample": None} | changes
    if "run" in changes:
        changes = {"choices": tuple(one for one in view.choices if one[0] not in _OF_A_RUN)} | changes
    write(replace(view, **changes))


def _with_parameter(view: View, key: str, text: str) -> View:
    if key in FILTER_KEYS:
        return replace(view, filters=Filters.from_query(view.filters.to_query() | {key: text}))
    if key in _READ:
        field, read_text = _READ[key]
        return replace(view, **{field: read_text(text)})
    if not _CHOICE.fullmatch(key):
        raise KeyError(key)
    return view.choosing(key, text)


def _whole(text: str, least: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12 or int(text) < least:
        raise ValueError(text)
    return int(text)


#: By parameter, besides those of filters: the field of a view, and how its text is read.
_READ: dict[str, tuple[str, Callable[[str], Any]]] = {
    "dataset": ("dataset", str),
    "run": ("run", str),
    "edges": ("edges", parse_edges),
    "sort": ("sort", str),
    "order": ("descending", {"asc": False, "desc": True}.__getitem__),
    "row": ("row", lambda text: _whole(text, 1)),
    "tile": ("tile", {name: name for name in TILE_SIZES}.__getitem__),
    "caption": ("caption", str),
    "sample": ("sample", lambda text: _whole(text, 0)),
}
