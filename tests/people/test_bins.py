"""HSF bins: where the edges belong, which edges are allowed, quantiles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avhcurate.errors import CurateError
from avhcurate.people import bins

#: Edges as sums give them: 0.6000000000000001 stands where 0.6 is meant.
SUMMED = [0, 0.2, 0.2 + 0.2, 0.2 * 3, 0.2 * 4, 1]


def exact_bin(votes_for, votes, fifths=5):
    """By whole numbers: bin j holds j/5 <= votes_for/votes < (j + 1)/5, the last also 1."""
    return min(votes_for * fifths // votes, fifths - 1)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([None, SUMMED]))
def test_every_ratio_of_votes_falls_where_whole_numbers_say(ratio, edges):
    votes_for, votes = ratio
    expected = exact_bin(votes_for, votes)
    assert bins.bin_index([votes_for / votes], edges).tolist() == [expected]
    assert bins.bin_index(np.array([votes_for / votes], np.float32), edges).tolist() == [expected]
    assert bins.bin_index([sum([1 / votes] * votes_for)], edges).tolist() == [expected]


def test_no_hsf_is_no_bin():
    assert bins.bin_index([np.nan, 0.5]).tolist() == [-1, 2]
    assert bins.bin_index([]).tolist() == []


def test_labels_say_which_end_is_closed_and_those_of_close_edges_stay_apart():
    assert bins.bin_labels() == ("[0, 0.2)", "[0.2, 0.4)", "[0.4, 0.6)", "[0.6, 0.8)", "[0.8, 1]")
    assert bins.bin_labels([0.98001, 0.98002, 1]) == ("[0.98001, 0.98002)", "[0.98002, 1]")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0.5", "Give two or more"),
        ("0,0.5,0.5,1", "must rise"),
        ("1,0", "must rise"),
        ("0,50,100", "between 0 and 1"),
        ("-0.1,1", "between 0 and 1"),
        ("0,nan,1", "between 0 and 1"),
        ("0,half,1", "are not numbers"),
        ("", "are not numbers"),
    ],
)
def test_edges_that_make_no_bins_are_refused_with_the_reason(text, says):
    with pytest.raises(CurateError, match=says):
        bins.parse_edges(text)


def test_quantile_bins_hold_about_equally_many():
    hsf = np.random.default_rng(0).permutation(1000) / 999
    edges = bins.quantile_edges(hsf, 4)
    assert np.bincount(bins.bin_index(hsf, edges)).tolist() == pytest.approx([250] * 4, abs=1)


def test_ties_merge_quantile_bins():
    hsf = np.array([0.2, 0.5, 0.9] + [1.0] * 7 + [np.nan])
    assert bins.quantile_edges(hsf, 5) == (0.2, 0.5, 0.9, 0.95, 1.0)


@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_a_tied_mass_is_a_bin_and_the_rest_is_cut(place):
    hsf = np.concatenate([np.full(600, place), np.linspace(0.01, 0.99, 400)])
    held = np.bincount(bins.bin_index(hsf, bins.quantile_edges(hsf, 5)))
    assert held.max() == 600
    assert sorted(held)[:4] == pytest.approx([100] * 4, abs=3)
    index, labels = bins.quantile_bins(10 * hsf, 5)
    assert np.bincount(index).tolist() == held.tolist()
    assert len(labels) == 5


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 10), min_size=2, max_size=60), st.integers(1, 8))
def test_quantile_bins_hold_every_sample_once(votes_for, count):
    hsf = np.array(votes_for) / 10
    if np.ptp(hsf) == 0:
        with pytest.raises(CurateError, match="two different"):
            bins.quantile_edges(hsf, count)
    else:
        edges = bins.quantile_edges(hsf, count)
        assert len(edges) - 1 <= count
        assert (bins.bin_index(hsf, edges) >= 0).all()
