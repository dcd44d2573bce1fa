"""Linear heads on frozen features: at the minimum of their objective, with a penalty chosen inside."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits

from avhcurate.networks.scoring import heads
from avhcurate.networks.scoring.heads import Samples, fit_head

WIDTH = 12


def samples(n=400, *, classes=4, noise=1.0, seed=0):
    """Overlapping clusters whose columns have means and scales of their own."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, n)
    x = rng.normal(size=(classes, WIDTH))[targets] + noise * rng.normal(size=(n, WIDTH))
    x = (3 + x * np.geomspace(0.1, 10, WIDTH)).astype(np.float32)
    return Samples(x, np.arange(n), targets, np.arange(n), classes)


@pytest.mark.parametrize("classes", [2, 4])
def test_a_head_is_at_the_minimum_of_loss_and_penalty(classes):
    given = samples(classes=classes)
    head, penalty = fit_head(given)
    x = given.features.astype(float)
    scale = x.std(axis=0)
    if not penalty.standardised:
        scale = np.full(WIDTH, np.sqrt(np.mean(scale**2)))
    errors = softmax(head.logits(x), axis=1) - np.eye(classes)[given.targets]
    weights = head.class_weights.astype(float) * scale
    gradient = errors.T @ ((x - x.mean(axis=0)) / scale) + penalty.strength * weights
    assert np.abs(gradient).max() < 0.01 * len(x)
    assert np.abs(errors.sum(axis=0)).max() < 0.01 * len(x)


def test_more_noise_gets_a_stronger_penalty_and_the_same_seed_the_same_head():
    clear, noisy = (fit_head(samples(200, noise=noise))[1] for noise in (0.3, 4.0))
    assert clear.strength < noisy.strength
    first, second = (fit_head(samples(120), seed=1)[0] for _ in range(2))
    np.testing.assert_array_equal(first.class_weights, second.class_weights)


@pytest.mark.parametrize("classes", [2, 5])
def test_fewer_samples_than_the_width_give_the_same_head_in_the_axes_that_they_span(monkeypatch, classes):
    clusters = samples(8 * WIDTH, classes=classes)
    wide = np.random.default_rng(1).normal(size=(WIDTH, 200)).astype(np.float32)
    few = Samples(
        clusters.features @ wide, clusters.ids, clusters.targets, clusters.groups, 5
    )  # two classes or none absent
    in_axes, penalty = fit_head(few)
    widths = set()
    monkeypatch.setattr(np.linalg, "qr", lambda x: widths.add(x.shape) or (np.eye(len(x)), x))
    plain, same = fit_head(few)
    assert widths
    assert (penalty.strength, penalty.standardised) == (same.strength, same.standardised)
    np.testing.assert_allclose(in_axes.logits(few.features), plain.logits(few.features), atol=0.05)
    assert np.array_equal(in_axes.logits(few.features).argmax(axis=1), plain.logits(few.features).argmax(axis=1))


def test_a_head_is_fitted_in_one_thread(monkeypatch):
    counts = set()
    fit = LogisticRegression.fit

    def fit_and_look(*arguments, **options):
        counts.update(one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas")
        return fit(*arguments, **options)

    monkeypatch.setattr(LogisticRegression, "fit", fit_and_look)
    with threadpool_limits(2, user_api="blas"):
        fit_head(samples(60))
    assert counts == {1}


def test_a_class_without_samples_has_a_weight_and_is_never_predicted():
    given = samples()
    head, _ = fit_head(Samples(given.features, given.ids, given.targets, given.groups, 5))
    assert np.linalg.norm(head.class_weights, axis=1).min() > 0
    assert head.logits(given.features).argmax(axis=1).max() == 3


def test_of_many_samples_some_are_fitted(monkeypatch):
    whole = fit_head(samples(1500))[0]
    monkeypatch.setattr(heads, "MOST_NUMBERS", 1000 * WIDTH)
    given = samples(1500)
    part = fit_head(given)[0]
    assert not np.array_equal(part.class_weights, whole.class_weights)
    agree = whole.logits(given.features).argmax(axis=1) == part.logits(given.features).argmax(axis=1)
    assert agree.mean() > 0.98
