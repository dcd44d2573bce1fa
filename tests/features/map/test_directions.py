"""Directions of embeddings."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from avhcurate.features.map.service import directions


def features(n=200, width=12, seed=0):
    """Positive ones, as behind a ReLU, that lie mostly in a few directions."""
    rng = np.random.default_rng(seed)
    return np.abs(rng.normal(size=(n, 3)) @ rng.normal(size=(3, width)) + 0.05 * rng.normal(size=(n, width)))


@given(st.floats(1e-30, 1e30), st.integers(0, 20))
def test_length_does_not_move_a_sample(factor, seed):
    rows = features(5, 4, seed)
    np.testing.assert_allclose(directions(rows * factor)[0], directions(rows)[0], rtol=1e-5)


def test_rows_without_a_direction_have_no_place():
    rows = np.array([[1.0, 2.0], [0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
    assert directions(rows)[1].tolist() == [True, False, False, False]
