"""Agreement beyond chance: published worked examples, an independent formula, intervals that hold what they promise."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from avhcurate.people.agreement import cohen_kappa, krippendorff_alpha

#: Krippendorff's example: four observers, twelve units, 0 for missing. Nominal alpha 0.743.
KRIPPENDORFF = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
    [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
]
#: Another with three coders and many gaps. Nominal alpha 0.691.
GAPS = [
    [0, 0, 0, 0, 0, 3, 4, 1, 2, 1, 1, 3, 3, 0, 3],
    [1, 0, 2, 1, 3, 3, 4, 3, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 2, 1, 3, 4, 4, 0, 2, 1, 1, 3, 3, 0, 4],
]


def counted(answers):
    """Answers (raters, units), 0 for none, as counts (units, categories)."""
    answers = np.array(answers)
    return (answers.T[:, :, None] == np.arange(1, answers.max() + 1)).sum(axis=1)


def alpha_by_pairs(answers):
    """Alpha from every ordered pair of answers to a unit, one by one."""
    columns = [[a for a in column if a] for column in np.array(answers).T]
    columns = [column for column in columns if len(column) > 1]
    pairs = [(a, b, 1 / (len(c) - 1)) for c in columns for i, a in enumerate(c) for j, b in enumerate(c) if i != j]
    values = [a for column in columns for a in column]
    observed = sum(weight for a, b, weight in pairs if a != b) / len(values)
    unlike = sum(a != b for i, a in enumerate(values) for j, b in enumerate(values) if i != j)
    return 1 - observed / (unlike / (len(values) * (len(values) - 1)))


@pytest.mark.parametrize(("answers", "value", "samples"), [(KRIPPENDORFF, 0.743, 11), (GAPS, 0.691, 12)])
def test_krippendorff_worked_examples(answers, value, samples):
    found = krippendorff_alpha(counted(answers))
    assert round(found.value, 3) == value
    assert found.value == pytest.approx(alpha_by_pairs(answers))
    assert found.samples == samples


def test_full_agreement_is_one_and_chance_is_none():
    rng = np.random.default_rng(0)
    same = np.zeros((50, 3), int)
    same[np.arange(50), rng.integers(3, size=50)] = 5
    chance = rng.multinomial(5, [0.5, 0.3, 0.2], 4000)
    assert krippendorff_alpha(same).value == pytest.approx(1)
    assert krippendorff_alpha(chance).value == pytest.approx(0, abs=0.02)


def test_cohens_kappa_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    first = rng.integers(4, size=300)
    second = np.where(rng.random(300) < 0.7, first, rng.integers(4, size=300))
    kappa = cohen_kappa(first, second)
    assert kappa.value == pytest.approx(cohen_kappa_score(first, second))
    assert kappa.low < kappa.value < kappa.high
    assert "same" in cohen_kappa([1, 1], [1, 1]).reason


def test_samples_with_one_answer_say_nothing():
    units = counted(KRIPPENDORFF)
    lone = np.vstack([units, np.eye(5, dtype=int), np.zeros((2, 5), int)])
    assert krippendorff_alpha(lone) == krippendorff_alpha(units)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Alpha of a population known from a large sample lies in about 95 of 100 intervals."""
    rng = np.random.default_rng(2)

    def sample(size):
        ticked = rng.binomial(6, rng.beta(0.6, 0.6, size))
        return np.stack([6 - ticked, ticked], axis=1)

    truth = krippendorff_alpha(sample(100_000)).value
    found = [krippendorff_alpha(sample(150), seed=seed) for seed in range(80)]
    held = np.mean([interval.low <= truth <= interval.high for interval in found])
    assert 0.89 < held <= 1


@pytest.mark.parametrize("size", [10, 60])
def test_the_interval_of_cohens_kappa_holds_the_truth_also_of_few_decisions(size):
    rng = np.random.default_rng(3)
    held = []
    for _ in range(300):  # they agree on 0.9, else by chance, of ten categories that are equally frequent
        first = rng.integers(10, size=size)
        kappa = cohen_kappa(first, np.where(rng.random(size) < 0.9, first, rng.integers(10, size=size)))
        held.append(kappa.low <= 0.9 <= kappa.high)
    assert 0.9 < np.mean(held) <= 0.99


def test_what_has_no_agreement_says_why():
    assert "two answers" in krippendorff_alpha([[1, 0], [0, 1]]).reason
    assert "same" in krippendorff_alpha([[3, 0], [2, 0]]).reason
    assert np.isnan(krippendorff_alpha([[3, 0], [2, 0]]).value)
