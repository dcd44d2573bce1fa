"""Domain adaptation on the probe: each term by a slow formula or by what its two sides do; a planted shift undone."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from avhcurate.lab.self_training.probe import ProbeModule, ProbeRecipe, train_probe
from benchmarks.adaptation import METHODS, discrepancy

K, WIDTH = 4, 12
RECIPE = ProbeRecipe(hidden=64, steps=200, batch_size=64, learning_rate=3e-3)


def clusters(n, shift, seed):
    """Features of K clusters, all moved by `shift`, and their classes."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % K)
    return (3 * np.eye(K, WIDTH)[labels] + rng.normal(0, 0.7, (n, WIDTH)) + shift).astype(np.float32), labels


def shifted(seed):
    """A source, and a target moved by 2.5 in a direction of chance."""
    direction = np.random.default_rng(100 + seed).normal(size=WIDTH)
    return *clusters(240, 0, seed), *clusters(240, 2.5 * direction / np.linalg.norm(direction), seed + 50)


@pytest.fixture(scope="module")
def alone():
    """Domains, and how right the source's head is on the target."""
    x, y, target, truth = shifted(1)
    head = train_probe(x, y, num_classes=K, recipe=RECIPE, seed=1)
    return x, y, target, truth, (head.logits(target).argmax(1) == truth).mean()


@pytest.mark.parametrize("method", METHODS)
def test_each_method_does_better_than_the_source_alone_on_a_planted_shift(method, alone):
    x, y, target, truth, before = alone
    head = train_probe(x, y, num_classes=K, recipe=RECIPE, seed=1, penalty=METHODS[method](target))
    assert (head.logits(target).argmax(1) == truth).mean() > before
    assert (head.logits(x).argmax(1) == y).mean() > 0.97


def prepared(method, target):
    """A module of chance weights, and the method made ready for it."""
    torch.manual_seed(0)
    module = ProbeModule(WIDTH, K, hidden=16, relu=True)
    penalty = METHODS[method](target.numpy())
    penalty.prepare(1.0, module)
    return module, penalty


@pytest.fixture
def batches():
    x, y, target, _ = shifted(0)
    return torch.from_numpy(x), torch.from_numpy(target), torch.eye(K)[y]


def test_entropy_is_that_of_the_targets_predictions(batches):
    source, target, goals = batches
    module, penalty = prepared("ent", target)
    p = softmax(module(target).detach().numpy().astype(float), axis=1)
    assert penalty.term(module, source, target, goals, 0.5).item() == pytest.approx(
        -0.5 * (p * np.log(p)).sum(1).mean()
    )


def test_discrepancy_agrees_with_a_slow_sum_over_pairs():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 3)), rng.normal(1, 1, (7, 3))
    both = np.concatenate([a, b])
    width = np.mean([[np.sum((p - q) ** 2) for p in both] for q in both])

    def kernel(p, q):
        return np.mean([np.exp(-np.sum((p - q) ** 2) / (w * width)) for w in (0.25, 0.5, 1, 2, 4)])

    def mean(p, q):
        return np.mean([kernel(u, v) for u in p for v in q])

    expected = mean(a, a) + mean(b, b) - 2 * mean(a, b)
    assert discrepancy(torch.from_numpy(a), torch.from_numpy(b)).item() == pytest.approx(expected)
    assert discrepancy(torch.from_numpy(a), torch.from_numpy(a.copy())).item() == pytest.approx(0, abs=1e-12)


def domain_loss(module, penalty, source, target, goals):
    return penalty.term(module, source, target, goals, 1.0).item()


def disagreement(module, penalty, source, target, goals):
    embedded = module.embed(target)
    first, second = (torch.softmax(layer(embedded), 1) for layer in (module.last, penalty.second))
    return (first - second).abs().mean().item()


def sensitivity(module, penalty, source, target, goals):
    torch.manual_seed(1)
    return -penalty.term(module, source, target, goals, 1.0).item()


@pytest.mark.parametrize(
    ("method", "measure", "seeker", "sign"),
    [
        # The discriminator lowers its loss; the embedding raises it.
        ("dann", domain_loss, "discriminator", -1),
        # The classifiers raise what they disagree on, or what dropout changes; the embedding lowers it.
        ("mcd", disagreement, "second", 1),
        ("adr", sensitivity, "last", 1),
    ],
)
def test_the_two_sides_of_an_adversarial_term_pull_against_each_other(method, measure, seeker, sign, batches):
    source, target, goals = batches

    def change(part):
        """What a small step downhill of one side's parameters changes of the measure."""
        module, penalty = prepared(method, target)
        before = measure(module, penalty, source, target, goals)
        torch.manual_seed(1)
        # Without the source's own cross-entropy, which MCD's second classifier has beside.
        penalty.term(module, source, target, 0 * goals, 1.0).backward()
        owner = module.embed if part == "embed" else getattr(module if part == "last" else penalty, part)
        with torch.no_grad():
            for parameter in owner.parameters():
                parameter -= 0.01 * parameter.grad / parameter.grad.norm()
        return measure(module, penalty, source, target, goals) - before

    assert sign * change(seeker) > 0
    assert sign * change("embed") < 0
