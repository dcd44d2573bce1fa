"""Dawid-Skene: a second implementation agrees, planted annotators are found, and order does not matter."""

import numpy as np
import pandas as pd
import pytest

from avhcurate.errors import CurateError
from avhcurate.votes import dawid_skene as votes_dawid_skene
from avhcurate.votes.dawid_skene import dawid_skene, dawid_skene_of_responses


def answers(items, annotators, classes, each, *, seed, right=None):
    """Answers of annotators who are right with their own chance, else say any class: item, who, said, truth, right."""
    rng = np.random.default_rng(seed)
    right = rng.uniform(0.4, 0.95, annotators) if right is None else np.asarray(right)
    truth = rng.integers(classes, size=items)
    item = np.repeat(np.arange(items), each)
    who = np.concatenate([rng.choice(annotators, each, replace=False) for _ in range(items)])
    said = np.where(rng.random(len(item)) < right[who], truth[item], rng.integers(classes, size=len(item)))
    return item, who, said, truth, right


def dense(item, who, said, classes, rounds):
    """Dawid and Skene's equations written out with full tables."""
    votes = np.zeros((item.max() + 1, classes))
    np.add.at(votes, (item, said), 1)
    t = votes / votes.sum(axis=1, keepdims=True)
    for _ in range(rounds):
        table = np.zeros((who.max() + 1, classes, classes))
        for i, j, a in zip(item, who, said, strict=True):
            table[j, :, a] += t[i]
        table = np.maximum(table / np.maximum(table.sum(axis=2, keepdims=True), 1e-10), 1e-10)
        prior = np.maximum(t.mean(axis=0), 1e-10)
        logs = np.tile(np.log(prior), (len(t), 1))
        for i, j, a in zip(item, who, said, strict=True):
            logs[i] += np.log(table[j, :, a])
        t = np.exp(logs - logs.max(axis=1, keepdims=True))
        t /= t.sum(axis=1, keepdims=True)
    return t


def test_the_sparse_tables_give_what_full_tables_give():
    item, who, said, *_ = answers(60, 8, 4, 5, seed=0)
    found = dawid_skene(item, who, said, 4, smoothing=0, tolerance=1e-15, iterations=12)
    assert found.iterations == 12
    np.testing.assert_allclose(found.prob.reshape(60, 4), dense(item, who, said, 4, 12), atol=1e-7)


def test_probabilities_sum_to_one_and_it_converges():
    item, who, said, *_ = answers(300, 12, 5, 6, seed=1)
    found = dawid_skene(item, who, said, 5)
    assert found.converged
    np.testing.assert_allclose(np.bincount(found.item, found.prob), 1)
    assert found.prior.sum() == pytest.approx(1)
    grew = [dawid_skene(item, who, said, 5, smoothing=0, iterations=n).log_likelihood for n in (2, 4, 8, 16)]
    assert grew == sorted(grew)


def test_numbers_of_annotators_and_order_of_answers_are_nothing_to_it():
    item, who, said, *_ = answers(200, 10, 4, 5, seed=2)
    rng = np.random.default_rng(0)
    renamed, order = rng.permutation(10), rng.permutation(len(item))
    first = dawid_skene(item, who, said, 4)
    second = dawid_skene(item[order], renamed[who][order], said[order], 4)
    np.testing.assert_allclose(first.prob, second.prob, atol=1e-9)
    np.testing.assert_allclose(first.accuracy, second.accuracy[renamed], atol=1e-9)


def test_an_annotator_who_is_always_wrong_is_found_and_used():
    right = np.full(9, 0.8)
    item, who, said, truth, _ = answers(400, 9, 2, 5, seed=3, right=right)
    liar = who == 4
    said = np.where(liar, 1 - truth[item], said)
    found = dawid_skene(item, who, said, 2)
    assert found.accuracy.argmin() == 4
    assert found.accuracy[4] < 0.1
    majority = np.array([np.bincount(said[item == i], minlength=2).argmax() for i in range(400)])
    assert np.mean(found.labels() == truth) > np.mean(majority == truth) + 0.02


def test_accuracies_follow_those_that_were_planted():
    item, who, said, truth, right = answers(1500, 20, 4, 6, seed=4)
    found = dawid_skene(item, who, said, 4)
    expected = right + (1 - right) / 4
    assert np.abs(found.accuracy - expected).max() < 0.08
    assert np.mean(found.labels() == truth) > 0.93


def test_few_classes_an_item_give_nearly_the_same_as_all(monkeypatch):
    item, who, said, *_ = answers(400, 15, 6, 6, seed=5)
    full = dawid_skene(item, who, said, 6)
    monkeypatch.setattr(votes_dawid_skene, "_FULL_PAIRS", 0)
    sparse = dawid_skene(item, who, said, 6)
    assert (full.full, sparse.full) == (True, False)
    assert np.mean(full.labels() == sparse.labels()) > 0.97
    given = full.labels()
    assert np.corrcoef(full.prob_of(given), sparse.prob_of(given))[0, 1] > 0.9


def test_a_thousand_classes_take_memory_by_the_answers():
    item, who, said, truth, _ = answers(5000, 200, 1000, 8, seed=6)
    found = dawid_skene(item, who, said, 1000)
    assert not found.full
    assert len(found.prob) < len(item)
    assert np.mean(found.labels() == truth) > 0.97


def test_prob_of_a_label_is_looked_up():
    found = dawid_skene([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1], 3)
    prob = found.prob_of([0, -1])
    assert prob[0] > 0.9
    assert np.isnan(prob[1])
    with pytest.raises(CurateError, match="2 items"):
        found.prob_of([0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([0], [0], [3], 3), "out of range"),
        (([0, 2], [0, 0], [1, 1], 3), "gaps"),
        (([0, 1], [0], [1, 1], 3), "needs an item"),
        (([], [], [], 3), "needs an item"),
        (([0.5], [0], [1], 3), "whole numbers"),
    ],
)
def test_what_are_no_answers_is_refused(arguments, words):
    with pytest.raises(CurateError, match=words):
        dawid_skene(*arguments)


def responses():
    """Two samples, three annotators, both designs; a control and a changed mind."""
    rows = [
        ("s", "ann", "classify", "cat", None, "none"),
        ("s", "bob", "classify", "dog", None, "none"),
        ("s", "bob", "classify", "cat", None, "none"),
        ("s", "cyd", "classify", "dog", None, "attention"),
        ("t", "cyd", "classify", "dog", None, "none"),
        ("s", "ann", "select", "cat", True, "none"),
        ("s", "bob", "select", "cat", False, "none"),
        ("t", "bob", "select", "cat", True, "positive"),
        ("t", "cyd", "select", "dog", True, "none"),
        ("t", "cyd", "select", "dog", True, "padding"),
    ]
    return pd.DataFrame(rows, columns=["path", "annotator", "design", "answer", "selected", "control"])


def test_only_votes_count_and_designs_never_mix():
    found = dawid_skene_of_responses(responses(), ["cat", "dog"])
    rows = found[["design", "path", "votes"]].to_dict("tight")["data"]
    assert rows == [["classify", "s", 2], ["classify", "t", 1], ["select", "s", 2], ["select", "t", 1]]


def test_dawid_skene_of_ballots_keeps_designs_apart():
    item, who, said, truth, _ = answers(80, 6, 3, 5, seed=7, right=[0.9] * 6)
    names = np.array(["cat", "dog", "owl"])
    usual = {"path": [f"s{i:02d}" for i in item], "annotator": [f"a{j}" for j in who], "control": "none"}
    single = pd.DataFrame(usual | {"design": "classify", "answer": names[said], "selected": None})
    grid = pd.DataFrame(usual | {"design": "select", "answer": "dog", "selected": said == 1})
    found = dawid_skene_of_responses(pd.concat([grid, single], ignore_index=True), names.tolist())
    parts = {design: rows.set_index("path").sort_index() for design, rows in found.groupby("design")}
    assert np.mean(parts["classify"]["label"] == truth) > 0.95
    assert (parts["select"]["label"] == 1).all()
    assert np.mean((parts["select"]["prob"] > 0.5) == (truth == 1)) > 0.95
    assert (found["votes"] == 5).all()


def test_no_votes_give_an_empty_table():
    assert len(dawid_skene_of_responses(responses().iloc[3:4], ["cat", "dog"])) == 0
