"""Results over a table are kept until something that they depend on changes."""

import shutil

import streamlit as st

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.columns import set_harder
from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.datasets.table.filters import Filters
from avhcurate.ui.cache import HASH_FUNCS, cache_key
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


def test_a_result_is_not_kept_when_the_harder_end_of_a_column_is_said(columns_root, tmp_path):
    workspace = Workspace(shutil.copytree(columns_root, tmp_path / "own"))
    (name,) = workspace.names()
    table = open_table(workspace, name)
    before, column = cache_key(table), table.own("number")[0]
    set_harder(workspace, table, {column: "low"})
    assert cache_key(open_table(workspace, name)) != before
