"""Linear heads on frozen features: at the minimum of their objective, with a penalty chosen inside."""

import os
from threading import Barrier

import numpy as np
import pytest
import scipy.optimize
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from avhcurate.networks.scoring import heads
from avhcurate.networks.scoring.heads import Fits, Samples, fit_head
from avhcurate.workspace.disk.jobs import Cancelled
from tests.fakes.linear_algebra import threads_at

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


@pytest.mark.parametrize(("n", "classes"), [(8 * WIDTH, 2), (8 * WIDTH, 5), (40 * WIDTH, 5)])
def test_a_head_is_scikit_learns_also_of_fewer_samples_than_the_width(n, classes):
    clusters = samples(n, classes=classes)
    wide = np.random.default_rng(1).normal(size=(WIDTH, 200)).astype(np.float32)
    given = Samples(clusters.features @ wide, clusters.ids, clusters.targets, clusters.groups, classes)
    head, penalty = fit_head(given)
    x = given.features.astype(float)
    scale = x.std(axis=0)
    if not penalty.standardised:
        scale = np.sqrt(np.mean(scale**2))
    # Two classes have one row of weights there, whose square counts twice as much.
    strength = penalty.strength / 2 if classes == 2 else penalty.strength
    model = LogisticRegression(C=1 / strength, max_iter=10_000, tol=1e-8)
    model.fit((x - x.mean(axis=0)) / scale, given.targets)
    expected = model.predict_proba((x - x.mean(axis=0)) / scale)
    np.testing.assert_allclose(softmax(head.logits(x), axis=1), expected, atol=0.002)


def test_a_head_is_fitted_in_one_thread():
    with threads_at(scipy.optimize, "minimize") as threads:
        fit_head(samples(60))
    assert threads == {1}


def fits(given, *, check=lambda: None):
    of_sample = np.arange(len(given)) % 3
    parts = (given.ids, given.targets, given.groups, given.num_classes, of_sample)
    return Fits(lambda: given.features, *parts, seed=0, shards=range(-1, 3), check=check)


def test_heads_have_the_same_bits_however_many_are_fitted_side_by_side(monkeypatch):
    work = fits(samples(300, classes=3))
    numbers = []
    for cores in (1, 4):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        steps = list(work.begin()([work.shards]))
        assert [step.result[0] for step in steps] == list(work.shards)
        numbers.append([(step.result[1].class_weights, step.result[1].bias) for step in steps])
    for one, other in zip(*numbers, strict=True):
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("most", "expected"), [(heads.MOST_NUMBERS, 2), (10, 1)])
def test_as_many_heads_are_fitted_at_once_as_there_are_cores_and_as_memory_holds(monkeypatch, most, expected):
    running = []
    most_seen = []
    together = Barrier(expected)

    def fit_and_count(*arguments, **options):
        running.append("one")
        together.wait(timeout=30)  # it breaks where fewer are under way
        most_seen.append(len(running))
        together.wait(timeout=30)
        running.pop()
        return None, None

    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(heads, "MOST_NUMBERS", most)
    monkeypatch.setattr(heads, "fit_head", fit_and_count)
    work = fits(samples(30))
    assert len(list(work.begin()([work.shards]))) == 4
    assert set(most_seen) == {expected}


def test_heads_end_when_one_of_them_is_asked_to_stop():
    calls = []

    def check():
        calls.append(1)
        if len(calls) > 5:
            raise Cancelled

    work = fits(samples(300), check=check)
    with pytest.raises(Cancelled):
        list(work.begin()([work.shards]))
    assert len(calls) <= 5 + len(work.shards)


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
