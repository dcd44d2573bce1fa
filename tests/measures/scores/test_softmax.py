"""Softmax scores against their definitions in high precision, and their table."""

import math
from decimal import Decimal, getcontext

import numpy as np
import pytest
import torch

from avhcurate import scores
from avhcurate.errors import CurateError


def exact(logits, label):
    """Softmax quantities of one sample in 60 digits."""
    getcontext().prec = 60
    powers = [Decimal(float(z)).exp() for z in logits]
    p = [power / sum(powers) for power in powers]
    others = [z for k, z in enumerate(logits) if k != label]
    return {
        "confidence": p[label],
        "max_confidence": max(p),
        "margin": Decimal(float(logits[label])) - Decimal(float(max(others))),
        "entropy": -sum(q * q.ln() for q in p),
        "loss": -p[label].ln(),
        "el2n": sum((q - (k == label)) ** 2 for k, q in enumerate(p)).sqrt(),
    }


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_softmax_scores_equal_their_definitions_in_sixty_digits(kind):
    rng = np.random.default_rng(3)
    logits = (rng.normal(size=(30, 6)) * rng.choice([0.1, 3, 30], (30, 1))).astype(np.float32)
    labels = rng.integers(0, 6, 30)
    functions = [scores.confidence, scores.margin, scores.loss, scores.el2n]
    got = {f.__name__: np.asarray(f(kind(logits), kind(labels))) for f in functions}
    got |= {f.__name__: np.asarray(f(kind(logits))) for f in (scores.max_confidence, scores.entropy)}
    for i in range(30):
        for key, value in exact(logits[i], labels[i]).items():
            assert got[key][i] == pytest.approx(float(value), rel=2e-5, abs=1e-30), (key, i)


def test_confidences_next_to_one_keep_their_order_in_float32():
    logits = np.stack([np.linspace(20, 34, 50), np.zeros(50)], axis=1).astype(np.float32)
    labels = np.zeros(50, dtype=int)
    assert (np.diff(scores.confidence(logits, labels)) > 0).all()
    assert (np.diff(scores.max_confidence(logits)) > 0).all()
    assert (np.diff(scores.loss(logits, labels)) < 0).all()
    assert (np.diff(scores.el2n(logits, labels)) < 0).all()


def test_grand_is_the_length_of_the_gradient_in_class_weights_and_bias():
    torch.manual_seed(0)
    head, features, labels = (
        torch.nn.Linear(4, 3).double(),
        torch.randn(6, 4).double(),
        torch.tensor([0, 1, 2, 0, 1, -1]),
    )
    logits = head(features).detach()
    got = scores.grand(features, logits, labels)
    for number in range(5):
        head.zero_grad()
        torch.nn.functional.cross_entropy(head(features[number : number + 1]), labels[number : number + 1]).backward()
        assert got[number] == pytest.approx(math.hypot(head.weight.grad.norm(), head.bias.grad.norm()), rel=1e-12)
    assert got[5].isnan()
    columns = scores.per_sample(features, head.weight.detach(), logits, labels)
    torch.testing.assert_close(columns["grand"], got, equal_nan=True)


def test_the_table_names_every_score_once():
    plain = "confidence max_confidence avh relative_avh target_angle angular_gap avc margin entropy loss el2n norm"
    training = "aum confidence_mean variability correctness forgetting el2n_mean learning_speed"
    prototypes = "prototype_distance prototype_hardness prototype_angle prototype_gap prototype_confidence"
    of_epochs = [prefix + key for key in training.split() for prefix in ("", "train_")]
    others = {"grand", "class_angular_gap", "neighbour_angle"}
    assert set(scores.SCORES) == {*others, *plain.split(), *prototypes.split(), *of_epochs}
    names = [score.name for score in scores.SCORES.values()]
    assert len(set(names)) == len(names)
    for key, score in scores.SCORES.items():
        assert score.key == key
        assert all((score.name, score.formula, score.sentence, score.low, score.high, score.reference))


def test_every_score_lies_in_its_stated_range_and_points_in_its_stated_direction():
    """A sample is moved from its own class's corner to another's; each score must move towards 'harder'."""
    rng = np.random.default_rng(0)
    class_weights = np.eye(5) + 0.01 * rng.normal(size=(5, 5))
    steps = np.linspace(0, 1, 21)[:, None]
    features = 4 * ((1 - steps) * np.eye(5)[0] + steps * np.eye(5)[1])
    labels = np.zeros(21, dtype=int)
    many = scores.ClassSums(1000 * np.eye(5), np.full(5, 1000))
    got = scores.per_sample(features, class_weights, features @ class_weights.T, labels, prototypes=many)
    got["class_angular_gap"] = scores.class_angular_gap(features, class_weights, labels)
    got["prototype_distance"] = scores.prototype_distance(features, np.eye(5), labels)
    bounds = {"π": math.pi, "-π": -math.pi, "K": 5, "1/K": 0.2, "ln K": math.log(5), "√2": math.sqrt(2)}
    bounds |= {"∞": math.inf, "-∞": -math.inf, "0": 0, "1": 1, "2": 2}
    for key, score in scores.SCORES.items():
        # Of several epochs: tests/measures/stats/test_epoch_scores.py; of a neighbour graph: tests/neighbours.
        if score.training or score.needs == "neighbours":
            continue
        assert (got[key] >= bounds[score.low] - 1e-12).all(), key
        assert (got[key] <= bounds[score.high] + 1e-12).all(), key
        if score.needs_label:
            assert score.sign * (got[key][-1] - got[key][0]) > 0, key
        elif key != "norm":  # without a label a sample is hardest half-way between the classes
            assert score.sign * (got[key][10] - got[key][0]) > 0, key


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_infinite_logits_are_refused_by_row_missing_ones_stay_missing_and_complex_ones_are_refused(kind):
    logits = np.zeros((4, 3), kind)
    logits[1] = np.nan
    assert np.isnan(scores.margin(logits, np.zeros(4, int))[1])
    for wrong in ([np.inf, 0, 0], [-np.inf] * 3):
        logits[2] = wrong
        for refuse in (lambda: scores.loss(logits, np.zeros(4, int)), lambda: scores.per_sample(None, None, logits)):
            with pytest.raises(CurateError, match=r"1 rows of logits have an infinite logit or no class.*row 2"):
                refuse()
    with pytest.raises(CurateError, match="must be real numbers, not complex"):
        scores.loss(logits + 1j, np.zeros(4, int))


@pytest.mark.filterwarnings("error")
def test_a_masked_class_is_as_one_that_is_not_there():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(50, 4)), rng.integers(0, 3, 50)
    masked = np.where(np.arange(4) == 3, -np.inf, logits)
    found, expected = (scores.per_sample(None, None, f, labels) for f in (masked, logits[:, :3]))
    for key, values in expected.items():
        assert found[key] == pytest.approx(values), key
    of_masked = scores.per_sample(None, None, masked[:1], np.array([3]))
    assert (of_masked["confidence"][0], of_masked["loss"][0], of_masked["margin"][0]) == (0, np.inf, -np.inf)
