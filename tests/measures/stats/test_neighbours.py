"""Nearest neighbours by angle: against a float64 reference, blocks, copies, broken rows, memory-mapped files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avhcurate.errors import CurateError
from avhcurate.measures.stats import neighbours
from avhcurate.measures.stats.neighbours import angles_to, nearest, nearest_of


def reference(features, row):
    """Angle of each row to one row by the law of cosines in extended precision."""
    f = features.astype(np.longdouble)
    f /= np.sqrt((f**2).sum(axis=1, keepdims=True))
    chord = np.sqrt(((f - f[row]) ** 2).sum(axis=1))
    return (2 * np.arcsin(np.minimum(chord / 2, 1))).astype(float)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.integers(1, 9), st.integers(1, 12), st.integers(0, 10**6), st.booleans())
def test_neighbours_are_those_of_the_smallest_angle(n, d, count, seed, double):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, d)).astype(np.float64 if double else np.float32)
    row = int(rng.integers(n))
    found = nearest(features, row, count=count)
    angles = reference(features, row)
    others = np.delete(np.arange(n), row)
    assert found.angles == pytest.approx(np.sort(angles[others])[:count], abs=2e-7)
    assert row not in found.ids
    assert len(set(found.ids)) == min(count, n - 1)
    assert found.angles == pytest.approx(angles[found.ids], abs=2e-7)


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(500, 16)).astype(np.float32)
    whole = nearest(features, 123, count=20)
    monkeypatch.setattr(neighbours, "_BLOCK", 7 * 16 * 4)
    cut = nearest(features, 123, count=20)
    assert cut.ids.tolist() == whole.ids.tolist()
    assert cut.angles.tolist() == whole.angles.tolist()


def test_tiny_angles_are_in_order_where_a_float32_cosine_is_one():
    tilt = np.array([0, 3e-4, 1e-4, 2e-4, 5e-5], np.float64)
    features = np.stack([np.cos(tilt), np.sin(tilt)], axis=1).astype(np.float32)
    found = nearest(features, 0, count=4)
    assert found.ids.tolist() == [4, 2, 3, 1]
    assert found.angles == pytest.approx([5e-5, 1e-4, 2e-4, 3e-4], abs=1e-7)


def test_rows_without_direction_are_left_out_and_have_no_neighbours():
    features = np.array([[1, 0], [0, 0], [np.nan, 1], [np.inf, 1], [0, 1], [1, 1]], np.float32)
    assert nearest(features, 0).ids.tolist() == [5, 4]
    refusals = {6: "Unknown image 6", -1: "Unknown image -1", 1: "zero or not finite", 2: "zero or not finite"}
    for row, message in refusals.items():
        with pytest.raises(CurateError, match=message):
            nearest(features, row, count=3)


@pytest.mark.parametrize("among", [None, np.arange(0, 300, 3)])
def test_many_rows_at_once_find_what_single_ones_find(among):
    features = np.random.default_rng(1).normal(size=(300, 6)).astype(np.float32)
    features[40:52] = features[40]
    features[80] *= 1e-30
    features[[90, 91]] = [[0.0] * 6, [np.nan] * 6]
    rows = np.array([3, 40, 41, 80, 299])
    ids, angles = nearest_of(features, rows, count=7, among=among)
    pool = np.arange(300) if among is None else among
    for row, found, measured in zip(rows, ids, angles, strict=True):
        theta = reference(features, row)
        others = pool[(pool != row) & np.isfinite(theta[pool])]
        expected = others[np.lexsort((others, np.round(theta[others], 9)))][:7]
        assert found.tolist() == expected.tolist()
        assert measured == pytest.approx(theta[expected], abs=1e-7)


def test_a_row_without_direction_has_no_neighbours_and_few_candidates_leave_gaps():
    features = np.array([[1, 0], [0, 0], [1, 1]], np.float32)
    ids, angles = nearest_of(features, np.array([0, 1]), count=3)
    assert ids.tolist() == [[2, -1, -1], [-1, -1, -1]]
    assert np.isnan(angles).sum() == 5


def test_angles_to_several_rows_are_the_smallest_and_exact_for_copies():
    rng = np.random.default_rng(5)
    features = rng.normal(size=(60, 7)).astype(np.float32)
    features[9], features[10] = 3 * features[4], 0
    angles = angles_to(features, np.array([4, 30]), among=np.arange(60))
    rows = features.astype(float)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-300)
    expected = np.arccos(np.clip(rows @ rows[[4, 30]].T, -1, 1)).min(axis=1)
    with_direction = np.arange(60) != 10
    np.testing.assert_allclose(angles[with_direction], expected[with_direction], atol=1e-3)
    assert max(angles[[4, 9, 30]]) < 1e-6
    assert np.isnan(angles[10])
    with pytest.raises(CurateError, match="zero or not finite"):
        angles_to(features, np.array([10]), among=np.arange(60))
