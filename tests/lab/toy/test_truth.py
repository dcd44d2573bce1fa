"""The toy's truth: densities that are densities, and a Bayes error that a count of draws agrees with."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm, spearmanr

from avhcurate.lab.toy.truth import Blobs, follows, on_map, settled

KINDS = [Blobs(classes, overlap) for classes, overlap in ((2, 0.6), (3, 1.0), (5, 0.4))]


@pytest.mark.parametrize("blobs", [Blobs(), Blobs(classes=4, overlap=0.3), Blobs(overlap=2.0)])
def test_the_sphere_holds_each_class_once(blobs):
    density = np.exp(blobs.log_densities(blobs.grid(400).points))
    assert 4 * np.pi * density.mean(0) == pytest.approx(np.ones(blobs.classes), abs=1e-3)


def test_the_density_on_the_sphere_is_the_integral_along_the_ray():
    blobs = Blobs(classes=3, overlap=0.5)
    gaussians = [multivariate_normal(centre, blobs.sigma**2 * np.eye(3)) for centre in blobs.centres]
    for u in blobs.sample(5, seed=0)[0]:
        expected = [quad(lambda r, u=u, g=g: r**2 * g.pdf(r * u), 0, 8, limit=200)[0] for g in gaussians]
        assert np.exp(blobs.log_densities(u[None]))[0] == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("overlap", [0.4, 0.6, 1.0])
def test_two_classes_overlap_as_far_as_their_name_says(overlap):
    """The border is where m . u changes sign: the error is Phi(-1 / overlap)."""
    blobs = Blobs(2, overlap)
    grid = blobs.grid(200).points
    error = np.average(blobs.bayes_error(grid), weights=np.exp(blobs.log_densities(grid)).sum(axis=1))
    assert blobs.mean_bayes_error == pytest.approx(error, abs=2e-3)
    assert error == pytest.approx(norm.cdf(-1 / overlap), abs=2e-3)


@pytest.mark.parametrize("blobs", KINDS)
@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_the_bayes_error_is_how_often_the_best_guess_is_wrong(blobs, noise):
    blobs = Blobs(blobs.classes, blobs.overlap, noise)
    points, labels = blobs.sample(40_000, seed=1)
    wrong = blobs.posterior(points).argmax(1) != labels
    expected = blobs.bayes_error(points)
    assert wrong.mean() == pytest.approx(expected.mean(), abs=0.008)
    doubtful = expected > np.quantile(expected, 0.9)
    assert wrong[doubtful].mean() == pytest.approx(expected[doubtful].mean(), abs=0.03)


@pytest.mark.parametrize("blobs", KINDS)
def test_points_and_map_fit_each_other(blobs):
    points, labels = blobs.sample(999, seed=0)
    again, _ = blobs.sample(999, seed=0)
    assert np.array_equal(points, again)
    assert np.ptp(np.bincount(labels, minlength=blobs.classes)) <= 1
    grid = blobs.grid(40)
    assert len(grid.points) == len(grid.x) * len(grid.y)
    x, y = on_map(grid.points).T
    assert x == pytest.approx(np.tile(grid.x, len(grid.y)))
    assert y == pytest.approx(np.repeat(grid.y, len(grid.x)))
    assert np.linalg.norm(points, axis=1) == pytest.approx(np.ones(999))


def test_label_noise_changes_every_share_but_not_the_order():
    points = Blobs().sample(500, seed=0)[0]
    clean, noisy = Blobs().bayes_error(points), Blobs(noise=0.3).bayes_error(points)
    assert noisy == pytest.approx(0.3 + 0.4 * clean)
    assert follows(noisy, clean) == pytest.approx(1, abs=1e-6)


def test_following_is_scipys_spearman():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 9, 200).astype(float), rng.random(200)
    assert follows(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert np.isnan(follows(np.ones(200), other))
    assert np.isnan(follows(np.full(200, np.nan), other))
    known = np.where(np.arange(200) % 7 == 0, np.nan, one)
    assert follows(known, other) == pytest.approx(spearmanr(known, other, nan_policy="omit").statistic)


def test_settled_is_the_first_time_that_95_percent_of_the_way_are_made():
    assert settled(np.array([0.0, 0.9, 0.96, 0.9, 1.0])) == 2
    assert settled(np.array([1.0, 2.0, -0.2, 0.5, 0.0])) == 2
    assert settled(np.array([2.0, 2.0, 2.0])) == 2  # one that never moves must not come first
    assert settled(np.array([0.0, 1.0, np.nan])) == 2
    assert settled(np.array([0.0, np.nan, 1.0, 1.0])) == 2
