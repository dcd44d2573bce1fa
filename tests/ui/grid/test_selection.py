"""What an action applies to: ranges of a view, carried to another order of the same samples, void among others."""

import numpy as np
import streamlit as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from avhcurate.datasets.table.filters import Filters
from avhcurate.ui.grid import grid_routes
from avhcurate.ui.grid.grid_views import GridSelection, GridView, carried, register, selected_in

FILTERS = Filters(classes=(3,))
client = TestClient(Starlette(routes=grid_routes.routes()))


def view_of(ids, about="digits", filters=None):
    order = np.array(ids)
    return register(
        GridView(about, len(ids), [], order=lambda: order, tiles=lambda _: [], version=str(ids), filters=filters)
    )


def asked(view, before, *ranges):
    answer = client.post(f"{view.url}/ranges", json={"view": before, "ranges": ranges})
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()["ranges"]


def test_everything_that_matches_is_a_predicate_and_never_a_list():
    view = GridView("d", 90_000, [], order=lambda: 1 / 0, tiles=lambda _: [], filters=FILTERS)
    everything = GridSelection(view, ((0, 90_000),))
    assert (everything.everything, everything.count, everything.chosen) == (True, 90_000, FILTERS)
    less = GridView("d", 80_000, [], order=lambda: 1 / 0, tiles=lambda _: [], filters=FILTERS)
    assert carried(view, ((0, 90_000),), less) == ((0, 80_000),)


def test_a_selection_outlives_another_order_and_loses_what_is_gone():
    by_score, by_id = view_of([5, 3, 8, 1]), view_of([1, 3, 5])
    assert carried(by_score, ((0, 3),), by_id) == ((1, 3),)
    assert asked(by_id, by_score.key, [0, 3]) == [[1, 3]]
    assert GridSelection(by_id, ((1, 3),)).ids == [3, 5]


def test_a_selection_among_other_samples_or_in_a_view_that_is_gone_is_void():
    here, photos = view_of([5, 3]), view_of([5, 3], about="photos")
    st.session_state["selection.views"] = [photos]
    assert selected_in({"view": here.key, "ranges": [[0, 2]]}).ids == []
    assert asked(photos, here.key, [0, 2]) == [[0, 2]]  # where a chart shows both
    assert asked(here, "unknown", [0, 2]) == []


def test_places_beyond_the_view_do_not_count():
    here, other = view_of([5, 3]), view_of([3, 5])
    assert asked(other, here.key, [1, 9], [20, 30]) == [[0, 1]]


def test_what_is_no_selection_is_refused():
    address = f"{(here := view_of([5, 3])).url}/ranges"
    assert client.post(address, content=b"{").status_code == 400
    assert client.post(address, json=[here.key]).json()["ranges"] == []
    assert client.post(f"{here.url[:-1]}/ranges", json={}).status_code == 404
    assert client.post(address, content=b" " * 17_000_000).status_code == 413
