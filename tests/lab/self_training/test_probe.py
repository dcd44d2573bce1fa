"""The probe: the same bits by seed, soft targets and weights as they are defined, a head that reads plain features."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from avhcurate.errors import CurateError
from avhcurate.lab.self_training.probe import Penalty, ProbeHead, ProbeRecipe, train_probe

K, WIDTH = 3, 8


def blobs(n=150, seed=0, scale=7.0):
    """Features of K clusters on a large scale, and their classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, K, n)
    return (scale * (2 * np.eye(K, WIDTH)[labels] + rng.normal(0, 0.5, (n, WIDTH)))).astype(np.float32), labels


X, Y = blobs()
SMALL = ProbeRecipe(hidden=16, epochs=20, batch_size=32, learning_rate=0.01)


def fitted(features=X, targets=Y, recipe=SMALL, **options):
    return train_probe(features, targets, num_classes=K, recipe=recipe, **options)


def arrays_of(head):
    return [head.class_weights, head.bias, head.hidden_weights, head.hidden_bias]


def loss(head, features, goals):
    return -(goals * log_softmax(head.logits(features).astype(float), axis=1)).sum(1).mean()


@pytest.mark.parametrize("shape", [{}, {"relu": False}, {"hidden": None}])
def test_a_head_learns_and_comes_back_from_its_file(shape, tmp_path):
    head = fitted(recipe=ProbeRecipe(**({"hidden": 16, "epochs": 20, "batch_size": 32, "learning_rate": 0.01} | shape)))
    held_out, truth = blobs(seed=1)
    assert (head.logits(held_out).argmax(1) == truth).mean() > 0.95
    head.save(tmp_path / "head.safetensors")
    read = ProbeHead.load(tmp_path / "head.safetensors")
    assert read.relu == head.relu
    assert np.array_equal(read.logits(held_out), head.logits(held_out))


def test_angles_are_taken_at_the_input_of_the_last_layer():
    head = fitted()
    slow = np.maximum(X @ head.hidden_weights.T + head.hidden_bias, 0)
    assert np.allclose(head.embed(X), slow)
    assert np.allclose(head.logits(X), slow @ head.class_weights.T + head.bias, atol=1e-4)
    assert (fitted(recipe=ProbeRecipe(hidden=4, relu=False, epochs=1)).embed(X) < 0).any()
    assert np.array_equal(fitted(recipe=ProbeRecipe(hidden=None, epochs=1)).embed(X), X)


def test_a_seed_decides_every_bit_and_nothing_else_does():
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    first = fitted(seed=3)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(7)
    assert all(map(np.array_equal, arrays_of(first), arrays_of(fitted(seed=3))))
    assert not np.array_equal(first.class_weights, fitted(seed=4).class_weights)


def test_the_scale_of_all_features_together_changes_no_logit():
    plain, scaled = fitted(), fitted(X * 1024)
    assert np.array_equal(plain.logits(X), scaled.logits(X * 1024))


def test_soft_targets_are_what_the_probabilities_become():
    goals = np.tile([0.6, 0.3, 0.1], (len(X), 1))
    probs = np.exp(log_softmax(fitted(targets=goals, recipe=ProbeRecipe(hidden=8, epochs=200)).logits(X), axis=1))
    assert probs.mean(0) == pytest.approx([0.6, 0.3, 0.1], abs=0.02)


def test_training_goes_on_from_a_head():
    first = fitted()
    still = fitted(recipe=ProbeRecipe(hidden=16, steps=1, learning_rate=1e-12), start=first)
    assert np.allclose(still.logits(X), first.logits(X), atol=1e-4)
    after = fitted(recipe=SMALL, start=first)
    assert loss(after, X, np.eye(K)[Y]) < loss(first, X, np.eye(K)[Y])
    with pytest.raises(CurateError, match="another shape"):
        fitted(recipe=ProbeRecipe(hidden=4), start=first)


class Pull(Penalty):
    """Draws the first class's bias to a number that is learnt along."""

    def prepare(self, scale, module):
        self.goal = torch.nn.Parameter(torch.tensor(0.0))
        self.asked = []

    def forward(self, module, batch, goals, progress):
        self.asked.append((len(batch), goals.shape, progress))
        return 50 * (module.last.bias[0] - self.goal).square() + (self.goal - 3).square()


def test_a_penalty_is_added_and_its_parameters_are_trained_along():
    pull = Pull()
    head = fitted(recipe=ProbeRecipe(hidden=8, steps=400, batch_size=50, learning_rate=0.1), penalty=pull)
    assert head.bias[0] == pytest.approx(3, abs=0.3)
    assert pull.goal.item() == pytest.approx(3, abs=0.3)
    assert len(pull.asked) == 400
    assert pull.asked[1] == (50, (50, K), 1 / 400)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"targets": np.full(len(X), K)}, "labels from 0 to 2"),
        ({"targets": np.full(len(X), -1)}, "without a label"),
        ({"targets": Y[:-1]}, "same images"),
        ({"features": X[:0], "targets": Y[:0]}, "same images"),
        ({"features": np.full_like(X, np.inf)}, "no longer finite"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(change, says):
    with pytest.raises(CurateError, match=says), np.errstate(invalid="ignore"):
        fitted(**change)


@pytest.mark.parametrize("change", [{"epochs": 0}, {"steps": 0}, {"hidden": 0}, {"learning_rate": -1.0}])
def test_impossible_recipes_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        ProbeRecipe(**change)
