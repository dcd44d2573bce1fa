"""Votes to human selection frequency: shares, Wilson intervals, raw answers."""

import numpy as np
import pandas as pd
import pytest

from avhcurate.errors import CurateError
from avhcurate.people import hsf
from tests.fakes.refusals import refused

CLASSES = ("cat", "dog", "owl")


def hsf_of(counts, labels):
    return pd.DataFrame(hsf.from_ticks(*hsf.selections(counts, labels)))


def test_hsf_is_the_share_of_votes_for_the_given_label():
    table = hsf_of([[3, 2, 0], [1, 1, 8]], [0, 2])
    assert table["votes"].tolist() == [5, 10]
    assert table["hsf"].tolist() == [0.6, 0.8]
    assert hsf_of([[0, 7, 0]], [0])["hsf"].tolist() == [0.0]
    assert (table["hsf_low"] < table["hsf"]).all()
    assert (table["hsf"] < table["hsf_high"]).all()


def test_hsf_is_missing_and_never_zero_without_votes_or_label():
    table = hsf_of(np.array([[0, 0, 0], [4, 1, 0]]), np.array([1, -1]))
    assert table[["hsf", "hsf_low", "hsf_high"]].isna().all(axis=None)
    assert table["votes"].tolist() == [0, 0]


def answers(*rows):
    return pd.DataFrame(rows, columns=["sample", "annotator", "label"])


def test_answers_without_an_annotator_all_count():
    unnamed = answers(("a", None, "dog"), ("a", None, "dog"), ("a", 7, "dog"), ("a", 7, "dog"))
    assert hsf.count_answers(unnamed, CLASSES)[1].tolist() == [[0, 3, 0]]
    without_column = pd.DataFrame({"sample": ["a", "a"], "label": ["dog", "dog"]})
    assert hsf.count_answers(without_column, CLASSES)[1].tolist() == [[0, 2, 0]]


def test_a_blank_answer_is_no_vote_and_does_not_undo_an_earlier_one():
    _, counts, messages = hsf.count_answers(answers(("a", 1, "dog"), ("a", 1, None), ("a", 2, "cat")), CLASSES)
    assert counts.tolist() == [[1, 1, 0]]
    assert messages == ["1 rows without an answer were left out"]


@pytest.mark.parametrize("labels", [[2, 0], [2.0, 0.0], ["2", "0"]])
def test_labels_may_be_indices(labels):
    assert hsf.class_indices(pd.Series(labels), CLASSES).tolist() == [2, 0]


def test_class_names_that_are_numbers_are_names_and_not_indices():
    assert hsf.class_indices(pd.Series([7, 5]), ["5", "6", "7"]).tolist() == [2, 0]
    with pytest.raises(CurateError, match="Unknown class 0"):
        hsf.class_indices(pd.Series([0, 5]), ["5", "6", "7"])


@pytest.mark.parametrize(
    ("labels", "unknown"), [(["cat", "cow", "emu"], "cow, emu"), ([0, 3], "3"), ([0, -1], "-1"), ([0.5], "0.5")]
)
def test_unknown_labels_are_named(labels, unknown):
    with refused(unknown, "cat, dog, owl"):
        hsf.class_indices(pd.Series(labels), CLASSES)


def test_missing_columns_and_samples_are_named():
    with refused(1, "sample"):
        hsf.count_answers(answers(("a", 1, "cat"), (None, 1, "cat")), CLASSES)


def test_ticks_are_counted_by_sample_and_class_asked_about():
    tiles = pd.DataFrame(
        [("a", 1, "cat", 1), ("a", 2, "cat", 0), ("a", 1, "dog", 1), ("b", 1, "cat", 0), ("a", 2, "cat", 1)],
        columns=["sample", "annotator", "class", "selected"],
    )
    table, messages = hsf.count_ticks(tiles, CLASSES)
    assert list(table) == ["sample", "label", "selected", "shown"]
    assert table.values.tolist() == [["a", 0, 2, 2], ["a", 1, 1, 1], ["b", 0, 0, 1]]
    assert messages == ["1 answers were replaced by a later one of the same annotator"]


@pytest.mark.parametrize("yes_no", [[True, False], [1, 0], [1.0, 0.0], ["yes", "No"], ["TRUE", "false"], ["1", "0"]])
def test_ticks_may_be_spelled_in_the_usual_ways(yes_no):
    tiles = pd.DataFrame({"sample": ["a", "a"], "class": ["cat", "cat"], "selected": yes_no})
    assert hsf.count_ticks(tiles, CLASSES)[0][["selected", "shown"]].values.tolist() == [[1, 2]]
