"""Proposals about classes from arrays alone: halves are merged first, two kinds in one class are split first."""

import numpy as np
import pytest

import avhcurate
from avhcurate.errors import CurateError

NAMES = ["cat", "dog", "bus", "kitten"]
N = 400


@pytest.fixture(scope="module")
def animals():
    """Images of four directions; cats are called cat or kitten by chance, and buses are of two kinds, red and green."""
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1, 2, 3], 100)  # cats, dogs, red buses, green buses
    features = 3 * np.eye(4, 10)[kind] + rng.normal(scale=0.3, size=(N, 10))
    labels = np.choose(kind, [0, 1, 2, 2])
    cats = kind == 0
    labels[cats] = rng.choice([0, 3], 100)
    answers = labels.copy()
    answers[cats] = rng.choice([0, 3], 100)
    return labels, answers, features


def test_two_halves_of_a_class_come_first_to_merge_and_two_kinds_in_one_first_to_split(animals):
    labels, answers, features = animals
    found = avhcurate.class_proposals(labels, answers, features, classes=NAMES)
    first = found.pairs.iloc[0]
    assert [first["first"], first["second"]] == ["cat", "kitten"]
    among = np.isin(labels, [0, 3])
    assert first["votes"] == among.sum() == 100
    assert first["crossings"] == (labels != answers)[among].mean()
    one, other = (features[labels == label].mean(axis=0) for label in (0, 3))
    cosine = one @ other / np.sqrt((one @ one) * (other @ other))
    assert first["means"] == pytest.approx(np.degrees(np.arccos(cosine)))
    assert len(found.pairs) == 6
    assert found.splits["class"][0] == "bus"
    assert dict(zip(found.splits["class"], found.splits["images"], strict=True))["bus"] == 200
    directions = features / np.linalg.norm(features, axis=1, keepdims=True)
    within = sum(directions[part].var(axis=0).sum() for part in (slice(200, 300), slice(300, 400))) / 2
    assert found.splits["apart"][0] == pytest.approx(1 - within / directions[200:].var(axis=0).sum(), abs=1e-3)


def test_votes_count_as_often_as_they_were_given(animals):
    labels, answers, _ = animals
    votes = np.zeros((N, 4), int)
    votes[np.arange(N), answers] = 2
    votes[100:110, 2] = 1  # one of three says bus of ten dogs
    rows = avhcurate.class_proposals(labels, votes, classes=NAMES).pairs.set_index(["first", "second"])
    assert rows.loc[("dog", "bus"), ["votes", "crossings"]].tolist() == [200 + 400 + 10, 10 / 610]
    alone = avhcurate.class_proposals(labels, answers, classes=NAMES)
    crossed = alone.pairs.set_index(["first", "second"])["crossings"]
    assert rows.loc[("cat", "kitten"), "crossings"] == crossed["cat", "kitten"]
    assert alone.pairs["means"].isna().all()
    assert alone.splits.empty


def test_images_without_label_answer_or_embedding_count_where_they_can(animals):
    labels, answers, features = animals
    whole = avhcurate.class_proposals(labels, answers, features)
    more = avhcurate.class_proposals(
        np.append(labels, [-1, 0]),
        np.append(answers, [0, -1]),
        np.vstack([features, features[:1], np.full(10, np.nan)]),
    )
    assert more.pairs.equals(whole.pairs)
    assert more.splits.equals(whole.splits)
    assert whole.pairs["first"].isin(list("0123")).all()


def test_class_weights_give_angles_and_do_not_order(animals):
    labels, answers, features = animals
    weights = np.eye(4)
    found = avhcurate.class_proposals(labels, answers, features, weights)
    assert found.pairs["weights"].to_numpy() == pytest.approx(90)
    order = avhcurate.class_proposals(labels, answers, features).pairs[["first", "second"]]
    assert found.pairs[["first", "second"]].equals(order)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([0, 1], [0]), "labels"),
        (([0, 1], np.zeros((2, 2, 2))), "Give"),
        (([0, 2], np.ones((2, 2))), "up to 2"),
        (([0, 1], [0, 1], np.ones((3, 4))), "features"),
        (([0, 1], [0, 1], None, np.ones((1, 4))), "1 classes"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arguments, words):
    with pytest.raises(CurateError, match=words):
        avhcurate.class_proposals(*arguments)
    with pytest.raises(CurateError, match="names"):
        avhcurate.class_proposals([0, 1], np.ones((2, 2)), classes=["cat"])
