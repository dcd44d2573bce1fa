"""Evidence against labels: each source on planted errors, how they are combined, and wrong against ambiguous."""

import subprocess
import sys
import warnings
from textwrap import dedent

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


def test_of_each_class_so_many_are_pruned_as_confidently_are_of_another_the_likeliest_first():
    # Labelled 0: five of 0.9, one of 0.2, one of 0.3: 0.71 on average. Labelled 1: all have 0.8. So the sixth sample is
    # confidently of class 1, and the seventh, whose 0.7 is below 0.8, of neither: of seven labels 0 one is wrong.
    of_first = np.array([0.9] * 5 + [0.2, 0.3] + [0.2] * 6)
    probs = np.column_stack([of_first, 1 - of_first])
    labels = np.repeat([0, 1], [7, 6])
    assert np.flatnonzero(suspects_rules.prune(probs, labels, np.array([0, 1]))).tolist() == [5]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_score_is_cleanlabs_normalized_margin_among_the_classes_that_occur(kind):
    from cleanlab.rank import get_label_quality_scores

    rng = np.random.default_rng(0)
    probs = softmax(rng.normal(0, 3, (200, 6)), axis=1).astype(kind)
    labels = rng.choice([0, 2, 3, 5], 200)
    present = [0, 2, 3, 5]
    shares = probs[:, present] / probs[:, present].sum(axis=1, keepdims=True)
    quality = get_label_quality_scores(np.searchsorted(present, labels), shares, method="normalized_margin")
    found = suspects_rules.confident_learning(probs, labels, np.array(present))
    np.testing.assert_allclose(found.score, 1 - quality, atol=1e-6)


def test_one_class_alone_and_one_sample_of_a_class_leave_nothing_to_prune():
    probs = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]])
    assert not suspects_rules.prune(probs, np.zeros(3, int), np.array([0])).any()
    with warnings.catch_warnings(action="error"):  # cleanlab warns of a class with one sample
        assert not suspects_rules.prune(probs[:2], np.array([0, 1]), np.array([0, 1])).any()


@pytest.mark.slow
def test_later_warnings_are_heard_and_no_probabilities_are_kept():
    """cleanlab's import may silence all warnings of a process, and it keeps what it was given in globals."""
    script = """
    import warnings
    import numpy as np
    from avhcurate.features.suspects.rules import prune

    before = list(warnings.filters)
    prune(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]), np.array([0, 1]))
    from cleanlab import filter

    print([rule for rule in warnings.filters if rule not in before and rule[1:3] == (None, Warning)])
    print(filter.pred_probs_by_class)
    """
    ended = subprocess.run([sys.executable, "-c", dedent(script)], capture_output=True, text=True, check=True)
    assert ended.stdout.split("\n")[:2] == ["[]", "{}"]


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
