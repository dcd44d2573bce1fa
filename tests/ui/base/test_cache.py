"""Results over a table are kept until something that they depend on changes."""

import streamlit as st

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.table.filters import Filters
from avhcurate.ui.base.cache import HASH_FUNCS
from avhcurate.workspace.data.workspace import Workspace


def test_a_result_is_kept_until_filters_or_annotations_change(own_digits):
    asked = []

    @st.cache_resource(hash_funcs=HASH_FUNCS)
    def count(table, filters):
        asked.append(filters)
        return table.count(filters)

    everything, part = Filters(), Filters(classes=(3,))
    assert count(own_digits, everything) == count(own_digits, Filters()) == own_digits.size
    assert len(asked) == 1
    assert count(own_digits, part) < own_digits.size
    annotate(own_digits, [0], "exclude")
    assert count(own_digits, everything) == own_digits.size - 1
    assert asked == [everything, part, everything]


def test_a_result_is_not_kept_when_a_set_is_replaced(own_digits):
    @st.cache_resource(hash_funcs=HASH_FUNCS)
    def count_kept(table, filters):
        return table.count(filters)

    workspace = Workspace(own_digits.dataset.root.parents[1])
    for n in (3, 20):
        Saved(workspace, "digits").save_set("some", range(n))
        own_digits.refresh()
        assert count_kept(own_digits, Filters(sets=("some",))) == n
