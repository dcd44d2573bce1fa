"""What an action applies to: ids, or the predicate when everything that matches is selected."""

from avhcurate.table.filters import Filters
from avhcurate.ui.components.grid import GridEvent
from avhcurate.ui.selection import GridSelection

FILTERS = Filters(classes=(3,))


def test_selecting_everything_is_a_predicate_and_never_a_list():
    everything = GridSelection("d", FILTERS, everything=True, shown=(1, 2))
    assert everything.chosen == FILTERS
    assert everything.count(90_000) == 90_000


def test_a_click_after_selecting_everything_leaves_what_was_clicked():
    everything = GridSelection("d", FILTERS, everything=True, shown=(1, 2, 3), turn=4)
    after = everything.after(GridEvent(selected=(2,)))
    assert (after.chosen, after.everything) == ((2,), False)
    assert after.scope != everything.scope, "the grid must take the new selection over"


def test_everything_stays_selected_while_the_whole_page_is():
    everything = GridSelection("d", FILTERS, everything=True, shown=(1, 2))
    assert everything.after(GridEvent(selected=(2, 1))) is everything


def test_ids_outlive_a_page_turn_but_the_highlight_of_everything_follows_the_page():
    assert GridSelection("d", FILTERS, ids=(7,), page=1).scope == GridSelection("d", FILTERS, ids=(7,), page=2).scope
    first, second = (GridSelection("d", FILTERS, everything=True, page=page) for page in (1, 2))
    assert first.scope != second.scope
