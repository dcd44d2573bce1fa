"""Pseudo-labels of arrays alone: thresholds and labels by the formulas of the papers, and what is refused."""

import numpy as np
import pytest
from scipy.special import softmax

import avhcurate
from avhcurate.errors import CurateError

N, K, D = 400, 5, 12


@pytest.fixture(scope="module")
def outputs():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(K, D))
    truth = rng.integers(0, K, N)
    features = weights[truth] + rng.normal(scale=1.2, size=(N, D)) + 0.5
    return truth, features @ weights.T + np.linspace(1, -1, K), features, weights


def certainty(features, weights):
    """AVC by arccos, image by image."""
    rows = []
    for image in features:
        cosines = [image @ weight / np.sqrt((image @ image) * (weight @ weight)) for weight in weights]
        rows.append(np.pi - np.arccos(cosines))
    return np.array([row / row.sum() for row in rows])


def thresholds(scores, predicted, portion):
    """The lowest of the trusted scores of each class."""
    found = []
    for k in range(K):
        of_class = sorted(scores[predicted == k, k])[::-1]
        found.append(of_class[: max(1, int(portion * len(of_class) + 1e-9))][-1])
    return np.array(found)


@pytest.mark.parametrize("rule", ["confidence", "avc", "avc-centred", "lrent", "mrkld", "avc-lrent", "avc-mrkld"])
def test_labels_are_those_of_the_formulas_of_each_gate(outputs, rule):
    _, logits, features, weights = outputs
    found = avhcurate.pseudo_labels(logits, features, weights, rule=rule, portion=0.3)
    probs = softmax(logits, axis=1)
    predicted = probs.argmax(axis=1)
    lambdas = thresholds(probs, predicted, 0.3)
    label = (probs / lambdas).argmax(axis=1)
    avc = certainty(features, weights)
    if rule == "avc-centred":
        avc = certainty(features - features.mean(axis=0), weights - weights.mean(axis=0))
    betas = thresholds(avc, predicted, 0.3)
    rows = np.arange(N)
    passes = probs[rows, label] >= lambdas[label] - 1e-12
    if rule == "lrent":
        passes = ((probs / lambdas) ** 4).sum(axis=1) >= 1 - 1e-12
    if rule.startswith("avc"):
        passes = avc[rows, label] >= betas[label] - 1e-12
    assert found.candidate.tolist() == label.tolist()
    assert found.selected.tolist() == passes.tolist()
    assert 0 < passes.sum() < N
    assert found.lambdas == pytest.approx(lambdas)
    assert found.betas == pytest.approx(betas)
    assert found.avc == pytest.approx(avc[rows, label])


def test_a_head_that_knows_the_classes_selects_right_labels(outputs):
    truth, logits, features, weights = outputs
    found = avhcurate.pseudo_labels(logits, features, weights, portion=0.3)
    assert (found.candidate == truth)[found.selected].mean() > (logits.argmax(axis=1) == truth).mean()


def test_rules_by_softmax_need_no_embeddings(outputs):
    _, logits, features, weights = outputs
    alone = avhcurate.pseudo_labels(logits, rule="confidence")
    both = avhcurate.pseudo_labels(logits, features, weights, rule="confidence")
    assert alone.selected.tolist() == both.selected.tolist()
    assert np.isnan(alone.avc).all()
    assert np.isfinite(both.avc).all()


def test_an_embedding_that_is_not_finite_is_never_selected_by_angle(outputs):
    _, logits, features, weights = outputs
    broken = features.copy()
    broken[7, 3] = np.nan
    assert not avhcurate.pseudo_labels(logits, broken, weights, portion=1).selected[7]
    whole = avhcurate.pseudo_labels(logits, features, weights, portion=1)
    assert whole.selected[7] or whole.candidate[7] != logits[7].argmax()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rule": "other"}, "Unknown rule"),
        ({"portion": 0}, "portion"),
        ({"features": None}, "needs features and class_weights"),
        ({"logits": np.ones(9)}, "Give"),
        ({"features": np.ones((N - 1, D))}, "do not fit"),
        ({"class_weights": np.ones((K, D + 1))}, "do not fit"),
        ({"logits": np.ones((0, K)), "features": np.ones((0, D))}, "no images"),
    ],
)
def test_what_cannot_be_selected_from_is_refused(outputs, change, words):
    _, logits, features, weights = outputs
    given = {"logits": logits, "features": features, "class_weights": weights} | change
    with pytest.raises(CurateError, match=words):
        avhcurate.pseudo_labels(given.pop("logits"), given.pop("features"), given.pop("class_weights"), **given)
