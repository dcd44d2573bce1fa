"""Agreement beyond chance: published worked examples, an independent formula, intervals that hold what they promise."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from avhcurate.measures.stats.intervals import wilson
from avhcurate.people.agreement import annotator_pairs, cohen_kappa, fleiss_kappa, krippendorff_alpha

#: The usual worked example of Fleiss' kappa: ten subjects, fourteen raters, five categories. Kappa 0.210.
FLEISS = [
    *([0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]),
    *([7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]),
]
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


def kappa_by_pairs(counts):
    """Fleiss' kappa of samples with any number of answers, from every pair of answers, each sample weighed the same."""
    equal, shares = [], []
    for row in counts:
        given = np.repeat(np.arange(len(row)), row)
        equal.append(np.mean([a == b for i, a in enumerate(given) for j, b in enumerate(given) if i != j]))
        shares.append([np.mean(given == category) for category in range(len(row))])
    chance = sum(np.mean(shares, axis=0) ** 2)
    return (np.mean(equal) - chance) / (1 - chance)


def test_fleiss_worked_example():
    found = fleiss_kappa(FLEISS)
    assert round(found.value, 3) == 0.210
    assert found.samples == 10
    assert found.low < found.value < found.high


def test_samples_with_many_answers_weigh_no_more_in_fleiss_kappa():
    uneven = [[2, 0, 0], [1, 1, 0], [0, 9, 3], [0, 0, 40], [1, 2, 3]]
    found = fleiss_kappa(uneven)
    assert found.value == pytest.approx(kappa_by_pairs(uneven))
    more = [[row * 1000 for row in uneven[3]] if place == 3 else row for place, row in enumerate(uneven)]
    assert fleiss_kappa(more).value == pytest.approx(found.value), "a thousand times the answers, the same shares"
    assert krippendorff_alpha(more).value != pytest.approx(krippendorff_alpha(uneven).value)


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
    for measure in (fleiss_kappa, krippendorff_alpha):
        assert measure(same).value == pytest.approx(1)
        assert measure(chance).value == pytest.approx(0, abs=0.02)


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
    for measure in (fleiss_kappa, krippendorff_alpha):
        assert measure(lone) == measure(units)


@pytest.mark.parametrize("measure", [fleiss_kappa, krippendorff_alpha])
def test_the_interval_holds_the_truth_as_often_as_it_says(measure):
    """The coefficient of a population known from a large sample lies in about 95 of 100 intervals."""
    rng = np.random.default_rng(2)

    def sample(size):
        ticked = rng.binomial(6, rng.beta(0.6, 0.6, size))
        return np.stack([6 - ticked, ticked], axis=1)

    truth = measure(sample(100_000)).value
    found = [measure(sample(150), seed=seed) for seed in range(80)]
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
    for measure in (fleiss_kappa, krippendorff_alpha):
        assert "two answers" in measure([[1, 0], [0, 1]]).reason
        assert "same" in measure([[3, 0], [2, 0]]).reason
        assert np.isnan(measure([[3, 0], [2, 0]]).value)


def test_each_two_annotators_agree_as_cohens_kappa_of_them_alone_says():
    rng = np.random.default_rng(4)
    right = rng.integers(5, size=60)
    told = {}  # by annotator and question; seven annotators answer some of the questions, more or less carefully
    for annotator, care in enumerate((0.9, 0.8, 0.7, 0.5, 0.2, 0.9, 0.9)):
        asked = np.flatnonzero(rng.random(60) < 0.6) if annotator < 6 else range(60, 70)  # the last meets nobody
        for question in asked:
            careful = question < 60 and rng.random() < care
            told[3 * annotator, question] = int(right[question]) if careful else int(rng.integers(5))
    shuffled = [list(told)[place] for place in rng.permutation(len(told))]
    answers = [told[key] for key in shuffled]
    found = annotator_pairs([key[1] for key in shuffled], [key[0] for key in shuffled], answers)
    assert len(found) == 6 * 5 // 2
    for row in found.to_dict("records"):
        both = [q for q in range(60) if (row["first"], q) in told and (row["second"], q) in told]
        first, second = ([told[row[one], q] for q in both] for one in ("first", "second"))
        same = sum(a == b for a, b in zip(first, second, strict=True))
        kappa = cohen_kappa(first, second)
        assert (row["n"], row["agreement"]) == (len(both), pytest.approx(same / len(both)))
        assert (row["low"], row["high"]) == pytest.approx(tuple(map(float, wilson(same, len(both)))))
        assert row["kappa"] == pytest.approx(cohen_kappa_score(first, second))
        assert (row["kappa_low"], row["kappa_high"]) == pytest.approx((kappa.low, kappa.high))
    assert found["high"].is_monotonic_increasing
    assert set(found.head(5)[["first", "second"]].to_numpy().ravel()) >= {12}, "the careless one comes first"


def test_a_pair_that_only_ever_gave_one_answer_has_no_kappa_and_strangers_no_row():
    found = annotator_pairs([0, 1, 0, 1, 5], [1, 1, 2, 2, 3], [4, 4, 4, 4, 4])
    assert found[["first", "second", "n", "agreement"]].values.tolist() == [[1, 2, 2, 1]]
    assert found[["kappa", "kappa_low", "kappa_high"]].isna().all(axis=None)
    assert annotator_pairs([], [], []).empty
