"""The view: every choice a user can make, in one frozen value that lives in the URL and nowhere else."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import FILTER_KEYS, Filters
from avhcurate.errors import CurateError
from avhcurate.people.bins import DEFAULT_EDGES, parse_edges

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
        """Return the view as URL parameters, defaults left out.

        >>> View(dataset="digits", filters=Filters(hsf_bins=(0,)), descending=False).to_query()
        {'dataset': 'digits', 'bin': '0', 'order': 'asc'}
        """
        usual = View()
        changed = {
            key: write(getattr(self, field))
            for key, (field, _, write) in _PARAMETERS.items()
            if getattr(self, field) != getattr(usual, field)
        }
        first = {key: changed.pop(key) for key in ("dataset", "run", "edges") if key in changed}
        return first | self.filters.to_query() | changed | dict(self.choices)

    def choosing(self, name: str, value: str) -> "View":
        """Return the same view with a page's own choice set, or removed if `value` is empty."""
        choices = dict(self.choices) | {name: value}
        return replace(self, choices=tuple(sorted((key, text) for key, text in choices.items() if text)))

    @property
    def elsewhere(self) -> dict[str, str]:
        """URL parameters for a link to another page: the same data and filters, from the start."""
        return replace(self, row=1, sample=None).to_query()


def _whole(text: str, least: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12 or int(text) < least:
        raise ValueError(text)
    return int(text)


def _size(text: str) -> str:
    if text not in TILE_SIZES:
        raise ValueError(text)
    return text


#: By parameter, without those of filters: the field of a view, how its text is read, and how it is written.
_PARAMETERS: dict[str, tuple[str, Callable[[str], Any], Callable[[Any], str]]] = {
    "dataset": ("dataset", str, str),
    "run": ("run", str, str),
    "edges": ("edges", parse_edges, lambda edges: ",".join(f"{edge:g}" for edge in edges)),
    "sort": ("sort", str, str),
    "order": ("descending", {"asc": False, "desc": True}.__getitem__, {False: "asc", True: "desc"}.__getitem__),
    "row": ("row", lambda text: _whole(text, 1), str),
    "tile": ("tile", _size, str),
    "caption": ("caption", str, str),
    "sample": ("sample", lambda text: _whole(text, 0), str),
}


def parse(query: Mapping[str, str]) -> tuple[View, list[str]]:
    """Return the view of URL parameters, and a notice for each that could not be read; those are left out.

    >>> parse({"row": "2", "tile": "huge"})[1]
    ['tile=huge in the address is not understood and was ignored.']
    """
    view, notices = View(), []
    for key, text in query.items():
        try:
            view = _with_parameter(view, key, text)
        except (ValueError, KeyError, CurateError):
            notices.append(not_understood(key, text))
    return view, notices


def not_understood(key: str, text: str) -> str:
    """Return a notice on a parameter that cannot be read."""
    return f"{key[:20]}={text[:40]} in the address is not understood and was ignored."


def _with_parameter(view: View, key: str, text: str) -> View:
    if key in FILTER_KEYS:
        return replace(view, filters=Filters.from_query(view.filters.to_query() | {key: text}))
    if key in _PARAMETERS:
        field, read_text, _ = _PARAMETERS[key]
        return replace(view, **{field: read_text(text)})
    if not _CHOICE.fullmatch(key):
        raise KeyError(key)
    return view.choosing(key, text)


def fit(view: View, table: DatasetTable) -> tuple[View, list[str]]:
    """Return the view without columns and values that the table lacks, and a notice for each."""
    filters, notices = view.filters.fit(table)
    view = replace(view, filters=filters)
    for field, use in (("sort", "to sort by"), ("caption", "to show on the images")):
        column = getattr(view, field)
        if column and column not in table.columns:
            notices.append(f"Unknown column {column} {use}.")
            view = replace(view, **{field: getattr(View(), field)})
    return view, notices


def read() -> tuple[View, list[str]]:
    """Return the view that the browser's address asks for, and its notices."""
    return parse(st.query_params.to_dict())


def current() -> View:
    """Return the view that the browser's address asks for."""
    return read()[0]


def write(view: View) -> None:
    """Put the view into the address, in a widget's callback, before the page runs."""
    if (query := view.to_query()) != st.query_params.to_dict():
        st.query_params.from_dict(query)


def change(**changes: Any) -> None:
    """Change fields of the view; a change of what is listed goes back to its first row."""
    view = current()
    if {"dataset", "run", "edges", "filters", "sort", "descending"} & set(changes):
        changes = {"row": 1, "sample": None} | changes
    if "run" in changes:
        changes = {"choices": tuple(one for one in view.choices if one[0] not in _OF_A_RUN)} | changes
    write(replace(view, **changes))
