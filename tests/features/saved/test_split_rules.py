"""Splits: exact shares in every stratum, groups whole, the same by seed, whatever the strata."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avhcurate.errors import CurateError
from avhcurate.features.saved.split_rules import apportion, split

SHARES = st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.5), (0.6, 0.2, 0.1, 0.1), (0.9, 0.1), (1 / 3, 1 / 3, 1 / 3)])
STRATA = st.lists(st.integers(0, 5), min_size=1, max_size=120).map(np.array)


def counts(parts, strata, shares):
    return np.array([np.bincount(parts[strata == one], minlength=len(shares)) for one in np.unique(strata)])


@settings(deadline=None)
@given(STRATA, SHARES, st.integers(0, 99))
def test_every_stratum_is_divided_by_largest_remainder(strata, shares, seed):
    parts = split(strata, shares, seed=seed)
    exact = np.unique(strata, return_counts=True)[1][:, None] * np.array(shares)
    got = counts(parts, strata, shares)
    assert (np.abs(got - exact) < 1).all()
    assert (parts == split(strata, shares, seed=seed)).all()
    # Whoever is rounded up had a remainder at least as large as whoever is rounded down.
    remainder, up = exact - np.floor(exact + 1e-9), got > np.floor(exact + 1e-9)
    for row in range(len(got)):
        if up[row].any() and (~up[row]).any():
            assert remainder[row][up[row]].min() >= remainder[row][~up[row]].max() - 1e-6


@settings(deadline=None)
@given(st.data(), STRATA, SHARES, st.integers(0, 99))
def test_groups_stay_whole(data, strata, shares, seed):
    groups = np.array(data.draw(st.lists(st.integers(-1, 12), min_size=len(strata), max_size=len(strata))))
    parts = split(strata, shares, seed=seed, groups=groups)
    for group in set(groups[groups >= 0]):
        assert len(set(parts[groups == group])) == 1
    assert (parts >= 0).all()


def test_pairs_leave_room_for_exact_shares():
    strata = np.repeat([0, 1], 200)
    groups = np.full(400, -1)
    groups[:60] = np.arange(60) // 2  # duplicates in pairs, all in one stratum
    parts = split(strata, (0.8, 0.1, 0.1), seed=3, groups=groups)
    assert counts(parts, strata, (0.8, 0.1, 0.1)).tolist() == [[160, 20, 20], [160, 20, 20]]


def test_strata_of_one_do_not_all_favour_the_same_of_equal_parts():
    parts = split(np.arange(40), (0.5, 0.5), seed=0)
    assert np.bincount(parts).tolist() == [20, 20]


@given(st.integers(0, 10**6), st.lists(st.floats(0.01, 1), min_size=1, max_size=6).map(np.array))
def test_seats_sum_and_differ_from_the_exact_share_by_less_than_one(n, quotas):
    seats = apportion(n, quotas)
    assert seats.sum() == n
    assert (np.abs(seats - n * quotas / quotas.sum()) < 1 + 1e-6).all()


@pytest.mark.parametrize("shares", [(1.0,), (0.5, 0.4), (1.2, -0.2), (0.5, 0.5, 0.0), (float("nan"), 0.5)])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(CurateError, match="sum to 1"):
        split(np.zeros(4, int), shares, seed=0)
