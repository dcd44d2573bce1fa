"""What an action applies to: ranges of a view, carried to another order of the same samples, void among others."""

import numpy as np

from avhcurate.table.filters import Filters
from avhcurate.ui.grid_views import GridView, register
from avhcurate.ui.selection import GridSelection

FILTERS = Filters(classes=(3,))


def view_of(ids, about="digits", filters=None):
    order = np.array(ids)
    return register(
        GridView(about, len(ids), [], order=lambda: order, tiles=lambda _: [], version=str(ids), filters=filters)
    )


def sent(view, *ranges):
    return {"view": view.key, "ranges": ranges}


def test_what_the_browser_sends_counts_once():
    view = view_of([5, 3, 8, 1])
    chosen = GridSelection(view).after(sent(view, (1, 3)))
    assert (chosen.ids, chosen.count) == ([3, 8], 2)
    cleared = GridSelection(view, heard=chosen.heard)
    assert cleared.after(sent(view, (1, 3))).count == 0


def test_everything_that_matches_is_a_predicate_and_never_a_list():
    view = GridView("d", 90_000, [], order=lambda: 1 / 0, tiles=lambda _: [], filters=FILTERS)
    everything = GridSelection(view, ((0, 90_000),))
    assert (everything.everything, everything.count, everything.chosen) == (True, 90_000, FILTERS)


def test_a_selection_outlives_another_order_and_loses_what_is_gone():
    by_score, by_id = view_of([5, 3, 8, 1]), view_of([1, 3, 5])
    carried = GridSelection(by_score, ((0, 3),)).to(by_id)
    assert (carried.ranges, carried.ids) == (((1, 3),), [3, 5])


def test_a_selection_among_other_samples_is_void_and_the_grid_is_told():
    other = GridSelection(view_of([5, 3]), ((0, 2),)).to(view_of([5, 3], about="photos"))
    assert (other.count, other.turn) == (0, 1)


def test_what_comes_late_from_the_view_before_is_carried_too():
    before, now = view_of([5, 3, 8, 1]), view_of([1, 3, 5, 8])
    chosen = GridSelection(before).to(now)
    assert chosen.after(sent(before, (0, 1))).ids == [5]
    assert chosen.after(sent(view_of([5, 3], about="photos"), (0, 1))).ids == []
    assert chosen.after({"view": "unknown", "ranges": [(0, 1)]}).ids == []


def test_places_beyond_the_view_do_not_count():
    view = view_of([5, 3])
    assert GridSelection(view).after(sent(view, (1, 9), (20, 30))).ids == [3]
