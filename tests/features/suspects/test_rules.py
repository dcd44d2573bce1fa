"""Evidence against labels: each source on planted errors, how they are combined, and wrong against ambiguous."""

import warnings

import numpy as np
import pytest
from scipy.special import softmax

from avhcurate import scores
from avhcurate.features.suspects import rules as suspects_rules
from avhcurate.features.suspects.rules import Evidence
from avhcurate.measures.stats.intervals import wilson

K, PER_CLASS = 4, 40


@pytest.fixture(scope="module")
def planted():
    """Four classes; the first six samples of class 0 are labelled 1, the last five lie between 2 and 3."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(K), PER_CLASS)
    class_weights = np.eye(K, 8)
    features = class_weights[truth] + rng.normal(scale=0.12, size=(len(truth), 8))
    labels = truth.copy()
    labels[:6] = 1
    features[:6] = class_weights[0] + rng.normal(scale=0.06, size=(6, 8))
    features[-5:] = (class_weights[2] + class_weights[3]) / 2 + rng.normal(scale=0.02, size=(5, 8))
    return features, class_weights, labels


@pytest.fixture(scope="module")
def view(planted):
    features, class_weights, labels = planted
    return suspects_rules.angular_view(scores.angles(features, class_weights), labels)


def test_the_angular_view_repeats_avh_avc_and_gap(planted, view):
    features, class_weights, labels = planted
    avc, rows = scores.avc(features, class_weights), np.arange(len(labels))
    np.testing.assert_allclose(view.avh, scores.avh(features, class_weights, labels))
    np.testing.assert_allclose(view.avc_given, avc[rows, labels])
    np.testing.assert_allclose(view.avc_rival, np.where(np.eye(K, dtype=bool)[labels], 0, avc).max(axis=1))
    # With the given label among the best two, the margin is the angular gap without its sign.
    best_two = np.sort(scores.angles(features, class_weights), axis=1)[:, :2]
    np.testing.assert_allclose(view.margin, best_two[:, 1] - best_two[:, 0])


def judge(features, class_weights, labels):
    """Evidence of the angles alone and the verdicts."""
    view = suspects_rules.angular_view(scores.angles(features, class_weights), labels)
    probs = softmax(10 * features @ class_weights.T, axis=1)
    found = suspects_rules.angular(view, labels)
    view["confidence"] = probs[np.arange(len(labels)), labels]
    return found, suspects_rules.verdicts(view, found.doubts)


def test_another_class_is_nearer_in_planted_errors_and_mixed_images_are_ambiguous(planted, view):
    found, verdict = judge(*planted)
    np.testing.assert_array_equal(found.score, view.avc_rival - view.avc_given)
    assert found.doubts[:6].all()
    assert (found.suggested[:6] == 0).all()
    assert set(np.argsort(-found.score)[:6]) == set(range(6))
    assert set(verdict[:6]) == {"nearer"}
    assert set(verdict[-5:]) == {"ambiguous"}
    assert (verdict[6:-5] == "nearer").sum() == 0


def test_a_network_that_is_right_by_a_radian_everywhere_leaves_nothing_in_doubt():
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(K), 500)
    class_weights = np.eye(K, 32)
    features = class_weights[labels] + rng.normal(scale=0.03, size=(2000, 32))
    view = suspects_rules.angular_view(scores.angles(features, class_weights), labels)
    assert view.margin.min() > 1
    found, verdict = judge(features, class_weights, labels)
    assert not found.doubts.any()
    assert set(verdict) == {""}


def test_probabilities_alone_say_which_class_is_nearer_and_by_how_much():
    probs = np.array([[0.1, 0.6, 0.3], [0.5, 0.4, 0.1]])
    view = suspects_rules.softmax_view(probs, np.array([0, 0]))
    assert view["rival"].tolist() == [1, 1]
    assert view["margin"].tolist() == pytest.approx([0.3, 0.1])
    assert view["nearer"].tolist() == [True, False]


def test_neighbours_count_labels_leave_out_what_has_none_and_break_ties_by_nearness():
    labels = np.array([0, 1, 2, 1, 2, -1, 0])
    near = np.array([[1, 2, 3, 4], [6, 0, 5, -1], [5, -1, -1, -1]])
    found = suspects_rules.neighbours(near, labels, np.array([0, 0, 0]))
    np.testing.assert_allclose(found.score, [1.0, 0.0, np.nan])
    assert found.suggested.tolist() == [1, -1, -1]  # classes 1 and 2 have two each: 1 is nearer
    assert found.doubts.tolist() == [True, False, False]
    assert found.details["known"].tolist() == [4, 2, 0]


def test_confident_learning_finds_what_was_planted():
    truth = np.repeat([0, 1, 3], 30)  # class 2 does not occur
    probs = np.full((90, 4), 0.02)
    probs[np.arange(90), truth] = 0.94
    labels = truth.copy()
    labels[:4] = 1
    present = np.array([0, 1, 3])
    found = suspects_rules.confident_learning(probs, labels, present)
    assert np.flatnonzero(suspects_rules.prune(probs, labels, present)).tolist() == [0, 1, 2, 3]
    assert found.suggested[:4].tolist() == [0, 0, 0, 0]
    # Of the three classes that occur, 0.94, 0.02 and 0.02 of 0.98: the margin is 0.92 / 0.98, of 1 on either side.
    assert found.score[[0, 50]] == pytest.approx([(1 + 0.92 / 0.98) / 2, (1 - 0.92 / 0.98) / 2])


@pytest.mark.parametrize("seed", range(40))
def test_labels_are_pruned_that_cleanlab_prunes(seed):
    cleanlab = pytest.importorskip("cleanlab.filter")
    rng = np.random.default_rng(seed)
    samples, classes = int(rng.integers(5, 300)), int(rng.integers(2, 12))
    truth = rng.integers(0, classes, samples)
    labels = np.where(rng.random(samples) < rng.choice([0.0, 0.1, 0.6]), rng.integers(0, classes, samples), truth)
    logits = rng.normal(0, rng.choice([0.3, 3.0]), (samples, classes))
    logits[np.arange(samples), truth] += rng.choice([0, 1, 8])
    probs = softmax(logits, axis=1).astype([np.float32, np.float64][seed % 2])
    if seed % 5 == 0:
        probs = probs.round(1)  # many are equal
    present = np.unique(labels)
    shares = probs[:, present] / np.maximum(probs[:, present].sum(axis=1, keepdims=True), np.finfo(probs.dtype).tiny)
    given = np.searchsorted(present, labels)
    with warnings.catch_warnings(action="ignore"):  # of classes with one sample
        pruned = cleanlab.find_label_issues(given, shares, filter_by="prune_by_noise_rate", n_jobs=1)
    assert suspects_rules.prune(probs, labels, present).tolist() == pruned.tolist()


K_WAY = suspects_rules.kway_votes(np.array([[3, 7, 0], [5, 5, 0], [10, 0, 0], [0, 0, 0]]), np.zeros(4, int))
TICKS = suspects_rules.tick_votes(np.array([2, 5, 8, 0]), np.array([10, 10, 10, 0]))


@pytest.mark.parametrize(
    ("evidence", "score", "suggested", "votes"),
    [(K_WAY, [0.7, 0.5, 0.0, np.nan], [1, 1, -1, -1], 7), (TICKS, [0.8, 0.5, 0.2, np.nan], [-1] * 4, 8)],
)
def test_votes_doubt_by_frequency_with_an_interval_and_ticks_name_no_other_label(evidence, score, suggested, votes):
    assert evidence.doubts.tolist() == [True, False, False, False]
    assert evidence.suggested.tolist() == suggested
    np.testing.assert_allclose(evidence.score, score)
    ends = [evidence.details[end][0] for end in ("low", "high")]
    assert ends == pytest.approx([float(end) for end in wilson(votes, 10)])


def one(score, suggested, doubts):
    return Evidence(np.array(score, float), np.array(suggested), np.array(doubts), {})


def test_the_rank_is_by_the_doubt_and_of_equals_by_the_mean_of_rank_shares_over_the_sources_that_speak():
    evidence = {
        "angular": one([0.9, 0.1, 0.5], [1, 2, 2], [True, False, False]),
        "votes": one([np.nan, 0.2, 0.8], [-1, 0, 2], [False, False, True]),
    }
    weights = {"angular": 0.5, "votes": 0.5}
    # Rank shares 5/6, 1/6, 3/6 of three, and 1/4, 3/4 of the two that have votes.
    found = suspects_rules.combine(evidence, np.zeros(3), weights)
    assert found["rank"].tolist() == [1, 3, 2]
    assert found["spoke"].tolist() == [1, 2, 2]
    assert found["agreement"].tolist() == [1, 0, 1]
    assert suspects_rules.combine(evidence, np.array([0, 2, 1]), weights)["rank"].tolist() == [3, 1, 2]


def test_the_suggestion_is_what_most_doubting_sources_name():
    evidence = {
        "angular": one([1.0, 0.0], [1, 1], [True, False]),
        "neighbours": one([0.0, 1.0], [2, 2], [True, False]),
        "cleanlab": one([0.0, 0.0], [2, 3], [True, True]),
        "votes": one([1.0, 1.0], [-1, -1], [True, True]),
    }
    found = suspects_rules.combine(evidence, np.zeros(2), dict.fromkeys(evidence, 0.25))
    assert found["suggested"].tolist() == [2, 3]
    assert found["agreement"].tolist() == [2, 1]  # ticks doubt too, but name no label
    heavy = {"angular": 0.9, "neighbours": 0.05, "cleanlab": 0.05, "votes": 0.0}
    first = suspects_rules.combine(evidence, np.zeros(2), heavy).iloc[0]
    assert first[["suggested", "agreement", "spoke"]].tolist() == [2, 2, 3]
    two = {"angular": 0.6, "neighbours": 0.4}
    first = suspects_rules.combine({name: evidence[name] for name in two}, np.zeros(2), two).iloc[0]
    assert first[["suggested", "agreement", "spoke"]].tolist() == [1, 1, 2]  # one each: by weight


#: One suspect labelled 0: angles and cleanlab name 5 (object), neighbours 6 (vehicle).
BALLPLAYER = {
    "angular": one([0.9], [5], [True]),
    "neighbours": one([0.9], [6], [True]),
    "cleanlab": one([0.9], [5], [True]),
}
WEIGHTS = {"angular": 0.0, "neighbours": 0.5, "cleanlab": 0.5}


def suggested(evidence, weights, people=(), answered=0):
    """What is suggested for one suspect labelled 0 that people, as pairs of class and number, have answered."""
    named, counts = (np.array([[pair[at]] for pair in people], int).reshape(-1, 1) for at in (0, 1))
    answers = suspects_rules.Answers(named, counts, np.array([answered]))
    found = suspects_rules.named_classes(evidence, weights, answers)
    return suspects_rules.suggestion(found, np.zeros(1, int)).iloc[0].to_dict(), found.classes[:, 0].tolist()


def test_people_who_were_asked_come_first_and_a_source_without_weight_is_not_counted():
    row, named = suggested(BALLPLAYER, WEIGHTS, [(5, 2), (6, 1)], 3)
    assert row == {"suggested": 5, "agreement": 1, "spoke": 2, "people": 2, "answered": 3}
    assert named == [5, 6, -1, -1, -1]
    row, named = suggested(BALLPLAYER, WEIGHTS, [(7, 2), (6, 1)], 3)
    assert (row["suggested"], row["agreement"], row["people"]) == (7, 0, 2)
    assert named[:3] == [7, 6, 5]  # between sources that weigh and rank the same, people decide
    row, _ = suggested(BALLPLAYER, {**WEIGHTS, "neighbours": 0.6, "cleanlab": 0.4}, [(5, 1), (8, 1)], 2)
    assert (row["suggested"], row["agreement"]) == (6, 1)  # half of the people are not most


def test_most_people_who_see_the_given_label_or_cannot_tell_suggest_no_other():
    row, named = suggested(BALLPLAYER, WEIGHTS, [(0, 2), (5, 1)], 3)
    assert (row["suggested"], row["people"], row["answered"]) == (-1, 2, 3)
    assert set(named) == {0, 5, 6, -1}
    row, _ = suggested(BALLPLAYER, {**WEIGHTS, "neighbours": 0.6, "cleanlab": 0.4}, [(5, 1)], 3)
    assert row["suggested"] == 6  # two could not tell


def test_what_no_source_of_weight_doubts_suggests_nothing_though_others_name_a_class():
    alone = {
        "angular": one([0.9], [5], [True]),
        "neighbours": one([0.9], [6], [False]),
        "cleanlab": one([np.nan], [6], [False]),
    }
    row, named = suggested(alone, WEIGHTS)
    assert (row["suggested"], row["agreement"], row["spoke"]) == (-1, 0, 1)
    assert named == [5, -1, -1]  # the card has a button for it
    assert suggested(alone, {})[0]["suggested"] == 5  # a list of before weights were written
