"""The view and the address say the same, and no address can break a page."""

import datetime
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avhcurate.datasets.table.filter_kinds import OneOf
from avhcurate.datasets.table.filters import FILTER_KEYS, FILTERS, Filters
from avhcurate.ui.base.url_state import View, fit, parse
from avhcurate.ui.shell.sidebar_filters import WIDGETS

TEXT = st.text(min_size=1, max_size=8)
ENDS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
SOME_FILTERS = st.builds(
    Filters,
    hsf_bins=st.lists(st.none() | st.integers(0, 4), unique=True, max_size=3).map(tuple),
    classes=st.lists(st.none() | st.integers(0, 9), unique=True, max_size=3).map(tuple),
    splits=st.lists(st.none() | TEXT, unique=True, max_size=2).map(tuple),
    tags=st.lists(TEXT, unique=True, max_size=2).map(tuple),
    sets=st.lists(TEXT, unique=True, max_size=2).map(tuple),
    ranges=st.lists(st.tuples(st.sampled_from(["avh", "loss"]), ENDS, ENDS), max_size=2).map(tuple),
    mistakes=st.booleans(),
    locked=st.booleans(),
    excluded=st.sampled_from([False, True, None]),
    where=st.sampled_from(["", "avh > 0.1 AND label_name = 'a,b'"]),
)
VIEWS = st.builds(
    View,
    dataset=TEXT,
    run=TEXT,
    filters=SOME_FILTERS,
    edges=st.sampled_from([(0.0, 0.2, 0.4, 0.6, 0.8, 1.0), (0.0, 0.25, 1.0)]),
    sort=st.sampled_from(["avh", "loss", "id"]),
    descending=st.booleans(),
    row=st.integers(1, 10**6),
    tile=st.integers(72, 360),
    sample=st.none() | st.integers(0, 10**9),
    choices=st.sampled_from([(), (("correlation.score", "avh"), ("pseudo.portion", "0.2"))]),
)
TABLE = SimpleNamespace(
    columns=("avh", "loss", "hsf", "id"),
    scores=("avh", "loss"),
    measures=(),
    predictions=(),
    agreed=(),
    panel=(),
    parents=("odd",),
    classes=("cat", "dog"),
    edges=(0.0, 0.5, 1.0),
    sets=("hard",),
    own=lambda *kinds: (),
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(VIEWS)
def test_an_address_restores_the_view_it_was_made_from(view):
    assert parse(view.to_query()) == (view, [])


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from([*View(dataset="d").to_query(), *FILTER_KEYS, "row", "page", "sample", "x"]), TEXT)
)
def test_no_address_raises_and_what_is_ignored_is_named(query):
    view, notices = parse(query)
    again, _ = parse(view.to_query())
    assert again == view
    assert all("ignored" in notice for notice in notices)


def test_one_bad_parameter_does_not_cost_the_others():
    view, notices = parse({"bin": "0,2", "class": "three", "row": "-4", "sort": "loss", "utm_source": "mail"})
    assert (view.filters, view.sort, view.row) == (Filters(hsf_bins=(0, 2)), "loss", 1)
    assert [notice.split("=")[0] for notice in notices] == ["class", "row", "utm_source"]


@pytest.mark.parametrize("text", ["0", "1.5", "٣", "9" * 40, ""])
def test_a_page_number_is_a_plain_positive_number(text):
    assert parse({"row": text})[0].row == 1


def test_every_filter_has_a_parameter_and_all_but_chosen_images_a_widget():
    own = {"values": (("place", "a"),), "dates": (("taken", datetime.date(2024, 1, 1), None),)}
    everything = Filters(
        hsf_bins=(0,),
        ranges=(("avh", 0.0, 1.0),),
        classes=(0,),
        parents=("a",),
        tags=("a",),
        splits=("a",),
        sets=("a",),
        **own,
        excluded=True,
        predicted=(0,),
        mistakes=True,
        panel=("network",),
        locked=True,
        where="TRUE",
        ids=(3,),
    )
    assert list(everything.to_query()) == list(FILTER_KEYS)
    with_facet = {field for field, entry in FILTERS.items() if entry.column or isinstance(entry, OneOf)}
    assert with_facet | set(WIDGETS) | {"values", "ids"} == set(FILTERS)  # values share the choice of columns


def test_a_view_is_fitted_to_the_table_and_says_what_it_lost():
    ranges = (("avh", 0.0, 1.0), ("gone", 0.0, 1.0))
    filters = Filters(
        hsf_bins=(0, 4), classes=(1, 7, None), parents=("odd", "gone"), sets=("hard", "gone"), ranges=ranges
    )
    view, notices = fit(View(filters=filters, sort="gone"), TABLE)
    assert view.filters == Filters(
        hsf_bins=(0,), classes=(1, None), parents=("odd",), sets=("hard",), ranges=ranges[:1]
    )
    assert view.sort == "avh"
    assert len(notices) == 6
    assert "This dataset has no set gone: the filter was left out." in notices


def test_links_to_other_pages_keep_data_and_filters_but_not_page_and_sample():
    view = View(dataset="d", filters=Filters(classes=(1,)), row=3, sample=7).choosing("pseudo.rule", "avc")
    assert view.elsewhere == {"dataset": "d", "class": "1", "pseudo.rule": "avc"}
