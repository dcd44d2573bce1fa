"""Linear heads on frozen features: the minimum that scikit-learn finds, memory-mapped, the penalty chosen inside."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from avhcurate.training import cross_fitting
from avhcurate.training.cross_fitting import choose, fit_head
from avhcurate.training.linear_head import Objective, Samples

K, WIDTH = 4, 12


def samples(n=400, seed=0, *, noise=1.0, groups=None):
    """Overlapping clusters whose columns have means and scales of their own."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, K, n)
    x = rng.normal(size=(K, WIDTH))[targets] + noise * rng.normal(size=(n, WIDTH))
    x = (3 + x * np.geomspace(0.1, 10, WIDTH)).astype(np.float32)
    return Samples(x, np.arange(n), targets, np.arange(n) if groups is None else groups, K)


@pytest.mark.parametrize("standardised", [False, True])
@pytest.mark.parametrize("strength", [30.0, 0.3])
def test_a_head_is_at_the_minimum_that_scikit_learn_finds(strength, standardised):
    given = samples()
    objective = Objective(given, standardised=standardised)
    point = objective.minimise(strength, tolerance=1e-9)
    x = given.features.astype(float)
    spread = x.std(axis=0) if standardised else np.sqrt(x.var(axis=0).mean())
    scaled = (x - x.mean(axis=0)) / spread
    reference = LogisticRegression(C=1 / strength, tol=1e-8, max_iter=10_000).fit(scaled, given.targets)
    np.testing.assert_allclose(point[:, :-1], reference.coef_, rtol=2e-3, atol=2e-3 * np.abs(reference.coef_).max())
    head = objective.head(point)
    logits = head.logits(given.features)
    probs = np.exp(logits - logits.max(axis=1, keepdims=True))
    probs /= probs.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probs, reference.predict_proba(scaled), atol=2e-3)


@pytest.mark.parametrize("standardised", [False, True])
def test_fewer_samples_than_the_features_are_wide_have_the_minimum_of_scikit_learn_too(standardised):
    rng = np.random.default_rng(0)
    targets = rng.integers(0, K, 30)
    x = (3 + rng.normal(size=(K, 80))[targets] + rng.normal(size=(30, 80))).astype(np.float32)
    objective = Objective(Samples(x, np.arange(30), targets, np.arange(30), K), standardised=standardised)
    assert objective.basis.shape == (80, 30)
    head = objective.head(objective.minimise(3.0, tolerance=1e-10))
    x = x.astype(float)
    scaled = (x - x.mean(axis=0)) / (x.std(axis=0) if standardised else np.sqrt(x.var(axis=0).mean()))
    reference = LogisticRegression(C=1 / 3.0, tol=1e-9, max_iter=10_000).fit(scaled, targets)
    logits, expected = head.logits(x), reference.decision_function(scaled)
    centred = [values - values.mean(axis=1, keepdims=True) for values in (logits, expected)]
    np.testing.assert_allclose(*centred, atol=2e-3 * np.abs(expected).max())
    again = objective.head(objective.point(head))
    np.testing.assert_allclose(again.class_weights, head.class_weights, atol=1e-5)


def test_features_that_nearly_all_follow_one_have_a_head_at_a_weak_penalty():
    rng, n = np.random.default_rng(0), 20_000
    targets = rng.integers(0, 2, n)
    small = rng.normal(size=(n, 2)) + 6 * targets[:, None]
    x = (rng.normal(size=(n, 1)) + 0.003 * small @ rng.normal(size=(2, 256))).astype(np.float32)
    given = Samples(x, np.arange(n), targets, np.arange(n), 2)
    objective = Objective(given, standardised=True)
    assert given.loss(objective.head(objective.minimise(1e-3, tolerance=1e-3))) < 0.05


def test_a_head_of_many_starts_from_one_of_some_and_ends_at_the_same_minimum(monkeypatch):
    given = samples()
    cold, choice = fit_head(given)
    monkeypatch.setattr(cross_fitting, "CHOICE_SAMPLES", 100)
    monkeypatch.setattr(cross_fitting, "choose", lambda *_, **__: choice)
    warm, _ = fit_head(given)
    objective = Objective(given, standardised=choice.standardised)
    losses = [objective(objective.point(head), choice.strength)[0] for head in (cold, warm)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    np.testing.assert_allclose(warm.class_weights, cold.class_weights, atol=0.02 * np.abs(cold.class_weights).max())


def test_memory_mapped_features_of_some_rows_give_the_same_head(tmp_path):
    given = samples()
    np.save(tmp_path / "features.npy", given.features)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    some = np.arange(0, 400, 3)
    head, choice = fit_head(Samples(mapped, some, given.targets[some], some, K))
    again, same = fit_head(Samples(given.features[some], np.arange(len(some)), given.targets[some], some, K))
    assert choice == same
    np.testing.assert_array_equal(head.class_weights, again.class_weights)


def test_labels_by_chance_are_penalised_hard_and_clear_ones_little():
    clear, _ = choose(samples(noise=0.3)), None
    rng = np.random.default_rng(0)
    chance = samples()
    chance = Samples(chance.features, chance.rows, rng.permutation(chance.targets), chance.groups, K)
    found = choose(chance)
    assert found.strength >= 64 * clear.strength
    assert clear.loss < 0.1
    assert np.log(K) - 0.02 < found.loss < np.log(K) + 0.03


def test_a_penalty_is_chosen_by_groups_that_are_held_out():
    """Every image five times: without groups its copies are recognised, and the weakest penalties seem the best."""
    rng = np.random.default_rng(0)
    x, targets = rng.normal(size=(60, 40)).astype(np.float32), rng.integers(0, 2, 60)
    x, targets, group = np.tile(x, (5, 1)), np.tile(targets, 5), np.tile(np.arange(60), 5)
    together = choose(Samples(x, np.arange(300), targets, group, 2))
    apart = choose(Samples(x, np.arange(300), targets, np.arange(300), 2))
    assert apart.loss < 0.1
    assert together.loss > 0.6
    assert together.strength > 100 * apart.strength


def test_a_class_without_samples_is_never_predicted_and_has_a_direction():
    given = samples()
    there = given.targets < K - 1
    head, _ = fit_head(Samples(given.features, given.rows[there], given.targets[there], given.groups[there], K))
    assert np.isfinite(head.class_weights).all()
    assert np.linalg.norm(head.class_weights[K - 1]) > 0
    assert (head.logits(given.features).argmax(axis=1) < K - 1).all()
