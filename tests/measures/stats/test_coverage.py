"""Facility location on a graph: the lazy greedy order against trying every sample at each step."""

import numpy as np

from avhcurate.measures.stats.coverage import Coverage
from avhcurate.measures.stats.neighbours import nearest_of


def graph(rng, n=60, k=5):
    features = rng.normal(size=(n, 3)).astype(np.float32)
    near, angles = nearest_of(features, np.arange(n), count=k)
    near[7], angles[7] = -1, np.nan  # a sample without direction
    near[near == 7] = -1
    return near, np.where(near < 0, np.nan, angles)


def alike_of(near, angles):
    """How well each column stands for each row."""
    alike = np.eye(len(near))
    for row, column in zip(*np.nonzero(near >= 0), strict=True):
        alike[row, near[row, column]] = np.exp(-((angles[row, column] / np.nanmedian(angles)) ** 2))
    return alike


def test_the_order_is_that_of_trying_every_sample_at_each_step():
    rng = np.random.default_rng(0)
    near, angles = graph(rng)
    alike, weights, among = alike_of(near, angles), rng.random(60), rng.random(60) < 0.7
    coverage, best, expected = Coverage(near, angles), alike[:, 3], []
    coverage.take(3)
    for _ in range(15):
        gains = (np.maximum(alike, best[:, None]) - best[:, None]).sum(axis=0) * weights
        gains[~among | np.isin(np.arange(60), expected)] = -1
        expected.append(int(gains.argmax()))
        best = np.maximum(best, alike[:, expected[-1]])
    assert coverage.order(15, among=among, weights=weights) == expected
    np.testing.assert_allclose(coverage.best, best, atol=1e-6)
    everyone = Coverage(near, angles).order(1000, among=among, weights=weights)
    assert sorted(everyone) == np.flatnonzero(among).tolist()  # each once
