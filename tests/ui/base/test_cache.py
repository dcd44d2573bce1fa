"""Results over a table are kept until something that they depend on changes."""

import streamlit as st

from avhcurate.datasets.curate import classes
from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.history import undo_entry
from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.ui.base import cache
from avhcurate.ui.base.cache import HASH_FUNCS
from avhcurate.workspace.data.event import CLASS_ACTIONS
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.votes import answer_all, collect, truth


def test_a_result_is_kept_until_filters_or_annotations_change(own_digits):
    asked = []

    @st.cache_resource(hash_funcs=HASH_FUNCS)
    def count(table, filters):
        asked.append(filters)
        return table.count(filters)

    everything, part = Filters(), Filters(classes=(3,))
    assert count(own_digits.samples, everything) == count(own_digits.samples, Filters()) == own_digits.samples.size
    assert len(asked) == 1
    assert count(own_digits.samples, part) < own_digits.samples.size
    annotate(own_digits.decisions, [0], "exclude")
    assert count(own_digits.samples, everything) == own_digits.samples.size - 1
    assert asked == [everything, part, everything]


def test_a_result_is_not_kept_when_a_set_is_replaced(own_digits):
    @st.cache_resource(hash_funcs=HASH_FUNCS)
    def count_kept(table, filters):
        return table.count(filters)

    workspace = Workspace(own_digits.dataset.root.parents[1])
    for n in (3, 20):
        Saved(workspace, "digits").save_set("some", range(n))
        own_digits.refresh()
        assert count_kept(own_digits.samples, Filters(sets=("some",))) == n


def test_a_count_while_a_decision_is_being_read_is_not_that_of_after_it(own_digits):
    """As when a page counts what matches and the server writes the next decision meanwhile."""
    annotate(open_dataset(own_digits.workspace, "digits").decisions, [0], "exclude")
    assert cache.count(own_digits.samples, Filters()) == own_digits.samples.size
    own_digits.refresh()
    assert cache.count(own_digits.samples, Filters()) == own_digits.samples.size - 1


def test_a_count_while_votes_are_being_read_is_not_that_of_after_it(pets, monkeypatch):
    voted, update = Filters(where="votes > 0"), pets.samples.update_votes
    counts = []

    def slow_update(votes):
        counts.append(cache.count(pets.samples, voted))
        update(votes)

    monkeypatch.setattr(pets.samples, "update_votes", slow_update)
    collect(pets)
    answer_all(pets, "ann", truth(pets), 10)
    pets.refresh()
    assert (counts, cache.count(pets.samples, voted)) == ([0], pets.samples.count(voted))
    assert pets.samples.count(voted) > 0


def test_a_dataset_whose_classes_change_as_it_is_opened_and_change_back_is_opened_anew(own_digits, monkeypatch):
    """As when a page asks for what is to come while the server writes the change."""
    opened, space, names = cache._opened, own_digits.workspace, own_digits.dataset.record.classes

    def undo_last():
        undo_entry(own_digits.decisions, str(own_digits.decisions.log.last(own_digits.dataset.id, CLASS_ACTIONS).id))

    def late(*args):
        monkeypatch.setattr(cache, "_opened", opened)
        classes.merge(own_digits.decisions, space, ["3", "5"], "3")
        return opened(*args)

    classes.rename(own_digits.decisions, space, "3", "three")  # the first change marks the record
    undo_last()
    monkeypatch.setattr(cache, "_opened", late)
    assert len(cache.open_shared(space, "digits", "", (0, 0.5, 1)).samples.classes) == len(names) - 1
    undo_last()
    assert cache.open_shared(space, "digits", "", (0, 0.5, 1)).samples.classes == tuple(names)
