"""Heads for several labels at once agree with scikit-learn's, one by one, and begin where another one ended."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from avhcurate.measures.stats.softmax_heads import fit_softmax_heads


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 12)).astype(np.float32) + 3
    truth = (x - 3) @ rng.normal(size=(12, 4))
    return x, np.stack([(truth + rng.gumbel(size=truth.shape)).argmax(axis=1) for _ in range(2)])


def reference(x, labels, images, *, penalty=1.0):
    """Logits by scikit-learn in float64: in float32 it ends 0.05 away from its optimum on some processors."""
    model = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=2000)
    return model.fit(x.astype(np.float64), labels).decision_function(images.astype(np.float64))


@pytest.mark.parametrize("penalty", [0.1, 1.0, 30.0])
def test_each_head_is_the_one_of_scikit_learn(drawn, penalty):
    x, labels = drawn
    heads = fit_softmax_heads(x, labels, 4, penalty=penalty, steps=400)
    for place, one in enumerate(labels):
        expected = reference(x, one, x, penalty=penalty)
        got = heads.logits(x)[:, place]
        # A number added to all logits of an image changes nothing.
        np.testing.assert_allclose(got - got.mean(axis=1, keepdims=True), expected, atol=0.005)


def test_a_head_does_not_learn_from_samples_without_a_label(drawn):
    x, (labels, _) = drawn
    some = np.where(np.arange(len(x)) < 300, labels, -1)
    heads = fit_softmax_heads(x, some[None], 4, penalty=1.0, steps=400)
    expected = reference(x[:300], labels[:300], x)
    got = heads.logits(x)[:, 0]
    np.testing.assert_allclose(got - got.mean(axis=1, keepdims=True), expected, atol=0.005)


def test_a_fit_goes_on_from_where_another_ended(drawn):
    x, labels = drawn
    whole = fit_softmax_heads(x, labels[:1], 4, penalty=1.0, steps=400)
    few = fit_softmax_heads(x, labels[:1], 4, penalty=1.0, steps=3)
    warm = fit_softmax_heads(x, labels[:1], 4, penalty=1.0, steps=3, start=whole.weights)

    def off(heads):
        return np.abs(heads.weights - whole.weights).max()

    assert off(warm) < 1e-3 < off(few)
