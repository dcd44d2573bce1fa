"""Folds: they partition, keep classes even and copies together, and follow the seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avhcurate.errors import CurateError
from avhcurate.measures.stats.folds import identical_rows, stratified_folds


@given(st.lists(st.integers(0, 3), min_size=8, max_size=60), st.integers(2, 5), st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_every_class_and_the_whole_are_spread_to_within_one(labels, folds, seed):
    labels = np.array(labels)
    found = stratified_folds(labels, np.arange(len(labels)), folds=folds, seed=seed)
    assert set(found) <= set(range(folds))
    assert np.ptp(np.bincount(found, minlength=folds)) <= 1
    for label in set(labels.tolist()):
        assert np.ptp(np.bincount(found[labels == label], minlength=folds)) <= 1


@given(st.lists(st.integers(0, 9), min_size=20, max_size=60), st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_copies_share_a_fold_even_under_different_labels(groups, seed):
    labels = np.arange(len(groups)) % 3
    if len(set(groups)) < 2:
        return
    found = stratified_folds(labels, np.array(groups), folds=2, seed=seed)
    assert all(len(set(found[np.array(groups) == group])) == 1 for group in set(groups))


def test_folds_that_cannot_be_filled_or_judged_by_others_are_refused():
    with pytest.raises(CurateError, match="copies of one"):
        stratified_folds(np.array([0, 1, 0, 1]), np.zeros(4), folds=2, seed=0)
    for folds in (1, 5):
        with pytest.raises(CurateError, match="number of folds must lie between 2 and 4"):
            stratified_folds(np.zeros(4, int), np.arange(4), folds=folds, seed=0)


def test_rows_are_equal_only_to_the_last_bit():
    features = np.array([[1, 2], [1, 2 + 1e-6], [1, 2], [0, 0]], np.float32)
    assert identical_rows(features, np.array([0, 1, 2, 3]), block=2).tolist() == [0, 1, 0, 2]
