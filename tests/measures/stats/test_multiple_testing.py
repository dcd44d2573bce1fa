"""Holm's correction."""

import numpy as np

from avhcurate.measures.stats.multiple_testing import holm


def test_holm_is_the_largest_of_the_steps_up_to_each():
    p = np.random.default_rng(0).random(9) ** 3
    ranks = p.argsort().argsort()
    by_definition = [min(1, max((9 - ranks[j]) * p[j] for j in range(9) if ranks[j] <= ranks[i])) for i in range(9)]
    np.testing.assert_allclose(holm(p), by_definition)
    # A hypothesis without a test does not count.
    np.testing.assert_allclose(holm([0.01, np.nan, 0.04]), [0.02, np.nan, 0.04])
    assert holm([]).size == 0


def test_holm_rarely_finds_anything_where_nothing_is():
    families = np.random.default_rng(1).random((4000, 12))
    found = np.mean([(holm(p) <= 0.05).any() for p in families])
    assert 0.03 < found < 0.06
    assert np.mean((families <= 0.05).any(axis=1)) > 0.4
