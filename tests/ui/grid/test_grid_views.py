"""Rows of the grid over HTTP: by the key of a view that a session holds, in its order, behind the sign-in."""

import gc
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.sample import lookalike
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.url_state import View
from avhcurate.ui.components.grid import decode_selection
from avhcurate.ui.grid import grid_routes, grid_views
from avhcurate.ui.grid.grid_views import (
    GridSelection,
    GridView,
    carried,
    list_view,
    make_tiles,
    register,
    selected_in,
    table_view,
)
from avhcurate.workspace.data.workspace import Workspace

client = TestClient(Starlette(routes=grid_routes.routes()))


def opened(root, **choices):
    opened = open_dataset(Workspace(root), "digits")
    view = View("digits", **choices)
    return Opened(Workspace(root), view, opened, opened.samples.count(view.filters))


def ids(view, start, stop):
    answer = client.get(f"{view.url}/rows", params={"start": start, "stop": stop})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    return [tile["id"] for tile in answer.json()["tiles"]]


def test_windows_are_those_of_the_pages_that_the_table_gives(demo_root):
    page = opened(demo_root, filters=Filters(classes=(3, 4)), sort="loss", descending=False)
    view = table_view(page)
    rows = page.samples.page(page.filters, sort="loss", limit=400)["id"].tolist()
    assert ids(view, 0, 60) == rows[:60]
    assert ids(view, 300, 900) == rows[300:]
    assert page.count == len(rows)


def test_a_list_keeps_its_order_and_its_look(demo_root):
    view = list_view(opened(demo_root), range(200, 0, -1), subject="mine", score="id")
    assert ids(view, 100, 103) == [100, 99, 98]
    answer = client.get(f"{view.url}/rows?start=199&stop=260").json()["tiles"]
    assert answer[0]["src"].startswith("/images/digits/1?v=")


def test_why_an_image_is_hard_is_asked_of_a_view_whose_run_has_class_weights(demo_root):
    view = table_view(opened(demo_root, sort="avh", descending=True))
    (hardest,) = ids(view, 0, 1)
    reason = client.get(f"{view.url}/why?id={hardest}").json()["reason"]
    row = view.tiles([hardest])[0]
    near = lookalike(
        open_dataset(Workspace(demo_root), "digits").samples,
        open_dataset(Workspace(demo_root), "digits").run,
        open_dataset(Workspace(demo_root), "digits").neighbours,
        hardest,
    )
    assert reason["words"][0].endswith(f"to “{row.title}”, its label")
    assert reason["angles"] == pytest.approx(np.degrees(near.angles))
    assert reason["src"].startswith(f"/images/digits/{near.id}?v=")
    assert [client.get(f"{view.url}/why?id={id}").status_code for id in ("x", 5000)] == [400, 409]
    page = opened(demo_root, sort="id")
    page.opened.run = None
    without = table_view(page)
    assert client.get(f"{without.url}/why?id=0").json() == {"reason": None}


@pytest.mark.slow
def test_a_key_changes_with_the_decisions_and_ends_with_its_session(own_demo_root):
    page = opened(own_demo_root)
    view, address = table_view(page), table_view(page).url
    assert table_view(page).url == address
    annotate(page.decisions, [0], "tag", "odd")
    other = table_view(page)
    assert other.url != address
    assert client.get(f"{address}/rows?start=0&stop=1").status_code == 200
    del view
    gc.collect()
    assert client.get(f"{address}/rows?start=0&stop=1").status_code == 404


# --- the selection ---------------------------------------------------------------------------------------------------


FILTERS = Filters(classes=(3,))


def view_of(ids, subject="digits", filters=None):
    order = np.array(ids)
    return register(
        GridView(subject, len(ids), [], order=lambda: order, tiles=lambda _: [], version=str(ids), filters=filters)
    )


def asked(view, before, *ranges):
    answer = client.post(f"{view.url}/ranges", json={"view": before, "ranges": ranges})
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()["ranges"]


def test_everything_that_matches_is_a_predicate_and_never_a_list():
    view = GridView("d", 90_000, [], order=lambda: 1 / 0, tiles=lambda _: [], filters=FILTERS)
    everything = GridSelection(view, ((0, 90_000),))
    assert (everything.everything, everything.count, everything.samples) == (True, 90_000, FILTERS)
    less = GridView("d", 80_000, [], order=lambda: 1 / 0, tiles=lambda _: [], filters=FILTERS)
    assert carried(view, ((0, 90_000),), less) == ((0, 80_000),)


def test_a_selection_outlives_another_order_and_loses_what_is_gone():
    by_score, by_id = view_of([5, 3, 8, 1]), view_of([1, 3, 5])
    assert carried(by_score, ((0, 3),), by_id) == ((1, 3),)
    assert asked(by_id, by_score.key, [0, 3]) == [[1, 3]]
    assert GridSelection(by_id, ((1, 3),)).ids == [3, 5]


def test_a_selection_among_other_samples_or_in_a_view_that_is_gone_is_void(monkeypatch):
    here, photos = view_of([5, 3]), view_of([5, 3], subject="photos")
    monkeypatch.setattr(grid_views.st, "session_state", {"selection.views": [photos]})
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


# --- tiles -----------------------------------------------------------------------------------------------------------


SAMPLES = SimpleNamespace(name="pets", imported="v1")
PAGE = SimpleNamespace(samples=SAMPLES, view=SimpleNamespace(caption=""))
ROW = {
    "id": 5,
    "label": 1,
    "label_name": "cat",
    "predicted": 0,
    "predicted_name": "dog",
    "curated_label": 1,
    "curated_label_name": "cat",
    "hsf": 0.25,
    "tags": ["dim"],
    "excluded": False,
    "locked": False,
    "problem": None,
    "avh": 0.08,
}


#: The percentiles of a score whose values run evenly from 0 to 0.1.
MARKS = [share / 1000 for share in range(101)]


def tile(**changes):
    rows = pd.DataFrame([ROW | changes]).astype({"label": "Int32", "predicted": "Int32", "curated_label": "Int32"})
    return make_tiles(PAGE, rows, score="avh", marks=MARKS)[0]


def test_label_score_prediction_and_hsf_are_on_the_tile():
    found = tile()
    assert (found.title, found.predicted, found.percentile, found.note) == ("cat", "dog", 79, "HSF 0.25")
    assert found.src == "/images/pets/5?v=v1"
    assert found.alt == "image 5, label cat, predicted dog, AVH 0.0800, larger than 79 %, HSF 0.25"


def test_a_relabelled_sample_shows_the_new_label_and_what_it_was():
    found = tile(curated_label=0, curated_label_name="dog")
    assert found.title == found.predicted == "dog"
    assert found.badges == ("was cat", "dim")


def test_a_locked_sample_has_a_small_lock():
    assert (tile().badges, tile(locked=True).badges) == (("dim",), ("🔒", "dim"))


def test_an_excluded_sample_is_muted_and_says_so():
    found = tile(excluded=True)
    assert found.muted
    assert found.badges[0] == "excluded"


@pytest.mark.parametrize("missing", [None, pd.NA, float("nan")])
def test_what_is_missing_is_left_out_and_never_zero(missing):
    found = tile(hsf=missing, avh=missing, predicted=None, predicted_name=None)
    assert (found.score, found.percentile, found.note, found.predicted) == ("–", None, "", "")


# --- what a browser sends --------------------------------------------------------------------------------------------


ANYTHING = st.sampled_from(
    [None, True, -1, 0, 7, 2.5, "a", "7", [], [0, 3], [3, 0], [1, 1], [2, 9], [[1], {}], {"a": 1}]
)


@given(st.fixed_dictionaries({"view": st.just("a"), "ranges": ANYTHING | st.lists(ANYTHING)}))
def test_whatever_a_browser_sends_the_ranges_are_sorted_and_disjoint(sent):
    edges = [edge for span in decode_selection(sent)[1] for edge in span]
    assert all(type(edge) is int for edge in edges)
    assert edges == sorted(set(edges))
