"""The view: every choice a user can make, in one frozen value that lives in the URL and nowhere else."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any
from weakref import WeakValueDictionary

import streamlit as st
from pydantic import AfterValidator, Field

from avhcurate.datasets.table.address_values import read_value, write_value
from avhcurate.datasets.table.filters import FILTER_KEYS, Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError
from avhcurate.people.bins import DEFAULT_EDGES, check_edges
from avhcurate.ui.base.signin import session

NO_FILTERS = Filters()
_CHOICE = re.compile(r"[a-z]+\.[a-z_]+")
#: Session state: what the browser is told.
_KEY = "url.told"
#: Choices of pages that mean nothing with another run: a map, and places on it.
_OF_A_RUN = ("map.layout", "map.region", "map.window")


@dataclass(frozen=True)
class View:
    """What the user sees: names, ids and choices, never data.

    An empty `dataset` or `run` means the first dataset and its default run. `choices` are those of single pages,
    as (PAGE.CHOICE, value) pairs. `caption` is a further column on every tile, "" for none. `sample` is the image whose
    details are open, `row` the place, from 1, at which the grid begins, `tile` the width of a tile in pixels.
    """

    dataset: str = ""
    run: str = ""
    edges: Annotated[tuple[float, ...], AfterValidator(check_edges)] = DEFAULT_EDGES
    filters: Filters = NO_FILTERS
    sort: str = "avh"
    descending: bool = True
    row: Annotated[int, Field(ge=1, le=10**12)] = 1
    tile: Annotated[int, Field(ge=72, le=360)] = 140
    caption: str = ""
    sample: Annotated[int, Field(ge=0, le=10**12)] | None = None
    choices: tuple[tuple[str, str], ...] = ()

    def to_query(self) -> dict[str, str]:
        """Return the view as URL parameters, defaults left out.

        >>> View(dataset="digits", filters=Filters(hsf_bins=(0,)), descending=False).to_query()
        {'dataset': 'digits', 'bin': '0', 'descending': 'false'}
        """
        query: dict[str, str] = {}
        for field in _FIELDS:
            value = getattr(self, field)
            if field == "filters":
                query |= self.filters.to_query()
            elif value != getattr(View, field):
                query[field] = write_value(value)
        return query | dict(self.choices)

    def choosing(self, name: str, value: str) -> "View":
        """Return the same view with a page's own choice set, or removed if `value` is empty."""
        choices = dict(self.choices) | {name: value}
        return replace(self, choices=tuple(sorted((key, text) for key, text in choices.items() if text)))

    @property
    def elsewhere(self) -> dict[str, str]:
        """URL parameters for a link to another page: the same data and filters, from the start."""
        return replace(self, row=1, sample=None).choosing("gallery.back", "").to_query()


#: Its parameters, and where those of the filters stand.
_FIELDS = [field.name for field in fields(View) if field.name != "choices"]


def parse(query: Mapping[str, str]) -> tuple[View, list[str]]:
    """Return the view of URL parameters, and a notice for each that could not be read; those are left out.

    >>> parse({"row": "2", "tile": "huge"})[1]
    ['tile=huge in the address is not understood and was ignored.']
    """
    view = View()
    notices = []
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
        field = FILTER_KEYS[key]
        return replace(view, filters=view.filters.with_(**{field: read_value(Filters, field, text)}))
    if key in _FIELDS and key != "filters":
        return replace(view, **{key: read_value(View, key, text)})
    if not _CHOICE.fullmatch(key):
        raise KeyError(key)
    return view.choosing(key, text)


def fit(view: View, samples: SampleTable) -> tuple[View, list[str]]:
    """Return the view without columns and values that the table lacks, and a notice for each."""
    filters, notices = view.filters.fit(samples)
    view = replace(view, filters=filters)
    for field, use in (("sort", "to sort by"), ("caption", "to show on the images")):
        column = getattr(view, field)
        if column and column not in samples.columns:
            notices.append(f"Unknown column {column} {use}.")
            view = replace(view, **{field: getattr(View(), field)})
    return view, notices


def read() -> tuple[View, list[str]]:
    """Return the view that the browser's address asks for, and its notices."""
    return parse(_address())


def current() -> View:
    """Return the view that the browser's address asks for."""
    return read()[0]


def write(view: View) -> None:
    """Put the view into the address, in a widget's callback, before the page runs."""
    query = view.to_query()
    before = st.query_params.to_dict()
    if query != before:
        address = told()
        address.number += 1
        address.query = query
        address.replaced += (before,)
        st.query_params.from_dict(query)


class Told:
    """The newest address that a browser is told, and those that it may still send until it has heard of that one.

    The browser has gone back or forward `backs` times, as far as is known.
    """

    number = 0
    query: Mapping[str, str] = {}
    replaced: tuple[Mapping[str, str], ...] = ()
    backs = 0


#: By session, with which each ends.
_TOLD: WeakValueDictionary[str, Told] = WeakValueDictionary()


def told() -> Told:
    """Return what the browser of this session is told."""
    address: Told = st.session_state.setdefault(_KEY, Told())
    _TOLD[session()] = address
    return address


def _address() -> dict[str, str]:
    """Return the address that the browser has sent, or the newer one that it had not heard of.

    What is done before the browser hears of a new address comes with the old one, which would undo the new one.
    """
    sent = st.query_params.to_dict()
    address = told()
    if sent in address.replaced and sent != address.query:
        st.query_params.from_dict(address.query)
    return st.query_params.to_dict()


def heard(session: str, number: int, backs: int) -> None:
    """Note which address the browser of a session shows, and how often it went back or forward, which it means.

    What comes later than a newer one does not count.
    """
    address = _TOLD.get(session)
    if address and address.backs <= backs:
        if address.number <= number or address.backs != backs:
            address.replaced = ()
        address.backs = backs


def change(**changes: Any) -> None:
    """Change fields of the view; a change of what is listed goes back to its first row."""
    view = current()
    if {"dataset", "run", "edges", "filters", "sort", "descending"} & set(changes):
        changes = {"row": 1, "sample": None} | changes
    if "run" in changes:
        changes = {"choices": tuple(choice for choice in view.choices if choice[0] not in _OF_A_RUN)} | changes
    write(replace(view, **changes))
