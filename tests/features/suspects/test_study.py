"""Suspects of arrays alone: wrong labels that are planted come first, by probabilities, neighbours and votes."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

import avhcurate
from avhcurate.errors import CurateError

WRONG = [3, 50, 97, 140, 201, 260]


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], 100)
    features = np.eye(3, 8)[truth] + rng.normal(scale=0.25, size=(300, 8))
    labels = truth.copy()
    labels[WRONG] = (labels[WRONG] + 1) % 3
    probs = cross_val_predict(LogisticRegression(), features, labels, cv=5, method="predict_proba")
    return truth, labels, probs, features


def test_planted_errors_come_first_with_the_true_class_suggested(planted):
    truth, labels, probs, features = planted
    found = avhcurate.suspects(labels, probs, features)
    first = found.table.head(len(WRONG))
    assert sorted(first["id"]) == WRONG
    assert first["suggested"].tolist() == truth[first["id"]].tolist()
    assert found.table["rank"].is_monotonic_increasing
    assert sum(found.weights.values()) == pytest.approx(1)
    assert found.doubting["cleanlab"] >= len(WRONG)


def test_images_without_a_label_are_in_no_list(planted):
    _, labels, probs, features = planted
    without = np.where(np.arange(300) == WRONG[0], -1, labels)
    assert WRONG[0] not in avhcurate.suspects(without, probs, features).table["id"].tolist()


def test_people_lead_where_they_have_answered(planted):
    _, labels, probs, _ = planted
    votes = np.zeros((300, 3), int)
    votes[10, 2] = 5  # everybody contradicts a label that is right
    found = avhcurate.suspects(labels, probs, votes=votes)
    assert found.table.loc[found.table["id"] == 10, "suggested"].tolist() == [2]
    assert found.weights["votes"] > 0


@pytest.mark.parametrize(
    ("labels", "probs", "words"),
    [
        ([0, 1], np.full((3, 2), 0.5), "2 labels"),
        ([0, 2], np.full((2, 2), 0.5), "2 classes"),
        ([0, 0], np.full((2, 1), 1.0), "1 classes"),
        ([-1, -1], np.full((2, 2), 0.5), "no image has a label"),
        ([0, 1], np.full((2, 2), np.nan), "no image has a label"),
    ],
)
def test_what_cannot_be_examined_is_refused(labels, probs, words):
    with pytest.raises(CurateError, match=words):
        avhcurate.suspects(labels, probs)
