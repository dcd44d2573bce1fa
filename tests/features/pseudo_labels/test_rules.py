"""Class-balanced pseudo-labels: against a slow reading of the papers, and what must hold for any input."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avhcurate.errors import CurateError
from avhcurate.features.pseudo_labels import rules
from avhcurate.features.pseudo_labels.rules import RULES, soft_labels, targets


def one_block(logits, avc):
    """Two arrays (N, K) as one block."""
    return lambda: [(logits, avc)]


def select(logits, avc, **options):
    return rules.select(one_block(logits, avc), **options)


def joined(parts):
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def sample(n, k, seed=0, sharpness=2.0):
    """Softmax of random logits with a bias towards low classes, and an AVC that agrees with it in part."""
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.normal(size=(n, k)) - 0.3 * np.arange(k)
    angles = np.clip(1.5 - 0.1 * logits + 0.1 * rng.normal(size=(n, k)), 0, np.pi)
    avc = (np.pi - angles) / (np.pi - angles).sum(axis=1, keepdims=True)
    return logits, avc


def softmax_rows(logits):
    exps = [[math.exp(value - max(row)) for value in row] for row in np.asarray(logits, float)]
    return [[value / sum(row) for value in row] for row in exps]


def by_the_book(logits, avc, rule, portion, alpha=0.25):
    """Loops over samples and classes, on probabilities; LRENT by its loss. -> [(candidate, selected)], lambda, beta."""
    probs = softmax_rows(logits)
    k = len(probs[0])
    predicted = [row.index(max(row)) for row in probs]

    def thresholds(scores):
        found = {}
        for c in range(k):
            values = sorted((scores[i][c] for i in range(len(probs)) if predicted[i] == c), reverse=True)
            if values:
                found[c] = values[max(1, math.floor(round(portion * len(values), 9))) - 1]
        return found

    lambdas, betas = thresholds(probs), thresholds(avc.tolist())
    chosen = []
    for p, a in zip(probs, avc, strict=True):
        ratio = {c: p[c] / lambdas[c] for c in lambdas}
        label = max(ratio, key=lambda c: (ratio[c], -c))
        if rule in ("confidence", "mrkld"):
            used = p[label] >= lambdas[label]
        elif rule in ("avc", "avc-centred", "avc-lrent", "avc-mrkld"):
            used = a[label] >= betas[label]
        else:
            soft = {c: r ** (1 / alpha) for c, r in ratio.items()}
            soft = {c: s / sum(soft.values()) for c, s in soft.items()}
            loss = sum(-y * math.log(p[c]) + alpha * y * math.log(y) for c, y in soft.items() if y > 0)
            used = loss <= sum(-y * math.log(lambdas[c]) for c, y in soft.items())
        chosen.append((label, used))
    return chosen, lambdas, betas


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("portion", [0.03, 0.3, 1.0])
@pytest.mark.parametrize(("n", "k"), [(300, 4), (80, 30)])
def test_selection_agrees_with_a_slow_reading_of_the_papers(rule, portion, n, k):
    logits, avc = sample(n, k, seed=n)
    found = select(logits, avc, rule=rule, portion=portion)
    expected, lambdas, betas = by_the_book(logits, avc, rule, portion)
    assert found.candidate.tolist() == [label for label, _ in expected]
    # A sample on the threshold is selected; the book's rounding of p / lambda may not say so.
    on_edge = np.isclose(found.confidence, found.lambdas[found.candidate], rtol=1e-12) & ("avc" not in rule)
    assert found.selected[~on_edge].tolist() == [s for (_, s), edge in zip(expected, on_edge, strict=True) if not edge]
    assert found.selected[on_edge].all()
    for c in range(k):
        assert found.lambdas[c] == pytest.approx(lambdas.get(c, math.nan), nan_ok=True)
        assert found.betas[c] == pytest.approx(betas.get(c, math.nan), nan_ok=True)


def test_a_class_never_predicted_selects_nothing_and_hides_no_other():
    logits, avc = sample(200, 4, seed=2)
    logits[:, 2] = -50
    for rule in RULES:
        found = select(logits, avc, rule=rule, portion=0.5)
        assert np.isnan([found.lambdas[2], found.betas[2]]).all()
        assert not (found.candidate == 2).any()
        classes = found.classes()
        assert classes["note"][2] == "never predicted"
        assert (classes["selected"][[0, 1, 3]] > 0).all()


def test_a_predicted_class_that_selects_nothing_says_why():
    # Class 1's only sample has p1 = 0.40 = lambda_1, but p0 = 0.39 is more than lambda_0 = 0.36.
    probs = np.array([[0.36, 0.33, 0.31], [0.39, 0.40, 0.21]])
    found = select(np.log(probs), probs, rule="confidence", portion=1)
    assert found.table()["pseudo_label"].to_list() == [0, 0]
    assert found.classes()["note"].tolist() == [
        "",
        "all its images suit another class better",
        "never predicted",
    ]

    # Class 1's own sample (row 1) goes to class 2, and the one that comes from class 0 (row 3) has too low an AVC.
    probs = np.array([[0.9, 0.05, 0.05], [0.08, 0.47, 0.45], [0.30, 0.30, 0.40], [0.50, 0.45, 0.05]])
    avc = np.array([[0.6, 0.2, 0.2], [0.1, 0.6, 0.3], [0.3, 0.3, 0.4], [0.4, 0.3, 0.3]])
    found = select(np.log(probs), avc, rule="avc", portion=0.5)
    assert found.candidate.tolist() == [0, 2, 2, 1]
    assert found.classes()["note"][1] == "no candidate passes the gate"


def test_samples_that_softmax_rounds_to_certain_are_still_told_apart():
    logits = np.zeros((100, 3))
    logits[:, 0] = 40 + np.arange(100)
    assert (np.exp(logits[:, 0]) / np.exp(logits).sum(axis=1) == 1).all()
    found = select(logits, np.full((100, 3), 1 / 3), rule="confidence", portion=0.2)
    assert np.flatnonzero(found.selected).tolist() == list(range(80, 100))
    assert found.rank_in_class[99] == 1


def test_samples_without_usable_logits_get_nothing_and_disturb_nobody():
    logits, avc = sample(40, 3)
    broken = np.vstack([logits[:20], np.full((1, 3), np.nan), logits[20:]])
    found = select(broken, np.insert(avc, 20, np.nan, axis=0), rule="avc", portion=0.3)
    whole = select(logits, avc, rule="avc", portion=0.3)
    assert (found.predicted[20], found.candidate[20], found.selected[20]) == (-1, -1, False)
    assert found.table().iloc[20].drop("selected").isna().all()
    assert np.delete(found.selected, 20).tolist() == whole.selected.tolist()


def test_soft_labels_are_the_lrent_distribution_of_the_selected():
    logits, avc = sample(90, 4)
    logits[:, 3] = -60
    found = select(logits, avc, rule="lrent", portion=0.3)
    rows, soft = joined(soft_labels(found, one_block(logits, avc)))
    assert rows.tolist() == np.flatnonzero(found.selected).tolist()
    probs = np.array(softmax_rows(logits))[rows]
    weights = np.where(np.isnan(found.lambdas), 0, probs / found.lambdas) ** 4
    assert soft == pytest.approx(weights / weights.sum(axis=1, keepdims=True), abs=1e-6)
    assert (soft[:, 3] == 0).all()
    assert (soft.argmax(axis=1) == found.candidate[rows]).all()


@pytest.mark.parametrize("rule", RULES)
def test_training_is_asked_for_what_the_papers_losses_say(rule):
    """On any probabilities q: cross-entropy to the label (CBST), with MRKLD's term, or to LRENT's soft label."""
    logits, avc = sample(200, 4, seed=5)
    found = select(logits, avc, rule=rule, portion=0.3)
    rows, goals = joined(targets(found, one_block(logits, avc)))
    assert rows.tolist() == np.flatnonzero(found.selected).tolist()
    log_q = np.log(np.array(softmax_rows(sample(200, 4, seed=6)[0]))[rows])
    hard = -log_q[np.arange(len(rows)), found.candidate[rows]]
    probs = np.array(softmax_rows(logits))[rows]
    soft = (probs / found.lambdas) ** 4
    expected = {
        "hard": hard,
        "mrkld": hard + 0.1 * np.mean(-log_q, axis=1),
        "lrent": -(soft / soft.sum(axis=1, keepdims=True) * log_q).sum(axis=1),
    }["mrkld" if "mrkld" in rule else "lrent" if "lrent" in rule else "hard"]
    assert -(goals * log_q).sum(axis=1) == pytest.approx(expected, abs=1e-5)


def test_accuracy_is_counted_over_selected_samples_with_a_label():
    probs = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8]])
    classes = select(np.log(probs), probs, rule="confidence", portion=1).classes([0, 1, 1, -1])
    assert classes[["labelled", "correct", "accuracy"]].values.tolist() == [[2, 1, 0.5], [1, 1, 1.0]]
    nothing = select(np.log(probs), probs, rule="confidence", portion=0.5).classes([-1, -1, -1, -1])
    assert nothing["accuracy"].isna().all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"portion": 0}, "above 0"),
        ({"portion": 1.5}, "at most 1"),
        ({"portion": float("nan")}, "above 0"),
        ({"rule": "softmax"}, "Choose one of confidence, avc, avc-centred, lrent"),
    ],
)
def test_impossible_choices_are_refused_with_the_reason(change, says):
    logits, avc = sample(10, 3)
    with pytest.raises(CurateError, match=says):
        select(logits, avc, **{"rule": "avc", "portion": 0.2, **change})


def test_blocks_do_not_change_the_selection():
    logits, avc = sample(101, 4, seed=9)
    whole = select(logits, avc, rule="lrent", portion=0.3)
    cut = rules.select(
        lambda: ((logits[i : i + 7], avc[i : i + 7]) for i in range(0, 101, 7)), rule="lrent", portion=0.3
    )
    assert cut.table().equals(whole.table())
    with pytest.raises(CurateError, match="no images"):
        rules.select(lambda: iter(()), rule="avc", portion=0.3)


PROBS = st.tuples(st.integers(1, 25), st.integers(2, 5)).flatmap(
    lambda shape: st.tuples(
        # Few distinct values, so that ties abound.
        arrays(np.float64, shape, elements=st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0])),
        arrays(np.float64, shape, elements=st.sampled_from([0.1, 0.2, 0.3, 0.4])),
    )
)
PORTION = st.floats(0.01, 1)


@settings(max_examples=30, deadline=None)
@given(PROBS, PORTION, PORTION, st.sampled_from(["confidence", "lrent", "mrkld"]))
def test_a_larger_portion_selects_a_superset(inputs, one, other, rule):
    less, more = (select(*inputs, rule=rule, portion=p) for p in sorted((one, other)))
    assert (more.selected | ~less.selected).all()


def test_blocks_that_do_not_fit_are_computed_at_each_pass(monkeypatch):
    monkeypatch.setattr(rules, "_HELD", 8)
    passes = []

    def blocks():
        passes.append(1)
        yield from [(np.zeros((2, 2)), np.zeros((2, 2)))] * 2

    for samples, computed in ((4, 1), (5, 3)):  # the third is the one in which they were found too many
        passes.clear()
        again = rules.held(blocks, samples)
        assert [len(list(again())) for _ in range(2)] == [2, 2]
        assert len(passes) == computed
