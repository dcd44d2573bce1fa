"""Linear views: what they keep, against NumPy's own decomposition, and angles that survive them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avhcurate.errors import CurateError
from avhcurate.map.projection import Moments, prepare


def features(n=200, width=12, seed=0):
    """Positive ones, as behind a ReLU, that lie mostly in a few directions."""
    rng = np.random.default_rng(seed)
    return np.abs(rng.normal(size=(n, 3)) @ rng.normal(size=(3, width)) + 0.05 * rng.normal(size=(n, width)))


def moments_of(rows, size=37):
    moments = Moments(rows.shape[1])
    for start in range(0, len(rows), size):
        moments.add(rows[start : start + size])
    return moments


def test_the_centred_view_is_that_of_the_singular_value_decomposition():
    rows = prepare(features(), "euclidean")[0]
    basis = moments_of(rows).basis(2, centred=True)
    left, values, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    expected = left[:, :2] * values[:2]
    found = basis.project(rows)
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found, expected * signs, atol=1e-3)
    np.testing.assert_allclose(basis.shares, values[:2] ** 2 / (values**2).sum(), rtol=1e-3)


def test_angles_survive_the_view_about_the_origin_and_not_one_about_the_mean():
    rows = prepare(features(width=30), "cosine")[0]
    moments = moments_of(rows)

    def worst(basis):
        narrow = basis.project(rows)
        unit = narrow / np.linalg.norm(narrow, axis=1, keepdims=True)
        return np.abs(unit @ unit.T - rows @ rows.T).max()

    assert worst(moments.basis(8, centred=False)) < 0.05 < 0.5 < worst(moments.basis(8, centred=True))


def test_all_dimensions_keep_every_angle():
    rows = prepare(features(), "cosine")[0]
    narrow = moments_of(rows).basis(12, centred=False).project(rows)
    np.testing.assert_allclose(narrow @ narrow.T, rows @ rows.T, atol=1e-4)


@given(st.floats(1e-30, 1e30), st.integers(0, 20))
def test_length_does_not_move_a_sample_by_angle(factor, seed):
    rows = features(5, 4, seed)
    np.testing.assert_allclose(prepare(rows * factor, "cosine")[0], prepare(rows, "cosine")[0], rtol=1e-5)


def test_rows_without_a_direction_have_no_place():
    rows = np.array([[1.0, 2.0], [0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
    assert prepare(rows, "cosine")[1].tolist() == [True, False, False, False]
    assert prepare(rows, "euclidean")[1].tolist() == [True, True, False, False]
    assert np.isfinite(prepare(rows, "cosine")[0][:2]).all()


def test_too_many_dimensions_or_no_rows_are_refused():
    with pytest.raises(CurateError, match="1 to 4 dimensions"):
        moments_of(features(5, 4)).basis(5, centred=True)
    with pytest.raises(CurateError, match="nothing to map"):
        Moments(4).basis(2, centred=True)
