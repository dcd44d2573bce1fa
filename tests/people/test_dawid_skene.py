"""Dawid-Skene: a second implementation agrees, planted annotators are found, and order does not matter."""

import numpy as np
import pandas as pd
import pytest

from avhcurate.people.dawid_skene import dawid_skene, labels_by_dawid_skene


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


def test_the_result_is_that_of_the_equations_written_out():
    item, who, said, *_ = answers(60, 8, 4, 5, seed=0)
    found = dawid_skene(item, who, said, smoothing=0, steps=12)
    np.testing.assert_allclose(found, dense(item, who, said, 4, 12), atol=1e-7)


def test_the_order_of_answers_and_annotators_does_not_matter():
    item, who, said, *_ = answers(200, 10, 4, 5, seed=2)
    rng = np.random.default_rng(0)
    renamed, order = rng.permutation(10), rng.permutation(len(item))
    first = dawid_skene(item, who, said)
    np.testing.assert_allclose(first.sum(axis=1), 1)
    np.testing.assert_allclose(first, dawid_skene(item[order], renamed[who][order], said[order]), atol=1e-9)


def test_an_annotator_who_is_always_wrong_is_found_and_used():
    item, who, said, truth, _ = answers(400, 9, 2, 5, seed=3, right=np.full(9, 0.8))
    said = np.where(who == 4, 1 - truth[item], said)
    found = dawid_skene(item, who, said).argmax(axis=1)
    majority = np.array([np.bincount(said[item == i], minlength=2).argmax() for i in range(400)])
    assert np.mean(found == truth) > np.mean(majority == truth) + 0.02


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


@pytest.mark.parametrize("design", ["classify", "select"])
def test_only_votes_count(design):
    rows = responses()
    found = labels_by_dawid_skene(rows[rows["design"] == design], ["cat", "dog"])
    assert found[["path", "votes"]].to_dict("tight")["data"] == [["s", 2], ["t", 1]]
